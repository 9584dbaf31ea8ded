package replica

import (
	"errors"
	"fmt"
	"sync"

	"mero/node/delta"
	"mero/node/fold"
	"mero/node/history"
	"mero/node/store"
)

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
		return fmt.Errorf("%w: %w", fold.ErrStranger, err)
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
	b.history.Hold(id, &history.Wait{Kind: history.Key, Words: fold.Words(err), Since: b.set.deps.Wall()})
	b.strangers = append(b.strangers, id)
	return nil
}

// dropStrangers drops what was banished and all that rests on it, from the log and
// from the graph: as if it had been refused when it came.
func (b *batch) dropStrangers() {
	if len(b.strangers) == 0 {
		return
	}
	for _, d := range b.history.Drop(fold.ErrStranger, b.strangers...) {
		b.refused = append(b.refused, Refusal{At: b.set.deps.Wall(), Delta: d.ID, Author: d.Author, Reason: fold.Words(d.Err)})
		b.discard(d.ID)
	}
	b.strangers = nil
}
