package vm_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/tetratelabs/wazero"

	"mero/node/ident"
	"mero/node/vm"
	"mero/node/vm/apptest"
)

// appsDirVar names a directory of application binaries to try.
const appsDirVar = "MERO_APPS_DIR"

// TestAppsDir tries every binary of a directory: whether it links and starts,
// whether init runs, with {} or with arguments guessed from what it says is
// missing, and how many of its methods do. Every call is made without fuel as
// well, and does the same. It fails for one that does not link
// or init; methods may refuse what was guessed.
func TestAppsDir(t *testing.T) {
	dir := os.Getenv(appsDirVar)
	if dir == "" {
		t.Skipf("%s is not set: no application binaries to try (%s=DIR go test -run TestAppsDir -v ./node/vm)", appsDirVar, appsDirVar)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatalf("no .wasm file in %s", dir)
	}
	engine, err := vm.New(vm.DefaultConfig(), vm.Deps{Log: zerolog.Nop(), Metrics: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	}()
	plain := newEngine(t, "")
	plain.Compare(true, false, false, 0)
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	row(w, "application", "convention", "bytes", "missing imports", "init", "apply", "ok", "refused", "methods")
	var sum report
	for _, file := range files {
		r := probeFile(t, engine, plain, file)
		row(w, filepath.Base(file), r.convention, r.size, missing(r.missing), word(r.init), word(r.apply), r.ok, r.refused, r.methods)
		if r.link != nil {
			t.Errorf("%s: %v", filepath.Base(file), r.link)
		} else if r.init != nil {
			t.Errorf("%s: init: %v (last input %s)", filepath.Base(file), r.init, r.input)
		}
		sum.ok, sum.refused, sum.methods, sum.steps = sum.ok+r.ok, sum.refused+r.refused, sum.methods+r.methods, sum.steps+r.steps
	}
	row(w, fmt.Sprintf("%d binaries", len(files)), "", "", "", "", "", sum.ok, sum.refused, sum.methods)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d calls did the same with and without fuel, unless said otherwise", sum.steps)
	t.Logf("ok: methods that ended well; refused: returned an error of the application\n%s", table.String())
}

func row(w *tabwriter.Writer, cells ...any) {
	text := make([]string, len(cells))
	for i, c := range cells {
		text[i] = fmt.Sprint(c)
	}
	fmt.Fprintln(w, strings.Join(text, "\t"))
}

func missing(imports []string) string {
	if len(imports) == 0 {
		return "-"
	}
	return strings.Join(imports, " ")
}

func word(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, errNotTried):
		return "-"
	default:
		return "FAILED"
	}
}

var errNotTried = errors.New("not tried")

// report is what was found about one binary.
type report struct {
	convention string
	size       int
	missing    []string
	link       error
	init       error
	input      string // of the last try of init
	apply      error
	ok         int
	refused    int
	methods    int
	steps      int
}

func probeFile(t *testing.T, engine, plain *vm.Engine, file string) (r report) {
	t.Helper()
	r = report{init: errNotTried, apply: errNotTried, convention: "?"}
	wasm, err := os.ReadFile(file)
	if err != nil {
		r.link = err
		return r
	}
	r.size = len(wasm)
	module, err := engine.Compile(t.Context(), wasm)
	if err != nil {
		var imports *vm.MissingImportsError
		if errors.As(err, &imports) {
			r.missing = imports.Imports
		}
		r.link = err
		return r
	}
	defer module.Release()
	r.convention = convention(t, wasm)
	bare, err := plain.Compile(t.Context(), wasm)
	if err != nil {
		r.link = err
		return r
	}
	defer bare.Release()
	p := &prober{t: t, module: module, plain: bare, state: kvState{}, private: kvState{}}
	defer func() { r.steps = p.steps }()
	out, input, err := p.guess("init")
	r.init, r.input = err, input
	if err != nil {
		return r
	}
	r.apply = p.applyElsewhere(out)
	for _, method := range module.Methods() {
		if method == "init" {
			continue
		}
		r.methods++
		_, input, err := p.guess(method)
		var e *vm.Error
		switch {
		case err == nil:
			r.ok++
		case errors.As(err, &e) && e.Kind == vm.KindApplication:
			r.refused++
		default:
			t.Logf("%s: %s %.200s: %.300v", filepath.Base(file), method, input, err)
		}
	}
	return r
}

