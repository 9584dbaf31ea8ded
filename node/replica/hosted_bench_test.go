package replica_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"mero/node/collections"
	"mero/node/delta"
)

// BenchmarkFoldHosted folds recorded deltas, a put in a map of 1 000 keys each, into
// a fresh replica, in the order in which they come, and single late ones.
func BenchmarkFoldHosted(b *testing.B) {
	h := newHome(b)
	h.wall = func() time.Time { return base.Add(1000 * time.Hour) }
	w := newWorld(b, h.install("collections"), 1<<30)
	const count = 20_000
	state, list := &collections.Mem{}, make([][]byte, 0, count)
	for i := range count {
		a := w.creator
		writer := delta.Writer{Author: a.key.Public(), Incarnation: a.inc}
		form, writes := operations(b, writer, a.last.Header().Time+delta.Tick, state, func(tx *collections.Tx) {
			m, err := tx.Open(0, []byte("m"), collections.Map, 0)
			must(b, err)
			must(b, tx.Put(m, fmt.Appendf(nil, "key%d", i%1000), fmt.Appendf(nil, "value%d", i)))
		})
		state.Apply(writes)
		w.before = nil
		list = append(list, w.seal(a, 1, form).Bytes())
	}
	b.Run("late", func(b *testing.B) { // by how many deltas the roll-back is deep
		for _, depth := range []int{1, 16, 200} {
			b.Run(fmt.Sprint(depth), func(b *testing.B) {
				c := w.join(h)
				for at := 0; at < 1024; at += 256 {
					h.receive(c, list[at:at+256]...)
				}
				b.ResetTimer()
				for n := 0; b.Loop(); n++ {
					b.StopTimer()
					d := late(b, w, opened(b, list[1023-depth]), n)
					b.StartTimer()
					h.receive(c, d)
				}
				b.StopTimer()
				w.leave(h)
			})
		}
	})
	b.Run("ordered", func(b *testing.B) {
		for b.Loop() {
			c := w.join(h)
			for at := 0; at < count; at += 256 {
				h.receive(c, list[at:min(at+256, count)]...)
			}
			b.StopTimer()
			if info := h.info(c); info.Deltas != count+1 {
				b.Fatalf("%d deltas are folded", info.Deltas)
			}
			w.leave(h)
			b.StartTimer()
		}
		b.ReportMetric(float64(count*b.N)/b.Elapsed().Seconds(), "deltas/s")
	})
}

// late is a delta by somebody new right behind another.
func late(b *testing.B, w *world, after *delta.Delta, n int) []byte {
	b.Helper()
	a := newAuthor(rand.New(rand.NewPCG(uint64(n), 7)))
	writer := delta.Writer{Author: a.key.Public(), Incarnation: a.inc}
	form, _ := operations(b, writer, after.Header().Time+delta.Tick, &collections.Mem{}, func(tx *collections.Tx) {
		m, err := tx.Open(0, []byte("m"), collections.Map, 0)
		must(b, err)
		must(b, tx.Put(m, []byte("key7"), []byte("late")))
	})
	return w.seal(a, 1, form, after).Bytes()
}
