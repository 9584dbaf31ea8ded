package replica

import (
	"context"
	"fmt"
	"slices"
	"time"

	"mero/node/delta"
	"mero/node/fold"
	"mero/node/ident"
	"mero/node/store"
)

// write makes a batch durable as one step (R5). A batch that changed nothing
// costs nothing.
func (s *Set) write(b *batch) error {
	b.step.State = b.Values.Changes()
	b.step.Local = b.Local.Changes()
	b.step.Private = b.private.Changes()
	if err := b.Trail.Changes(&b.step); err != nil {
		return err
	}
	for _, r := range b.records {
		b.step.Deltas = append(b.step.Deltas, *r)
	}
	slices.SortFunc(b.step.Deltas, func(x, y store.DeltaRecord) int {
		return delta.Place{Time: x.Time, ID: x.ID}.Compare(delta.Place{Time: y.Time, ID: y.ID})
	})
	if len(b.step.Deltas)+len(b.step.DeltaDrop)+len(b.step.State)+len(b.step.Local)+len(b.step.Private)+
		len(b.step.Undo)+len(b.step.UndoDrop) > 0 {
		b.step.Context = &b.Rec
	}
	for _, who := range b.writers {
		b.step.Identities = append(b.step.Identities, *who)
	}
	if !b.step.Empty() {
		// The callers' deadlines do not matter any more: what runs to here is kept.
		begun := time.Now()
		err := s.deps.Store.Commit(context.Background(), &b.step)
		since(s.metrics.storing, begun)
		if err != nil {
			return fmt.Errorf("write to the store: %w", err)
		}
	}
	for _, w := range b.step.Writers {
		s.writers.Learned(w.App, w.Method)
	}
	return nil
}

// tell lets everybody know who wants to, once a batch is durable.
func (s *Set) tell(b *batch) {
	for _, d := range b.made {
		s.deps.OnCommit(d)
	}
	for _, change := range b.changes {
		s.deps.Events.Publish(change)
	}
	for _, r := range b.refused {
		s.refused(b.Rec.ID, r)
	}
	if len(b.step.XCallsAdd) > 0 {
		s.wake()
	}
	s.metrics.deltas.Add(float64(len(b.made)))
}

// compact brings the undo spans of a context to doubling distances and into their
// budget. The caller leads the context's queue.
func (s *Set) compact(id ident.ContextID) error {
	view, err := s.view(id)
	if err != nil {
		return err
	}
	defer view.Close()
	step, err := fold.Compacted(view)
	if err != nil || step == nil {
		return err
	}
	return s.deps.Store.Commit(context.Background(), step)
}

// size is what the batch will write, in bytes.
func (b *batch) size() int { return b.Values.Written() + b.Local.Written() + b.private.Written() }
