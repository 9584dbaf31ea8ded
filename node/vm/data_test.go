package vm_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"mero/node/vm"
	"mero/node/vm/apptest"
)

// dataModule has pages of memory, and data segments as they are given.
type dataModule struct {
	pages    uint64
	count    bool // a data count section
	segments [][]byte
}

func (d dataModule) bytes() []byte {
	out := []byte{0, 'a', 's', 'm', 1, 0, 0, 0}
	out = append(out, section(5, append([]byte{1, 0}, leb(d.pages)...))...)
	out = append(out, section(6, []byte{1, 0x7f, 0, 0x41, 8, 0x0b})...) // an i32 of 8
	out = append(out, section(7, vec(append(str("memory"), 2, 0)))...)
	if d.count {
		out = append(out, section(12, leb(uint64(len(d.segments))))...)
	}
	return append(out, section(11, vec(d.segments...))...)
}

func active(at int64, data string) []byte {
	return join([]byte{0, 0x41}, sleb(at), []byte{0x0b}, str(data))
}

func passive(data string) []byte { return join([]byte{1}, str(data)) }

// explicit names memory 0.
func explicit(at int64, data string) []byte {
	return join([]byte{2, 0, 0x41}, sleb(at), []byte{0x0b}, str(data))
}

func TestMergeData(t *testing.T) {
	zeros := strings.Repeat("\x00", 63)
	long := strings.Repeat("long", 100)
	const end = 1 << 16
	for name, tc := range map[string]struct {
		count    bool
		segments [][]byte
		want     [][]byte // nil: as they were
	}{
		"adjacent":      {segments: [][]byte{active(8, "abc"), active(11, "def")}, want: [][]byte{active(8, "abcdef")}},
		"gap":           {segments: [][]byte{active(8, "abc"), active(14, "def")}, want: [][]byte{active(8, "abc\x00\x00\x00def")}},
		"largest gap":   {segments: [][]byte{active(100, long), active(563, "d")}, want: [][]byte{active(100, long+zeros+"d")}},
		"gap too large": {segments: [][]byte{active(100, long), active(564, "d")}},
		"memory named":  {segments: [][]byte{explicit(8, "abc"), active(11, "def")}, want: [][]byte{active(8, "abcdef")}},
		"two runs": {
			segments: [][]byte{active(64, "a"), active(66, "b"), active(8000, "c"), active(8001, "d")},
			want:     [][]byte{active(64, "a\x00b"), active(8000, "cd")},
		},
		"runs descend": {
			segments: [][]byte{active(8000, "c"), active(8001, "d"), active(64, "a"), active(66, "b")},
			want:     [][]byte{active(8000, "cd"), active(64, "a\x00b")},
		},
		"empty ones":    {segments: [][]byte{active(8, ""), active(8, "a"), active(10, "")}, want: [][]byte{active(8, "a\x00")}},
		"to the end":    {segments: [][]byte{active(end-4, "ab"), active(end-2, "cd")}, want: [][]byte{active(end-4, "abcd")}},
		"none":          {segments: [][]byte{}},
		"one":           {segments: [][]byte{active(8, "abc")}},
		"long number":   {segments: [][]byte{join([]byte{0, 0x41, 0x88, 0, 0x0b}, str("abc"))}},
		"none joins":    {segments: [][]byte{active(8, "abc"), active(8000, "def")}},
		"descending":    {segments: [][]byte{active(11, "def"), active(8, "abc")}},
		"overlapping":   {segments: [][]byte{active(8, "abc"), active(10, "def"), active(13, "ghi")}},
		"same twice":    {segments: [][]byte{active(8, "abc"), active(8, "def")}},
		"late overlap":  {segments: [][]byte{active(8, "abc"), active(11, "def"), active(600, "g"), active(9, "h")}},
		"in a gap":      {segments: [][]byte{active(8, long), active(8+402, long), active(8+400, "x")}},
		"passive":       {segments: [][]byte{active(8, "abc"), active(11, "def"), passive("x")}},
		"data count":    {count: true, segments: [][]byte{active(8, "abc"), active(11, "def")}},
		"global offset": {segments: [][]byte{join([]byte{0, 0x23, 0, 0x0b}, str("abc")), active(11, "def")}},
		"out of bounds": {segments: [][]byte{active(8, "abc"), active(11, "def"), active(end-1, "xy")}},
		"empty outside": {segments: [][]byte{active(8, "abc"), active(11, "def"), active(end+1, "")}},
		"negative":      {segments: [][]byte{active(8, "abc"), active(11, "def"), active(-1, "x")}},
		"grows by more": {segments: [][]byte{active(8, "abcd"), active(60, "efgh")}},
		"grows at last": {segments: [][]byte{active(8, "abcd"), active(12, "efgh"), active(75, ""), active(138, ""), active(201, "")}},
	} {
		t.Run(name, func(t *testing.T) {
			given := dataModule{pages: 1, count: tc.count, segments: tc.segments}
			want := given
			if tc.want != nil {
				want.segments = tc.want
			}
			got := rewrite(t, given.bytes())
			if diff := cmp.Diff(got, want.bytes()); diff != "" {
				t.Errorf("module (-got +want):\n%s", diff)
			}
			sameMemory(t, given.bytes(), got)
		})
	}
}

