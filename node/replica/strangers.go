package replica

import (
	"errors"
	"fmt"

	"mero/node/delta"
	"mero/node/fold"
	"mero/node/history"
	"mero/node/store"
)

// unsealNow is Unseal for a parcel whose key was not here when it was unpacked, and is
// now.
func (b *batch) unsealNow(p *history.Parcel) error {
	if p.Unsealed {
		return nil
	}
	key, err := b.key(p.Header.Epoch)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err == nil {
		p.Unseal(key)
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
	for _, d := range b.history.Drop(history.ErrStranger, b.strangers...) {
		b.refused = append(b.refused, b.set.refusal(d))
		b.discard(d.ID)
	}
	b.strangers = nil
}
