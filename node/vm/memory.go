package vm

import (
	"math/bits"
	"slices"
	"sync"

	"github.com/tetratelabs/wazero/experimental"
)

// pool lends linear memory to guests, and counts what the host holds for them. A fresh instance in pooled memory starts
// in 0.03 ms, in memory from the heap in 0.6 ms with a p99 of 6 ms
// (measurements.md, B). Instances that start from an image are kept whole. Buffers come in sizes of 2^n pages; an idle buffer is
// all zero.
type pool struct {
	metrics *metrics
	maxIdle uint64
	maxLive uint64

	mu   sync.Mutex
	free [poolClasses][][]byte
	// parked are instances ready for a call of their module, the one used last at
	// the end.
	parked      []*instance
	parkedBytes uint64
	idle        uint64 // bytes in free and parked
	live        uint64 // bytes lent: to leases, accounts and images
}

// poolClasses: 1, 2, 4 … 1024 pages.
const poolClasses = 11

func newPool(cfg Config, m *metrics) *pool {
	return &pool{metrics: m, maxIdle: cfg.MemoryPool, maxLive: cfg.MemoryLimit}
}

// class is the smallest class whose buffers hold size bytes, 0 < size ≤ 64 MiB.
func class(size uint64) int {
	return bits.Len64((size - 1) / pageSize)
}

// get lends a zeroed buffer of at least size bytes, or panics with a KindHost
// error when too much is lent already: wazero hands the panic to the caller of
// the guest as an error.
func (p *pool) get(size uint64) []byte {
	c := class(size)
	capacity := uint64(pageSize) << c
	p.mu.Lock()
	if p.live+capacity > p.maxLive {
		p.mu.Unlock()
		stop(hostFault(ErrNoMemory))
	}
	p.live += capacity
	var buf []byte
	if n := len(p.free[c]); n > 0 {
		buf = p.free[c][n-1]
		p.free[c][n-1] = nil
		p.free[c] = p.free[c][:n-1]
		p.idle -= capacity
	}
	p.report()
	p.mu.Unlock()
	if buf != nil {
		p.metrics.poolHits.Inc()
		return buf
	}
	p.metrics.poolMisses.Inc()
	return make([]byte, capacity)
}

// put takes a buffer back whose first used bytes may be dirty.
func (p *pool) put(buf []byte, used uint64) {
	capacity := uint64(cap(buf))
	p.mu.Lock()
	p.live -= capacity
	keep := p.idle+capacity <= p.maxIdle
	if keep {
		p.idle += capacity // reserved while it is zeroed
	}
	p.report()
	p.mu.Unlock()
	if !keep {
		return
	}
	clear(buf[:used])
	p.mu.Lock()
	c := class(capacity)
	p.free[c] = append(p.free[c], buf)
	p.mu.Unlock()
}

// park keeps an instance with its memory for a later call, in up to half of what
// may be idle, and gives up those used longest ago for it. It reports whether the
// instance was kept.
func (p *pool) park(in *instance) bool {
	size := uint64(cap(in.memory.buf))
	if size > p.maxIdle/2 {
		return false
	}
	p.mu.Lock()
	var old []*instance
	for p.parkedBytes+size > p.maxIdle/2 {
		old = append(old, p.unpark(0))
	}
	for c := poolClasses - 1; c >= 0; c-- {
		for n := len(p.free[c]); n > 0 && p.idle+size > p.maxIdle; n-- {
			p.free[c][n-1] = nil
			p.free[c] = p.free[c][:n-1]
			p.idle -= pageSize << c
		}
	}
	kept := p.idle+size <= p.maxIdle
	if kept {
		p.live -= size
		p.idle += size
		p.parkedBytes += size
		p.parked = append(p.parked, in)
	}
	p.report()
	p.mu.Unlock()
	p.give(old)
	return kept
}

// unpark takes out the i-th of parked.
func (p *pool) unpark(i int) *instance {
	in := p.parked[i]
	size := uint64(cap(in.memory.buf))
	p.parked = slices.Delete(p.parked, i, i+1)
	p.parkedBytes -= size
	p.idle -= size
	return in
}

