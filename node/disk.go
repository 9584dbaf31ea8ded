package node

import (
	"io/fs"
	"path/filepath"
	"sync"
	"time"

	"mero/node/api"
)

// diskMeter measures what the home takes. Walking a large home is work, so a
// result is good for a while, and for longer the longer it took.
type diskMeter struct {
	home Home

	mu    sync.Mutex
	last  api.DiskStatus
	until time.Time
}

const (
	diskFresh  = 2 * time.Second
	diskFactor = 200 // a walk takes at most this part of the time
)

func (d *diskMeter) status(free func() (uint64, error)) api.DiskStatus {
	d.mu.Lock()
	defer d.mu.Unlock()
	begin := time.Now()
	if begin.Before(d.until) {
		return d.last
	}
	d.last = api.DiskStatus{StoreBytes: dirBytes(d.home.StoreDir()), BlobBytes: dirBytes(d.home.BlobsDir())}
	if free, err := free(); err == nil {
		d.last.FreeBytes = free
	}
	now := time.Now()
	d.until = now.Add(max(diskFresh, diskFactor*now.Sub(begin)))
	return d.last
}

// dirBytes counts what files occupy by their length; what goes away meanwhile
// is not counted.
func dirBytes(dir string) (total uint64) {
	_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return nil //nolint:nilerr // see above
		}
		if info, err := entry.Info(); err == nil {
			total += uint64(max(info.Size(), 0))
		}
		return nil
	})
	return total
}
