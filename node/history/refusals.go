package history

import (
	"slices"
	"sync"
	"time"

	"mero/node/delta"
	"mero/node/ident"
)

// maxRefusals is how many refusals are remembered per context, maxRefusing for how many
// contexts.
const (
	maxRefusals = 64
	maxRefusing = 256
)

// Refusal is something that was handed in as a delta and is none, or may not wait
// here any more.
type Refusal struct {
	At     time.Time
	Delta  delta.ID        // zero: not known
	Author ident.PublicKey // zero: not known
	Reason string
}

// Refusals remembers the last of each context, in memory. The zero value is ready, and
// safe for concurrent use.
type Refusals struct {
	mu   sync.Mutex
	last map[ident.ContextID][]Refusal
}

// Of are those of a context, oldest first, at most 64.
func (r *Refusals) Of(id ident.ContextID) []Refusal {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.last[id])
}

// Add remembers one, if there are not too many contexts with such.
func (r *Refusals) Add(id ident.ContextID, refusal Refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	list, known := r.last[id]
	if !known && len(r.last) >= maxRefusing {
		return
	}
	if len(list) >= maxRefusals {
		list = slices.Delete(list, 0, len(list)-maxRefusals+1)
	}
	if r.last == nil {
		r.last = make(map[ident.ContextID][]Refusal)
	}
	r.last[id] = append(list, refusal)
}

// Forget drops those of a context.
func (r *Refusals) Forget(id ident.ContextID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.last, id)
}
