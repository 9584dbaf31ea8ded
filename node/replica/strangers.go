package replica

import (
	"errors"
	"fmt"
	"sync"

	"mero/node/dag"
	"mero/node/delta"
	"mero/node/store"
)

// errStranger says that a delta does not open under the key of its epoch: whoever
// made it has none. Every replica that has the key finds the same, so it is no delta
// of the context, and nor is what rests on it.
var errStranger = errors.New("nobody with a key of the context sealed it")

// ring is the epoch keys of a context as a snapshot has them, for several goroutines.
type ring struct {
	view *store.View
	mu   sync.Mutex
	keys map[delta.EpochID]*delta.EpochKey // nil: not here
}

// get gives a key, if it is here and can be read.
func (r *ring) get(epoch delta.EpochID) (*delta.EpochKey, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key, known := r.keys[epoch]
	if !known {
		if k, err := r.view.EpochKey(epoch); err == nil {
			key = &k
		}
		r.keys[epoch] = key
	}
	return key, key != nil
}

// unseal finds out whether a parcel was sealed by somebody with the key, if that is
// here and a delta of this version can tell.
func (p *parcel) unseal(key delta.EpochKey) error {
	p.unsealed = true
	if p.newer {
		return nil
	}
	d, err := delta.Reopen(p.raw)
	if err != nil {
		return err
	}
	if _, err := d.Payload(key); err != nil {
		return fmt.Errorf("%w: %w", errStranger, err)
	}
	return nil
}

// unsealNow is unseal for a parcel whose key was not here when it was unpacked, and is
// now.
func (b *batch) unsealNow(p *parcel) error {
	if p.unsealed {
		return nil
	}
	key, err := b.key(p.header.Epoch)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err == nil {
		p.stranger = p.unseal(key)
	}
	return err
}

// banish takes a delta, which waited for its key, for what it is found to be: it is
// dropped when all else is folded. One that was in the state opened once.
func (b *batch) banish(id delta.ID, was store.Fate, err error) error {
	if was == store.FateFolded || was == store.FateVoid {
		return fmt.Errorf("%w: delta %s: %w", ErrDamagedLog, id, err)
	}
	b.history.hold(id, &wait{kind: waitKey, words: words(err), since: b.set.deps.Wall()})
	b.strangers = append(b.strangers, id)
	return nil
}

// dropStrangers drops what was banished and all that rests on it, from the log and
// from the graph: as if it had been refused when it came.
func (b *batch) dropStrangers() {
	if len(b.strangers) == 0 {
		return
	}
	h := b.history
	out := make(map[delta.ID]struct{})
	for _, id := range b.strangers {
		out[id] = struct{}{}
		b.refuse(dag.Refusal{ID: id, Err: errStranger})
	}
	for _, id := range h.graph.Descendants(b.strangers...) {
		if _, is := out[id]; !is {
			out[id] = struct{}{}
			b.refuse(dag.Refusal{ID: id, Err: dag.ErrAncestor})
		}
	}
	graph, refused := h.graph.Without(out)
	for _, r := range refused {
		b.refuse(r)
	}
	h.graph, h.dirty, b.strangers = graph, true, nil
	for id := range out {
		delete(h.held, id)
		delete(h.blocked, id)
		delete(h.tried, id)
	}
	h.settle()
}

// refuse drops a delta that was taken before, and remembers why.
func (b *batch) refuse(r dag.Refusal) {
	refusal := Refusal{At: b.set.deps.Wall(), Delta: r.ID, Reason: words(r.Err)}
	if n, there := b.history.graph.Get(r.ID); there {
		refusal.Author = n.Writer.Author
	}
	b.refused = append(b.refused, refusal)
	b.discard(r)
}
