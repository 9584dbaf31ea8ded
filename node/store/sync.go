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

// snapshots knows the newest durable transaction and who reads as of which one.
//
// badger's own transactions read as of the newest that was begun, and so wait for
// the fsync of whoever is writing. Reads must never wait for writers, so the store
// numbers transactions itself (badger's managed mode), and tells badger what no
// reader needs any more.
type snapshots struct {
	mu   sync.Mutex
	last uint64
	open map[uint64]int
}

// acquire is the transaction to read as of; release must follow.
func (s *snapshots) acquire() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = make(map[uint64]int)
	}
	s.open[s.last]++
	return s.last
}

func (s *snapshots) release(n uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[n]--; s.open[n] == 0 {
		delete(s.open, n)
	}
}

// newest is the newest durable transaction.
func (s *snapshots) newest() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// advance makes transaction n visible. It returns the oldest that is still read:
// what was replaced before it can go.
func (s *snapshots) advance(n uint64) (oldest uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = n
	oldest = n
	for reading := range s.open {
		oldest = min(oldest, reading)
	}
	return oldest
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
