package apps

import (
	"sync"
	"time"

	"mero/node/ident"
	"mero/node/store"
)

// quickCall is the longest that a method may have taken last time to share a
// batch with others: they all wait for it.
const quickCall = 5 * time.Millisecond

// Writers remembers which methods of which application have committed. They go
// straight to the context's queue; and one that suddenly ends well without a
// commit has lost its write (R6). What it learns is in the application's
// record too, written with the step that taught it. It is safe for concurrent use.
type Writers struct {
	store *store.Store

	mu   sync.Mutex
	apps map[ident.AppID]map[string]time.Duration // how long each took last
}

// NewWriters makes one that knows what the records of applications say.
func NewWriters(st *store.Store) *Writers { return &Writers{store: st} }

// of loads what is known of an application; w.mu is held.
func (w *Writers) of(app ident.AppID) map[string]time.Duration {
	if known, ok := w.apps[app]; ok {
		return known
	}
	known := make(map[string]time.Duration)
	if rec, err := w.store.App(app); err == nil {
		for _, method := range rec.Writers {
			known[method] = quickCall // its cost is not known yet: let it run alone once
		}
	}
	if w.apps == nil {
		w.apps = make(map[ident.AppID]map[string]time.Duration)
	}
	w.apps[app] = known
	return known
}

// Has reports whether the method has committed before.
func (w *Writers) Has(app ident.AppID, method string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, ok := w.of(app)[method]
	return ok
}

// Quick reports whether the method is known to be fast.
func (w *Writers) Quick(app ident.AppID, method string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	cost, ok := w.of(app)[method]
	return ok && cost < quickCall
}

// Took notes how long a method that committed ran; it reports true when the
// method was not known to commit, and is to be written with the step.
func (w *Writers) Took(app ident.AppID, method string, cost time.Duration) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	known := w.of(app)
	if _, ok := known[method]; !ok {
		return true
	}
	known[method] = cost
	return false
}

// Learned remembers a method whose step is durable. Its cost is not known yet:
// the next call of it runs alone.
func (w *Writers) Learned(app ident.AppID, method string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.of(app)[method] = quickCall
}

// Forget drops what is known of an application, to be read again: it may have
// been removed and installed again.
func (w *Writers) Forget(app ident.AppID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.apps, app)
}
