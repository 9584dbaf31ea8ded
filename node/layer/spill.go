package layer

import (
	"context"
	"iter"

	"mero/node/ident"
	"mero/node/store"
)

// spillBytes is how much of a spilling overlay is kept in memory, about.
const spillBytes = 32 << 20

// Spill takes what of an overlay is too much for memory, where a whole state is made
// beside the visible one. The zero Scratch says that nothing was too much yet.
type Spill struct {
	Store   *store.Store
	Context ident.ContextID
	Scratch *store.Scratch
}

// Relieve moves an overlay, which lies over a state and what was moved before, out of
// memory when it is large. It gives the overlay to go on with.
func (s *Spill) Relieve(ctx context.Context, over *Overlay, below State) (*Overlay, error) {
	if over.Written() < spillBytes {
		return over, nil
	}
	if s.Scratch == nil {
		var err error
		if s.Scratch, err = s.Store.NewScratch(s.Context); err != nil {
			return over, err
		}
	}
	if err := s.Scratch.Put(ctx, over.Changes()); err != nil {
		return over, err
	}
	return New(Scratched{Scratch: s.Scratch, Below: below}), nil
}

// Write puts keys of an overlay into the scratch, which must be there.
func (s *Spill) Write(ctx context.Context, over *Overlay, keys map[string]struct{}) error {
	var (
		changes []store.Change
		bytes   int
	)
	for key := range keys {
		value, has, err := over.Get([]byte(key))
		if err != nil {
			return err
		}
		changes = append(changes, store.Change{Key: []byte(key), New: value, HasNew: has})
		if bytes += len(value); bytes < spillBytes {
			continue
		}
		if err := s.Scratch.Put(ctx, changes); err != nil {
			return err
		}
		changes, bytes = changes[:0], 0
	}
	return s.Scratch.Put(ctx, changes)
}

// All yields what an overlay has, with what was moved out of memory, removed keys
// included, in no order. It ends after the first error.
func (s *Spill) All(over *Overlay) iter.Seq2[store.ScratchEntry, error] {
	return func(yield func(store.ScratchEntry, error) bool) {
		for e := range over.All() {
			if !yield(e, nil) {
				return
			}
		}
		if s.Scratch == nil {
			return
		}
		for e, err := range s.Scratch.All() {
			if err == nil && over.Has(e.Key) {
				continue
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// End lets the scratch go.
func (s *Spill) End(ctx context.Context) error {
	if s.Scratch == nil {
		return nil
	}
	return s.Scratch.Discard(context.WithoutCancel(ctx))
}
