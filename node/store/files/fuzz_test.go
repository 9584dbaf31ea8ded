package files_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/rs/zerolog"

	"mero/node/ident"
	"mero/node/store"
	"mero/node/store/files"
)

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// written is a store with a few transactions. What Inspect says of damaged stores is
// tested by node/store, through Open.
func written(tb testing.TB, dir string) *store.Store {
	tb.Helper()
	s, err := store.Open(dir, store.DefaultConfig(), store.Deps{Log: zerolog.Nop()})
	must(tb, err)
	rec := store.Context{ID: ident.ContextID{1}}
	must(tb, s.Commit(tb.Context(), &store.Step{Context: &rec, Create: true}))
	must(tb, s.Commit(tb.Context(), &store.Step{
		Context: &rec, State: []store.Change{{Key: []byte("a"), New: []byte("1"), HasNew: true}},
	}))
	return s
}

// logSeed is the log of a store with a few steps.
func logSeed(f *testing.F) []byte {
	f.Helper()
	dir := filepath.Join(f.TempDir(), "db")
	s := written(f, dir)
	b, err := os.ReadFile(filepath.Join(dir, "00001.mem"))
	must(f, err)
	must(f, s.Close()) // its goroutines would look like coverage
	return bytes.TrimRight(b, "\x00")
}

func FuzzLog(f *testing.F) {
	seed := logSeed(f)
	if first, last, end := files.ParseLog(seed); first != 1 || last < 3 || end < int64(len(seed)) {
		f.Fatalf("a whole log of %d bytes reads as %d to %d, ending at %d", len(seed), first, last, end)
	}
	f.Add(seed)
	f.Add(make([]byte, 20))
	f.Add(append(make([]byte, 20), 0x40, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 20 {
			return
		}
		first, last, end := files.ParseLog(b)
		if end < 20 || end > int64(len(b)) || (first == 0) != (last == 0) {
			t.Errorf("%d to %d, ending at %d of %d", first, last, end, len(b))
		}
		if f2, l2, e2 := files.ParseLog(b[:end]); f2 != first || l2 != last || e2 != end {
			t.Errorf("cut at its end it reads otherwise: %d to %d, ending at %d", f2, l2, e2)
		}
	})
}
