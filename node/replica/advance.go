package replica

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"mero/node/delta"
	"mero/node/events"
	"mero/node/fold"
	"mero/node/history"
	"mero/node/store"
)

// advance folds deltas that need not wait any more, given by their places. If one
// of them is not the last, the state is taken back to where it belongs, and what
// comes after it is folded again.
func (b *batch) advance(ctx context.Context, free []delta.Place) error {
	slices.SortFunc(free, delta.Place.Compare)
	b.begun = time.Now()
	if len(free) > 0 && free[0].Compare(b.Rec.Last) < 0 {
		shallow, err := b.rollBack(free[0])
		if err != nil {
			return err
		}
		if !shallow {
			b.postpone(free)
		}
		defer func() { b.took = time.Since(b.begun) }()
	}
	if err := b.foldOn(ctx); err != nil {
		return err
	}
	b.dropStrangers()
	b.conclude()
	return nil
}

// rollBack takes the state back so far that nothing at or after a place is in it,
// or reports that this would be too deep to be done at once.
func (b *batch) rollBack(to delta.Place) (bool, error) {
	if b.distrust || b.shy {
		return false, nil
	}
	var err error
	var ok bool
	if b.depth, ok, err = b.Trail.Depth(to); err != nil {
		return false, err
	}
	if !ok || !b.lead.IsShallow(b.depth) {
		return false, nil
	}
	b.set.metrics.rollbacks.Observe(float64(b.depth))
	for b.Rec.Last.Compare(to) >= 0 {
		if b.isTooDeep() {
			return false, errDeep
		}
		if err := b.TakeBack(); err != nil {
			return false, err
		}
	}
	return true, nil
}

// postpone leaves what would need a deep roll-back to the work beside the live
// state. What needs none, and does not rest on it, is folded now.
func (b *batch) postpone(free []delta.Place) {
	for _, place := range free {
		if place.Compare(b.Rec.Last) > 0 {
			continue
		}
		if b.history.IsBlocked(place.ID) { // rests on one before it
			b.rests(place.ID, place.Time)
			continue
		}
		b.hold(place.ID, place.Time, history.Order, "its place is far back; the state is being folded again from there")
	}
	b.deep = true
}

// foldOn folds everything that follows the state in canonical order and does not
// wait, until the step is full. What was in the state before may not be left out.
func (b *batch) foldOn(ctx context.Context) error {
	from := b.Rec.Last
	for id := range b.history.Graph.From(from) {
		if id == from.ID {
			continue
		}
		if b.Rolled && b.isTooDeep() {
			return errDeep
		}
		if !b.Rolled && b.Rec.Last != from && b.isFull() {
			if err := b.leave(id); err != nil {
				return err
			}
			continue
		}
		if err := b.foldNext(ctx, id); err != nil {
			return err
		}
		if b.Trail.IsHeavy(b.Rec.StateBytes) {
			if err := b.Trail.Compact(b.Rec.StateBytes); err != nil {
				return err
			}
		}
	}
	return nil
}

// leave leaves a delta to the next step. Until then it waits.
func (b *batch) leave(id delta.ID) error {
	place, w := b.history.Place(id), &history.Wait{Kind: history.Order, Words: "it comes next", Since: b.set.deps.Wall()}
	if !b.history.IsBlocked(id) {
		b.more = true
		b.history.Hold(id, w)
		b.waits(id, place.Time, w)
		return nil
	}
	if _, cause := b.history.AncestorOf(id); cause.Kind == history.Order && b.history.Held[id] == nil {
		b.rests(id, place.Time)
		return nil
	}
	return b.leaveOut(id, place.Time)
}

// foldNext folds the delta that follows the state.
func (b *batch) foldNext(ctx context.Context, id delta.ID) error {
	place := b.history.Place(id)
	if b.history.IsBlocked(id) {
		return b.leaveOut(id, place.Time)
	}
	raw, rec, err := b.bytes(id)
	if err != nil {
		return err
	}
	d, err := delta.Reopen(raw)
	if err != nil {
		return fmt.Errorf("%w: delta %s: %w", ErrDamagedLog, id, err)
	}
	begun := time.Now()
	label, cut, err := b.history.CutOf(id)
	if err != nil {
		return err
	}
	done, payload, void, err := b.Judge(ctx, d, cut)
	if errors.Is(err, history.ErrStranger) {
		return b.banish(id, rec.Fate, err)
	}
	if err != nil {
		kind, words := fold.Shortage(err)
		if kind == "" || ctx.Err() != nil {
			return fmt.Errorf("fold delta %s: %w", id, err)
		}
		b.uncount(rec.Fate)
		b.hold(id, place.Time, kind, words)
		b.set.deps.Log.Warn().Stringer("context", b.Rec.ID).Stringer("delta", id).Str("for", kind).Msg("delta waits: " + words)
		return nil
	}
	b.lead.Spent(time.Since(begun))
	delete(b.history.Tried, id)
	if void == "" {
		if err := b.Unlocal(done); err != nil {
			return err
		}
	} else if rec.Fate != store.FateVoid {
		b.set.deps.Log.Warn().Stringer("context", b.Rec.ID).Stringer("delta", id).
			Stringer("author", d.Header().Author).Str("reason", void).Msg("delta is void")
	}
	b.uncount(rec.Fate)
	b.fold(d, done, void)
	b.history.Judged(id, label, done.Change)
	if void == "" && rec.Fate != store.FateFolded {
		b.news = append(b.news, news{id: id, events: payload.Events})
	}
	return nil
}

// leaveOut sees to a delta that comes next and waits: if it was in the state
// before, it is not any more.
func (b *batch) leaveOut(id delta.ID, t delta.Time) error {
	_, orphan := b.orphans[id] // what it says at rest is that a parent is missing
	if _, noted := b.records[id]; noted && !orphan {
		return nil
	}
	delete(b.orphans, id)
	if _, isNew := b.arrived[id]; isNew {
		b.rests(id, t)
		return nil
	}
	place := delta.Place{Time: t, ID: id}
	if place.Compare(b.view.Context().Last) > 0 && !orphan {
		return nil // behind all that was in the state
	}
	rec, err := b.view.Head(place)
	if err != nil || rec.Fate == store.FateWaiting && !orphan {
		return err
	}
	b.uncount(rec.Fate)
	b.rests(id, t)
	return nil
}

// uncount takes a delta out of the counts under the fate it had.
func (b *batch) uncount(fate store.Fate) {
	switch fate {
	case store.FateFolded:
		b.Rec.Deltas--
	case store.FateVoid:
		b.Rec.Voids--
	case store.FateWaiting: // is not counted
	}
}

// conclude computes what is computed once for all that was folded, and what those
// who watch will be told: each delta that counts for the first time, and one
// change more when state was taken back (R21).
func (b *batch) conclude() {
	before := b.Rec.Root
	b.Rec.Heads = b.history.Heads()
	b.Rec.Waiting = b.history.Waiting()
	b.join(b.history.View())
	b.Rehash()
	for _, n := range b.news {
		b.changes = append(b.changes, events.Change{Context: b.Rec.ID, Root: b.Rec.Root, Delta: n.id, Events: n.events})
	}
	if b.Rolled && before != b.Rec.Root {
		b.changes = append(b.changes, events.Change{Context: b.Rec.ID, Root: b.Rec.Root})
	}
	b.news = nil
}
