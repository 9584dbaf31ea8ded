package vm

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// maxCached is how many modules the disk cache keeps; the ones used longest ago
// go first. A real application takes 1.4 MB.
const maxCached = 128

// diskCache holds machine code, one directory a module. wazero protects its
// files by a checksum of the code alone: a flipped bit in the table of functions
// before it would be run. So every directory has a file of SHA-256 sums, and a
// directory whose sums do not fit is thrown away before wazero looks at it.
type diskCache struct{ dir string }

const sumsFile = "sums"

// open gives the directory for a module, and whether it holds code that can be
// trusted. An error means that the module is compiled without a cache.
func (d diskCache) open(module [32]byte) (dir string, filled bool, err error) {
	if d.dir == "" {
		return "", false, nil
	}
	dir = filepath.Join(d.dir, hex.EncodeToString(module[:]))
	want, err := os.ReadFile(filepath.Join(dir, sumsFile))
	if err == nil {
		if have, sumErr := sums(dir); sumErr == nil && len(have) > 0 && bytes.Equal(have, want) {
			now := time.Now()
			// Only the order of eviction depends on it.
			_ = os.Chtimes(dir, now, now)
			return dir, true, nil
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", false, fmt.Errorf("clearing the compile cache: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", false, fmt.Errorf("compile cache: %w", err)
	}
	return dir, false, nil
}

// seal writes the sums of what the compiler has just put into dir, and makes
// room if there are too many modules.
func (d diskCache) seal(dir string) error {
	have, err := sums(dir)
	if err != nil {
		return err
	}
	tmp := filepath.Join(d.dir, filepath.Base(dir)+".tmp")
	if err := os.WriteFile(tmp, have, 0o600); err != nil {
		return err
	}
	if err := os.Rename(tmp, filepath.Join(dir, sumsFile)); err != nil {
		return err
	}
	return d.evict()
}

func (d diskCache) evict() error {
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return err
	}
	type module struct {
		dir  string
		used time.Time
	}
	var modules []module
	for _, e := range entries {
		if info, err := e.Info(); err == nil && e.IsDir() {
			modules = append(modules, module{filepath.Join(d.dir, e.Name()), info.ModTime()})
		}
	}
	slices.SortFunc(modules, func(a, b module) int { return b.used.Compare(a.used) })
	for _, m := range modules[min(len(modules), maxCached):] {
		if err := os.RemoveAll(m.dir); err != nil {
			return err
		}
	}
	return nil
}

// sums lists the files below dir, each with its SHA-256, in a fixed order.
func sums(dir string) ([]byte, error) {
	var out bytes.Buffer
	files := os.DirFS(dir)
	err := fs.WalkDir(files, ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || e.Name() == sumsFile || strings.HasSuffix(e.Name(), ".tmp") {
			return err
		}
		content, err := fs.ReadFile(files, path)
		if err != nil {
			return err
		}
		fmt.Fprintf(&out, "%x %s\n", sha256.Sum256(content), path)
		return nil
	})
	return out.Bytes(), err
}
