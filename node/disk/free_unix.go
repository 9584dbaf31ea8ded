//go:build unix

package disk

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Free is the space on dir's disk that an ordinary user may still fill, in
// bytes.
func Free(dir string) (uint64, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return 0, fmt.Errorf("free space of %s: %w", dir, err)
	}
	return uint64(fs.Bavail) * uint64(fs.Bsize), nil //nolint:unconvert // types differ between systems
}
