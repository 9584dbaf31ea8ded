package vm_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"mero/node/vm"
	"mero/node/vm/apptest"
	"mero/node/vm/meter"
)

// wholePart is the constant of package meter by that name.
const wholePart = 256

// part is what belongs to one head, counted apart from package meter: what it
// costs as a whole, how often it was begun, and what of it was run, in units.
type part struct{ whole, rounds, ran int64 }

// piece is code that knows how to run itself.
type piece interface {
	// encode gives the code, and adds what it costs to its part. It reports
	// whether what follows can be reached.
	encode(in *part) (code []byte, goesOn bool)
	// run does what the code does. It gives the label that it jumps to, or -1.
	run(m *machine) int
}

// machine is the memory of a piece that runs, and the parts it is in.
type machine struct {
	x, rounds uint32 // random bits, and how often a loop may go back
	parts     []*part
	part      *part
}

func (m *machine) spend(n int64) { m.part.ran += n }

const rndCost, backCost = 23, 16

// rnd gives random bits below a power of two.
func (m *machine) rnd(below uint32) uint32 {
	m.x = m.x*1_103_515_245 + 12_345
	m.spend(rndCost)
	return m.x >> 16 & (below - 1)
}

func rndCode(below uint32) []byte {
	load := join(i32c(16), []byte{0x28, 2, 0})
	return join(store32(16, join(load, i32c(1_103_515_245), []byte{0x6c}, i32c(12_345), []byte{0x6a})),
		load, i32c(16), []byte{0x76}, i32c(int32(below-1)), []byte{0x71})
}

// back is 1 as long as loops may go back.
func (m *machine) back() uint32 {
	m.rounds--
	m.spend(backCost)
	if int32(m.rounds) > 0 {
		return 1
	}
	return 0
}

func backCode() []byte {
	load := join(i32c(8), []byte{0x28, 2, 0})
	return join(store32(8, join(load, i32c(1), []byte{0x6b})), load, i32c(0), []byte{0x4a})
}

type (
	nops  int
	jump  int // br
	leave struct{}
	seq   []piece
	block struct{ body seq }
	loop  struct {
		body seq
		part *part
	}
	either struct{ then, otherwise seq }
	jumpIf int // br_if, as long as loops may go back
	// table is a br_table by random bits, or by the number that the machine
	// holds if it is fixed. Its label 0 is taken when loops may not go back.
	table struct{ labels []int }
)

func (n nops) encode(in *part) ([]byte, bool) {
	in.whole += int64(n)
	return repeatBytes(int(n), 1), true
}

func (n nops) run(m *machine) int {
	m.spend(int64(n))
	return -1
}

func (d jump) encode(in *part) ([]byte, bool) {
	in.whole++
	return append([]byte{0x0c}, leb(uint64(d))...), false
}

func (d jump) run(m *machine) int {
	m.spend(1)
	return int(d)
}

func (leave) encode(in *part) ([]byte, bool) {
	in.whole++
	return []byte{0x0f}, false
}

func (leave) run(m *machine) int {
	m.spend(1)
	return 1 << 20
}

func (s seq) encode(in *part) (code []byte, goesOn bool) {
	for _, p := range s {
		c, on := p.encode(in)
		code = append(code, c...)
		if !on {
			return code, false // what follows is not written
		}
	}
	return code, true
}

func (s seq) run(m *machine) int {
	for _, p := range s {
		if to := p.run(m); to >= 0 {
			return to
		}
	}
	return -1
}

func (b block) encode(in *part) ([]byte, bool) {
	code, _ := b.body.encode(in)
	return join([]byte{0x02, 0x40}, code, []byte{0x0b}), true
}

func (b block) run(m *machine) int { return b.body.run(m) - 1 }

func (l loop) encode(*part) ([]byte, bool) {
	l.part.whole = 12
	code, _ := l.body.encode(l.part)
	return join([]byte{0x03, 0x40}, code, []byte{0x0b}), true
}

func (l loop) run(m *machine) int {
	outer := m.part
	if l.part.rounds == 0 {
		m.parts = append(m.parts, l.part)
	}
	for {
		m.part = l.part
		m.part.rounds++
		m.spend(12)
		if to := l.body.run(m); to != 0 {
			m.part = outer
			return to - 1
		}
	}
}

