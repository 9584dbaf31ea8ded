package apptest_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mero/node/vm"
	"mero/node/vm/apptest"
)

// TestModules: the hand-written modules are what they say, and nothing else is
// wrong with them.
func TestModules(t *testing.T) {
	t.Parallel()
	for _, wasm := range [][]byte{apptest.Minimal(), apptest.WrongSignature()} {
		load(t, wasm)
	}
	if _, err := engine.Compile(t.Context(), apptest.NotWASM()); !errors.Is(err, vm.ErrNotWasm) {
		t.Errorf("not a module: got %v", err)
	}
	for name, wasm := range map[string][]byte{"truncated": apptest.Truncated(), "no memory": apptest.NoMemory()} {
		var invalid *vm.InvalidModuleError
		if _, err := engine.Compile(t.Context(), wasm); !errors.As(err, &invalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	_, err := engine.Compile(t.Context(), apptest.MissingImport())
	var missing *vm.MissingImportsError
	if !errors.As(err, &missing) {
		t.Fatalf("missing imports: got %v", err)
	}
	if diff := cmp.Diff([]string{"env.no_such_function()", "elsewhere.neither()"}, missing.Imports); diff != "" {
		t.Errorf("missing imports (-want +got):\n%s", diff)
	}
}

// TestBuildIsTheSame: a test may ask again, at the same time, and gets the same
// bytes.
func TestBuildIsTheSame(t *testing.T) {
	t.Parallel()
	first := apptest.RawKV(t)
	if second := apptest.Build(t, "rawkv"); &first[0] != &second[0] {
		t.Error("built twice in one process")
	}
}
