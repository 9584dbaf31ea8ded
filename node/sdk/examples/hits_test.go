package examples_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestC: an application in another language, with nothing but the interface. It
// needs clang with wasm-ld; MERO_CLANG names another one.
func TestC(t *testing.T) {
	compiler := os.Getenv("MERO_CLANG")
	if compiler == "" {
		compiler = "clang"
	}
	if _, err := exec.LookPath(compiler); err != nil {
		t.Skip("there is no clang")
	}
	dir := t.TempDir()
	build := func(source, file string) error {
		cmd := exec.CommandContext(t.Context(), compiler, "--target=wasm32", "-O2", "-Wall", "-Werror", "-nostdlib", "-Wl,--no-entry", "-o", file, source)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
		return nil
	}
	empty, file := filepath.Join(dir, "empty.c"), filepath.Join(dir, "hits.wasm")
	write(t, empty, []byte("int nothing;\n"))
	if err := build(empty, filepath.Join(dir, "empty.wasm")); err != nil {
		t.Skipf("this clang does not make WebAssembly: %v", err)
	}
	if err := build(filepath.Join("hits", "hits.c"), file); err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	g := newGuestOf(t, code)
	for _, method := range []string{"init", "hit", "hit", "hit"} {
		g.must(method, "")
	}
	if got, err := g.call("total", "", true); err != nil || got != `{"hits":3}` {
		t.Errorf("total gives %s, %v", got, err)
	}
	if _, err := g.call("hit", "", true); err == nil {
		t.Error("a call that only reads wrote")
	}
}