func (e either) encode(in *part) ([]byte, bool) {
	in.whole += rndCost + 1
	code := append(rndCode(2), 0x04, 0x40)
	then, on := e.then.encode(in)
	code = append(code, then...)
	if e.otherwise != nil {
		if on {
			in.whole++ // else
		}
		otherwise, _ := e.otherwise.encode(in)
		code = append(append(code, 0x05), otherwise...)
	}
	return append(code, 0x0b), true
}

func (e either) run(m *machine) int {
	yes := m.rnd(2) == 1
	m.spend(1)
	if !yes {
		return e.otherwise.run(m) - 1
	}
	to := e.then.run(m)
	if to < 0 && e.otherwise != nil {
		m.spend(1)
	}
	return to - 1
}

func (d jumpIf) encode(in *part) ([]byte, bool) {
	in.whole += rndCost + backCost + 2
	return join(rndCode(2), backCode(), []byte{0x71, 0x0d}, leb(uint64(d))), true
}

func (d jumpIf) run(m *machine) int {
	yes := m.rnd(2)&m.back() == 1
	m.spend(2)
	if yes {
		return int(d)
	}
	return -1
}

func (t table) encode(in *part) ([]byte, bool) {
	in.whole += rndCost + backCost + 4 + 4
	code := join(rndCode(8), backCode(), []byte{0x6c, 0x0e}, leb(uint64(len(t.labels)-1)))
	for _, l := range t.labels {
		code = append(code, leb(uint64(l))...)
	}
	return code, false
}

func (t table) run(m *machine) int {
	i := m.rnd(8) * m.back()
	m.spend(4 + 4)
	return t.labels[min(int(i), len(t.labels)-1)]
}

// scribe writes random pieces.
type scribe struct {
	*rand.Rand
	loops []bool // which of the labels are loops, the innermost last
}

func (s *scribe) inside(isLoop bool, depth int) seq {
	s.loops = append(s.loops, isLoop)
	defer func() { s.loops = s.loops[:len(s.loops)-1] }()
	return s.seq(depth)
}

func (s *scribe) seq(depth int) seq {
	out := seq{}
	for range 1 + s.IntN(5) {
		out = append(out, nops(s.IntN(1+s.IntN(40))))
		if depth == 0 {
			continue
		}
		switch s.IntN(10) {
		case 0, 1:
			out = append(out, block{s.inside(false, depth-1)})
		case 2, 3:
			out = append(out, loop{s.inside(true, depth-1), new(part)})
		case 4:
			out = append(out, either{s.inside(false, depth-1), s.inside(false, depth-1)})
		case 5:
			out = append(out, either{s.inside(false, depth-1), nil})
		case 6, 7:
			out = append(out, jumpIf(s.IntN(len(s.loops))))
		case 8:
			// It is in a block of its own, which is label 0.
			labels := []int{len(s.loops)}
			for range 1 + s.IntN(6) {
				labels = append(labels, s.IntN(len(s.loops)+1))
			}
			out = append(out, block{seq{table{labels}}})
		case 9:
			d := s.IntN(len(s.loops))
			if isLoop := s.loops[len(s.loops)-1-d]; !isLoop {
				return append(out, jump(d))
			}
			return append(out, leave{})
		}
	}
	return out
}

// written is a function that was written, what running it costs at least, and
// what it may be charged.
type written struct {
	code       []byte
	least, max uint64
	parts      []*part
}

func write(p seq) written {
	top := &part{whole: 8, rounds: 1, ran: 8}
	code, _ := p.encode(top)
	m := &machine{x: 1, rounds: 200, part: top, parts: []*part{top}}
	p.run(m)
	w := written{code: join(store32(16, i32c(1)), store32(8, i32c(200)), code), parts: m.parts}
	top.whole, top.ran = top.whole+6, top.ran+6
	for _, p := range m.parts {
		if p.whole <= wholePart {
			w.least += uint64(p.whole * p.rounds)
			w.max += uint64(p.whole * p.rounds)
		} else {
			w.least += uint64(p.ran)
			w.max += uint64(p.ran + p.ran/2)
		}
	}
	return w
}

