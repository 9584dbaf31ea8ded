package replica_test

import (
	"fmt"
	"os"
	"testing"

	"mero/node/replica"
)

// BenchmarkCall measures calls in process, durable where they write: of the
// Go test application, and of the binary that MERO_APP names.
func BenchmarkCall(b *testing.B) {
	h := newHome(b)
	run := func(name string, c replica.Created) {
		h.ok(c, "set", kv{"a", "1"})
		b.Run(name+"/get", func(b *testing.B) {
			for b.Loop() {
				h.ok(c, "get", kv{Key: "a"})
			}
		})
		b.Run(name+"/set", func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				h.ok(c, "set", kv{"a", fmt.Sprint(i)})
			}
		})
		b.Run(name+"/set16", func(b *testing.B) {
			b.SetParallelism(8)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					h.ok(c, "set", kv{"a", "1"})
				}
			})
		})
	}
	run("go", h.create("rawkv", "{}"))
	if path := os.Getenv("MERO_APP"); path != "" {
		run("binary", h.createFile(path, "{}"))
	}
}

// BenchmarkWriteByKeys tells where the time of a write goes as the state grows: the
// method itself, applying what it made, and the store. It runs the application
// that MERO_APP names, or the raw key-value application of the tests.
func BenchmarkWriteByKeys(b *testing.B) {
	for _, keys := range []int{0, 1000, 10_000} {
		b.Run(fmt.Sprint(keys), func(b *testing.B) {
			h := newHome(b)
			var c replica.Created
			if path := os.Getenv("MERO_APP"); path != "" {
				c = h.createFile(path, "{}")
			} else {
				c = h.create("rawkv", "{}")
			}
			h.ok(c, "set", kv{"key", "0"})
			for i := range keys {
				h.ok(c, "set", kv{fmt.Sprint("key", i), "value"})
			}
			before := h.phases()
			for i := 0; b.Loop(); i++ {
				h.ok(c, "set", kv{"key", fmt.Sprint(i)})
			}
			for phase, sum := range h.phases() {
				b.ReportMetric((sum-before[phase])*1e6/float64(b.N), phase+"-us/op")
			}
		})
	}
}

// phases is the time spent in each phase of writes so far, in seconds.
func (h *home) phases() map[string]float64 {
	h.t.Helper()
	families, err := h.reg.Gather()
	must(h.t, err)
	out := make(map[string]float64)
	for _, f := range families {
		if f.GetName() != "mero_replica_phase_seconds" {
			continue
		}
		for _, m := range f.GetMetric() {
			out[m.GetLabel()[0].GetValue()] = m.GetHistogram().GetSampleSum()
		}
	}
	return out
}

// BenchmarkRollback is a late delta that has to go before so many others: each
// operation takes one in.
func BenchmarkRollback(b *testing.B) {
	for _, depth := range []int{0, 1, 10, 100, 200} {
		b.Run(fmt.Sprint(depth), func(b *testing.B) {
			h, other := newHome(b), newQuickHome(b)
			c := h.create("rawkv", "{}")
			other.install("rawkv")
			o := other.join(h, c)
			other.receive(o, h.log(c)...)
			late := make([][]byte, 0, 200)
			for i := range cap(late) {
				late = append(late, other.made[other.ok(o, "set", kv{"late", fmt.Sprint(i)}).Delta])
			}
			for i := range depth {
				h.ok(c, "set", kv{fmt.Sprint("key", i), "value"})
			}
			b.ResetTimer()
			for i := range b.N {
				if i == len(late) {
					b.Skip("needs -benchtime=200x or less")
				}
				h.receive(c, late[i])
			}
		})
	}
}