// convention tells the two calling conventions apart (wasm-abi 1.1).
func convention(t *testing.T, wasm []byte) string {
	t.Helper()
	runtime := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter())
	defer runtime.Close(t.Context())
	compiled, err := runtime.CompileModule(t.Context(), wasm)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range compiled.ImportedFunctions() {
		if _, name, _ := f.Import(); name == "value_return" {
			return map[int]string{1: "pointer", 3: "flat"}[len(f.ParamTypes())]
		}
	}
	return "none"
}

// kvState is a state in memory.
type kvState map[string]string

func (s kvState) Get(key []byte) ([]byte, bool, error) {
	value, ok := s[string(key)]
	return []byte(value), ok, nil
}

func (s kvState) keep(writes []vm.Write) {
	for _, w := range writes {
		if w.Delete {
			delete(s, string(w.Key))
		} else {
			s[string(w.Key)] = string(w.Value)
		}
	}
}

// prober is one context of one application.
type prober struct {
	t       *testing.T
	module  *vm.Module
	plain   *vm.Module // the same without fuel
	state   kvState
	private kvState
	time    uint64
	steps   int // compared with what plain does
}

// self is the only member; its id as text is what is guessed for ids.
var self = ident.PublicKey{0: 1, 31: 1}

func (p *prober) run(mode vm.Mode, method string, input []byte) (*vm.Outcome, error) {
	p.time = max(p.time+65_536, uint64(time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC).UnixNano())>>16<<16)
	call := vm.Call{
		Mode: mode, Method: method, Input: input, Time: p.time, Context: ident.ContextID{0: 7}, Executor: self,
		State: p.state, Private: p.private, Members: onlySelf{}, Timeout: 10 * time.Second,
		Random: rand.NewChaCha8([32]byte{}),
	}
	out, err := p.module.Run(p.t.Context(), call)
	p.compare(call, out, err)
	if err == nil && (out.Committed || !p.module.Imports("commit")) {
		p.state.keep(out.Writes)
		p.private.keep(out.Private)
	}
	return out, err
}

// compare runs a call without fuel: it does and says the same.
func (p *prober) compare(call vm.Call, out *vm.Outcome, err error) {
	var e, plainErr *vm.Error
	if errors.As(err, &e) && (e.Kind == vm.KindFuel || e.Kind == vm.KindTimeout) {
		p.t.Errorf("%s: %v", call.Method, err)
		return // it might never end
	}
	call.Random = rand.NewChaCha8([32]byte{})
	plain, err := p.plain.Run(p.t.Context(), call)
	errors.As(err, &plainErr)
	if diff := cmp.Diff(out, plain, ignoreFuel); diff != "" {
		p.t.Errorf("%s: metered (-) and not (+):\n%s", call.Method, diff)
	}
	if diff := cmp.Diff(e, plainErr, cmpopts.IgnoreFields(vm.Error{}, "Fuel", "Trace"), cmpopts.IgnoreUnexported(vm.Error{})); diff != "" {
		p.t.Errorf("%s: error, metered (-) and not (+):\n%s", call.Method, diff)
	}
	p.steps++
}

type onlySelf struct{}

func (onlySelf) IsMember(key ident.PublicKey) bool { return key == self }
func (onlySelf) Members() []ident.PublicKey        { return []ident.PublicKey{self} }

// applyElsewhere applies what init committed to an empty state, as a joiner
// does.
func (p *prober) applyElsewhere(out *vm.Outcome) error {
	if !out.Committed || !p.module.Has("__calimero_sync_next") {
		return errNotTried
	}
	peer := &prober{t: p.t, module: p.module, plain: p.plain, state: kvState{}, private: kvState{}, time: p.time}
	_, err := peer.run(vm.ModeApply, "__calimero_sync_next", out.Artifact)
	p.steps += peer.steps
	return err
}

// guess runs a method with {} and then with what its errors ask for, and
// returns the last outcome, input and error.
func (p *prober) guess(method string) (out *vm.Outcome, input string, err error) {
	g := apptest.NewGuess(self.String())
	err = g.Call(func(input []byte) error {
		var err error
		out, err = p.run(vm.ModeCall, method, input)
		return err
	})
	return out, string(g.Input()), err
}
