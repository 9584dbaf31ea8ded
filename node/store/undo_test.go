package store_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mero/node/delta"
	"mero/node/ident"
	"mero/node/store"
)

// place is where the n-th delta of a context stands.
func place(id ident.ContextID, n uint64) delta.Place {
	if n == 0 {
		return delta.Place{}
	}
	return delta.Place{Time: delta.Time(n * delta.Tick), ID: deltaID(id, n)}
}

// span undoes the deltas from+1 to to, with data that follow from them.
func span(id ident.ContextID, from, to uint64, size int) store.Undo {
	return store.Undo{
		UndoRef: store.UndoRef{From: place(id, from), To: place(id, to), Count: to - from, Bytes: size},
		Data:    pattern(size, from<<32|to),
	}
}

// checkUndo compares the spans of a context with those it should have, in order.
func checkUndo(tb testing.TB, s *store.Store, id ident.ContextID, want []store.Undo) {
	tb.Helper()
	v, err := s.View(id)
	must(tb, err)
	defer v.Close()
	refs, err := v.UndoRefs()
	must(tb, err)
	wantRefs := make([]store.UndoRef, 0, len(want))
	for _, u := range want {
		wantRefs = append(wantRefs, u.UndoRef)
	}
	if d := cmp.Diff(wantRefs, refs); d != "" {
		tb.Fatalf("spans (-want +got):\n%s", d)
	}
	for _, u := range want {
		data, err := v.Undo(u.UndoRef)
		must(tb, err)
		if !bytes.Equal(data, u.Data) {
			tb.Fatalf("span of %d bytes reads otherwise", len(u.Data))
		}
	}
}

func refsOf(spans ...store.Undo) (refs []store.UndoRef) {
	for _, u := range spans {
		refs = append(refs, u.UndoRef)
	}
	return refs
}

func TestUndoSpans(t *testing.T) {
	s := newStore(t)
	r := newReplica(t, s, 1)
	checkUndo(t, s, r.id, nil)
	commit := func(undo []store.Undo, drop []store.UndoRef) {
		t.Helper()
		st := r.step(10)
		st.Undo, st.UndoDrop = undo, drop
		must(t, s.Commit(t.Context(), st))
		r.done(st)
	}
	one, two, three := span(r.id, 0, 1, 300), span(r.id, 1, 2, 0), span(r.id, 2, 300, 5<<20)
	commit([]store.Undo{one}, nil)
	commit([]store.Undo{two}, nil)
	commit([]store.Undo{three}, nil)
	checkUndo(t, s, r.id, []store.Undo{one, two, three})
	v, err := s.View(r.id)
	must(t, err)
	defer v.Close()

	merged := span(r.id, 0, 2, 100<<10)
	commit([]store.Undo{merged}, refsOf(one, two))
	checkUndo(t, s, r.id, []store.Undo{merged, three})
	other := merged
	other.Data = pattern(100<<10, 99)
	commit([]store.Undo{other}, refsOf(merged, span(r.id, 7, 8, 9))) // replaced; never there
	checkUndo(t, s, r.id, []store.Undo{other, three})
	data, err := v.Undo(one.UndoRef)
	if err != nil || !bytes.Equal(data, one.Data) {
		t.Errorf("a view lost a span that was dropped later: %v", err)
	}
	w, err := s.View(r.id)
	must(t, err)
	defer w.Close()
	if _, err := w.Undo(one.UndoRef); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a dropped span: %v", err)
	}
	commit(nil, refsOf(other, three))
	checkUndo(t, s, r.id, nil)
	records, err := s.Records()
	must(t, err)
	if n := records[store.TableUndo]; n != 0 {
		t.Errorf("%d records are left of dropped spans", n)
	}
	must(t, s.DeleteContext(t.Context(), r.id))
}

func TestUndoRefusals(t *testing.T) {
	s := newStore(t)
	r := newReplica(t, s, 1)
	lies := r.step(10)
	lies.Undo = []store.Undo{span(r.id, 0, 1, 10)}
	lies.Undo[0].Bytes++
	large := r.step(10)
	large.Undo = []store.Undo{{UndoRef: store.UndoRef{Bytes: store.MaxUndo + 1}, Data: make([]byte, store.MaxUndo+1)}}
	orphan := &store.Step{UndoDrop: refsOf(span(r.id, 0, 1, 10))}
	if err := s.Commit(t.Context(), lies); err == nil {
		t.Error("a span of another length than it says was taken")
	}
	if err := s.Commit(t.Context(), large); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
	if err := s.Commit(t.Context(), orphan); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
}

// TestUndoOrder: spans come in canonical order, whatever bytes their places have.
func TestUndoOrder(t *testing.T) {
	s := newStore(t)
	r := newReplica(t, s, 1)
	rng := rand.New(rand.NewPCG(1, 2))
	var spans []store.Undo
	seen := make(map[delta.Place]bool)
	for i := range 300 {
		var to delta.Place
		to.Time = delta.Time(rng.Uint64N(4) << (16 * rng.Uint64N(4)))
		for j := range 3 {
			to.ID[j*10] = [...]byte{0, 1, 0xff}[rng.IntN(3)]
		}
		if seen[to] {
			continue
		}
		seen[to] = true
		u := span(r.id, 0, 0, i%40)
		u.To, u.Count = to, rng.Uint64()>>rng.Uint64N(64)
		spans = append(spans, u)
	}
	st := r.step(10)
	st.Undo = spans
	must(t, s.Commit(t.Context(), st))
	sorted := slices.SortedFunc(slices.Values(spans), func(a, b store.Undo) int { return a.To.Compare(b.To) })
	checkUndo(t, s, r.id, sorted)
}

func TestContextFields(t *testing.T) {
	s := newStore(t)
	r := newReplica(t, s, 1)
	st := r.step(10)
	st.Context.Last = place(r.id, 7)
	st.Context.Voids, st.Context.Waiting = 3, 4
	st.Context.Creator, st.Context.Layouts = ident.PublicKey{5}, 6
	must(t, s.Commit(t.Context(), st))
	v, err := s.View(r.id)
	must(t, err)
	defer v.Close()
	if d := cmp.Diff(*st.Context, v.Context()); d != "" {
		t.Errorf("record (-want +got):\n%s", d)
	}
}
