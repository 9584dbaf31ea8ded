package vm_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"mero/node/vm"
	"mero/node/vm/apptest"
	"mero/node/vm/meter"
)

// how is a way to run guests that must make no difference.
type how struct {
	interpreter bool
	chunk       uint64
}

var hows = map[string]how{
	"compiler": {}, "interpreter": {interpreter: true},
	"chunk 1": {chunk: 1}, "chunk 7": {chunk: 7}, "chunk 1000": {chunk: 1000}, "chunk 1G": {chunk: 1 << 30},
}

func compileAs(t testing.TB, h how, wasm []byte) *vm.Module {
	t.Helper()
	e := newEngine(t, "")
	e.Compare(false, false, h.interpreter, h.chunk)
	m, err := e.Compile(t.Context(), wasm)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// arms is an if whose arms are nops.
func arms(then, otherwise int) []byte {
	return join([]byte{0x04, 0x40}, repeatBytes(then, 1), []byte{0x05}, repeatBytes(otherwise, 1), []byte{0x0b})
}

// TestFuelCounted holds what is charged against what was counted by hand: 8 for
// the entry of a function, 12 for each time round a loop, and every instruction,
// of which 1 is the price of most.
func TestFuelCounted(t *testing.T) {
	p := newProgram()
	length := p.imp("register_len", "I:I")
	p.fn("callee")
	callee := length + 1
	p.table = true
	for name, tc := range map[string]struct {
		code [][]byte
		want uint64
	}{
		"empty": {want: 8},
		"nops":  {code: [][]byte{{1, 1, 1}}, want: 8 + 3},
		// The loop has eleven instructions, two of them loads.
		"loop":       {code: [][]byte{repeat(10, nil)}, want: 8 + 10*(12+1+1+4+1+1+1+1+4+1+1+1)},
		"loop nops":  {code: [][]byte{repeat(10, []byte{1, 1})}, want: 8 + 10*(12+17+2)},
		"both arms":  {code: [][]byte{i32c(0), {0x04, 0x40, 1, 1, 0x05, 1, 0x0b}}, want: 8 + 1 + 1 + 2 + 1 + 1},
		"blocks":     {code: [][]byte{{0x02, 0x40, 0x02, 0x40, 0x0c, 1, 0x0b, 0x0b}}, want: 8 + 1},
		"dead":       {code: [][]byte{{0x02, 0x40, 0x0f, 1, 1, 0x02, 0x40, 1, 0x0b, 1, 0x0b, 1, 1}}, want: 8 + 1 + 2},
		"table":      {code: [][]byte{i32c(0), {0x0e, 0, 0}}, want: 8 + 1 + 4},
		"call":       {code: [][]byte{{0x10, byte(callee)}}, want: 8 + 1 + 8},
		"indirect":   {code: [][]byte{i32c(0), {0x11, byte(p.typ(":")), 0}}, want: 8 + 1 + 8 + 8},
		"multiply":   {code: [][]byte{i32c(6), i32c(3), {0x6c, 0x1a}}, want: 8 + 2 + 4 + 1},
		"division":   {code: [][]byte{i32c(6), i32c(3), {0x6d, 0x1a}}, want: 8 + 2 + 16 + 1},
		"remainder":  {code: [][]byte{i64c(6), i64c(3), {0x82, 0x1a}}, want: 8 + 2 + 16 + 1},
		"float":      {code: [][]byte{f64c(1), f64c(2), {0xa0, 0x9f, 0x1a}}, want: 8 + 2 + 16 + 16 + 1},
		"fill":       {code: [][]byte{i32c(0), i32c(1), i32c(100), {0xfc, 11, 0}}, want: 8 + 3 + 1 + 16 + 12},
		"copy":       {code: [][]byte{i32c(0), i32c(1), i32c(8000), {0xfc, 10, 0, 0}}, want: 8 + 3 + 1 + 16 + 1000},
		"table fill": {code: [][]byte{i32c(0), {0xd0, 0x70}, i32c(2), {0xfc, 17, 0}}, want: 8 + 3 + 1 + 16 + 2},
		"grow":       {code: [][]byte{i32c(2), {0x40, 0, 0x1a}}, want: 8 + 1 + 256 + 2*8192 + 1},
		"grow much":  {code: [][]byte{i32c(-1), {0x40, 0, 0x1a}}, want: 8 + 1 + 256 + 1025*8192 + 1},
		"table grow": {code: [][]byte{{0xd0, 0x70}, i32c(5), {0xfc, 15, 0, 0x1a}}, want: 8 + 2 + 1 + 256 + 5 + 1},
		"host":       {code: [][]byte{drop(call(length, 3))}, want: 8 + 3 + 500},
		// The inner loop runs once, then the outer one ends.
		"nested": {code: [][]byte{{0x03, 0x40, 1, 0x03, 0x40, 1, 1, 0x0b, 0x0b}}, want: 8 + (12 + 1) + (12 + 2)},
		// Too much to be charged as a whole: an arm that does not run costs
		// nothing, unless it is no more than what comes before it.
		"large then": {code: [][]byte{i32c(1), arms(200, 100)}, want: 8 + 1 + 1 + 200 + 1},
		"large else": {code: [][]byte{i32c(0), arms(200, 100)}, want: 8 + 1 + 1 + 100},
		"small arm":  {code: [][]byte{i32c(0), arms(200, 5), i32c(0), arms(5, 200)}, want: 8 + 1 + 1 + 5 + 2 + 200},
		"large loop": {code: [][]byte{repeat(10, join(i32c(0), arms(200, 100)))}, want: 8 + 10*(12+2+100+17)},
		"left":       {code: [][]byte{i32c(1), {0x0d, 0}, repeatBytes(300, 1)}, want: 8 + 2},
	} {
		t.Run(name, func(t *testing.T) {
			q := *p
			q.bodies, q.kinds, q.exports = slices.Clone(p.bodies), slices.Clone(p.kinds), slices.Clone(p.exports)
			q.fn("run", tc.code...)
			out, err := compile(t, &q).Run(t.Context(), vm.Call{Method: "run"})
			if err != nil || out.Fuel != tc.want {
				t.Fatalf("got %v units, %v, want %d", out.Fuel, err, tc.want)
			}
		})
	}
}

func f64c(v float64) []byte {
	return binary.LittleEndian.AppendUint64([]byte{0x44}, math.Float64bits(v))
}

// steps logs, writes, computes and grows, so that where it is stopped shows.
func steps() *program {
	p := newProgram()
	log, write := p.imp("log_utf8", "I:"), p.imp("storage_write", "III:i")
	key := p.buf("key")
	var code [][]byte
	for i := range 12 {
		code = append(code,
			call(log, p.buf(fmt.Sprint("step ", i))),
			repeat(int32(10*i), []byte{1}), store32(8, i32c(0)),
			drop(call(write, key, p.buf(strings.Repeat("v", i)), reg)),
			i32c(4096), i32c(1), i32c(int32(100*i)), []byte{0xfc, 11, 0},
			drop(join(i32c(0), []byte{0x40, 0})))
	}
	p.fn("__calimero_register_merge", call(log, p.buf("merge")))
	p.fn("_initialize", call(log, p.buf("initialize")))
	p.fn("run", code...)
	p.fn("begin", call(log, p.buf("begin")))
	p.start = len(p.bodies) - 1
	return p
}

// TestFuelStops: where a call ends for want of fuel, what it used and what it
// logged until then depend neither on the chunk nor on the engine, whatever the
// budget, from the start section on.
func TestFuelStops(t *testing.T) {
	t.Parallel()
	wasm := steps().bytes()
	want := map[uint64]string{}
	full, err := compileAs(t, how{}, wasm).Run(t.Context(), vm.Call{Method: "run"})
	if err != nil {
		t.Fatal(err)
	}
	for name, h := range hows {
		m := compileAs(t, h, wasm)
		for budget := uint64(1); budget <= full.Fuel+500; budget += 499 {
			for _, b := range []uint64{budget, full.Fuel - 1, full.Fuel} {
				out, err := m.Run(t.Context(), vm.Call{Method: "run", Fuel: b})
				got := fmt.Sprint(out.Logs, out.Fuel)
				var e *vm.Error
				switch {
				case b >= full.Fuel && err != nil:
					t.Fatalf("%s: %v with %d units, enough are %d", name, err, b, full.Fuel)
				case b < full.Fuel && (!errors.As(err, &e) || e.Kind != vm.KindFuel || e.Fuel != b):
					t.Fatalf("%s: got %v with %d units, want KindFuel", name, err, b)
				case err != nil:
					got += fmt.Sprint(e.Error(), e.Fuel)
				}
				if want[b] == "" {
					want[b] = got
				}
				if got != want[b] {
					t.Fatalf("%s, %d units: %s\nelsewhere: %s", name, b, got, want[b])
				}
			}
		}
	}
	if len(want) < 100 {
		t.Errorf("only %d budgets were tried", len(want))
	}
}

// TestFuelOfApplication: a real application uses the same fuel again and again,
// in both engines, with memory that was used before and with memory that was
// not.
func TestFuelOfApplication(t *testing.T) {
	t.Parallel()
	wasm := apptest.RawKV(t)
	fuel := map[string]uint64{}
	for name, h := range hows {
		if h.chunk != 0 && h.chunk != 1000 {
			continue // compiling takes its time
		}
		m := compileAs(t, h, wasm)
		n := 5
		if h.interpreter {
			n = 1
		}
		for range n {
			out, err := m.Run(t.Context(), vm.Call{
				Mode: vm.ModeApply, Method: "init", Input: []byte(`{}`), Time: 1 << 60, Random: strings.NewReader(strings.Repeat("r", 1000)),
			})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			fuel[name] = out.Fuel
		}
	}
	for name, n := range fuel {
		if n != fuel["compiler"] || n < 1000 {
			t.Errorf("%s uses %d units, compiler %d", name, n, fuel["compiler"])
		}
	}
}

// TestFuelBudgets: which budget a call has that names none.
func TestFuelBudgets(t *testing.T) {
	cfg := vm.DefaultConfig()
	cfg.CallFuel = 1000
	e, err := vm.New(cfg, deps())
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	m, err := e.Compile(t.Context(), newProgram().fn("run", repeat(1000, nil)).bytes())
	if err != nil {
		t.Fatal(err)
	}
	var fault *vm.Error
	if _, err := m.Run(t.Context(), vm.Call{Method: "run"}); !errors.As(err, &fault) || fault.Kind != vm.KindFuel ||
		fault.Error() != "the call used up its fuel (1000 units)" {
		t.Errorf("a call: got %v, want it to use up 1000 units", err)
	}
	if out, err := m.Run(t.Context(), vm.Call{Method: "run", Mode: vm.ModeApply}); err != nil || out.Fuel != 8+1000*29 {
		t.Errorf("an apply has a budget of its own: %v", err)
	}
	if _, err := m.Run(t.Context(), vm.Call{Method: "run", Mode: vm.ModeApply, Fuel: 999}); !errors.As(err, &fault) || fault.Fuel != 999 {
		t.Errorf("an apply with a budget: %v", err)
	}
}

// TestFuelOfFailures: every failure tells what it used.
func TestFuelOfFailures(t *testing.T) {
	m := compile(t, failing())
	for method, want := range map[string]uint64{"unreachable": 8 + 1, "app_error": 8 + 2 + 500 + 24/4} {
		_, err := m.Run(t.Context(), vm.Call{Method: method})
		var e *vm.Error
		if !errors.As(err, &e) || e.Fuel != want {
			t.Errorf("%s: got %v, want %d units", method, err, want)
		}
	}
}

// TestFuelInRegistration: a merge registration that uses up the fuel ends the
// call, one that overflows the stack leaves the depth to the method.
func TestFuelInRegistration(t *testing.T) {
	m := compile(t, newProgram().fn("run").fn("__calimero_register_merge", spin))
	var e *vm.Error
	if _, err := m.Run(t.Context(), vm.Call{Method: "run", Fuel: 10_000}); !errors.As(err, &e) || e.Kind != vm.KindFuel {
		t.Errorf("got %v, want KindFuel", err)
	}
	p := newProgram()
	p.fn("__calimero_register_merge", []byte{0x10, 0})
	down := p.counter("down")
	p.fn("run", i32c(vm.DepthLimit-2), []byte{0x10, down})
	if _, err := compile(t, p).Run(t.Context(), vm.Call{Method: "run"}); err != nil {
		t.Errorf("after a registration without end: %v", err)
	}
}

// counter adds a function that calls itself as often as it is told.
func (p *program) counter(name string) byte {
	index := byte(len(p.imports) + len(p.bodies))
	p.fnOf("i:", name, []byte{0x20, 0, 0x04, 0x40, 0x20, 0}, i32c(1), []byte{0x6b, 0x10, index, 0x0b})
	return index
}

// deepFrames are functions that call themselves for ever, with frames of every
// kind: what a compiler may keep on its stack.
func deepFrames() map[string]*rawModule {
	self := func(types [][]byte, bodies ...[]byte) *rawModule {
		m := &rawModule{types: types, exports: [][]byte{join(str("memory"), []byte{2, 0}), join(str("run"), []byte{0, 0})}, bodies: bodies}
		for i := range bodies {
			m.funcs = append(m.funcs, byte(i))
		}
		return m
	}
	void := []byte{0x60, 0, 0}
	load := func(i int) []byte { return join(i32c(int32(4*i)), []byte{0x28, 2, 0}) }
	times := func(n int, f func(i int) []byte) (code []byte) {
		for i := range n {
			code = append(code, f(i)...)
		}
		return code
	}
	always := func(code ...byte) func(int) []byte { return func(int) []byte { return code } }
	store := func(code []byte) []byte { return join(i32c(0), code, []byte{0x36, 2, 0, 0x0b}) }
	sixteen := bytesOfType(0x7e, 16)
	// 100 loops in each other, in the innermost 300 locals are set.
	nested := join([]byte{1, 0xac, 2, 0x7f}, times(100, always(0x03, 0x40)),
		times(300, func(i int) []byte { return join(load(i), []byte{0x21}, leb(uint64(i))) }),
		[]byte{0x10, 0}, times(100, func(i int) []byte { return join([]byte{0x20}, leb(uint64(i)), []byte{0x0d, 0, 0x0b}) }),
		store(join([]byte{0x20, 0}, times(299, func(i int) []byte { return join([]byte{0x20}, leb(uint64(i+1)), []byte{0x6a}) }))))
	return map[string]*rawModule{
		"small":    self([][]byte{void}, []byte{0, 0x10, 0, 0x0b}),
		"indirect": {types: [][]byte{void}, funcs: []byte{0}, tables: [][]byte{{0x70, 0, 1}}, exports: [][]byte{join(str("memory"), []byte{2, 0}), join(str("run"), []byte{0, 0})}, elements: [][]byte{{0, 0x41, 0, 0x0b, 1, 0}}, bodies: [][]byte{{0, 0x41, 0, 0x11, 0, 0, 0x0b}}},
		"2000 operands": self([][]byte{void}, join([]byte{0},
			i32c(0), times(2000, load), []byte{0x10, 0}, times(1999, always(0x6a)), []byte{0x36, 2, 0, 0x0b})),
		"2000 locals": self([][]byte{void}, join([]byte{1, 0xd0, 0x0f, 0x7f},
			times(2000, func(i int) []byte { return join(load(i), []byte{0x21}, leb(uint64(i))) }), []byte{0x10, 0},
			store(join([]byte{0x20, 0}, times(1999, func(i int) []byte { return join([]byte{0x20}, leb(uint64(i+1)), []byte{0x6a}) }))))),
		"spilled one after the other": self([][]byte{void, {0x60, 0, 1, 0x7f}}, join([]byte{1, 1, 0x7f},
			times(5000, always(0x10, 1, 0x21, 0, 0x10, 1, 0x20, 0, 0x6a, 0x1a)), []byte{0x10, 0, 0x0b}), []byte{0, 0x41, 1, 0x0b}),
		"calls of 16 results": self([][]byte{void, join([]byte{0x60, 0}, vec(sixteen...)), join([]byte{0x60}, vec(sixteen...), []byte{0})},
			join([]byte{0}, times(500, always(0x10, 1)), []byte{0x10, 0}, times(500, always(0x10, 2)), []byte{0x0b}),
			join([]byte{0}, times(16, func(i int) []byte { return i64c(uint64(i)) }), []byte{0x0b}), []byte{0, 0x0b}),
		"nested loops": self([][]byte{void}, nested),
		"128 parameters": {
			types: [][]byte{void, join([]byte{0x60}, vec(bytesOfType(0x7e, 128)...), []byte{0})}, funcs: []byte{0, 1},
			exports: [][]byte{join(str("memory"), []byte{2, 0}), join(str("run"), []byte{0, 0})},
			bodies: [][]byte{
				join([]byte{0}, times(128, func(i int) []byte { return i64c(uint64(i)) }), []byte{0x10, 1, 0x0b}),
				join([]byte{0}, times(128, func(i int) []byte { return join([]byte{0x20}, leb(uint64(127-i))) }), []byte{0x10, 1},
					times(128, func(i int) []byte {
						return join(i32c(int32(8*i)), []byte{0x20}, leb(uint64(i)), []byte{0x37, 3, 0})
					}), []byte{0x0b}),
			},
		},
	}
}

func bytesOfType(t byte, n int) (list [][]byte) {
	for range n {
		list = append(list, []byte{t})
	}
	return list
}

// TestDepth: recursion without end is a trap of the guest, after the same fuel
// in both engines, and whatever its frames hold, before wazero's own stack ends.
func TestDepth(t *testing.T) {
	t.Parallel()
	for name, module := range deepFrames() {
		fuel := map[bool]uint64{}
		for _, interpreter := range []bool{false, true} {
			m := compileAs(t, how{interpreter: interpreter}, module.bytes())
			start := time.Now()
			_, err := m.Run(t.Context(), vm.Call{Method: "run"})
			var e *vm.Error
			if !errors.As(err, &e) || e.Kind != vm.KindTrap || e.Error() != "stack overflow" {
				t.Errorf("%s, interpreter %t: got %v, want the trap", name, interpreter, err)
				continue
			}
			fuel[interpreter] = e.Fuel
			t.Logf("%s: %d units, %s", name, e.Fuel, time.Since(start))
		}
		if fuel[false] != fuel[true] {
			t.Errorf("%s: %d units compiled, %d interpreted", name, fuel[false], fuel[true])
		}
	}
}

// TestDepthMargin: the limit of wazero's compiler is at least three times as
// far away as ours, whatever the frames hold.
func TestDepthMargin(t *testing.T) {
	t.Parallel()
	for name, module := range deepFrames() {
		rewritten, err := meter.Rewrite(module.bytes())
		if err != nil {
			t.Fatal(err)
		}
		runtime := wazero.NewRuntime(t.Context())
		defer runtime.Close(t.Context())
		times := 0
		hook := func(_ context.Context, mod api.Module, _ []uint64) {
			mod.ExportedGlobal(meter.FuelGlobal).(api.MutableGlobal).Set(1 << 60)
			if depth := mod.ExportedGlobal(meter.DepthGlobal).(api.MutableGlobal); int64(depth.Get()) < 0 {
				if times++; times == 4 {
					panic("far enough")
				}
				depth.Set(meter.DepthLimit)
			}
		}
		if _, err := runtime.NewHostModuleBuilder(meter.HookModule).NewFunctionBuilder().
			WithGoModuleFunction(api.GoModuleFunc(hook), nil, nil).Export(meter.HookName).Instantiate(t.Context()); err != nil {
			t.Fatal(err)
		}
		mod, err := runtime.Instantiate(t.Context(), rewritten.Code)
		if err != nil {
			t.Fatal(err)
		}
		_, err = mod.ExportedFunction("run").Call(t.Context())
		if err == nil || !strings.Contains(err.Error(), "far enough") {
			t.Errorf("%s: %d times the limit, then %.100v", name, times, err)
		}
	}
}

// TestDepthGivenBack: every way out of a function gives its depth back, and the
// limit is what it is said to be.
func TestDepthGivenBack(t *testing.T) {
	t.Parallel()
	p := newProgram()
	down := p.counter("down")
	p.fn("fits", i32c(vm.DepthLimit-2), []byte{0x10, down})
	p.fn("over", i32c(vm.DepthLimit-1), []byte{0x10, down})
	// What returns gives its depth back, on every way out.
	p.fn("again", repeat(10, join(i32c(vm.DepthLimit-2), []byte{0x10, down})))
	leaves := byte(len(p.bodies))
	p.fnOf("i:", "leaves", []byte{0x20, 0, 0x04, 0x40}, i32c(0), []byte{0x10, down, 0x0f, 0x0b, 0x02, 0x40, 0x20, 0, 0x45, 0x0d, 1, 0x0b})
	p.fn("ways", repeat(3000, join(i32c(1), []byte{0x10, leaves}, i32c(0), []byte{0x10, leaves})))
	for _, interpreter := range []bool{false, true} {
		m := compileAs(t, how{interpreter: interpreter}, p.bytes())
		for method, overflows := range map[string]bool{"fits": false, "over": true, "again": false, "ways": false} {
			if _, err := m.Run(t.Context(), vm.Call{Method: method}); (err != nil) != overflows {
				t.Errorf("%s, interpreter %t: %v", method, interpreter, err)
			}
		}
	}
}

// TestShiftedIndices runs a module that has function indices everywhere.
func TestShiftedIndices(t *testing.T) {
	for name, h := range hows {
		if _, err := compileAs(t, h, shifted().bytes()).Run(t.Context(), vm.Call{Method: "run"}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestNaN: whatever operation gives a NaN, and wherever its bits are looked at,
// it is the canonical one.
func TestNaN(t *testing.T) {
	t.Parallel()
	const (
		nan32, nan64 = 0x7fc00000, 0x7ff8000000000000
		odd32, odd64 = 0xffa12345, 0xfff4000000012345 // signalling, with sign and payload
	)
	f32 := func(bits uint32) []byte { return binary.LittleEndian.AppendUint32([]byte{0x43}, bits) }
	f64 := func(bits uint64) []byte { return binary.LittleEndian.AppendUint64([]byte{0x44}, bits) }
	one32, one64 := f32(math.Float32bits(1)), f64(math.Float64bits(1))
	makes := map[string][]byte{} // code that leaves an f64, or an f32 as such
	for op := byte(0x8d); op <= 0x91; op++ {
		makes[fmt.Sprintf("f32 %#x", op)] = join(f32(odd32), []byte{op})
	}
	for op := byte(0x92); op <= 0x97; op++ {
		makes[fmt.Sprintf("f32 %#x", op)] = join(f32(odd32), one32, []byte{op})
		makes[fmt.Sprintf("f32 %#x right", op)] = join(one32, f32(odd32), []byte{op})
	}
	for op := byte(0x9b); op <= 0x9f; op++ {
		makes[fmt.Sprintf("f64 %#x", op)] = join(f64(odd64), []byte{op})
	}
	for op := byte(0xa0); op <= 0xa5; op++ {
		makes[fmt.Sprintf("f64 %#x", op)] = join(f64(odd64), one64, []byte{op})
		makes[fmt.Sprintf("f64 %#x right", op)] = join(one64, f64(odd64), []byte{op})
	}
	makes["f64 promoted"] = join(f32(odd32), []byte{0xbb})
	makes["f32 demoted"] = join(f64(odd64), []byte{0xb6})
	makes["f64 zero by zero"] = join(f64(0), f64(0), []byte{0xa3})
	makes["f32 root of -1"] = join(f32(math.Float32bits(-1)), []byte{0x91})
	// The next operation takes the NaN in and is made canonical itself.
	makes["f64 chain"] = join(f64(odd64), one64, []byte{0xa2}, one64, []byte{0xa0})
	makes["f64 chain in turn"] = join(one64, f64(odd64), one64, []byte{0xa2, 0xa0})
	makes["f64 long chain"] = join(f64(odd64), []byte{0x9f, 0x9f, 0xb6, 0xbb})

	for name, code := range makes {
		wide := strings.HasPrefix(name, "f64")
		store, reinterpret, typ, want := []byte{0x38, 2, 0}, byte(0xbc), byte(0x7d), uint64(nan32)
		if wide {
			store, reinterpret, typ, want = []byte{0x39, 3, 0}, 0xbd, 0x7c, nan64
		}
		keep := []byte{0x36, 2, 0}
		if wide {
			keep = []byte{0x37, 3, 0}
		}
		p := newProgram()
		ret := p.imp("value_return", "I:")
		out := p.put(make([]byte, 48))
		at := func(i uint64, code ...[]byte) []byte { return join(i32c(int32(out+8*i)), join(code...)) }
		zero := f32(0)
		sign := byte(0x98)
		if wide {
			zero, sign = f64(0), 0xa6
		}
		p.fn("run",
			at(0, code, store),
			at(1, code, []byte{reinterpret}, keep),
			at(2, code, zero, i32c(1), []byte{0x1b}, store),              // through a select
			at(3, []byte{0x02, typ}, code, []byte{0x0c, 0, 0x0b}, store), // out of a block
			at(4, map[bool][]byte{true: one64, false: one32}[wide], code, []byte{sign, reinterpret}, keep), // its sign
			call(ret, p.desc(0, out, 40)))
		for _, interpreter := range []bool{false, true} {
			got, err := compileAs(t, how{interpreter: interpreter}, p.bytes()).Run(t.Context(), vm.Call{Method: "run"})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			var bits []uint64
			for i := range 5 {
				bits = append(bits, binary.LittleEndian.Uint64(got.Output[8*i:]))
			}
			one := uint64(math.Float32bits(1))
			if wide {
				one = math.Float64bits(1)
			}
			if diff := cmp.Diff(bits, []uint64{want, want, want, want, one}); diff != "" {
				t.Errorf("%s, interpreter %t (-got +want):\n%s", name, interpreter, diff)
			}
		}
	}
}
