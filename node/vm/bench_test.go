package vm_test

import (
	"os"
	"slices"
	"testing"
	"time"

	"mero/node/vm"
	"mero/node/vm/apptest"
)

// BenchmarkKV runs a real key-value application on a map: set MERO_BENCH_APP to
// a binary of it (core-kv_store of 2025-12 has the methods set and get).
// Without it the benchmarks are skipped, since no binary is in the repository.
func BenchmarkKV(b *testing.B) {
	wasm, err := os.ReadFile(os.Getenv("MERO_BENCH_APP"))
	if err != nil {
		b.Skip("MERO_BENCH_APP names no readable module")
	}
	m, err := newEngine(b, "").Compile(b.Context(), wasm)
	if err != nil {
		b.Fatal(err)
	}
	state := mapState{}
	clock := uint64(time.Now().UnixNano())
	run := func(b *testing.B, method, input string) *vm.Outcome {
		clock += 1 << 16
		out, err := m.Run(b.Context(), vm.Call{Method: method, Input: []byte(input), Time: clock, State: state})
		if err != nil {
			b.Fatal(err)
		}
		return out
	}
	for _, w := range run(b, "init", "{}").Writes {
		state[string(w.Key)] = string(w.Value)
	}
	for _, w := range run(b, "set", `{"key":"a","value":"1"}`).Writes {
		state[string(w.Key)] = string(w.Value)
	}
	b.Run("get", func(b *testing.B) {
		median(b, func() {
			if out := run(b, "get", `{"key":"a"}`); string(out.Output) != `"1"` {
				b.Fatalf("get gave %s", out.Output)
			}
		})
	})
	b.Run("set", func(b *testing.B) {
		median(b, func() {
			if out := run(b, "set", `{"key":"a","value":"2"}`); !out.Committed {
				b.Fatal("set did not commit")
			}
		})
	})
}

// BenchmarkCall is the cost of a call that does nothing: context, instance and
// memory.
func BenchmarkCall(b *testing.B) {
	m := compile(b, newProgram().fn("run"))
	median(b, func() {
		if _, err := m.Run(b.Context(), vm.Call{Method: "run"}); err != nil {
			b.Fatal(err)
		}
	})
}

// BenchmarkStart is the start of a call of a Go guest, with a method that reads
// one key: from the image that calls have, and as deltas are applied, in a fresh
// instance that initialises itself. They take turns, so that whatever else the
// machine does meets both.
func BenchmarkStart(b *testing.B) {
	m, err := newEngine(b, "").Compile(b.Context(), apptest.RawKV(b))
	if err != nil {
		b.Fatal(err)
	}
	state, modes := mapState{}, []vm.Mode{vm.ModeCall, vm.ModeApply}
	run := func(mode vm.Mode, method string) *vm.Outcome {
		out, err := m.Run(b.Context(), vm.Call{Mode: mode, Method: method, Input: []byte(`{}`), Time: 1 << 60, State: state})
		if err != nil {
			b.Fatal(err)
		}
		return out
	}
	for _, w := range run(vm.ModeCall, "init").Writes {
		state[string(w.Key)] = string(w.Value)
	}
	var times [2][]time.Duration
	for b.Loop() {
		for _, mode := range modes {
			start := time.Now()
			run(mode, "len")
			times[mode] = append(times[mode], time.Since(start))
		}
	}
	for i, name := range []string{"image", "fresh"} {
		slices.Sort(times[i])
		b.ReportMetric(float64(times[i][len(times[i])/2].Nanoseconds()), name+"-p50-ns")
		b.ReportMetric(float64(times[i][len(times[i])*99/100].Nanoseconds()), name+"-p99-ns")
	}
}

// median reports the p50 beside the mean: it is what P22 asks for, and stands a
// busy machine.
func median(b *testing.B, f func()) {
	b.ReportAllocs()
	var times []time.Duration
	for b.Loop() {
		start := time.Now()
		f()
		times = append(times, time.Since(start))
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Nanoseconds()), "p50-ns")
}
