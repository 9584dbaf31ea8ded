package vm_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"mero/node/vm"
)

func TestMissingImports(t *testing.T) {
	p := newProgram()
	p.imp("input", "I:")
	p.imp("js_crdt_map_new", "I:i")
	p.imp("commit", "III:")
	p.impFrom("ic0", "msg_reply", ":")
	p.impFrom("wasi_snapshot_preview1", "fd_write", "i:")
	p.fn("init")
	_, err := newEngine(t, "").Compile(t.Context(), p.bytes())
	var missing *vm.MissingImportsError
	if !errors.As(err, &missing) {
		t.Fatalf("got %v, want *MissingImportsError", err)
	}
	want := []string{
		"env.js_crdt_map_new(i64) -> i32", "env.commit(i64, i64, i64)", "ic0.msg_reply()",
		"wasi_snapshot_preview1.fd_write(i32)",
	}
	if diff := cmp.Diff(missing.Imports, want); diff != "" {
		t.Errorf("imports (-got +want):\n%s", diff)
	}
	if !strings.HasPrefix(err.Error(), "link error: ") {
		t.Errorf("text %q", err)
	}
}

func TestCompileRefuses(t *testing.T) {
	good := newProgram().fn("init").bytes()
	noMemory := []byte{0, 'a', 's', 'm', 1, 0, 0, 0}
	e := newEngine(t, "")
	for name, tc := range map[string]struct {
		wasm []byte
		want string
	}{
		"empty":         {nil, "not a WebAssembly module"},
		"other format":  {[]byte("\x7fELF............"), "not a WebAssembly module"},
		"version 2":     {[]byte{0, 'a', 's', 'm', 2, 0, 0, 0}, "not a WebAssembly module"},
		"component":     {[]byte{0, 'a', 's', 'm', 13, 0, 1, 0}, "not a WebAssembly module"},
		"too large":     {make([]byte, vm.MaxModuleSize+1), "larger than 20 MiB"},
		"no memory":     {noMemory, "no memory is exported"},
		"trailing byte": {append(append([]byte{}, good...), 0xff), "section 255"},
		"cut":           {good[:len(good)-1], "unexpected end"},
		// fuel.md, pitfall 3: wazero asks for 309 GB.
		"2^32-1 bodies":    {append(append([]byte{}, noMemory...), 10, 5, 0xff, 0xff, 0xff, 0xff, 0x0f), "section 10"},
		"2^32-1 types":     {append(append([]byte{}, noMemory...), 1, 5, 0xff, 0xff, 0xff, 0xff, 0x0f), "4294967295 elements declared in 0 bytes"},
		"2^27 table":       {append(append([]byte{}, noMemory...), 4, 7, 1, 0x70, 0, 0x80, 0x80, 0x80, 0x40), "elements"},
		"4096 pages":       {append(append([]byte{}, noMemory...), 5, 4, 1, 0, 0x80, 0x20), "4096 pages"},
		"type error":       {newProgram().fn("x", []byte{0x1a}).bytes(), "x"},
		"unknown function": {newProgram().fn("x", call(9)).bytes(), "function 9 is out of range"},
		"unknown local":    {newProgram().fn("x", []byte{0x20, 0, 0x1a}).bytes(), "local 0 is out of range"},
		"many branches":    {newProgram().fn("x", repeatBytes(30_000, 0x41, 0, 0x0d, 0)).bytes(), "too many branches"},
		"deep blocks":      {newProgram().fn("x", repeatBytes(2_001, 0x02, 0x40), repeatBytes(2_001, 0x0b)).bytes(), "nest deeper"},
		"tail call":        {newProgram().fn("x", []byte{0x12, 0}).bytes(), "not supported"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := e.Compile(t.Context(), tc.wasm)
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.HasPrefix(err.Error(), "compilation error: ") {
				t.Errorf("got %v, want a compilation error with %q", err, tc.want)
			}
		})
	}
	if _, err := e.Compile(t.Context(), noMemory[:4]); !errors.Is(err, vm.ErrNotWasm) {
		t.Errorf("cut header: %v, want ErrNotWasm", err)
	}
}

func repeatBytes(n int, unit ...byte) []byte { return []byte(strings.Repeat(string(unit), n)) }

