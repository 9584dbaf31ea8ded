package replica_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"mero/node/collections"
	"mero/node/delta"
	"mero/node/hosted"
	"mero/node/store"
)

// operations are what a writer does at a time, as a payload.
func operations(t testing.TB, w delta.Writer, at delta.Time, on collections.KV, does func(tx *collections.Tx)) (payload []byte, writes []collections.Write) {
	t.Helper()
	tx := collections.Begin(on, collections.Origin{Author: w.Author, Tag: hosted.Tag(w), Time: uint64(at)})
	does(tx)
	form, err := delta.EncodeState(delta.State{Ops: tx.Ops()})
	must(t, err)
	writes, err = tx.Writes()
	must(t, err)
	return form, writes
}

// TestHostedBad: operations that are none, or travel in another form than the
// application's, make their delta void and nothing else.
func TestHostedBad(t *testing.T) {
	good := func(t testing.TB) []byte {
		t.Helper()
		form, _ := operations(t, delta.Writer{}, 1<<40, &collections.Mem{}, func(tx *collections.Tx) {
			m, err := tx.Open(0, []byte("m"), collections.Map, 0)
			must(t, err)
			must(t, tx.Put(m, []byte("k"), []byte("v")))
		})
		return form
	}
	encode := func(s delta.State) func(testing.TB) []byte {
		return func(t testing.TB) []byte { t.Helper(); return encoded(t, s) }
	}
	for name, row := range map[string]struct {
		app    string
		form   func(t testing.TB) []byte
		reason string
	}{
		"operations for storage":  {"local", good, "do not travel in this form"},
		"artifact":                {"collections", encode(delta.State{Artifact: []byte("a")}), "do not travel in this form"},
		"call":                    {"collections", encode(delta.State{Call: &delta.Call{Method: "do"}}), "do not travel in this form"},
		"garbage":                 {"collections", encode(delta.State{Ops: []byte("garbage")}), "operations on collections"},
		"longest garbage":         {"collections", encode(delta.State{Ops: make([]byte, delta.MaxArtifact)}), "operations on collections"},
		"operations of a quota":   {"collections", large, "state of the context"},
		"operations as they have": {"collections", good, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := newQuickHome(t)
			h.wall = func() time.Time { return base.Add(time.Hour) }
			w := newWorld(t, h.install(row.app), 64<<10)
			c := w.join(h)
			rng := rand.New(rand.NewPCG(1, 1))
			d := w.seal(newAuthor(rng), 1, row.form(t), w.genesis)
			if got := h.receive(c, d.Bytes()); got.New != 1 || len(got.Refused) > 0 {
				t.Errorf("received: %+v", got)
			}
			fate := h.fates(c)[d.ID()]
			if row.reason == "" && fate.Fate != store.FateFolded {
				t.Errorf("fate %+v", fate)
			}
			if row.reason != "" && (fate.Fate != store.FateVoid || !strings.Contains(fate.Reason, row.reason) || len(h.state(c)) > 0) {
				t.Errorf("fate %+v, state %v; want void: %s", fate, h.state(c), row.reason)
			}
			h.verify(w.context)
		})
	}
}

func encoded(t testing.TB, s delta.State) []byte {
	t.Helper()
	form, err := delta.EncodeState(s)
	must(t, err)
	return form
}

// large is more than a small quota.
func large(t testing.TB) []byte {
	t.Helper()
	form, _ := operations(t, delta.Writer{}, 1<<40, &collections.Mem{}, func(tx *collections.Tx) {
		m, err := tx.Open(0, []byte("m"), collections.Map, 0)
		must(t, err)
		must(t, tx.Put(m, []byte("k"), make([]byte, 100<<10)))
	})
	return form
}
