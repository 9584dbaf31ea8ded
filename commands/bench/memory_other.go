//go:build !linux

package bench

// inMemory reports whether a directory's files are in memory alone, as far as
// is known.
func inMemory(string) bool { return false }
