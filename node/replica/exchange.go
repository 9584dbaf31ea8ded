package replica

import (
	"context"
	"time"

	"mero/node/delta"
	"mero/node/history"
	"mero/node/ident"
	"mero/node/store"
)

// Known is what a replica holds of a context, to be compared with what another holds.
type Known = history.Known

// Tip is an entry of a vector.
type Tip = history.Tip

// Parcel is a delta of a context whose signatures were verified.
type Parcel = history.Parcel

// Open verifies an envelope that came for a context, which is most of the work of
// taking it in, for ReceiveOpened. It needs no context that is here. An error means
// that it is no delta of the context; one of a newer release is no error.
func Open(id ident.ContextID, envelope []byte) (Parcel, error) { return history.Open(id, envelope) }

// Known tells what there is of a context, as of one moment: it waits for its turn in
// the context's queue, and reads the graph if that is not in memory (0.3 s for 100 000
// deltas; it goes again after 5 min unused). For heads and root alone ask Get. Errors:
// ErrContextNotFound, those of the store, and ctx.
func (s *Set) Known(ctx context.Context, id ident.ContextID) (Known, error) {
	var known Known
	view, err := s.consult(ctx, id, func(view *store.View, h *history.History) {
		rec := view.Context()
		known = Known{
			Tips: h.Vector(), Heads: rec.Heads, Root: rec.Root, Deltas: uint64(h.Graph.Len()),
			Missing: h.Graph.Missing(), Waiting: h.Waiting(), Held: h.HeldBy(),
		}
	})
	if err != nil {
		return Known{}, err
	}
	view.Close()
	return known, nil
}

// maxPage is how many deltas a page has at most.
const maxPage = 4096

// Lacking gives envelopes that a replica with this vector lacks, in canonical order,
// whatever their fate here: those after a place (zero: from the beginning), of about
// maxBytes together (at least one, at most 4 096; one alone may be larger). last is the
// place of the last one, for the next page, and more reports whether there is one.
//
// Deltas that come here between two pages are in a later one or not at all: whoever
// wants them too asks again, with another vector. Of what a vector does not tell see
// dag.Graph.Lacking. Errors as of Known.
func (s *Set) Lacking(
	ctx context.Context, id ident.ContextID, theirs []Tip, after delta.Place, maxBytes int,
) (page [][]byte, last delta.Place, more bool, err error) {
	var places []delta.Place
	view, err := s.consult(ctx, id, func(_ *store.View, h *history.History) {
		places, more = h.Graph.Lacking(theirs, after, maxPage)
	})
	if err != nil {
		return nil, after, false, err
	}
	defer view.Close()
	ids := make([]delta.ID, len(places))
	for i, p := range places {
		ids[i] = p.ID
	}
	page, taken, err := history.Envelopes(ctx, view, ids, maxBytes)
	if err != nil {
		return nil, after, false, err
	}
	if last = after; taken > 0 {
		last = places[taken-1]
	}
	return page, last, more || taken < len(places), nil
}

// Envelopes gives those of some deltas, in the order of their ids, without what is not
// here: whether it is connected or waits for its parents. They are of about maxBytes
// together (at least one, if there is one); whoever wants the rest asks again. Errors:
// ErrContextNotFound, those of the store, and ctx.
func (s *Set) Envelopes(ctx context.Context, id ident.ContextID, ids []delta.ID, maxBytes int) ([][]byte, error) {
	view, err := s.view(id)
	if err != nil {
		return nil, err
	}
	defer view.Close()
	list, _, err := history.Envelopes(ctx, view, ids, maxBytes)
	return list, err
}

// consult reads the graph of a context in its turn. The snapshot is the one that the
// graph is of; the caller closes it.
func (s *Set) consult(ctx context.Context, id ident.ContextID, f func(*store.View, *history.History)) (*store.View, error) {
	view, err := s.view(id) // no queue is made for an id that a stranger chose
	if err != nil {
		return nil, err
	}
	view.Close()
	r, cold := s.replica(id), false
	if err := r.lock(ctx); err != nil {
		return nil, err
	}
	defer func() {
		r.unlock()
		if cold {
			s.trim(maxGraphs)
		}
	}()
	if view, err = s.view(id); err != nil {
		return nil, err
	}
	cold = r.history == nil
	if err := r.load(view); err != nil {
		view.Close()
		return nil, err
	}
	r.mu.Lock()
	r.used = time.Now()
	r.mu.Unlock()
	f(view, r.history)
	return view, nil
}