func TestModuleTellsWhatItIs(t *testing.T) {
	p := newProgram()
	p.imp("commit", "II:")
	p.impFrom("wasi_snapshot_preview1", "proc_exit", "i:")
	p.fn("set").fn("init").fn("_initialize").fn("__calimero_sync_next").fnOf(":I", "get_abi_ptr", i64c(0))
	p.custom = append(str("calimero_abi_v1"), []byte(`{"methods":[]}`)...)
	m := compile(t, p)
	if diff := cmp.Diff(m.Methods(), []string{"init", "set"}); diff != "" {
		t.Errorf("methods (-got +want):\n%s", diff)
	}
	if !m.Has("__calimero_sync_next") || m.Has("memory") || !m.Imports("commit") || m.Imports("proc_exit") {
		t.Error("Has or Imports is wrong")
	}
	if got := string(m.ABI()); got != `{"methods":[]}` {
		t.Errorf("ABI %q", got)
	}
}

// TestSharing: equal bytes are one module, closed by its last user; closing
// waits for calls.
func TestSharing(t *testing.T) {
	e := newEngine(t, "")
	wasm := newProgram().fn("spin", spin).fn("ok").bytes()
	first, err := e.Compile(t.Context(), wasm)
	if err != nil {
		t.Fatal(err)
	}
	second, err := e.Compile(t.Context(), wasm)
	if err != nil || first != second {
		t.Fatalf("second Compile gave another module or %v", err)
	}
	second.Release()
	if _, err := first.Run(t.Context(), vm.Call{Method: "ok"}); err != nil {
		t.Fatalf("with one user left: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended, begun := make(chan error, 1), make(chan struct{})
	go func() {
		close(begun)
		_, err := first.Run(ctx, vm.Call{Method: "spin"})
		ended <- err
	}()
	<-begun
	time.AfterFunc(30*time.Millisecond, cancel)
	first.Release()
	select {
	case err := <-ended:
		// The call may have been too late to begin.
		if !errors.Is(err, context.Canceled) && !errors.Is(err, vm.ErrClosed) {
			t.Errorf("the call ended with %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("Release did not wait for the call")
	}
	if _, err := first.Run(t.Context(), vm.Call{Method: "ok"}); !errors.Is(err, vm.ErrClosed) {
		t.Errorf("after the last Release: %v, want ErrClosed", err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Compile(t.Context(), wasm); !errors.Is(err, vm.ErrClosed) {
		t.Errorf("after Close: %v, want ErrClosed", err)
	}
}

// asked is a context that tells when somebody waits for its end.
type asked struct {
	context.Context //nolint:containedctx // it is a context itself
	by              chan<- struct{}
}

func (a asked) Done() <-chan struct{} {
	select {
	case a.by <- struct{}{}:
	default:
	}
	return a.Context.Done()
}

// TestPanicWhileCompiling: whoever waits for the same module gets an error,
// later ones compile it anew, and the engine can be closed. The panic is the
// logger's, which says that the cache cannot be used.
func TestPanicWhileCompiling(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(dir, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	wasm := newProgram().fn("ok").bytes()
	var e *vm.Engine
	logged := 0
	waits, ended := make(chan struct{}, 1), make(chan error, 2)
	log := zerolog.New(io.Discard).Hook(zerolog.HookFunc(func(*zerolog.Event, zerolog.Level, string) {
		if logged++; logged > 1 {
			return
		}
		go func() {
			_, err := e.Compile(asked{t.Context(), waits}, wasm)
			ended <- err
		}()
		<-waits
		panic("boom")
	}))
	e, err := vm.New(vm.DefaultConfig(), vm.Deps{CacheDir: dir, Log: log, Metrics: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() {
			if p := recover(); p != "boom" {
				t.Errorf("recovered %v", p)
			}
		}()
		_, _ = e.Compile(t.Context(), wasm)
	}()
	within := func(what string) error {
		select {
		case err := <-ended:
			return err
		case <-time.After(10 * time.Second):
			t.Fatalf("%s waits for ever", what)
			return nil
		}
	}
	var host *vm.Error
	if err := within("the second caller"); !errors.As(err, &host) || host.Kind != vm.KindHost {
		t.Errorf("the second caller: got %v, want KindHost", err)
	}
	m, err := e.Compile(t.Context(), wasm)
	if err != nil {
		t.Fatalf("afterwards: %v", err)
	}
	if _, err := m.Run(t.Context(), vm.Call{Method: "ok"}); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	go func() { ended <- e.Close() }()
	if err := within("Close"); err != nil {
		t.Error(err)
	}
}

// TestDamagedCache: a damaged, cut or foreign file of the cache is noticed, and
// code is never run from it.
func TestDamagedCache(t *testing.T) {
	wasm := failing().bytes()
	for name, damage := range map[string]func(t *testing.T, content []byte) []byte{
		"none":          func(_ *testing.T, b []byte) []byte { return b },
		"flipped start": func(_ *testing.T, b []byte) []byte { b[20] ^= 1; return b },
		"flipped":       func(_ *testing.T, b []byte) []byte { b[len(b)/2] ^= 0x10; return b },
		"cut":           func(_ *testing.T, b []byte) []byte { return b[:len(b)/2] },
		"emptied":       func(*testing.T, []byte) []byte { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			run := func(want string) {
				t.Helper()
				reg := prometheus.NewRegistry()
				m, err := newEngineOf(t, vm.DefaultConfig(), dir, reg).Compile(t.Context(), wasm)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := m.Run(t.Context(), vm.Call{Method: "nothing"}); err != nil {
					t.Fatal(err)
				}
				if got := compiledFrom(t, reg); got != want {
					t.Errorf("compiled from %q, want %q", got, want)
				}
			}
			run("miss")
			files, err := filepath.Glob(filepath.Join(dir, "*", "wazero*", "*"))
			if err != nil || len(files) != 1 {
				t.Fatalf("cache files %v, %v", files, err)
			}
			content, err := os.ReadFile(files[0])
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(files[0], damage(t, content), 0o600); err != nil {
				t.Fatal(err)
			}
			if name == "none" {
				run("hit")
			} else {
				run("miss")
			}
			run("hit")
		})
	}
}

// TestUnusableCache: a cache directory that is a file costs nothing but time.
func TestUnusableCache(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(dir, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := newEngine(t, dir).Compile(t.Context(), failing().bytes()); err != nil {
		t.Error(err)
	}
}

// compiledFrom tells the one label value that the compile metric counted.
func compiledFrom(t *testing.T, reg *prometheus.Registry) string {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "mero_vm_compile_seconds" && m.GetHistogram().GetSampleCount() > 0 {
				out = append(out, m.GetLabel()[0].GetValue())
			}
		}
	}
	return strings.Join(out, ",")
}

func TestConfig(t *testing.T) {
	if err := vm.DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	for key, change := range map[string]func(*vm.Config){
		"runtime.call_timeout": func(c *vm.Config) { c.CallTimeout = 0 },
		"runtime.memory_limit": func(c *vm.Config) { c.MemoryLimit = 64 << 20 },
		"runtime.call_fuel":    func(c *vm.Config) { c.CallFuel = vm.ApplyFuel + 1 },
	} {
		c := vm.DefaultConfig()
		change(&c)
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), key+": ") {
			t.Errorf("got %v, want an error of %s", err, key)
		}
	}
}

// FuzzCompile: whatever the validator lets through, the compiler must survive,
// and the validator itself must survive everything.
func FuzzCompile(f *testing.F) {
	f.Add(failing().bytes())
	f.Add(newProgram().fn("spin", spin).bytes())
	f.Add([]byte{0, 'a', 's', 'm', 1, 0, 0, 0, 10, 5, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Add(append(newProgram().fn("x", drop(join(i64c(3), []byte{0xfd, 18, 0xfd, 0x80, 1}))).bytes(), section(0, append(str("name"), 1, 3, 1, 0, 0))...))
	e := newEngine(f, "")
	f.Fuzz(func(t *testing.T, wasm []byte) {
		if len(wasm) > 1<<14 {
			return
		}
		m, err := e.Compile(t.Context(), wasm)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "compilation error: ") && !strings.HasPrefix(err.Error(), "link error: ") {
				t.Errorf("an error of no kind: %v", err)
			}
			return
		}
		defer m.Release()
		for _, method := range m.Methods() {
			// What it does is its own affair; it must end and not harm us.
			_, err := m.Run(t.Context(), vm.Call{Method: method, Timeout: 20 * time.Millisecond})
			var e *vm.Error
			if err != nil && (!errors.As(err, &e) || e.Kind == vm.KindHost) {
				t.Errorf("%s: %v", method, err)
			}
		}
	})
}