// TestFuelOfBlocks holds what random functions are charged against what they
// run: everything at least once, a part of at most wholePart as a whole, and of a
// larger one at most one and a half times what was run. A budget that is one unit short ends the
// call, one that is not does not, wherever the fuel is looked at.
func TestFuelOfBlocks(t *testing.T) {
	t.Parallel()
	const functions, modules = 40, 12
	large, all := uint64(0), uint64(0)
	for seed := range uint64(modules) {
		s := &scribe{Rand: rand.New(rand.NewPCG(seed, 1)), loops: []bool{false}}
		p := newProgram()
		var want []written
		for i := range functions {
			w := write(s.seq(2 + i%4))
			p.fn(fmt.Sprint("f", i), w.code)
			want = append(want, w)
		}
		for name, h := range map[string]how{"compiler": {}, "chunk 1": {chunk: 1}, "interpreter": {interpreter: true, chunk: 100}} {
			m := compileAs(t, h, p.bytes())
			for i, w := range want {
				out, err := m.Run(t.Context(), vm.Call{Method: fmt.Sprint("f", i)})
				if err != nil || out.Fuel < w.least || out.Fuel > w.max {
					t.Fatalf("seed %d, f%d, %s: %d units, %v, want %d to %d", seed, i, name, out.Fuel, err, w.least, w.max)
				}
				for _, short := range []uint64{1, out.Fuel / 3, 0} {
					_, err := m.Run(t.Context(), vm.Call{Method: fmt.Sprint("f", i), Fuel: out.Fuel - short})
					var e *vm.Error
					if short > 0 && (!errors.As(err, &e) || e.Kind != vm.KindFuel || e.Fuel != out.Fuel-short) || short == 0 && err != nil {
						t.Fatalf("seed %d, f%d, %s: %v with %d units of %d", seed, i, name, err, out.Fuel-short, out.Fuel)
					}
				}
				if w.least != w.max {
					large++
				}
				all++
			}
		}
	}
	if large < all/10 {
		t.Errorf("%d functions of %d had a part larger than %d units", large, all, wholePart)
	}
}

// TestFuelOfCases: a loop of cases behind a table, which is what Go makes of every
// function, is charged for the cases that run.
func TestFuelOfCases(t *testing.T) {
	t.Parallel()
	const cases = 64
	labels := []int{cases + 2} // out of the loop
	for i := range 7 {
		labels = append(labels, 9*i+1)
	}
	inner := seq{block{seq{table{labels}}}}
	for i := range cases {
		inner = seq{block{append(inner, nops(20+i%40), jump(cases-i))}}
	}
	w := write(seq{block{seq{loop{inner, new(part)}}}})
	out, err := compile(t, newProgram().fn("run", w.code)).Run(t.Context(), vm.Call{Method: "run"})
	if err != nil {
		t.Fatal(err)
	}
	l := w.parts[1]
	t.Logf("%d rounds: %d units run, %d charged; each round as a whole would be %d", l.rounds, w.least, out.Fuel, l.whole*l.rounds)
	if ratio := float64(out.Fuel) / float64(w.least); ratio < 1 || ratio > 1.5 || l.rounds < 20 || l.whole < 64*30 {
		t.Errorf("charged %.2f of what was run", ratio)
	}
}

// TestFuelOfGo: a Go guest is charged for a loop over bytes what it runs, some 65
// units for each, where its whole function has 1 400. So the largest change of a
// call (32 MiB, R5) is far from what it may take here, a quarter of the budget.
func TestFuelOfGo(t *testing.T) {
	t.Parallel()
	m, err := newEngine(t, "").Compile(t.Context(), apptest.Bulk(t))
	if err != nil {
		t.Fatal(err)
	}
	fuel := func(size int) float64 {
		out, err := m.Run(t.Context(), vm.Call{Method: "fill", Input: fmt.Appendf(nil, `{"name":"a","count":1,"size":%d}`, size), State: mapState{}})
		if err != nil {
			t.Fatal(err)
		}
		return float64(out.Fuel)
	}
	each := (fuel(1<<20) - fuel(1<<19)) / (1 << 19)
	if each < 10 || each*(32<<20) > float64(vm.ApplyFuel/4/2) {
		t.Errorf("%.1f units a byte", each)
	}
	t.Logf("%.1f units a byte", each)
}

