package replica_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"mero/node/apps"
	"mero/node/collections"
	"mero/node/delta"
	"mero/node/vm/apptest"
)

// BenchmarkFoldHosted folds recorded deltas, a put in a map of 1 000 keys each, into
// a fresh replica, in the order in which they come, and single late ones.
func BenchmarkFoldHosted(b *testing.B) {
	h := newHome(b)
	h.wall = func() time.Time { return base.Add(1000 * time.Hour) }
	w := newWorld(b, h.install("collections"), 1<<30)
	const count = 100_000
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
			if info := h.info(c); info.Deltas != count+1+populated {
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

// BenchmarkSetByEntries is a durable call of the embedded key-value application that
// writes an entry there is, of a map of so many (P25).
func BenchmarkSetByEntries(b *testing.B) {
	for _, entries := range []int{1000, 100_000} {
		b.Run(fmt.Sprint(entries), func(b *testing.B) {
			h := newHome(b)
			h.wall = func() time.Time { return base.Add(1000 * time.Hour) }
			app, err := h.apps.Install(b.Context(), bytes.NewReader(apptest.BuildPackage(b, "mero/node/sdk/examples/kv")), apps.Source{})
			must(b, err)
			w := newWorld(b, app.ID, 1<<30)
			c := w.join(h)
			h.receive(c, fill(b, w, entries)...)
			b.ResetTimer()
			for i := 0; b.Loop(); i++ {
				h.ok(c, "set", map[string]string{"key": fmt.Sprint("key", i*7919%entries), "value": fmt.Sprint(i)})
			}
			b.StopTimer()
			if out := h.ok(c, "len", map[string]string{}).Output; string(out) != fmt.Sprint(entries) {
				b.Errorf("%s entries", out)
			}
		})
	}
}

// fill are deltas by the creator that fill the map of the key-value application.
func fill(b *testing.B, w *world, entries int) (list [][]byte) {
	b.Helper()
	state := &collections.Mem{}
	for from := 0; from < entries; from += 1000 {
		a := w.creator
		writer := delta.Writer{Author: a.key.Public(), Incarnation: a.inc}
		form, writes := operations(b, writer, a.last.Header().Time+delta.Tick, state, func(tx *collections.Tx) {
			m, err := tx.Open(0, []byte("entries"), collections.Map, 0)
			must(b, err)
			for i := from; i < from+1000; i++ {
				must(b, tx.Put(m, fmt.Appendf(nil, "key%d", i), fmt.Appendf(nil, "\"value %d\"", i)))
			}
		})
		state.Apply(writes)
		list = append(list, w.seal(a, 1, form).Bytes())
	}
	return list
}
