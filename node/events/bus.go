package events

import (
	"errors"
	"fmt"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"mero/node/delta"
	"mero/node/ident"
)

// ErrTooSlow ends a watcher that did not take its changes in time.
var ErrTooSlow = errors.New("watcher is too slow: its queue is full")

// DefaultQueue is how many changes may wait for one watcher.
const DefaultQueue = 256

// Change is one committed change of a context's state, or the events of a call
// that changed nothing.
type Change struct {
	Context ident.ContextID
	// Root is the context's root hash after the change (R9).
	Root [32]byte
	// Delta is what made the change; zero when a read-only call emitted events.
	Delta delta.ID
	// Events are what the application emitted, in its order.
	Events []delta.Event
}

// Bus fans changes out to watchers. Its methods are safe for concurrent use.
type Bus struct {
	queue   int
	dropped prometheus.Counter

	mu       sync.Mutex
	watchers map[*Watcher]struct{}
}

// New makes a bus whose watchers hold at most queue changes each.
func New(queue int, reg prometheus.Registerer) *Bus {
	b := &Bus{queue: queue, watchers: make(map[*Watcher]struct{})}
	b.dropped = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "mero_events_slow_watchers_total",
		Help: "Watchers that were ended because they did not take their changes in time.",
	})
	reg.MustRegister(b.dropped, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "mero_events_watchers",
		Help: "Watchers connected now.",
	}, func() float64 {
		b.mu.Lock()
		defer b.mu.Unlock()
		return float64(len(b.watchers))
	}))
	return b
}

// Publish hands a change to every watcher of its context. It never blocks.
func (b *Bus) Publish(c Change) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for w := range b.watchers {
		if !w.wants(c.Context) {
			continue
		}
		select {
		case w.changes <- c:
		default:
			b.dropped.Inc()
			b.end(w, fmt.Errorf("%w (%d changes)", ErrTooSlow, b.queue))
		}
	}
}

// Watch begins to collect the changes of the given contexts, or of all when
// none is named. The caller must Close the watcher.
func (b *Bus) Watch(contexts ...ident.ContextID) *Watcher {
	w := &Watcher{bus: b, changes: make(chan Change, b.queue)}
	if len(contexts) > 0 {
		w.contexts = make(map[ident.ContextID]struct{}, len(contexts))
		for _, id := range contexts {
			w.contexts[id] = struct{}{}
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.watchers[w] = struct{}{}
	return w
}

// end takes w off the bus; b.mu is held.
func (b *Bus) end(w *Watcher, reason error) {
	if _, on := b.watchers[w]; !on {
		return
	}
	delete(b.watchers, w)
	w.reason = reason
	close(w.changes)
}

// Watcher receives changes until it is closed or too slow.
type Watcher struct {
	bus      *Bus
	contexts map[ident.ContextID]struct{} // nil: all
	changes  chan Change
	reason   error // guarded by bus.mu
}

// Changes yields what happened, in order. It is closed when the watcher ends;
// Err then says why.
func (w *Watcher) Changes() <-chan Change { return w.changes }

// Err is ErrTooSlow if the bus ended the watcher, nil otherwise.
func (w *Watcher) Err() error {
	w.bus.mu.Lock()
	defer w.bus.mu.Unlock()
	return w.reason
}

// Close ends the watcher; calling it again does nothing.
func (w *Watcher) Close() {
	w.bus.mu.Lock()
	defer w.bus.mu.Unlock()
	w.bus.end(w, nil)
}

func (w *Watcher) wants(id ident.ContextID) bool {
	if w.contexts == nil {
		return true
	}
	_, ok := w.contexts[id]
	return ok
}
