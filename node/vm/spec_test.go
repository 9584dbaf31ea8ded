package vm_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"mero/node/vm/meter"
)

// specDir finds the specification's test suite, which comes with wazero.
func specDir(t testing.TB) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	dir := filepath.Join(strings.TrimSpace(string(out)), "internal", "integration_test", "spectest")
	if err == nil {
		_, err = os.Stat(filepath.Join(dir, "testdata", "spectest.wasm"))
	}
	if err != nil {
		t.Skipf("the module cache has no specification tests of wazero: %v", err)
	}
	return dir
}

// script is a file of commands made by wast2json.
type script struct {
	Commands []command `json:"commands"`
}

type command struct {
	Type     string `json:"type"`
	Line     int    `json:"line"`
	Name     string `json:"name"`
	Filename string `json:"filename"`
	As       string `json:"as"`
	Action   struct {
		Type   string  `json:"type"`
		Module string  `json:"module"`
		Field  string  `json:"field"`
		Args   []value `json:"args"`
	} `json:"action"`
	Expected []value `json:"expected"`
}

type value struct {
	Type  string          `json:"type"`
	Value json.RawMessage `json:"value"`
}

// bits is a value as wazero takes it; ok is false for what has none (NaN by
// kind, references).
func (v value) bits() (bits uint64, ok bool) {
	var text string
	if json.Unmarshal(v.Value, &text) != nil {
		return 0, false
	}
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		if v.Type == "externref" {
			n++ // 0 is null
		}
		return n, v.Type != "funcref"
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		if v.Type == "i32" {
			return uint64(uint32(int32(n))), true
		}
		return uint64(n), true
	}
	return 0, text == "null"
}

// specWorld runs one script.
type specWorld struct {
	dir     string
	runtime wazero.Runtime
	metered bool
	byName  map[string]api.Module
	last    api.Module
	all     []api.Module
	// trace has what every command gave.
	trace []string
	count map[string]int
}

func newSpecWorld(t *testing.T, dir string, metered bool) *specWorld {
	t.Helper()
	w := &specWorld{dir: dir, metered: metered, byName: map[string]api.Module{}, count: map[string]int{}}
	w.runtime = wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfig().WithCoreFeatures(api.CoreFeaturesV2))
	t.Cleanup(func() { _ = w.runtime.Close(context.Background()) })
	refillFreely(t, w.runtime)
	spectest, err := os.ReadFile(filepath.Join(filepath.Dir(filepath.Dir(dir)), "testdata", "spectest.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.runtime.Instantiate(t.Context(), spectest); err != nil {
		t.Fatal(err)
	}
	return w
}

