//go:build unix

package main_test

import "golang.org/x/sys/unix"

// freeBytes is the space on dir's disk.
func freeBytes(dir string) (int64, error) {
	var fs unix.Statfs_t
	err := unix.Statfs(dir, &fs)
	return int64(fs.Bavail) * int64(fs.Bsize), err //nolint:unconvert // types differ between systems
}
