package apps

import (
	"context"
	"sync"
	"time"

	"mero/node/ident"
	"mero/node/vm"
)

// maxIdle is how many compiled modules are kept while nobody uses them. One
// costs a few MiB of machine code; compiling it again from the disk cache
// takes about 8 ms.
const maxIdle = 16

// moduleCache lends compiled modules and keeps the ones used last.
type moduleCache struct {
	mu      sync.Mutex
	entries map[ident.AppID]*moduleEntry
}

type moduleEntry struct {
	ready  chan struct{} // closed once module or err is set
	module *vm.Module
	err    error

	// guarded by moduleCache.mu
	lent     int
	lastUsed time.Time
	dropped  bool
}

func newModuleCache() moduleCache {
	return moduleCache{entries: make(map[ident.AppID]*moduleEntry)}
}

// get lends the module of id, loading it once however many ask at a time.
func (c *moduleCache) get(ctx context.Context, id ident.AppID, load func(context.Context) (*vm.Module, error)) (*vm.Module, func(), error) {
	c.mu.Lock()
	entry, have := c.entries[id]
	if !have {
		entry = &moduleEntry{ready: make(chan struct{})}
		c.entries[id] = entry
	}
	entry.lent++
	c.mu.Unlock()

	if !have {
		// The caller's deadline must not fail the others who wait for it.
		entry.module, entry.err = load(context.WithoutCancel(ctx))
		close(entry.ready)
	}
	select {
	case <-entry.ready:
	case <-ctx.Done():
		c.release(id, entry)
		return nil, nil, ctx.Err()
	}
	if entry.err != nil {
		c.forget(id, entry)
		return nil, nil, entry.err
	}
	return entry.module, sync.OnceFunc(func() { c.release(id, entry) }), nil
}

func (c *moduleCache) release(id ident.AppID, entry *moduleEntry) {
	c.mu.Lock()
	entry.lent--
	entry.lastUsed = time.Now()
	var idle *moduleEntry
	if entry.dropped {
		if entry.lent == 0 {
			idle = entry
		}
	} else {
		idle = c.evict()
	}
	c.mu.Unlock()
	if idle != nil {
		idle.close()
	}
}

// evict takes the longest unused entry out when too many are idle; c.mu is held.
func (c *moduleCache) evict() *moduleEntry {
	var (
		idle   int
		oldest ident.AppID
		found  *moduleEntry
	)
	for id, e := range c.entries {
		if e.lent > 0 {
			continue
		}
		idle++
		if found == nil || e.lastUsed.Before(found.lastUsed) {
			oldest, found = id, e
		}
	}
	if idle <= maxIdle {
		return nil
	}
	delete(c.entries, oldest)
	return found
}

// forget removes an entry that failed to load, so that the next call tries again.
func (c *moduleCache) forget(id ident.AppID, entry *moduleEntry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	entry.lent--
	if c.entries[id] == entry {
		delete(c.entries, id)
	}
}

// drop takes the module of a removed application out of the cache.
func (c *moduleCache) drop(id ident.AppID) {
	c.mu.Lock()
	entry, have := c.entries[id]
	delete(c.entries, id)
	if have {
		entry.dropped = true
		have = entry.lent == 0
	}
	c.mu.Unlock()
	if have {
		entry.close()
	}
}

func (c *moduleCache) close() {
	c.mu.Lock()
	entries := c.entries
	c.entries = make(map[ident.AppID]*moduleEntry)
	c.mu.Unlock()
	for _, e := range entries {
		e.close()
	}
}

func (e *moduleEntry) close() {
	select {
	case <-e.ready:
		if e.module != nil {
			e.module.Close()
		}
	default:
	}
}
