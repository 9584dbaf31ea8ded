package storetest

import (
	"testing"

	"github.com/rs/zerolog"

	"mero/node/delta"
	"mero/node/ident"
	"mero/node/store"
)

// ChangeValue gives a key of the replicated state another value, whether it had one
// or not.
func ChangeValue(tb testing.TB, dir string, id ident.ContextID, key, value []byte) {
	tb.Helper()
	tamper(tb, dir, id, func(v *store.View, st *store.Step) {
		st.State = []store.Change{{Key: key, New: value, HasNew: true}}
		fillOld(tb, v, &st.State[0])
	})
}

// DropKey removes a key of the replicated state, which must be there.
func DropKey(tb testing.TB, dir string, id ident.ContextID, key []byte) {
	tb.Helper()
	tamper(tb, dir, id, func(v *store.View, st *store.Step) {
		st.State = []store.Change{{Key: key}}
		if fillOld(tb, v, &st.State[0]); !st.State[0].HadOld {
			tb.Fatalf("context %s has no key %q to drop", id, key)
		}
	})
}

// ChangeDelta gives a delta, which must be there, the bytes that f makes of its own.
// Its id, time and fate stay. f must not change what it gets.
func ChangeDelta(tb testing.TB, dir string, id ident.ContextID, which delta.ID, f func(envelope []byte) []byte) {
	tb.Helper()
	tamper(tb, dir, id, func(v *store.View, st *store.Step) {
		d, err := v.Delta(which)
		if err != nil {
			tb.Fatal(err)
		}
		if d.Bytes = f(d.Bytes); d.Bytes == nil {
			d.Bytes = []byte{}
		}
		st.Deltas = []store.DeltaRecord{d}
	})
}

// ChangeUndo gives every undo span of a context the data that f makes of its own.
// f must not change what it gets.
func ChangeUndo(tb testing.TB, dir string, id ident.ContextID, f func(ref store.UndoRef, data []byte) []byte) {
	tb.Helper()
	tamper(tb, dir, id, func(v *store.View, st *store.Step) {
		refs, err := v.UndoRefs()
		if err != nil {
			tb.Fatal(err)
		}
		for _, ref := range refs {
			data, err := v.Undo(ref)
			if err != nil {
				tb.Fatal(err)
			}
			u := store.Undo{UndoRef: ref, Data: f(ref, data)}
			u.Bytes = len(u.Data)
			st.Undo = append(st.Undo, u)
		}
		st.UndoDrop = refs
	})
}

// ChangeMembers gives a context the membership that f makes of its own, while its record
// goes on saying what it said. f must not change what it gets.
func ChangeMembers(tb testing.TB, dir string, id ident.ContextID, f func(membership []byte) []byte) {
	tb.Helper()
	tamper(tb, dir, id, func(v *store.View, st *store.Step) {
		b, err := v.Members()
		if err != nil {
			tb.Fatal(err)
		}
		if st.Members = f(b); st.Members == nil {
			st.Members = []byte{}
		}
	})
}

// tamper opens a store, commits what f puts into a step of one context, and closes
// it again.
func tamper(tb testing.TB, dir string, id ident.ContextID, f func(v *store.View, st *store.Step)) {
	tb.Helper()
	s, err := store.Open(dir, store.DefaultConfig(), store.Deps{Log: zerolog.Nop()})
	if err != nil {
		tb.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			tb.Fatal(err)
		}
	}()
	v, err := s.View(id)
	if err != nil {
		tb.Fatal(err)
	}
	defer v.Close()
	rec := v.Context()
	st := &store.Step{Context: &rec}
	f(v, st)
	if err := s.Commit(tb.Context(), st); err != nil {
		tb.Fatal(err)
	}
}

// fillOld completes a change with what the view has.
func fillOld(tb testing.TB, v *store.View, c *store.Change) {
	tb.Helper()
	var err error
	if c.Old, c.HadOld, err = v.Get(c.Key); err != nil {
		tb.Fatal(err)
	}
}
