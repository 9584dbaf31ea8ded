package appdev_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mero/commands/appdev"
	"mero/node/appgen"
	"mero/node/manifest"
	"mero/node/vm/apptest"
)

func config(t *testing.T, dir string, environ ...string) appdev.Config {
	t.Helper()
	return appdev.Config{Dir: dir, Environ: append(os.Environ(), environ...), Note: func(line string) { t.Log(line) }}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// project makes a project, and a folder with a go that says what is given and
// fails when it is to build.
func project(t *testing.T, version string) (dir, path string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the stand-in for go is a shell script")
	}
	dir, path = filepath.Join(t.TempDir(), "notes"), t.TempDir()
	if _, err := appdev.New(dir); err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\nif [ \"$1\" = env ]; then echo " + version + "; exit; fi\n" +
		"[ \"$GOOS$GOARCH$GOPROXY$GOTOOLCHAIN\" = wasip1wasmofflocal ] || exit 3\necho './notes.go:1:1: it is all wrong' >&2\nexit 1\n"
	if err := os.WriteFile(filepath.Join(path, "go"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir, path
}

// TestToolchain: what is wrong with the toolchain, and with the source by its word.
func TestToolchain(t *testing.T) {
	dir, path := project(t, "go1.25.7")
	_, err := appdev.Build(t.Context(), config(t, dir, "PATH="+path))
	var old *appdev.ToolchainError
	if !errors.As(err, &old) || !strings.Contains(err.Error(), "go1.25.7, which is too old") || !strings.Contains(old.Hint(), "https://go.dev/dl/") {
		t.Errorf("an old toolchain gives %v", err)
	}
	root := t.TempDir()
	if err := os.Rename(path, filepath.Join(root, "bin")); err != nil {
		t.Fatal(err)
	}
	_, err = appdev.Build(t.Context(), config(t, dir, "PATH="+t.TempDir(), "GOROOT="+root))
	if err == nil || !strings.HasPrefix(err.Error(), filepath.Join(root, "bin", "go")+" is go1.25.7") {
		t.Errorf("what is in GOROOT gives %v", err)
	}
	dir, path = project(t, "go1.99.0")
	_, err = appdev.Build(t.Context(), config(t, dir, "PATH="+path))
	var refused *appdev.CompileError
	if !errors.As(err, &refused) || refused.Output != "./notes.go:1:1: it is all wrong" {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "notes.wasm")); err == nil {
		t.Error("there is a binary")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := appdev.Build(ctx, config(t, dir, "PATH="+path)); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted, it gives %v", err)
	}
}

// TestWatch: every change is built, and what a build writes is no change.
func TestWatch(t *testing.T) {
	dir, path := project(t, "go1.99.0")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var got []string
	err := appdev.Watch(ctx, config(t, dir, "PATH="+path), func(_ *appdev.Result, err error) error {
		var source *appgen.Error
		switch got = append(got, err.Error()); len(got) {
		case 1:
			write(t, filepath.Join(dir, "more.go"), "package other\n")
		case 2:
			if !errors.As(err, &source) {
				t.Errorf("got %v", err)
			}
			write(t, filepath.Join(dir, "more.go"), "package main\n\nvar x int\n")
		case 3:
			cancel()
		}
		return nil
	})
	if err != nil || len(got) != 3 || got[0] != got[2] {
		t.Errorf("got %q, %v", got, err)
	}
	stop := errors.New("stop")
	if err := appdev.Watch(t.Context(), config(t, dir, "PATH="+path), func(*appdev.Result, error) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
}

// TestNew: nothing is written where something is.
func TestNew(t *testing.T) {
	for _, name := range []string{"go.mod", "notes.go", ".gitignore", ".mero"} {
		dir := t.TempDir()
		dir = filepath.Join(dir, "app")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name), "mine")
		if _, err := appdev.New(dir); !errors.Is(err, appdev.ErrTaken) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
			t.Errorf("%s: there are %v, %v", name, entries, err)
		}
	}
	file := filepath.Join(t.TempDir(), "app")
	write(t, file, "mine")
	if _, err := appdev.New(file); !errors.Is(err, appdev.ErrTaken) || !strings.Contains(err.Error(), "no folder") {
		t.Errorf("a file: got %v", err)
	}
	const form, taken = "letters, digits", "something else to Go"
	for name, want := range map[string]string{"1st": form, "mero": taken, "std": taken, "a b": form, "é": form, strings.Repeat("x", 65): form} {
		dir := filepath.Join(t.TempDir(), name)
		if _, err := appdev.New(dir); !errors.Is(err, appdev.ErrName) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", name, err)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s was made", name)
		}
	}
}

