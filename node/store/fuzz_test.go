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
	f.Add([]byte{1}, []byte{0, 0x80, 0x10})
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

func FuzzUndoForm(f *testing.F) {
	id := contextID(1)
	for _, u := range []store.Undo{span(id, 0, 1, 0), span(id, 1, 300, 70_000)} {
		f.Add(store.UndoForm(u.UndoRef))
	}
	f.Add(append(store.UndoForm(store.UndoRef{}), 0))
	f.Fuzz(func(t *testing.T, form []byte) {
		ref, err := store.CutUndoForm(form)
		if err == nil && !bytes.Equal(store.UndoForm(ref), form) {
			t.Errorf("%+v is written otherwise", ref)
		}
		if ref.Bytes < 0 || ref.Bytes > store.MaxUndo {
			t.Errorf("%d bytes", ref.Bytes)
		}
	})
}

func FuzzDelta(f *testing.F) {
	for _, raw := range envelopes() {
		f.Add(raw[:min(len(raw), 3000)], "reason")
	}
	f.Fuzz(func(t *testing.T, raw []byte, reason string) {
		begin := store.Beginning(raw)
		if !bytes.HasPrefix(raw, begin) {
			t.Fatal("the beginning is none")
		}
		fate, got, why, err := store.DecodeFate(store.EncodeFate(store.FateVoid, begin, reason))
		if err != nil || fate != store.FateVoid || !bytes.Equal(got, begin) || (got == nil) != (begin == nil) || why != reason {
			t.Errorf("reads as %v, %d bytes, %q, %v", fate, len(got), why, err)
		}
		if _, got, why, err := store.DecodeFate(raw); err == nil && len(got)+len(why) >= len(raw) {
			t.Errorf("%d bytes of %d", len(got)+len(why), len(raw))
		}
	})
}