// TestMergeDataGrowth has a section that half of itself would let grow by more
// than the other bound.
func TestMergeDataGrowth(t *testing.T) {
	const size = 128
	fill := func(gap, n int) dataModule {
		d := dataModule{pages: 256}
		for i := range n {
			d.segments = append(d.segments, active(int64(i*(size+gap)), strings.Repeat("x", size)))
		}
		return d
	}
	// Each joint is 63 zeros instead of 9 bytes (8 in the first MiB): 2 MiB are
	// some 38 700 of them.
	for n, merged := range map[int]bool{38_500: true, 38_900: false} {
		wasm := fill(63, n).bytes()
		if got := rewrite(t, wasm); bytes.Equal(got, wasm) == merged {
			t.Errorf("%d segments of %d bytes: merged %t, want %t", n, size, !merged, merged)
		}
	}
}

// TestMergeDataApps holds the memory of real applications as they are against
// that of what is made of them.
func TestMergeDataApps(t *testing.T) {
	for _, name := range apptest.Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wasm := apptest.Build(t, name)
			merged := rewrite(t, wasm)
			if before, after := countData(t, wasm), countData(t, merged); before < 10_000 || after > 100 {
				t.Errorf("%d data segments became %d, want more than 10 000 and less than 100", before, after)
			}
			if size := sameMemory(t, wasm, merged); size == 0 {
				t.Error("the application does not start")
			}
		})
	}
}

// FuzzMergeData merges what may be merged in segments that the input chooses,
// and compares the memory. The seeds are random inputs, most of which give
// something to merge.
func FuzzMergeData(f *testing.F) {
	random := rand.New(rand.NewPCG(1, 2))
	merged, refused := 0, 0
	for range 300 {
		input := make([]byte, 1+3*random.IntN(20))
		for i := range input {
			input[i] = byte(random.Uint32())
		}
		f.Add(input)
		wasm := chosenData(input)
		if out, err := vm.Rewritten(wasm); err != nil {
			f.Fatal(err)
		} else if bytes.Equal(out, wasm) {
			refused++
		} else {
			merged++
		}
	}
	if merged < 50 || refused < 50 {
		f.Fatalf("of the seeds %d are merged and %d are not: the test says too little", merged, refused)
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		wasm := chosenData(input)
		sameMemory(t, wasm, rewrite(t, wasm))
	})
}