// TestNoEndWithoutCheck: whatever way a loop goes on, its head is passed, where
// the fuel is checked; no matter how large it is.
func TestNoEndWithoutCheck(t *testing.T) {
	t.Parallel()
	large := repeatBytes(300, 1)
	p := newProgram()
	for name, code := range map[string][]byte{
		"br":       join([]byte{0x03, 0x40}, large, []byte{0x0c, 0, 0x0b}),
		"br_if":    join([]byte{0x03, 0x40}, large, i32c(1), []byte{0x0d, 0, 0x0b}),
		"br_table": join([]byte{0x02, 0x40, 0x03, 0x40}, large, i32c(1), []byte{0x0e, 2, 1, 0, 1, 0x0b, 0x0b}),
		"if":       join([]byte{0x03, 0x40}, i32c(0), []byte{0x04, 0x40}, large, []byte{0x05, 0x0c, 1, 0x0b, 0x0b}),
		"outer":    join([]byte{0x03, 0x40}, large, i32c(1), []byte{0x04, 0x40, 0x03, 0x40, 0x0c, 2, 0x0b, 0x0b, 0x0b}),
		"in dead code": join([]byte{0x02, 0x40, 0x03, 0x40}, large, i32c(0), []byte{0x0d, 1, 0x0c, 0, 0x03, 0x40}, large,
			[]byte{0x0c, 0, 0x0b, 0x0b, 0x0b}),
		"small": {0x03, 0x40, 0x02, 0x40, 0x0c, 1, 0x0b, 0x0b},
	} {
		p.fn(name, code)
	}
	p.fn("itself", i32c(1), []byte{0x04, 0x40}, large, []byte{0x0b, 0x10, byte(len(p.bodies))})
	m := compile(t, p)
	for _, method := range m.Methods() {
		_, err := m.Run(t.Context(), vm.Call{Method: method, Fuel: 300_000})
		var e *vm.Error
		if !errors.As(err, &e) || e.Kind != vm.KindFuel {
			t.Errorf("%s: %v", method, err)
		}
	}
}

// TestOverrun: when the fuel ends at the bottom of deep calls, what still runs in
// their callers is bounded, since functions with much to do nest less deep.
func TestOverrun(t *testing.T) {
	t.Parallel()
	const limit = meter.DepthLimit * 1024 * 3 / 2
	for name, tc := range map[string]struct{ blocks, each int }{
		"many blocks": {600, 10}, "large blocks": {10, 10_000}, "little a frame": {60, 10},
	} {
		var tail []byte
		for range tc.blocks {
			tail = join(tail, i32c(1), []byte{0x04, 0x40}, repeatBytes(tc.each, 1), []byte{0x0b})
		}
		// As deep as they fit, and deeper: then the depth ends them.
		fits := meter.DepthLimit/(1+(tc.blocks*(tc.each+3)+50)/1024) - 2
		for _, depth := range []int{fits, meter.DepthLimit - 2} {
			p := newProgram()
			p.fnOf("i:", "down", []byte{0x20, 0, 0x04, 0x40, 0x20, 0}, i32c(1), []byte{0x6b, 0x10, 0, 0x0b}, tail)
			p.fn("run", i32c(int32(depth)), []byte{0x10, 0})
			rewritten, err := meter.Rewrite(p.bytes())
			if err != nil {
				t.Fatal(err)
			}
			most := int64(0)
			for budget := depth * 15; budget < depth*20; budget += 1 + depth/2 {
				over := overrun(t, rewritten.Code, int64(budget))
				if over > limit {
					t.Errorf("%s: %d units over a budget of %d (limit %d)", name, over, budget, limit)
				}
				most = max(most, over)
			}
			if depth == fits && most < limit/4 {
				t.Errorf("%s: at most %d units over: the fuel never ended at the bottom", name, most)
			}
		}
	}
}

// overrun runs a module whose first refill gives the budget, and whose second ends
// it, as a depth below zero does. It tells by how much the fuel is below zero then,
// or at the end.
func overrun(t *testing.T, wasm []byte, budget int64) int64 {
	t.Helper()
	runtime := wazero.NewRuntime(t.Context())
	defer runtime.Close(t.Context())
	first := true
	hook := func(_ context.Context, mod api.Module, _ []uint64) {
		if !first {
			panic("enough")
		}
		first = false
		fuel := mod.ExportedGlobal(meter.FuelGlobal).(api.MutableGlobal)
		fuel.Set(fuel.Get() + uint64(budget))
	}
	if _, err := runtime.NewHostModuleBuilder(meter.HookModule).NewFunctionBuilder().
		WithGoModuleFunction(api.GoModuleFunc(hook), nil, nil).Export(meter.HookName).Instantiate(t.Context()); err != nil {
		t.Fatal(err)
	}
	mod, err := runtime.Instantiate(t.Context(), wasm)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mod.ExportedFunction("run").Call(t.Context()); err != nil && !strings.Contains(err.Error(), "enough") {
		t.Fatal(err)
	}
	return -int64(mod.ExportedGlobal(meter.FuelGlobal).Get())
}
