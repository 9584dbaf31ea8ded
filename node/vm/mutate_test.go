package vm_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"mero/node/vm/meter"
)

// mutationSeeds are small modules: those of the specification that the pass
// accepts, and ours.
func mutationSeeds(t testing.TB) [][]byte {
	t.Helper()
	seeds := [][]byte{failing().bytes(), dirty().bytes(), printing().bytes(), shifted().bytes()}
	dir := specDir(t)
	for _, version := range []string{"v1", "v2"} {
		files, err := filepath.Glob(filepath.Join(dir, version, "testdata", "*.wasm"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			wasm, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := meter.Rewrite(wasm); err != nil {
				continue
			}
			if wasm = withoutCustom(wasm); len(wasm) > 20 && len(wasm) < 400 {
				seeds = append(seeds, wasm)
			}
		}
	}
	return seeds
}

// withoutCustom drops custom sections: the pass drops all but names, so that
// wazero sees one of a form that it refuses only in the module as it is.
func withoutCustom(wasm []byte) []byte {
	out := bytes.Clone(wasm[:8])
	for rest := wasm[8:]; len(rest) > 0; {
		size, n := binary.Uvarint(rest[1:])
		if n <= 0 || size > uint64(len(rest)-1-n) {
			return append(out, rest...)
		}
		end := 1 + n + int(size)
		if rest[0] != 0 {
			out = append(out, rest[:end]...)
		}
		rest = rest[end:]
	}
	return out
}

// judge tells what the pass and wazero make of a module: the pass is total and
// refuses the same whether or not it puts something in, and wazero accepts what
// comes out exactly if it accepts what went in.
type judge struct{ runtime wazero.Runtime }

func newJudge(t testing.TB) judge {
	t.Helper()
	r := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(api.CoreFeaturesV2))
	t.Cleanup(func() { _ = r.Close(context.Background()) })
	return judge{r}
}

func (j judge) accepts(ctx context.Context, wasm []byte) (text string, ok bool) {
	defer func() {
		if p := recover(); p != nil {
			text, ok = fmt.Sprint("panic: ", p), false
		}
	}()
	c, err := j.runtime.CompileModule(ctx, wasm)
	if err != nil {
		return err.Error(), false
	}
	return "", c.Close(ctx) == nil
}

func (j judge) check(t *testing.T, wasm []byte) (passed, accepted bool) {
	t.Helper()
	rewritten, err := meter.Rewrite(wasm)
	if _, plainErr := meter.Check(wasm); (err == nil) != (plainErr == nil) {
		t.Fatalf("Rewrite: %v, Check: %v\n%x", err, plainErr, wasm)
	}
	if err != nil {
		return false, false
	}
	before, ok := j.accepts(t.Context(), withoutCustom(wasm))
	after, metered := j.accepts(t.Context(), rewritten.Code)
	if ok != metered || strings.HasPrefix(after, "panic") {
		t.Errorf("as it is: %t %s\nmetered: %t %s\n%x", ok, before, metered, after, wasm)
	}
	return true, metered
}

// mutate changes one to three bytes.
func mutate(random *rand.Rand, seed []byte) []byte {
	wasm := bytes.Clone(seed)
	for range 1 + random.IntN(3) {
		at := 8 + random.IntN(len(wasm)-8)
		switch random.IntN(4) {
		case 0:
			wasm[at] = byte(random.Uint32())
		case 1:
			wasm[at] += byte(random.IntN(5)) - 2
		case 2:
			wasm[at] ^= 1 << random.IntN(8)
		default:
			wasm[at] = []byte{0, 1, 0x0b, 0x40, 0x7f, 0x80, 0xfc, 0xff}[random.IntN(8)]
		}
	}
	return wasm
}

