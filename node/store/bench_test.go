package store_test

import (
	"bytes"
	"fmt"
	"iter"
	"path/filepath"
	"sync"
	"testing"

	"mero/node/delta"
	"mero/node/store"
)

// benchStep is like a call of a guest-managed map: a few pages and a delta.
func benchStep(r *replica, n int) *store.Step {
	return r.step(1000, r.set(fmt.Sprint("a", n%100), pattern(200, uint64(n))), r.set("b", pattern(300, uint64(n))),
		r.set("index", pattern(3000, uint64(n))))
}

// benchmarkCommit commits steps of several contexts, each with what more adds.
func benchmarkCommit(b *testing.B, writers int, cfg store.Config, more func(r *replica, st *store.Step)) {
	s := open(b, filepath.Join(b.TempDir(), "db"), cfg)
	replicas := make([]*replica, writers)
	for i := range replicas {
		replicas[i] = newReplica(b, s, uint64(i))
	}
	before := s.Transaction()
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for i, r := range replicas {
		wg.Go(func() {
			for n := i; n < b.N; n += writers {
				st := benchStep(r, n)
				more(r, st)
				if err := s.Commit(b.Context(), st); err != nil {
					b.Error(err)
					return
				}
				r.done(st)
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "steps/s")
	b.ReportMetric(float64(b.N)/float64(s.Transaction()-before), "steps/fsync")
}

func plain(*replica, *store.Step) {}

// withUndo keeps an undo span of 300 bytes for each of the last 1 000 deltas.
func withUndo(r *replica, st *store.Step) {
	st.Undo = []store.Undo{span(r.id, r.n-1, r.n, 300)}
	if r.n > 1000 {
		st.UndoDrop = refsOf(span(r.id, r.n-1001, r.n-1000, 300))
	}
}

func BenchmarkCommit1(b *testing.B)       { benchmarkCommit(b, 1, store.DefaultConfig(), plain) }
func BenchmarkCommit8(b *testing.B)       { benchmarkCommit(b, 8, store.DefaultConfig(), plain) }
func BenchmarkCommit1NoSync(b *testing.B) { benchmarkCommit(b, 1, noSync(), plain) }

func BenchmarkCommitUndo1(b *testing.B) { benchmarkCommit(b, 1, store.DefaultConfig(), withUndo) }

func BenchmarkCommitUndo8(b *testing.B)       { benchmarkCommit(b, 8, store.DefaultConfig(), withUndo) }
func BenchmarkCommitUndo1NoSync(b *testing.B) { benchmarkCommit(b, 1, noSync(), withUndo) }

// BenchmarkCommitPage changes one page of a large value.
func BenchmarkCommitPage(b *testing.B) {
	s := newStore(b)
	r := newReplica(b, s, 1)
	r.commit(b, s, 10, r.set("index", pattern(800<<10, 1)))
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		value := bytes.Clone(r.state["index"])
		value[n*4096%len(value)]++
		r.commit(b, s, 10, r.set("index", value))
	}
}

func BenchmarkScratch(b *testing.B) {
	s := newStore(b)
	r := newReplica(b, s, 1)
	for n := range 1000 {
		r.commit(b, s, 1000, r.set(fmt.Sprint("key", n), pattern(200, uint64(n))))
	}
	sc := newScratch(b, s, r)
	var changes []store.Change
	for n := range 20_000 {
		changes = append(changes, put(fmt.Sprint("key", n), pattern(200, uint64(n))))
	}
	must(b, sc.Put(b.Context(), changes))
	get := func(b *testing.B, key string, want bool) {
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			if _, _, known, err := sc.Get([]byte(fmt.Sprint(key, n%20_000))); known != want || err != nil {
				b.Fatal(known, err)
			}
		}
	}
	b.Run("get", func(b *testing.B) { get(b, "key", true) })
	b.Run("getUnknown", func(b *testing.B) { get(b, "other", false) })
	b.Run("put1000", func(b *testing.B) {
		for n := 0; b.Loop(); n++ {
			must(b, sc.Put(b.Context(), changes[n*1000%19_000:][:1000]))
		}
	})
	must(b, sc.Discard(b.Context()))
}

// BenchmarkDeltas reads 100 000 deltas of 1 KB in three ways.
func BenchmarkDeltas(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "db")
	s := open(b, dir, noSync())
	r := newReplica(b, s, 1)
	for r.n < 100_000 {
		st := r.step(0)
		st.Deltas = nil
		for range 1000 {
			st.Deltas = append(st.Deltas, store.DeltaRecord{
				ID: deltaID(r.id, r.n), Time: delta.Time(r.n * delta.Tick), Fate: store.FateFolded,
				Bytes: append(envelope(250, 700, r.n), pattern(700, r.n)...),
			})
			r.n++
		}
		must(b, s.Commit(b.Context(), st))
		r.done(st)
	}
	must(b, s.Close())
	s = open(b, dir, noSync())
	v, err := s.View(r.id)
	must(b, err)
	defer v.Close()
	for name, all := range map[string]func(delta.Time) iter.Seq2[store.DeltaRecord, error]{
		"fates": v.Fates, "headers": v.Headers, "whole": v.DeltasByTime,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				for _, err := range all(0) {
					must(b, err)
					n++
				}
				if n != 100_000 {
					b.Fatal(n)
				}
			}
		})
	}
}

func BenchmarkViewGet(b *testing.B) {
	s := newStore(b)
	r := newReplica(b, s, 1)
	for n := range 1000 {
		r.commit(b, s, 1000, r.set(fmt.Sprint("key", n), pattern(200, uint64(n))))
	}
	r.commit(b, s, 10, r.set("large", pattern(800<<10, 1)))
	get := func(b *testing.B, key func(n int) string) {
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			v, err := s.View(r.id)
			must(b, err)
			if _, ok, err := v.Get([]byte(key(n))); !ok || err != nil {
				b.Fatal(ok, err)
			}
			v.Close()
		}
	}
	b.Run("small", func(b *testing.B) { get(b, func(n int) string { return fmt.Sprint("key", n%1000) }) })
	b.Run("800KiB", func(b *testing.B) { get(b, func(int) string { return "large" }) })
}
