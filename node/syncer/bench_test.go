package syncer_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"mero/node/events"
)

// pair is two members with fsync, as users run them.
func pair(b *testing.B) (ours, theirs member) {
	b.Helper()
	a, c := newNode(b, "a", options{fsync: true}), newNode(b, "b", options{fsync: true})
	ours = a.create()
	ours.set("warm", "up")
	theirs = c.join(ours.invite(nil))
	equal(b, ours, theirs)
	return ours, theirs
}

// watch begins to collect a member's changes.
func (m member) watch() *events.Watcher { return m.node.bus.Watch(m.context) }

// BenchmarkVisible is P1: one write at a time until it is on the other node.
func BenchmarkVisible(b *testing.B) {
	ours, theirs := pair(b)
	w := theirs.watch()
	defer w.Close()
	var took, wrote []time.Duration
	for i := 0; b.Loop(); i++ {
		pause := time.NewTimer(20 * time.Millisecond) // the row says 10/s
		<-pause.C
		begun := time.Now()
		ours.set(fmt.Sprint("k", i%100), fmt.Sprint(i))
		wrote = append(wrote, time.Since(begun))
		<-w.Changes()
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	slices.Sort(wrote)
	b.ReportMetric(float64(wrote[len(wrote)/2].Microseconds())/1000, "p50-write-ms")
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}

// BenchmarkSustained is P3: writes of 16 callers until all are on the other node.
func BenchmarkSustained(b *testing.B) {
	ours, theirs := pair(b)
	begun := time.Now()
	writeMany(b, ours, b.N)
	wrote := time.Since(begun)
	equal(b, ours, theirs)
	b.ReportMetric(float64(b.N)/time.Since(begun).Seconds(), "writes/s")
	b.ReportMetric(float64(time.Since(begun)-wrote)/1e6, "lag-ms")
	b.ReportMetric(ours.node.metric("mero_syncer_dropped_total")+theirs.node.metric("mero_syncer_dropped_total"), "dropped")
	b.ReportMetric(theirs.node.metric("mero_syncer_session_deltas_total", "direction", "received"), "by-session")
}

func writeMany(t testing.TB, m member, n int) {
	t.Helper()
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			for i := w; i < n; i += 16 {
				if err := m.trySet(fmt.Sprint("k", i%1000), fmt.Sprint(m.node.name, i)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkFresh is P4: a fresh node joins a context of 10 000 deltas.
func BenchmarkFresh(b *testing.B) {
	a := newNode(b, "a", options{fsync: true})
	ours := a.create()
	writeMany(b, ours, 10_000)
	inv := ours.invite(nil)
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		fresh := newNode(b, fmt.Sprint("fresh", i), options{fsync: true})
		b.StartTimer()
		theirs := fresh.join(inv)
		equal(b, ours, theirs)
		b.StopTimer()
		fresh.stop()
		b.StartTimer()
	}
}
