package storetest_test

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"mero/node/delta"
	"mero/node/ident"
	"mero/node/store"
	"mero/node/store/storetest"
)

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func open(tb testing.TB, dir string) *store.Store {
	tb.Helper()
	s, err := store.Open(dir, store.DefaultConfig(), store.Deps{Log: zerolog.Nop()})
	must(tb, err)
	return s
}

// content is everything that a context has.
type content struct {
	Record store.Context
	State  map[string]string
	Deltas []store.DeltaRecord
	Undo   map[store.UndoRef]string

	Members string
}

func read(tb testing.TB, dir string, id ident.ContextID) (c content) {
	tb.Helper()
	s := open(tb, dir)
	defer func() { must(tb, s.Close()) }()
	v, err := s.View(id)
	must(tb, err)
	defer v.Close()
	c = content{Record: v.Context(), State: map[string]string{}, Undo: map[store.UndoRef]string{}}
	for kv, err := range v.StateAll() {
		must(tb, err)
		c.State[string(kv.Key)] = string(kv.Value)
	}
	for d, err := range v.DeltasByTime(0) {
		must(tb, err)
		c.Deltas = append(c.Deltas, d)
	}
	refs, err := v.UndoRefs()
	must(tb, err)
	for _, ref := range refs {
		data, err := v.Undo(ref)
		must(tb, err)
		c.Undo[ref] = string(data)
	}
	b, err := v.Members()
	must(tb, err)
	c.Members = string(b)
	return c
}

// TestTampering: each function changes what it says and nothing else but Step.
func TestTampering(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	id := ident.ContextID{1}
	s := open(t, dir)
	ref := store.UndoRef{To: delta.Place{Time: delta.Tick, ID: delta.ID{2}}, Count: 1, Bytes: 4}
	must(t, s.Commit(t.Context(), &store.Step{
		Context: &store.Context{ID: id, Root: [32]byte{7}, StateBytes: 9, Deltas: 1}, Create: true,
		State: []store.Change{
			{Key: []byte("a"), New: []byte("1"), HasNew: true}, {Key: []byte("b"), New: bytes.Repeat([]byte("b"), 20_000), HasNew: true},
		},
		Deltas: []store.DeltaRecord{{ID: delta.ID{2}, Time: delta.Tick, Bytes: []byte("envelope"), Fate: store.FateVoid, Reason: "why"}},
		Undo:   []store.Undo{{UndoRef: ref, Data: []byte("undo")}},
	}))
	must(t, s.Close())
	want := read(t, dir, id)
	check := func(what string) {
		t.Helper()
		want.Record.Step++
		if d := cmp.Diff(want, read(t, dir, id)); d != "" {
			t.Fatalf("%s (-want +got):\n%s", what, d)
		}
	}
	storetest.ChangeValue(t, dir, id, []byte("a"), []byte("2"))
	want.State["a"] = "2"
	check("another value")
	storetest.ChangeValue(t, dir, id, []byte("c"), []byte("new"))
	want.State["c"] = "new"
	check("a key more")
	storetest.DropKey(t, dir, id, []byte("b"))
	delete(want.State, "b")
	check("a key less")
	storetest.ChangeDelta(t, dir, id, delta.ID{2}, func(b []byte) []byte { return append([]byte("x"), b[1:]...) })
	want.Deltas[0].Bytes = []byte("xnvelope")
	check("another delta")
	storetest.ChangeUndo(t, dir, id, func(store.UndoRef, []byte) []byte { return []byte("oops!") })
	delete(want.Undo, ref)
	ref.Bytes = 5
	want.Undo[ref] = "oops!"
	check("another span")
	storetest.ChangeMembers(t, dir, id, func([]byte) []byte { return []byte("nobody") })
	want.Members = "nobody"
	check("another membership")
}
