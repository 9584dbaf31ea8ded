package store

import (
	"slices"
	"sync"
)

// gate counts who uses the store, so that Close does not pull it away: badger's
// memory is mapped, and reading it after it was closed ends the process.
type gate struct {
	mu    sync.Mutex
	users int
	shut  bool
	idle  chan struct{}
}

// enter is false once the gate is closed.
func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut {
		return false
	}
	g.users++
	return true
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.users--
	if g.shut && g.users == 0 {
		close(g.idle)
	}
}

// close refuses newcomers; idle is closed when the last user has left. first is
// false when it was closed before.
func (g *gate) close() (first bool, idle <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut {
		return false, g.idle
	}
	g.shut = true
	g.idle = make(chan struct{})
	if g.users == 0 {
		close(g.idle)
	}
	return true, g.idle
}

func (g *gate) closed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.shut
}

func (g *gate) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.users
}

// keyLocks is a mutex for each key that somebody holds or waits for.
type keyLocks[K comparable] struct {
	mu    sync.Mutex
	locks map[K]*keyLock
}

type keyLock struct {
	sync.Mutex
	users int
}

// lock returns the function that unlocks.
func (k *keyLocks[K]) lock(key K) func() {
	k.mu.Lock()
	if k.locks == nil {
		k.locks = make(map[K]*keyLock)
	}
	l, ok := k.locks[key]
	if !ok {
		l = &keyLock{}
		k.locks[key] = l
	}
	l.users++
	k.mu.Unlock()
	l.Lock()
	return func() {
		l.Unlock()
		k.mu.Lock()
		defer k.mu.Unlock()
		if l.users--; l.users == 0 {
			delete(k.locks, key)
		}
	}
}

// active is the set of generations that a step is writing right now.
type active struct {
	mu  sync.Mutex
	set []uint32
}

func (a *active) add(generation uint32) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.set = append(a.set, generation)
}

func (a *active) remove(generation uint32) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.set = slices.DeleteFunc(a.set, func(g uint32) bool { return g == generation })
}

func (a *active) has(generation uint32) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Contains(a.set, generation)
}