// refillFreely is the hook with fuel for ever.
func refillFreely(t testing.TB, runtime wazero.Runtime) {
	t.Helper()
	hook := func(_ context.Context, mod api.Module, _ []uint64) {
		mod.ExportedGlobal(meter.FuelGlobal).(api.MutableGlobal).Set(10_000)
		if int64(mod.ExportedGlobal(meter.DepthGlobal).Get()) < 0 {
			panic("stack overflow")
		}
	}
	if _, err := runtime.NewHostModuleBuilder(meter.HookModule).NewFunctionBuilder().
		WithGoModuleFunction(api.GoModuleFunc(hook), nil, nil).Export(meter.HookName).Instantiate(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (w *specWorld) note(c command, format string, args ...any) {
	w.trace = append(w.trace, fmt.Sprintf("line %d %s: ", c.Line, c.Type)+fmt.Sprintf(format, args...))
}

func (w *specWorld) run(ctx context.Context, c command, as string) {
	if c.Action.Type != "" {
		w.act(ctx, c)
		return
	}
	if !strings.HasSuffix(c.Filename, ".wasm") {
		return // a registration, or text
	}
	wasm, err := os.ReadFile(filepath.Join(w.dir, c.Filename))
	if err != nil {
		w.note(c, "%v", err)
		return
	}
	// What the pass refuses is not run unmodified either: wazero might not
	// survive it.
	rewritten, err := meter.Rewrite(wasm)
	if err != nil {
		w.count["refused "+c.Type]++
		w.note(c, "refused: %v", err)
		if c.Type == "module" {
			w.last = nil
			w.byName[c.Name] = nil
		}
		return
	}
	if w.metered {
		wasm = rewritten.Code
	}
	mod, err := w.runtime.InstantiateWithConfig(ctx, wasm, wazero.NewModuleConfig().WithName(as).WithStartFunctions())
	w.count["module "+strconv.FormatBool(err == nil)]++
	switch c.Type {
	case "assert_invalid", "assert_malformed", "assert_unlinkable":
		// The words may name other blocks and indices.
		w.note(c, "accepted: %t", err == nil)
	default:
		w.note(c, "%s", failure(err))
	}
	if c.Type == "module" {
		w.last = mod
		if c.Name != "" {
			w.byName[c.Name] = mod
		}
	}
	if mod != nil {
		w.all = append(w.all, mod)
	}
}

// failure is the reason of an error of wazero; offsets and indices, which differ,
// are left out.
func failure(err error) string {
	if err == nil {
		return "ok"
	}
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		err = inner
	}
	text, _, _ := strings.Cut(err.Error(), "\n")
	text, _, _ = strings.Cut(text, " (recovered")
	if strings.Contains(text, "invalid function[") || strings.HasPrefix(text, "source module must be compiled") {
		return "invalid"
	}
	return text
}

func (w *specWorld) act(ctx context.Context, c command) {
	mod := w.last
	if c.Action.Module != "" {
		mod = w.byName[c.Action.Module]
	}
	if mod == nil {
		w.count["no module"]++
		return
	}
	if c.Action.Type == "get" {
		w.note(c, "%x", mod.ExportedGlobal(c.Action.Field).Get())
		return
	}
	args := make([]uint64, len(c.Action.Args))
	for i, a := range c.Action.Args {
		args[i], _ = a.bits()
	}
	f := mod.ExportedFunction(c.Action.Field)
	results, err := f.Call(ctx, args...)
	text := failure(err)
	for i, r := range results {
		if t := f.Definition().ResultTypes()[i]; t == api.ValueTypeI32 || t == api.ValueTypeF32 {
			r = uint64(uint32(r)) // the rest is whatever was in the register
		}
		text += " " + resultText(f.Definition().ResultTypes()[i], r)
		if want, ok := c.Expected[i].bits(); ok && c.Type == "assert_return" && want != r {
			text += " (wrong)"
			w.count["wrong"]++
		}
	}
	w.count[c.Type]++
	w.note(c, "%s", text)
	if err != nil {
		for _, m := range w.all {
			if depth, ok := m.ExportedGlobal(meter.DepthGlobal).(api.MutableGlobal); ok {
				depth.Set(meter.DepthLimit)
			}
		}
	}
}

// resultText writes a value; references are addresses, and NaN is free.
func resultText(t api.ValueType, bits uint64) string {
	switch {
	case t == api.ValueTypeF32 && math.IsNaN(float64(math.Float32frombits(uint32(bits)))):
		return "nan"
	case t == api.ValueTypeF64 && math.IsNaN(math.Float64frombits(bits)):
		return "nan"
	case t != api.ValueTypeI32 && t != api.ValueTypeI64 && t != api.ValueTypeF32 && t != api.ValueTypeF64:
		return strconv.FormatBool(bits == 0)
	default:
		return strconv.FormatUint(bits, 16)
	}
}

// runScript gives the trace of a script.
func runScript(t *testing.T, file string, metered bool) *specWorld {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var s script
	if err := json.Unmarshal(raw, &s); err != nil {
		t.Fatal(err)
	}
	w := newSpecWorld(t, filepath.Dir(file), metered)
	for i, c := range s.Commands {
		as := ""
		if next := i + 1; c.Type == "module" && next < len(s.Commands) && s.Commands[next].Type == "register" {
			as = s.Commands[next].As
		}
		w.run(t.Context(), c, as)
	}
	return w
}

// TestSpecification runs the scripts of the WebAssembly specification, the
// modules as they are and metered: every command has the same result.
func TestSpecification(t *testing.T) {
	t.Parallel()
	dir := specDir(t)
	for _, version := range []string{"v1", "v2"} {
		files, err := filepath.Glob(filepath.Join(dir, version, "testdata", "*.json"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no scripts in %s: %v", dir, err)
		}
		total := map[string]int{}
		t.Run(version, func(t *testing.T) {
			for _, file := range files {
				name := strings.TrimSuffix(filepath.Base(file), ".json")
				if strings.HasPrefix(name, "simd") {
					continue
				}
				t.Run(name, func(t *testing.T) {
					plain, metered := runScript(t, file, false), runScript(t, file, true)
					for i := range plain.trace {
						if plain.trace[i] != metered.trace[i] {
							t.Errorf("as it is: %s\nmetered:   %s", plain.trace[i], metered.trace[i])
						}
					}
					for what, n := range metered.count {
						total[what] += n
					}
				})
			}
		})
		t.Logf("%s: %v", version, total)
		if total["assert_return"] < 15_000 || total["assert_trap"] < 400 || total["wrong"] > 2 {
			t.Errorf("%s: %v: too little was tried, or wazero itself is wrong", version, total)
		}
	}
}
