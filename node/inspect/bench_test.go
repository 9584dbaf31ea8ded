package inspect_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"mero/node/api"
	"mero/node/delta"
	"mero/node/ident"
	"mero/node/inspect"
	"mero/node/replica"
	"mero/node/store"
)

// BenchmarkDag reads pages of a context with 100 000 deltas: the first one, which
// makes the index, and one that follows.
func BenchmarkDag(b *testing.B) {
	db, id := many(b, 100_000)
	in := inspect.New(db, replica.NewSet(replica.Deps{Store: db, Log: zerolog.Nop(), Metrics: prometheus.NewRegistry()}))
	page := func(q api.DagQuery) api.DagPage {
		p, err := in.Dag(b.Context(), id, q)
		must(b, err)
		return p
	}
	b.Run("first", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			inspect.Forget(in)
			page(api.DagQuery{})
		}
		inspect.Forget(in)
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		page(api.DagQuery{})
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/100_000, "kept-B/delta")
	})
	b.Run("next", func(b *testing.B) {
		q := api.DagQuery{}
		for b.Loop() {
			q.After = page(q).Next
		}
	})
}

// many is a store with a context of n deltas in a row, which nobody folded.
func many(b *testing.B, n int) (*store.Store, ident.ContextID) {
	b.Helper()
	cfg := store.DefaultConfig()
	cfg.Fsync = false
	db, err := store.Open(b.TempDir()+"/db", cfg, store.Deps{Log: zerolog.Nop()})
	must(b, err)
	b.Cleanup(func() { must(b, db.Close()) })
	contextKey, key := ident.NewPrivateKey(), delta.NewEpochKey()
	w := newWriter(ident.ContextID(contextKey.Public()), key)
	sealing, err := ident.NewSealKey()
	must(b, err)
	form, err := delta.EncodeGenesis(delta.Genesis{Semantics: 1, SealKey: sealing.Public(), StateQuota: 1})
	must(b, err)
	last, err := delta.Seal(delta.Header{
		Context: w.context, Kind: delta.KindGenesis, Author: w.key.Public(), Incarnation: w.inc, Seq: 1, Time: delta.NextTime(time.Now()),
	}, form, key, nil, w.key, &contextKey)
	must(b, err)
	step := &store.Step{
		Create: true, Context: &store.Context{ID: w.context, Genesis: last.ID(), Created: time.Now()},
		EpochKeys: []store.EpochKey{{Context: w.context, Key: key}},
	}
	step.Deltas = append(step.Deltas, store.DeltaRecord{ID: last.ID(), Time: last.Header().Time, Bytes: last.Bytes(), Fate: store.FateFolded})
	form = garbage(b)
	for i := range n {
		last = w.seal(b, uint64(i+2), 0, form, last)
		step.Deltas = append(step.Deltas, store.DeltaRecord{ID: last.ID(), Time: last.Header().Time, Bytes: last.Bytes(), Fate: store.FateFolded})
		if len(step.Deltas) == 1000 || i == n-1 {
			step.Context.Heads = []delta.ID{last.ID()}
			must(b, db.Commit(b.Context(), step))
			next := *step.Context
			view, err := db.View(w.context)
			must(b, err)
			next.Step = view.Context().Step
			view.Close()
			step = &store.Step{Context: &next}
		}
	}
	return db, w.context
}
