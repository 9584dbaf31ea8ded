package store_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"mero/node/store"
)

func FuzzText(f *testing.F) {
	for _, seed := range []string{"", "a", "\x00", "\x00\x01", "\x00\xff\x00", "a\x00b"} {
		f.Add([]byte(seed), []byte("a\x00"))
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		ea, eb := store.AppendText(nil, a), store.AppendText(nil, b)
		if bytes.Compare(a, b) != bytes.Compare(ea, eb) {
			t.Errorf("%q and %q sort otherwise when escaped", a, b)
		}
		if !bytes.Equal(a, b) && bytes.HasPrefix(ea, eb) {
			t.Errorf("escaped %q is a prefix of %q", b, a)
		}
		got, rest, err := store.CutText(append(bytes.Clone(ea), b...))
		if err != nil || !bytes.Equal(got, a) || !bytes.Equal(rest, b) {
			t.Errorf("%q: got %q, %q, %v", a, got, rest, err)
		}
		if text, _, err := store.CutText(a); err == nil && !bytes.HasPrefix(a, store.AppendText(nil, text)) {
			t.Errorf("%q reads as %q", a, text)
		}
	})
}

// logSeed is the log of a store with a few steps.
func logSeed(f *testing.F) []byte {
	f.Helper()
	dir := filepath.Join(fastDir(f), "db")
	s := open(f, dir, noSync())
	r := newReplica(f, s, 1)
	r.commit(f, s, 10, r.set("a", []byte("1")))
	b, err := os.ReadFile(filepath.Join(dir, "00001.mem"))
	must(f, err)
	must(f, s.Close()) // its goroutines would look like coverage
	return bytes.TrimRight(b, "\x00")
}

func FuzzLog(f *testing.F) {
	seed := logSeed(f)
	if first, last, end := store.ParseLog(seed); first != 1 || last < 3 || end < int64(len(seed)) {
		f.Fatalf("a whole log of %d bytes reads as %d to %d, ending at %d", len(seed), first, last, end)
	}
	f.Add(seed)
	f.Add(make([]byte, 20))
	f.Add(append(make([]byte, 20), 0x40, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 20 {
			return
		}
		first, last, end := store.ParseLog(b)
		if end < 20 || end > int64(len(b)) || (first == 0) != (last == 0) {
			t.Errorf("%d to %d, ending at %d of %d", first, last, end, len(b))
		}
		if f2, l2, e2 := store.ParseLog(b[:end]); f2 != first || l2 != last || e2 != end {
			t.Errorf("cut at its end it reads otherwise: %d to %d, ending at %d", f2, l2, e2)
		}
	})
}

func FuzzTable(f *testing.F) {
	dir := filepath.Join(fastDir(f), "db")
	s := open(f, dir, noSync())
	r := newReplica(f, s, 1)
	r.commit(f, s, 10, r.set("a", []byte("1")))
	must(f, s.Close())
	b, err := os.ReadFile(filepath.Join(dir, "000001.sst"))
	must(f, err)
	must(f, store.VerifyTable(b))
	f.Add(b)
	f.Add(make([]byte, 100))
	f.Fuzz(func(t *testing.T, b []byte) {
		var damaged *store.DamagedError
		if err := store.VerifyTable(b); err != nil && !errors.As(err, &damaged) {
			t.Errorf("not said to be damage: %v", err)
		}
	})
}

func FuzzHead(f *testing.F) {
	f.Add([]byte{0}, []byte{0})
	f.Add([]byte{0}, []byte{1, 1, 'x'})
	f.Add([]byte{1}, []byte{1, 1, 9, 'x'})
	f.Add([]byte{1}, []byte{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, form, b []byte) {
		if len(form) == 0 {
			return
		}
		if n, err := store.DecodeHead(form, b); err == nil && n < 0 {
			t.Errorf("length %d", n)
		}
	})
}
