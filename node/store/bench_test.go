package store_test

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"mero/node/store"
)

// benchStep is like a call of a guest-managed map: a few pages and a delta.
func benchStep(r *replica, n int) *store.Step {
	return r.step(1000, r.set(fmt.Sprint("a", n%100), pattern(200, uint64(n))), r.set("b", pattern(300, uint64(n))),
		r.set("index", pattern(3000, uint64(n))))
}

func benchmarkCommit(b *testing.B, writers int, cfg store.Config) {
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

func BenchmarkCommit1(b *testing.B)       { benchmarkCommit(b, 1, store.DefaultConfig()) }
func BenchmarkCommit8(b *testing.B)       { benchmarkCommit(b, 8, store.DefaultConfig()) }
func BenchmarkCommit1NoSync(b *testing.B) { benchmarkCommit(b, 1, noSync()) }

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