// TestMutants: nothing is accepted by the pass and wazero together that wazero
// alone refuses, and the other way round.
func TestMutants(t *testing.T) {
	t.Parallel()
	n := 20_000
	if text := os.Getenv("MERO_MUTANTS"); text != "" {
		if _, err := fmt.Sscan(text, &n); err != nil {
			t.Fatal(err)
		}
	}
	seeds, j := mutationSeeds(t), newJudge(t)
	random := rand.New(rand.NewPCG(42, uint64(n)))
	passed, accepted := 0, 0
	for range n {
		p, a := j.check(t, mutate(random, seeds[random.IntN(len(seeds))]))
		if p {
			passed++
		}
		if a {
			accepted++
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d seeds; of %d mutants the pass lets %d through, wazero %d of them", len(seeds), n, passed, accepted)
	if passed < n/10 || accepted < n/20 {
		t.Error("too few to say anything")
	}
}

// FuzzMeter is TestMutants guided by coverage.
func FuzzMeter(f *testing.F) {
	seeds := mutationSeeds(f)
	for i := 0; i < len(seeds); i += 1 + len(seeds)/100 {
		f.Add(seeds[i])
	}
	j := newJudge(f)
	f.Fuzz(func(t *testing.T, wasm []byte) {
		if len(wasm) < 8 || len(wasm) > 1<<13 {
			return
		}
		j.check(t, wasm)
	})
}

// shifted has a function index in every place where one can be: calls, ref.func
// in code and in initialisers, the eight forms of elements, exports, start.
func shifted() *rawModule {
	return &rawModule{
		types:   [][]byte{{0x60, 0, 0}, {0x60, 0, 1, 0x7f}, {0x60, 0, 2, 0x7f, 0x7e}, {0x60, 1, 0x7e, 0}},
		imports: [][]byte{join(str("env"), str("input"), []byte{0, 3})},
		funcs:   []byte{0, 1, 1, 2, 0},
		tables:  [][]byte{{0x70, 0, 10}, {0x70, 0, 10}},
		globals: [][]byte{{0x70, 0, 0xd2, 1, 0x0b}},
		exports: [][]byte{join(str("memory"), []byte{2, 0}), join(str("run"), []byte{0, 5}), join(str("also"), []byte{0, 2})},
		start:   1,
		elements: [][]byte{
			{0, 0x41, 0, 0x0b, 1, 2},
			{1, 0, 1, 3},
			{2, 1, 0x41, 0, 0x0b, 0, 1, 2},
			{3, 0, 1, 3},
			{4, 0x41, 1, 0x0b, 1, 0xd2, 3, 0x0b},
			{5, 0x70, 2, 0xd2, 2, 0x0b, 0xd0, 0x70, 0x0b},
			{6, 1, 0x41, 1, 0x0b, 0x70, 1, 0xd2, 3, 0x0b},
			{7, 0x70, 1, 0xd2, 3, 0x0b},
		},
		bodies: [][]byte{
			{0, 0x41, 8, 0x41, 1, 0x36, 2, 0, 0x0b}, // start: mem[8] = 1
			{0, 0x41, 2, 0x0b},
			{0, 0x41, 3, 0x0f, 0x0b},
			{0, 0x41, 4, 0x42, 5, 0x0c, 0, 0x0b},
			// run: traps unless everything is where it was
			join([]byte{0},
				unless(2, 0x10, 2),
				unless(3, 0x10, 3),
				unless(2, 0x41, 0, 0x11, 1, 0), unless(3, 0x41, 1, 0x11, 1, 0),
				unless(2, 0x41, 0, 0x11, 1, 1), unless(3, 0x41, 1, 0x11, 1, 1),
				[]byte{0x41, 5, 0xd2, 3, 0x26, 0}, unless(3, 0x41, 5, 0x11, 1, 0),
				[]byte{0x41, 6, 0x41, 0, 0x41, 2, 0xfc, 12, 5, 0}, unless(2, 0x41, 6, 0x11, 1, 0),
				[]byte{0x41, 7, 0x23, 0, 0x26, 0, 0x41, 7, 0x11, 0, 0},
				unless(4, 0x10, 4, 0x1a), unless(1, 0x41, 8, 0x28, 2, 0), []byte{0x0b}),
		},
	}
}

// unless traps if code does not give n.
func unless(n byte, code ...byte) []byte {
	return join(code, []byte{0x41, n, 0x47, 0x04, 0x40, 0x00, 0x0b})
}

// rawModule is a module of given entries of sections; it has a page of memory.
type rawModule struct {
	types, imports, tables, globals, exports, elements, bodies [][]byte

	funcs []byte // types
	start int    // 0: none
}

func (m *rawModule) bytes() []byte {
	out := []byte{0, 'a', 's', 'm', 1, 0, 0, 0}
	add := func(id byte, entries [][]byte) {
		if len(entries) > 0 {
			out = append(out, section(id, vec(entries...))...)
		}
	}
	add(1, m.types)
	add(2, m.imports)
	out = append(out, section(3, append(leb(uint64(len(m.funcs))), m.funcs...))...)
	add(4, m.tables)
	out = append(out, section(5, []byte{1, 0, 1})...)
	add(6, m.globals)
	add(7, m.exports)
	if m.start > 0 {
		out = append(out, section(8, leb(uint64(m.start)))...)
	}
	add(9, m.elements)
	var bodies [][]byte
	for _, b := range m.bodies {
		bodies = append(bodies, append(leb(uint64(len(b))), b...))
	}
	add(10, bodies)
	return out
}
