package apps

import (
	"context"
	"errors"
	"sync"
	"time"

	"mero/node/ident"
	"mero/node/vm"
)

// maxModules is how many compiled modules are kept. One costs a few MiB of
// machine code; compiling it again from the disk cache takes about 8 ms.
const maxModules = 16

// moduleCache lends compiled modules and keeps the ones used last. A module is
// counted: one that leaves the cache lives until its last borrower is done.
type moduleCache struct {
	mu      sync.Mutex
	entries map[ident.AppID]*moduleEntry
}

type moduleEntry struct {
	ready  chan struct{} // closed once module or err is set
	module *vm.Module
	err    error

	lastUsed time.Time // guarded by moduleCache.mu
}

func newModuleCache() moduleCache {
	return moduleCache{entries: make(map[ident.AppID]*moduleEntry)}
}

// get lends the module of id, loading it once however many ask at a time.
func (c *moduleCache) get(ctx context.Context, id ident.AppID, load func(context.Context) (*vm.Module, error)) (*vm.Module, func(), error) {
	for {
		entry, mine := c.entry(id)
		if mine {
			// The caller's deadline must not fail the others who wait for it.
			c.fill(entry, func() (*vm.Module, error) { return load(context.WithoutCancel(ctx)) })
		}
		select {
		case <-entry.ready:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
		if entry.err != nil {
			c.drop(id, entry)
			return nil, nil, entry.err
		}
		if c.lend(id, entry) {
			return entry.module, sync.OnceFunc(entry.module.Release), nil
		}
	}
}

// errUnloaded is left by a load that panicked.
var errUnloaded = errors.New("internal error: loading the module was aborted")

// fill loads an entry's module; those who wait for it are let go whatever happens.
func (c *moduleCache) fill(e *moduleEntry, load func() (*vm.Module, error)) {
	e.err = errUnloaded
	defer close(e.ready)
	e.module, e.err = load()
}

// entry finds the entry of id or makes one, which the caller must then fill.
func (c *moduleCache) entry(id ident.AppID) (e *moduleEntry, mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[id]
	if !ok {
		e = &moduleEntry{ready: make(chan struct{})}
		c.entries[id] = e
	}
	return e, !ok
}

// lend counts one more borrower, unless the entry has left the cache meanwhile.
func (c *moduleCache) lend(id ident.AppID, e *moduleEntry) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries[id] != e {
		return false
	}
	e.module.Retain()
	e.lastUsed = time.Now()
	c.evict(e)
	return true
}

// evict lets go of the longest unused module when there are too many; c.mu is
// held.
func (c *moduleCache) evict(keep *moduleEntry) {
	if len(c.entries) <= maxModules {
		return
	}
	var (
		oldest ident.AppID
		found  *moduleEntry
	)
	for id, e := range c.entries {
		if e == keep || !e.loaded() {
			continue
		}
		if found == nil || e.lastUsed.Before(found.lastUsed) {
			oldest, found = id, e
		}
	}
	if found != nil {
		delete(c.entries, oldest)
		found.module.Release()
	}
}

// drop takes an entry, or whichever there is for nil, out of the cache.
func (c *moduleCache) drop(id ident.AppID, entry *moduleEntry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[id]
	if !ok || (entry != nil && e != entry) {
		return
	}
	delete(c.entries, id)
	if e.loaded() {
		e.module.Release()
	}
}

func (c *moduleCache) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, e := range c.entries {
		delete(c.entries, id)
		if e.loaded() {
			e.module.Release()
		}
	}
}

// loaded reports whether the entry holds a module.
func (e *moduleEntry) loaded() bool {
	select {
	case <-e.ready:
		return e.err == nil
	default:
		return false
	}
}
