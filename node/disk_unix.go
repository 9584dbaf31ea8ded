//go:build unix

package node

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// freeBytes is the space on dir's disk that an ordinary user may still fill.
func freeBytes(dir string) (uint64, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return 0, fmt.Errorf("free space of %s: %w", dir, err)
	}
	return uint64(fs.Bavail) * uint64(fs.Bsize), nil
}
