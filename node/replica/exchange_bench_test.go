package replica_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"mero/node/apps"
	"mero/node/collections"
	"mero/node/delta"
	"mero/node/ident"
	"mero/node/replica"
	"mero/node/vm/apptest"
)

// installKV installs the embedded key-value application.
func installKV(t testing.TB, h *home) ident.AppID {
	t.Helper()
	app, err := h.apps.Install(t.Context(), bytes.NewReader(apptest.BuildPackage(t, "mero/node/sdk/examples/kv")), apps.Source{})
	must(t, err)
	return app.ID
}

// noon is long after all deltas that the tests here make.
func noon() time.Time { return base.Add(1000 * time.Hour) }

// writersOf are the creator of a world and other nodes of its.
func writersOf(w *world, count int) []*author {
	all := []*author{w.creator}
	for i := range count - 1 {
		a := newAuthor(rand.New(rand.NewPCG(uint64(i), 70)))
		a.key = w.creator.key
		all = append(all, a)
	}
	return all
}

// puts are deltas by so many writers in turn, each on the one before: a put of the
// key-value application each, over 1 000 keys.
func puts(t testing.TB, w *world, count, writers int) (list [][]byte) {
	t.Helper()
	state, all := &collections.Mem{}, writersOf(w, writers)
	last := w.genesis
	for i := range count {
		a := all[i%writers]
		writer := delta.Writer{Author: a.key.Public(), Incarnation: a.inc}
		form, writes := operations(t, writer, last.Header().Time+delta.Tick, state, func(tx *collections.Tx) {
			m, err := tx.Open(0, []byte("entries"), collections.Map, 0)
			must(t, err)
			must(t, tx.Put(m, fmt.Appendf(nil, "key%d", i%1000), fmt.Appendf(nil, "\"value %d\"", i)))
		})
		state.Apply(writes)
		last, w.before = w.seal(a, 1, form, last), nil
		list = append(list, last.Bytes())
	}
	return list
}

// BenchmarkReceiveInOrder takes in 10 000 deltas of the key-value application as a session
// brings them (P4), with and without fsync, and verified before.
func BenchmarkReceiveInOrder(b *testing.B) {
	const count, writers = 10_000, 4
	for _, kind := range []string{"durable", "quick", "opened"} {
		b.Run(kind, func(b *testing.B) {
			h := newQuickHome(b)
			if kind == "durable" {
				h = newHome(b)
			}
			h.wall = noon
			w := newWorld(b, installKV(b, h), 1<<30)
			list := puts(b, w, count, writers)
			parcels := make([]replica.Parcel, count)
			for i := range parcels {
				var err error
				parcels[i], err = replica.Open(w.context, list[i])
				must(b, err)
			}
			for b.Loop() {
				b.StopTimer()
				c := w.join(h)
				b.StartTimer()
				for at := 0; at < count; at += 256 {
					to := min(at+256, count)
					if kind == "opened" {
						_, err := h.set.ReceiveOpened(b.Context(), c.Context, parcels[at:to])
						must(b, err)
						continue
					}
					h.receive(c, list[at:to]...)
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
}

// BenchmarkHeal is a replica that has written so many deltas by itself and gets as many of
// another that it was cut off from (P10), in batches as a session brings them.
func BenchmarkHeal(b *testing.B) {
	for _, count := range []int{1000, 5000} {
		b.Run(fmt.Sprint(count), func(b *testing.B) {
			h := newQuickHome(b)
			h.wall = noon
			w := newWorld(b, installKV(b, h), 1<<30)
			own := puts(b, w, count, 1)
			w.creator = writersOf(w, 2)[1]
			theirs := puts(b, w, count, 1)
			for b.Loop() {
				b.StopTimer()
				c := w.join(h)
				h.receive(c, own...)
				b.StartTimer()
				for list := range slices.Chunk(theirs, 2600) { // 1 MiB
					h.receive(c, list...)
				}
				h.set.Deepen(b.Context())
				b.StopTimer()
				if info := h.info(c); info.Deltas != uint64(2*count+1+populated) {
					b.Fatalf("%d deltas are folded", info.Deltas)
				}
				w.leave(h)
				b.StartTimer()
			}
		})
	}
}

// BenchmarkExchange asks a replica of 100 000 deltas what others lack.
func BenchmarkExchange(b *testing.B) {
	const count, writers = 100_000, 4
	h := newQuickHome(b)
	h.wall = noon
	w := newWorld(b, installKV(b, h), 1<<30)
	c := w.join(h)
	h.receive(c, puts(b, w, count, writers)...)
	known, err := h.set.Known(b.Context(), c.Context)
	must(b, err)
	b.Run("known", func(b *testing.B) {
		for b.Loop() {
			_, err := h.set.Known(b.Context(), c.Context)
			must(b, err)
		}
	})
	b.Run("known-cold", func(b *testing.B) {
		for b.Loop() {
			h.set.Forget(c.Context)
			_, err := h.set.Known(b.Context(), c.Context)
			must(b, err)
		}
	})
	b.Run("lacking-none", func(b *testing.B) {
		for b.Loop() {
			page, _, _, err := h.set.Lacking(b.Context(), c.Context, known.Tips, delta.Place{}, 1<<20)
			must(b, err)
			if len(page) > 0 {
				b.Fatal(len(page))
			}
		}
	})
	b.Run("lacking-10000", func(b *testing.B) {
		tips := before(b, h, c, known, 10_000)
		var bytes int
		for b.Loop() {
			n := 0
			bytes = 0
			var after delta.Place
			for more := true; more; {
				var page [][]byte
				page, after, more, err = h.set.Lacking(b.Context(), c.Context, tips, after, 1<<20)
				must(b, err)
				n += len(page)
				for _, raw := range page {
					bytes += len(raw)
				}
			}
			if n != 10_000 {
				b.Fatal(n)
			}
		}
		b.ReportMetric(float64(10_000*b.N)/b.Elapsed().Seconds(), "deltas/s")
		b.ReportMetric(float64(bytes)/10_000, "bytes/delta")
	})
}

// before is the vector of a replica that lacks so many, the last ones.
func before(t testing.TB, h *home, c replica.Created, known replica.Known, rest int) (tips []replica.Tip) {
	t.Helper()
	last := make(map[delta.Writer]replica.Tip)
	log := h.log(c)
	for _, raw := range log[:len(log)-rest] {
		header, id, err := delta.Inspect(raw)
		must(t, err)
		last[header.Writer()] = replica.Tip{Writer: header.Writer(), Seq: header.Seq, ID: id}
	}
	for _, tip := range known.Tips {
		tips = append(tips, last[tip.Writer])
	}
	return tips
}
