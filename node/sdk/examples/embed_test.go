package examples_test

import (
	"bytes"
	"compress/gzip"
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"mero/node/appgen"
	"mero/node/manifest"
	"mero/node/sdk/examples"
	"mero/node/vm/apptest"
)

var update = flag.Bool("update", false, "write what is built in place of comparing it")

// versionFile names the version of Go that built the binaries here: another one
// gives other bytes.
const versionFile = "go-version"

// TestEmbedded: what is embedded is what the source says.
func TestEmbedded(t *testing.T) {
	if *update {
		write(t, "kv.wasm.gz", pack(t, build(t, "kv")))
		write(t, versionFile, []byte(runtime.Version()+"\n"))
		return
	}
	data, err := os.ReadFile(versionFile)
	if err != nil {
		t.Fatal(err)
	}
	if version := strings.TrimSpace(string(data)); version != runtime.Version() {
		t.Skipf("the embedded binaries were built with %s, this is %s: they cannot be compared", version, runtime.Version())
	}
	if !bytes.Equal(examples.KV(), build(t, "kv")) {
		t.Error("kv.wasm.gz is not what the source gives: run `go generate ./node/sdk/examples` and commit the result")
	}
}

// TestGenerated: the other half of the examples is what the generator gives, so
// that they can be compiled by Go alone.
func TestGenerated(t *testing.T) {
	for _, name := range []string{"board", "chat", "files", "kv", "types"} {
		app, sources := generate(t, name)
		if *update {
			write(t, filepath.Join(name, appgen.File), app.Source)
		} else if !bytes.Equal(sources[appgen.File], app.Source) {
			t.Errorf("%s/%s is not what the source gives: run `go generate ./node/sdk/examples` and commit the result", name, appgen.File)
		}
	}
}

// generate runs the generator on an example.
func generate(t *testing.T, name string) (app *appgen.App, sources map[string][]byte) {
	t.Helper()
	sources = map[string][]byte{}
	entries, err := os.ReadDir(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if sources[e.Name()], err = os.ReadFile(filepath.Join(name, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	if app, err = appgen.Generate(name, sources); err != nil {
		t.Fatal(err)
	}
	return app, sources
}

// build is the binary of an example with its description, as `mero app build`
// makes it.
func build(t *testing.T, name string) []byte {
	t.Helper()
	app, _ := generate(t, name)
	code, err := manifest.Embed(apptest.BuildPackage(t, "mero/node/sdk/examples/"+name), app.Description)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// pack compresses without a name or a time, so that the same code gives the same file.
func pack(t *testing.T, code []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(code); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func write(t *testing.T, file string, data []byte) {
	t.Helper()
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
}
