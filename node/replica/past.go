package replica

import (
	"context"
	"fmt"

	"mero/node/delta"
	"mero/node/history"
	"mero/node/ident"
	"mero/node/layer"
	"mero/node/store"
)

// Past is the state of a context as of a place in the canonical order.
type Past struct {
	// Context is the record of the context as it was, as far as folding makes it:
	// Last, App, Sum, Root and StateBytes.
	Context store.Context

	layer.State
	view *store.View
	job  *job // nil: it is the state of now
}

// Close lets the state go. It must be called, soon.
func (p *Past) Close() {
	if p.job != nil {
		p.job.end(context.Background())
	}
	p.view.Close()
}

// At gives the state after all deltas up to a place. It goes back by the undo spans,
// folds again what they took too far, and folds from genesis where they end. ctx
// bounds the work; the context stays as it is. Errors: ErrContextNotFound,
// ErrDamagedLog, and a delta that this node cannot fold now.
func (s *Set) At(ctx context.Context, id ident.ContextID, until delta.Place) (*Past, error) {
	view, err := s.view(id)
	if err != nil {
		return nil, err
	}
	p, err := s.at(ctx, view, until)
	if err != nil {
		view.Close()
		return nil, err
	}
	return p, nil
}

func (s *Set) at(ctx context.Context, view *store.View, until delta.Place) (*Past, error) {
	rec := view.Context()
	if rec.Last.Compare(until) <= 0 {
		return &Past{Context: rec, State: view, view: view}, nil
	}
	h, err := history.Load(view, s.deps.Wall())
	if err != nil {
		return nil, err
	}
	after := until.Next()
	j, err := s.newJob(view, &after)
	if err != nil {
		return nil, err
	}
	list := h.Wanted(j.from, nil, nil)
	for i, id := range list {
		if h.Place(id).Compare(until) > 0 {
			list = list[:i]
			break
		}
	}
	j.knows(h, list)
	if err := j.foldTo(ctx, list, view); err != nil {
		j.end(ctx)
		for held, w := range j.held {
			return nil, fmt.Errorf("delta %s cannot be folded here now: %s", held, w.Words)
		}
		return nil, err
	}
	j.b.Join(h.ViewAt(until))
	j.b.Rehash()
	return &Past{Context: j.b.Rec, State: j.b.Values, view: view, job: j}, nil
}