// chosenData makes a module from one byte and then three for each segment: what
// kind, which place, how long.
func chosenData(input []byte) []byte {
	d := dataModule{pages: 1}
	if len(input) > 0 {
		d.count = input[0] >= 240
		input = input[1:]
	}
	end := int64(32)
	for part := range slices.Chunk(input, 3) {
		if len(part) < 3 || len(d.segments) == 50 {
			break
		}
		kind, place, length := part[0], int64(part[1]), int(part[2]%64)
		// No zeros, so that what a gap overwrites shows.
		data := strings.Repeat(string([]byte{'A' + byte(len(d.segments))}), length)
		at := end
		switch {
		case kind < 200:
			at += place % 32
		case kind < 220:
			at += place
		case kind < 235:
			at += place * 100
		case kind < 250:
			at = max(0, at-place)
		case kind < 252:
			at = 1<<16 - place%64
		}
		switch {
		case kind == 255:
			d.segments = append(d.segments, passive(data))
		case kind == 254:
			d.segments = append(d.segments, join([]byte{0, 0x23, 0, 0x0b}, str(data)))
		case kind%16 == 1:
			d.segments = append(d.segments, explicit(at, data))
		default:
			d.segments = append(d.segments, active(at, data))
		}
		end = at + int64(length)
	}
	return d.bytes()
}

func rewrite(t *testing.T, wasm []byte) []byte {
	t.Helper()
	out, err := vm.Rewritten(wasm)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// sameMemory instantiates two modules with nothing but wazero, runs none of
// their functions, and compares the memory, or how they fail to start.
// It gives the size of the memory.
func sameMemory(t *testing.T, before, after []byte) int {
	t.Helper()
	want, wantErr := memoryOf(t, before)
	got, err := memoryOf(t, after)
	if !bytes.Equal(got, want) || err != wantErr {
		t.Errorf("%d bytes of memory and the error %q, want %d and %q, and the same content", len(got), err, len(want), wantErr)
	}
	return len(got)
}

func memoryOf(t *testing.T, wasm []byte) (memory []byte, failure string) {
	t.Helper()
	runtime := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter())
	defer runtime.Close(t.Context())
	compiled, err := runtime.CompileModule(t.Context(), wasm)
	if err != nil {
		return nil, err.Error() // an offset that is a global, which wazero has only if it is imported
	}
	linkNothing(t, runtime, compiled)
	mod, err := runtime.InstantiateModule(t.Context(), compiled, wazero.NewModuleConfig().WithStartFunctions())
	if err != nil {
		return nil, err.Error()
	}
	memory, ok := mod.Memory().Read(0, mod.Memory().Size())
	if !ok {
		t.Fatal("the memory cannot be read")
	}
	return bytes.Clone(memory), ""
}

// linkNothing gives a module functions to import that nobody calls.
func linkNothing(t *testing.T, runtime wazero.Runtime, compiled wazero.CompiledModule) {
	t.Helper()
	hosts := map[string]wazero.HostModuleBuilder{}
	for _, f := range compiled.ImportedFunctions() {
		module, name, _ := f.Import()
		if hosts[module] == nil {
			hosts[module] = runtime.NewHostModuleBuilder(module)
		}
		never := api.GoFunc(func(context.Context, []uint64) { t.Error(name + " was called") })
		hosts[module].NewFunctionBuilder().WithGoFunction(never, f.ParamTypes(), f.ResultTypes()).Export(name)
	}
	for _, host := range hosts {
		if _, err := host.Instantiate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// countData gives the number of data segments of a well-formed module.
func countData(t *testing.T, wasm []byte) uint64 {
	t.Helper()
	for rest := wasm[8:]; len(rest) > 0; {
		id := rest[0]
		size, n := binary.Uvarint(rest[1:])
		content := rest[1+n:][:size]
		rest = rest[1+n:][size:]
		if id == 11 {
			count, _ := binary.Uvarint(content)
			return count
		}
	}
	t.Fatal("no data section")
	return 0
}
