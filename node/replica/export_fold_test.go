package replica

import (
	"context"
	"time"

	"mero/node/ident"
	"mero/node/store"
	"mero/node/trail"
)

// Believe makes the set think that folding a delta takes so long, so that a
// roll-back over more than 200 is a deep one (R8), until it has seen enough that
// say otherwise.
func (s *Set) Believe(cost time.Duration) { s.cost.Store(int64(cost)) }

// Ages is enough for Believe to last for some hundred deltas.
const Ages = 1 << 50

// Thin brings the undo spans of a context into a budget of bytes.
func (s *Set) Thin(ctx context.Context, id ident.ContextID, budget int) error {
	r := s.replica(id)
	if err := r.lock(ctx); err != nil {
		return err
	}
	defer r.unlock()
	view, err := s.view(id)
	if err != nil {
		return err
	}
	defer view.Close()
	rec := view.Context()
	t := trail.Of(view)
	if err := t.CompactTo(budget); err != nil {
		return err
	}
	step := store.Step{Context: &rec}
	if err := t.Changes(&step); err != nil {
		return err
	}
	return s.deps.Store.Commit(ctx, &step)
}

// Lead keeps the queue of a context until the function that it returns is called.
func (s *Set) Lead(ctx context.Context, id ident.ContextID) (func(), error) {
	r := s.replica(id)
	return r.unlock, r.lock(ctx)
}
