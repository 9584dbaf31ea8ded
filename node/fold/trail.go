package fold

import (
	"errors"

	"mero/node/store"
	"mero/node/trail"
)

// SpansPerDelta is how many of the newest deltas keep an undo span of their own.
const SpansPerDelta = trail.PerDelta

// SpanBudget is what the undo spans of a state of so many bytes may take, in bytes.
func SpanBudget(state uint64) int { return trail.Budget(state) }

// IsTrailFault tells spans that do not fit, which folding from genesis cures.
func IsTrailFault(err error) bool {
	return errors.Is(err, trail.ErrMisfit) || errors.Is(err, trail.ErrEnds)
}

// Compacted is the step that brings the undo spans of a context to doubling distances
// and into their budget; nil when they are.
func Compacted(view *store.View) (*store.Step, error) {
	rec := view.Context()
	t := trail.Of(view)
	if err := t.Compact(rec.StateBytes); err != nil {
		return nil, err
	}
	step := &store.Step{Context: &rec}
	if err := t.Changes(step); err != nil {
		return nil, err
	}
	if len(step.Undo)+len(step.UndoDrop) == 0 {
		return nil, nil
	}
	return step, nil
}
