//go:build !linux

package bench

import "os/exec"

// endWithParent: there is no such thing here; a terminal's interrupt reaches
// children by itself.
func endWithParent(*exec.Cmd) {}

// inMemory reports whether a directory's files are in memory alone, as far as
// is known.
func inMemory(string) bool { return false }
