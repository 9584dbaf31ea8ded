package blobkit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	// diskBudget is what may be written after one look at the free space, and
	// diskFresh how long that look is believed: other programs write too.
	diskBudget = 32 << 20
	diskFresh  = time.Second
)

// diskGuard keeps the reserve free.
type diskGuard struct {
	dir     string
	reserve uint64
	free    func(dir string) (uint64, error)

	mu      sync.Mutex
	left    uint64    // bytes that may be written before the next look
	at      time.Time // of the last look
	writing uint64    // bytes that were taken and may not be on the disk yet
}

// take asks for n bytes of disk, and wraps ErrDiskFull when they would come out
// of the reserve. wrote must follow once they are written, or never will be:
// until then a look at the free space does not show them.
func (g *diskGuard) take(n uint64) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now := time.Now(); g.left < n || now.Sub(g.at) > diskFresh {
		free, err := g.free(g.dir)
		if err != nil {
			return fmt.Errorf("measure free space of %s: %w", g.dir, err)
		}
		g.at, g.left = now, 0
		if kept := g.reserve + g.writing; free < kept || free-kept < n {
			return fmt.Errorf("%w: %d bytes free on the disk of %s, %d wanted beside the reserve of %d",
				ErrDiskFull, free, g.dir, n, g.reserve)
		}
		g.left = min(free-g.reserve-g.writing, max(diskBudget, n))
	}
	g.left -= n
	g.writing += n
	return nil
}

// wrote ends what a take began.
func (g *diskGuard) wrote(n uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.writing -= n
}

// diskError maps the operating system's "no space" to ErrDiskFull.
func diskError(err error) error {
	if err == nil || errors.Is(err, ErrDiskFull) {
		return err
	}
	for _, full := range diskFullErrors() {
		if errors.Is(err, full) {
			return fmt.Errorf("%w: %w", ErrDiskFull, err)
		}
	}
	return err
}

// writeFile writes b to a new file and syncs it.
func writeFile(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// renameInto moves a synced file to its place, making the directory above it
// when it is the first there. The entry is durable after syncDir on that one.
func renameInto(from, to string) error {
	err := os.Rename(from, to)
	if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	dir := filepath.Dir(to)
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	if err := syncDir(filepath.Dir(dir)); err != nil {
		return err
	}
	return os.Rename(from, to)
}
