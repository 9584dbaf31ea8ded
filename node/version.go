package node

import "runtime/debug"

// Version is that of the program.
const Version = "0.1.0"

// Commit is the revision that the program was built from, or "".
func Commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	commit, dirty := "", ""
	for _, setting := range info.Settings {
		switch {
		case setting.Key == "vcs.revision":
			commit = setting.Value
		case setting.Key == "vcs.modified" && setting.Value == "true":
			dirty = "+"
		}
	}
	if len(commit) > 12 {
		commit = commit[:12]
	}
	return commit + dirty
}
