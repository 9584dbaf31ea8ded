package inspect

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mero/node/api"
	"mero/node/delta"
	"mero/node/ident"
	"mero/node/replica"
	"mero/node/store"
)

// ErrContextNotFound is replica's: this node has no such context.
var ErrContextNotFound = replica.ErrContextNotFound

// ErrDeltaNotFound says that this node has no such delta in the context.
var ErrDeltaNotFound = errors.New("delta not found")

// Inspector explains the contexts of one node. Its methods are safe for
// concurrent use.
type Inspector struct {
	store    *store.Store
	contexts *replica.Set

	// turn is held by whoever makes or takes an index, so that one at a time is
	// made; the rest belongs to whoever has it.
	turn chan struct{}
	last *index
	drop *time.Timer

	// past is held by whoever folds a past state.
	past chan struct{}
}

// New makes an inspector over a store and the contexts in it.
func New(db *store.Store, contexts *replica.Set) *Inspector {
	return &Inspector{store: db, contexts: contexts, turn: make(chan struct{}, 1), past: make(chan struct{}, 1)}
}

// view opens a context.
func (i *Inspector) view(id ident.ContextID) (*store.View, error) {
	view, err := i.store.View(id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, ErrContextNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("read context %s: %w", id, err)
	}
	return view, nil
}

// keepIndex is how long an index is kept that nobody uses.
const keepIndex = time.Minute

// index is the index of a context: of the view's step, or, with after, the one in
// which a listing began that goes on behind that delta, if it is still kept.
func (i *Inspector) index(ctx context.Context, view *store.View, after *delta.ID) (*index, error) {
	select {
	case i.turn <- struct{}{}:
		defer func() { <-i.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	rec := view.Context()
	if x := i.last; x != nil && x.context == rec.ID && x.created.Equal(rec.Created) && (x.step == rec.Step || after != nil && x.find(*after) >= 0) {
		i.drop.Reset(keepIndex)
		return x, nil
	}
	i.last = nil // so that there are never two
	x, err := newIndex(ctx, view)
	if err != nil {
		return nil, fmt.Errorf("read the deltas of context %s: %w", rec.ID, err)
	}
	i.last = x
	if i.drop != nil {
		i.drop.Stop()
	}
	i.drop = time.AfterFunc(keepIndex, func() { i.forget(x) })
	return x, nil
}

// forget drops an index that was not used for a while.
func (i *Inspector) forget(x *index) {
	i.turn <- struct{}{}
	defer func() { <-i.turn }()
	if i.last == x {
		i.last = nil
	}
}

// maxPageBytes bounds the deltas that are read for one page, in bytes.
const maxPageBytes = 32 << 20

// Dag lists deltas of a context, the newest first. Errors: ErrContextNotFound;
// ErrDeltaNotFound for a delta to go on after; those of the store.
func (i *Inspector) Dag(ctx context.Context, id ident.ContextID, q api.DagQuery) (api.DagPage, error) {
	view, err := i.view(id)
	if err != nil {
		return api.DagPage{}, err
	}
	defer view.Close()
	x, err := i.index(ctx, view, (*delta.ID)(q.After))
	if err != nil {
		return api.DagPage{}, err
	}
	page := api.DagPage{ContextID: id, Deltas: []api.DeltaRow{}}
	low, high := 0, len(x.entries)
	if !q.Since.IsZero() {
		low = x.before(timeOf(q.Since))
	}
	if !q.Until.IsZero() {
		high = x.before(timeOf(q.Until) + 1)
	}
	if q.After == nil {
		rec := view.Context()
		page.Summary = x.summary(&rec)
		for at := low; at < high; at++ {
			if x.matches(at, &q) {
				page.Summary.Matching++
			}
		}
		if q.Pending {
			page.Refusals = i.refusals(id)
		}
	} else {
		at := x.find(delta.ID(*q.After))
		if at < 0 {
			return api.DagPage{}, fmt.Errorf("%w: %s", ErrDeltaNotFound, q.After)
		}
		high = min(high, at)
	}
	return page, x.fill(ctx, &page, newReader(view, x), &q, low, high)
}

// fill adds the newest of the entries from low to high that the query chooses.
func (x *index) fill(ctx context.Context, page *api.DagPage, r *rowReader, q *api.DagQuery, low, high int) error {
	limit := q.Limit
	if limit <= 0 {
		limit = api.DefaultDagPage
	}
	var last *api.Hash
	for at, size := high-1, 0; at >= low; at-- {
		if !x.matches(at, q) {
			continue
		}
		if len(page.Deltas) >= limit || size >= maxPageBytes {
			page.Next = last
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		id := api.Hash(x.entries[at].place.ID)
		last = &id
		row, err := r.row(&x.entries[at])
		if errors.Is(err, store.ErrNotFound) {
			continue // one that waited, and was dropped meanwhile
		}
		if err != nil {
			return err
		}
		size += row.Size
		if q.Pending && row.Fate != api.FateWaiting {
			continue // not any more
		}
		page.Deltas = append(page.Deltas, row)
	}
	return nil
}

// matches reports whether the query chooses an entry, whatever its time.
func (x *index) matches(at int, q *api.DagQuery) bool {
	e := &x.entries[at]
	if q.Pending && e.fate != store.FateWaiting {
		return false
	}
	if q.Author == nil {
		return true
	}
	author, known := x.author(e)
	return known && author == *q.Author
}

// timeOf is a wall-clock time as hybrid time, within its bounds.
func timeOf(t time.Time) delta.Time {
	switch {
	case t.Before(time.Unix(0, 0)):
		return 0
	case t.After(delta.MaxTime.Wall()):
		return delta.MaxTime
	}
	return delta.Time(t.UnixNano())
}

func (i *Inspector) refusals(id ident.ContextID) []api.DeltaRefusal {
	list := i.contexts.Refusals(id)
	out := make([]api.DeltaRefusal, 0, len(list))
	for _, r := range list {
		shape := api.DeltaRefusal{At: r.At.UTC(), Reason: r.Reason}
		if !r.Delta.IsZero() {
			id := api.Hash(r.Delta)
			shape.ID = &id
		}
		if !r.Author.IsZero() {
			shape.Author = &r.Author
		}
		out = append(out, shape)
	}
	return out
}
