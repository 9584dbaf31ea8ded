package store_test

import (
	"bytes"
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
