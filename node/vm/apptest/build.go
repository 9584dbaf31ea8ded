package apptest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
)

// buildTimeout is ample for a cold build cache on a busy machine, where the
// standard library is compiled for WebAssembly first.
const buildTimeout = 10 * time.Minute

// packages are the applications by name.
var packages = map[string]string{
	"rawkv":       "mero/node/sdk/examples/rawkv",
	"private":     "mero/node/vm/testdata/apps/private",
	"local":       "mero/node/vm/testdata/apps/local",
	"events":      "mero/node/vm/testdata/apps/events",
	"errors":      "mero/node/vm/testdata/apps/errors",
	"bulk":        "mero/node/vm/testdata/apps/bulk",
	"collections": "mero/node/vm/testdata/apps/collections",
	"notes":       "mero/node/vm/testdata/apps/notes",
}

// RawKV builds the key-value application that keeps its map by itself: init{},
// set{key,value}, get{key}, remove{key}, entries{}, len{}.
func RawKV(t testing.TB) []byte { t.Helper(); return Build(t, "rawkv") }

// Private builds the application with secrets in private storage.
func Private(t testing.TB) []byte { t.Helper(); return Build(t, "private") }

// Local builds the application with private data in plain storage keys.
func Local(t testing.TB) []byte { t.Helper(); return Build(t, "local") }

// Events builds the application that emits events and calls other contexts.
func Events(t testing.TB) []byte { t.Helper(); return Build(t, "events") }

// Errors builds the application whose methods fail, each in its own way.
func Errors(t testing.TB) []byte { t.Helper(); return Build(t, "errors") }

// Bulk builds the application that changes much state with a short artifact.
func Bulk(t testing.TB) []byte { t.Helper(); return Build(t, "bulk") }

// Names lists the applications that Build knows.
func Names() []string {
	var names []string
	for name := range packages {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// built is the outcome of one build in this process.
type built struct {
	once sync.Once
	wasm []byte
	err  error
}

// builds remembers what this process has built, by package path; Go's own
// cache serves the other processes.
var builds sync.Map

// start is where this process began and what its environment was: a test that
// moves or sets HOME must not change how applications are built.
var start = struct {
	dir string
	env []string
}{dir: workingDir(), env: os.Environ()}

func workingDir() string {
	dir, err := os.Getwd()
	if err != nil {
		return ""
	}
	return dir
}

var errNoToolchain = errors.New("no Go toolchain found: put `go` on PATH to run the tests that need an application")

// Build returns the binary of a test application; Names lists them. The caller
// must not change the bytes.
func Build(t testing.TB, name string) []byte {
	t.Helper()
	pkg, ok := packages[name]
	if !ok {
		t.Fatalf("apptest: no application %q, only %v", name, Names())
	}
	return build(t, pkg)
}

// BuildPackage builds the application at an import path of this module.
func BuildPackage(t testing.TB, pkg string) []byte { t.Helper(); return build(t, pkg) }

func build(t testing.TB, pkg string) []byte {
	t.Helper()
	entry, _ := builds.LoadOrStore(pkg, &built{})
	b := entry.(*built)
	b.once.Do(func() { b.wasm, b.err = compile(pkg) })
	switch {
	case errors.Is(b.err, errNoToolchain):
		t.Skip(b.err)
	case b.err != nil:
		t.Fatal(b.err)
	}
	return b.wasm
}

func compile(pkg string) ([]byte, error) {
	tool, err := toolchain()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "mero-apptest-")
	if err != nil {
		return nil, fmt.Errorf("apptest: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a directory left in the temporary one harms nobody
	ctx, cancel := context.WithTimeout(context.Background(), buildTimeout)
	defer cancel()
	file := filepath.Join(dir, "app.wasm")
	cmd := exec.CommandContext(ctx, tool, append(Flags(), "-o", file, pkg)...) //nolint:gosec // our own arguments
	cmd.Dir = start.dir
	cmd.Env = append(slices.Clone(start.env), Env()...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("apptest: building %s: %w\n%s", pkg, err, out)
	}
	return os.ReadFile(file)
}

// Flags are the arguments of `go` that make an application, up to the output
// and the package. The binary depends on the source and the version of Go
// alone: no paths, no build id, no state of the repository.
func Flags() []string {
	return []string{"build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-buildmode=c-shared"}
}

// Env are the environment settings that go with Flags.
func Env() []string {
	return []string{"GOOS=wasip1", "GOARCH=wasm", "GOWASM=", "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off", "GOEXPERIMENT="}
}

// toolchain finds the go command: on PATH, or where the one that built this
// test lies.
func toolchain() (string, error) {
	if tool, err := exec.LookPath("go"); err == nil {
		return tool, nil
	}
	tool := filepath.Join(runtime.GOROOT(), "bin", "go") //nolint:staticcheck // the only other place to look
	if _, err := os.Stat(tool); err == nil {
		return tool, nil
	}
	return "", errNoToolchain
}
