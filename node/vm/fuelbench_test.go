package vm_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"mero/node/vm"
	"mero/node/vm/apptest"
	"mero/node/vm/meter"
)

// fuelApp is a key-value application and the name of it.
type fuelApp struct {
	name string
	wasm []byte
}

func fuelApps(b *testing.B) []fuelApp {
	apps := []fuelApp{{"go", apptest.RawKV(b)}}
	files, err := filepath.Glob(filepath.Join(os.Getenv(appsDirVar), "core-kv_store-*.wasm"))
	if err != nil || os.Getenv(appsDirVar) == "" || len(files) == 0 {
		b.Logf("%s has no core-kv_store: the Go guest alone", appsDirVar)
		return apps
	}
	wasm, err := os.ReadFile(files[0])
	if err != nil {
		b.Fatal(err)
	}
	return append(apps, fuelApp{filepath.Base(files[0]), wasm})
}

// BenchmarkFuel compares a call with fuel, with nothing, and with wazero's own
// way to end calls. The three take turns in blocks, in random order and without
// the first calls of a block, so that whatever else the machine does meets all of
// them; all in fresh instances, since only the metered ones have an image. Each gives its p50, and its ratio to nothing. One iteration is a block of
// each.
func BenchmarkFuel(b *testing.B) {
	const block, warm = 20, 3
	random := rand.New(rand.NewPCG(1, 2))
	ways := []string{"nothing", "fuel", "close-on-done"}
	for _, app := range fuelApps(b) {
		var modules []*vm.Module
		for _, way := range ways {
			e := newEngine(b, "")
			e.Compare(way != "fuel", way == "close-on-done", false, 0)
			start := time.Now()
			m, err := e.Compile(b.Context(), app.wasm)
			if err != nil {
				b.Fatal(err)
			}
			b.Logf("%s %s: compiled in %s", app.name, way, time.Since(start))
			modules = append(modules, m)
		}
		rewritten, err := meter.Rewrite(app.wasm)
		if err != nil {
			b.Fatal(err)
		}
		b.Logf("%s: %d bytes, metered %d", app.name, len(app.wasm), len(rewritten.Code))
		for _, keys := range []int{0, 300} {
			state, clock := mapState{}, uint64(1<<60)
			run := func(m *vm.Module, method, input string) *vm.Outcome {
				clock += 1 << 16
				out, err := m.Run(b.Context(), vm.Call{Mode: vm.ModeApply, Method: method, Input: []byte(input), Time: clock, State: state})
				if err != nil {
					b.Fatal(err)
				}
				return out
			}
			keep := func(out *vm.Outcome) {
				for _, w := range out.Writes {
					state[string(w.Key)] = string(w.Value)
				}
			}
			keep(run(modules[1], "init", "{}"))
			for i := range keys + 1 {
				keep(run(modules[1], "set", fmt.Sprintf(`{"key":"key%06d","value":"v"}`, i)))
			}
			for method, input := range map[string]string{"get": `{"key":"key000000"}`, "set": `{"key":"key000000","value":"w"}`} {
				b.Run(fmt.Sprintf("%s/%s/%d", app.name, method, keys), func(b *testing.B) {
					times := make([][]time.Duration, len(modules))
					for b.Loop() {
						for _, i := range random.Perm(len(modules)) {
							for n := range block {
								start := time.Now()
								run(modules[i], method, input)
								if n >= warm {
									times[i] = append(times[i], time.Since(start))
								}
							}
						}
					}
					var p50 []float64
					for i := range times {
						slices.Sort(times[i])
						p50 = append(p50, float64(times[i][len(times[i])/2].Nanoseconds()))
					}
					b.ReportMetric(p50[0], "nothing-p50-ns")
					b.ReportMetric(p50[1]/p50[0], "fuel-ratio")
					b.ReportMetric(p50[2]/p50[0], "close-ratio")
				})
			}
		}
	}
}

// BenchmarkEndless says how long loops without end take to use up the fuel of an
// apply, from a part of it.
func BenchmarkEndless(b *testing.B) {
	const part = 20
	forever := func(code ...[]byte) []byte { return join([]byte{0x03, 0x40}, join(code...), []byte{0x0c, 0, 0x0b}) }
	chain := func(op byte) []byte {
		return forever(store64(8, join(i32c(8), []byte{0x29, 3, 0}, repeatBytes(40, 0x42, 3, op))))
	}
	p := newProgram().fn("nothing").fn("empty", spin).fn("calls", forever([]byte{0x10, 0})).
		fn("counts", forever(store32(8, join(i32c(8), []byte{0x28, 2, 0}, i32c(1), []byte{0x6a})))).
		fn("multiplies", chain(0x7e)).fn("divides", chain(0x7f))
	hand := compile(b, p)
	guest, err := newEngine(b, "").Compile(b.Context(), apptest.Errors(b))
	if err != nil {
		b.Fatal(err)
	}
	for _, tc := range []struct {
		module *vm.Module
		method string
	}{
		{hand, "empty"},
		{hand, "calls"},
		{hand, "counts"},
		{hand, "multiplies"},
		{hand, "divides"},
		{guest, "loop_forever"},
		{guest, "loop_goroutines"},
	} {
		b.Run(tc.method, func(b *testing.B) {
			for b.Loop() {
				_, err := tc.module.Run(b.Context(), vm.Call{Method: tc.method, Fuel: vm.ApplyFuel / part})
				var e *vm.Error
				if !errors.As(err, &e) || e.Kind != vm.KindFuel {
					b.Fatal(err)
				}
			}
			b.ReportMetric(part*b.Elapsed().Seconds()/float64(b.N), "s/apply")
		})
	}
}