// give gives instances up that were parked, with their memory.
func (*pool) give(old []*instance) {
	for _, in := range old {
		in.memory.buf = nil // it is not lent
		in.discard()
	}
}

// take lends an instance of a module that was parked, with its memory; nil:
// there is none. It panics like get.
func (p *pool) take(m *Module) *instance {
	p.mu.Lock()
	for i, in := range slices.Backward(p.parked) {
		if in.module != m {
			continue
		}
		p.unpark(i)
		size := uint64(cap(in.memory.buf))
		fits := p.live+size <= p.maxLive
		if fits {
			p.live += size
		}
		p.report()
		p.mu.Unlock()
		if !fits {
			p.give([]*instance{in})
			stop(hostFault(ErrNoMemory))
		}
		return in
	}
	p.mu.Unlock()
	return nil
}

// forget gives up all instances of a module.
func (p *pool) forget(m *Module) {
	p.mu.Lock()
	var old []*instance
	for i, in := range slices.Backward(p.parked) {
		if in.module == m {
			old = append(old, p.unpark(i))
		}
	}
	p.report()
	p.mu.Unlock()
	p.give(old)
}

func (p *pool) report() {
	p.metrics.poolIdle.Set(float64(p.idle))
	p.metrics.poolLive.Set(float64(p.live))
}

// reserve lends size bytes that the host allocates itself, or nothing when that
// would be too much.
func (p *pool) reserve(size uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.live+size > p.maxLive {
		return false
	}
	p.live += size
	p.report()
	return true
}

// unreserve takes back what reserve lent.
func (p *pool) unreserve(size uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.live -= size
	p.report()
}

// account charges what the host holds for one call (overlays, registers, output)
// to the same budget as linear memory. It reserves in large steps, so that most
// charges are an addition, and gives all back at the end of the call.
type account struct {
	pool           *pool
	held, reserved int // bytes
}

// accountStep is how many bytes an account reserves at a time.
const accountStep = 1 << 20

// add charges n bytes, or gives back −n. When too much is lent already it ends
// the call with a KindHost error.
func (a *account) add(n int) {
	if a.held += n; a.held > a.reserved {
		a.reserve()
	}
}

// note charges n bytes where the call can not be ended; the next add does that.
func (a *account) note(n int) { a.held += n }

func (a *account) reserve() {
	more := (a.held - a.reserved + accountStep - 1) / accountStep * accountStep
	if !a.pool.reserve(uint64(more)) {
		stop(hostFault(ErrNoMemory))
	}
	a.reserved += more
}

// release gives everything back. It may be called twice.
func (a *account) release() {
	if a.reserved > 0 {
		a.pool.unreserve(uint64(a.reserved))
		a.reserved = 0
	}
}

// lease is the linear memory of one instance. It implements both wazero's
// allocator and the memory: a module has at most one.
type lease struct {
	pool *pool
	buf  []byte // whole buffer; nil: nothing lent
	used uint64 // bytes the guest has had
}

// Allocate implements experimental.MemoryAllocator.
func (l *lease) Allocate(_, _ uint64) experimental.LinearMemory { return l }

// Reallocate implements experimental.LinearMemory.
func (l *lease) Reallocate(size uint64) []byte {
	if size > maxMemoryBytes {
		return nil
	}
	if size > uint64(len(l.buf)) {
		bigger := l.pool.get(size)
		copy(bigger, l.buf[:l.used])
		l.release()
		l.buf = bigger
	}
	l.used = max(l.used, size)
	// A module may declare no page at all; wazero takes nil for a failure.
	if l.buf == nil {
		return []byte{}
	}
	return l.buf[:size]
}

// Free implements experimental.LinearMemory and does nothing: wazero calls it
// when a guest exits, while functions of the instance could still be called, and
// does not when instantiation fails or a deadline fires as a call ends. Run
// calls release, when nothing can run any more.
func (l *lease) Free() {}

// release gives the memory back. It may be called twice.
func (l *lease) release() {
	if l.buf == nil {
		return
	}
	l.pool.put(l.buf, l.used)
	l.buf = nil
}