// TestSDK: a project has the SDK without our tests, and no more.
func TestSDK(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "app")
	if _, err := appdev.New(dir); err != nil {
		t.Fatal(err)
	}
	var files []string
	err := filepath.WalkDir(filepath.Join(dir, ".mero"), func(file string, d os.DirEntry, err error) error {
		name, _ := filepath.Rel(dir, file)
		if err == nil && !d.IsDir() {
			files = append(files, filepath.ToSlash(name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") || strings.HasSuffix(file, "sources.go") || strings.Contains(file, "examples") || strings.Contains(file, "testdata") {
			t.Errorf("a project has %s", file)
		}
	}
	for _, file := range []string{".mero/go.mod", ".mero/node/sdk/INTERFACE.md", ".mero/node/sdk/sdktest/network.go", ".mero/node/collections/mem.go"} {
		if !slices.Contains(files, file) {
			t.Errorf("a project lacks %s: it has %v", file, files)
		}
	}
}

// TestDescribe: of a binary without a description there is what its exports and its
// ABI manifest say.
func TestDescribe(t *testing.T) {
	app, err := appdev.Describe(apptest.Minimal())
	if err != nil || len(app.Methods) != 1 || app.Methods[0].Name != "init" || app.Methods[0].Kind() != "init" {
		t.Errorf("got %+v, %v", app, err)
	}
	code, err := manifest.Embed(apptest.Minimal(), []byte(`{"abi":1,"methods":[{"name":"get","reads":true,"args":[{"name":"a","type":"T"}]}],"types":{"T":{"fields":[{"name":"x","type":"int","optional":true}]}}}`))
	if err != nil {
		t.Fatal(err)
	}
	app, err = appdev.Describe(code)
	if err != nil || len(app.Methods) != 2 || app.Methods[0].Signature() != "a: T" || app.Types[0].Signature() != "{x?: int}" {
		t.Errorf("got %+v, %v", app, err)
	}
	for _, bad := range []string{`{`, `{"abi":2}`} {
		if code, err = manifest.Embed(apptest.Minimal(), []byte(bad)); err != nil {
			t.Fatal(err)
		}
		if _, err := appdev.Describe(code); err == nil {
			t.Errorf("the description %s was taken", bad)
		}
	}
	if _, err := appdev.Describe([]byte("no module")); err == nil {
		t.Error("text is a module")
	}
}

func TestFromABI(t *testing.T) {
	methods := appdev.FromABI([]byte(`{"schema_version":"wasm-abi/1","methods":[
		{"name":"init","params":[]},
		{"name":"set","params":[{"name":"key","type":{"kind":"string"}},{"name":"n","type":{"kind":"u64"},"nullable":true},
			{"name":"list","type":{"kind":"list","items":{"kind":"map","key":{"kind":"string"},"value":{"$ref":"Item"}}}},{"name":"odd","type":{"kind":"tree"}}],
			"returns":{"kind":"i32"},"returns_nullable":true,"intent":"read_only"}]}`))
	var got []string
	for _, name := range slices.Sorted(maps.Keys(methods)) {
		m := methods[name]
		args := make([]string, 0, len(m.Args))
		for _, a := range m.Args {
			args = append(args, a.Name+" "+a.Type)
		}
		got = append(got, name+"("+strings.Join(args, ", ")+") "+m.Result)
	}
	want := []string{"init() ", "set(key string, n ?uint, list list<map<Item>>, odd json) ?int"}
	if diff := cmp.Diff(want, got); diff != "" || !methods["init"].Init || !methods["set"].Reads {
		t.Error(diff)
	}
	if appdev.FromABI([]byte("{")) != nil || appdev.FromABI(nil) != nil {
		t.Error("what is no manifest has methods")
	}
}
