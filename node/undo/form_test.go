package undo_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"mero/node/delta"
	"mero/node/undo"
)

func example() *undo.Span {
	return &undo.Span{
		From: delta.Place{Time: 0x10000, ID: delta.ID{1}}, To: delta.Place{Time: 0x20000, ID: delta.ID{2}},
		Count: 300, Mark: []byte("mark"),
		Entries: []undo.Entry{
			{Key: []byte{}},
			{Key: []byte("k"), Had: true},
			{Key: []byte("ka"), Had: true, Length: 3, Pages: []undo.Page{{N: 0, Data: []byte("abc")}}},
			{Key: []byte("kb"), Had: true, Length: 2*undo.PageSize + 1, Pages: []undo.Page{{N: 2, Data: []byte("d")}}},
		},
	}
}

func TestForm(t *testing.T) {
	places := "0000000000010000" + "01" + hex.EncodeToString(make([]byte, 31)) +
		"0000000000020000" + "02" + hex.EncodeToString(make([]byte, 31))
	want := "01" + places + "ac02" + "046d61726b" + "04" +
		"0000" + "016b0100" + "026b61040100616263" + "026b6282400102" + "64"
	if got := hex.EncodeToString(example().Encode()); got != want {
		t.Errorf("got\n%s, want\n%s", got, want)
	}
	got, err := undo.Decode(example().Encode())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(example(), got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("through the form (-want +got):\n%s", diff)
	}
}

func TestDecodeRefuses(t *testing.T) {
	good := example().Encode()
	for n := range good {
		if _, err := undo.Decode(good[:n]); !errors.Is(err, undo.ErrDamaged) {
			t.Errorf("cut to %d of %d bytes: %v", n, len(good), err)
		}
	}
	head := good[:1+2*40]
	with := func(rest ...byte) []byte { return append(bytes.Clone(head), rest...) }
	spoiled := func(f func(*undo.Span)) []byte {
		s := example()
		f(s)
		return s.Encode()
	}
	other := bytes.Clone(good)
	other[0] = 2
	for name, data := range map[string][]byte{
		"a byte too many":     append(bytes.Clone(good), 0),
		"another version":     other,
		"no deltas":           spoiled(func(s *undo.Span) { s.Count = 0 }),
		"from the end":        spoiled(func(s *undo.Span) { s.From = s.To }),
		"backwards":           spoiled(func(s *undo.Span) { s.From, s.To = s.To, s.From }),
		"long mark":           spoiled(func(s *undo.Span) { s.Mark = make([]byte, undo.MaxMark+1) }),
		"key twice":           spoiled(func(s *undo.Span) { s.Entries[1].Key = nil }),
		"keys unsorted":       spoiled(func(s *undo.Span) { s.Entries[2].Key = []byte("z") }),
		"page beyond the end": spoiled(func(s *undo.Span) { s.Entries[3].Pages[0].N = 3 }),
		"long number":         with(0x81, 0, 0, 0),
		"2^64 entries":        with(1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1),
		"number of 65 bits":   with(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0),
		"length of 2 GiB":     with(1, 0, 1, 0, 0x81, 0x80, 0x80, 0x80, 0x08, 0),
		"more pages":          with(1, 0, 1, 0, 2, 2, 0, 'a', 0, 'a'),
		"page far beyond":     with(1, 0, 1, 0, 2, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 'a'),
	} {
		if s, err := undo.Decode(data); !errors.Is(err, undo.ErrDamaged) {
			t.Errorf("%s: %v, %v", name, s, err)
		}
	}
	if _, err := undo.Decode(with(1, 0, 1, 0, 0x80, 0x80, 0x80, 0x80, 0x08, 0)); err != nil {
		t.Errorf("length of 2 GiB - 1: %v", err)
	}
	if _, err := undo.Decode(make([]byte, undo.MaxBytes+1)); !errors.Is(err, undo.ErrDamaged) {
		t.Errorf("longer than the limit: %v", err)
	}
}

// What the data promise and do not hold costs nothing.
func TestDecodeIsBounded(t *testing.T) {
	data := append(example().Encode()[:1+2*40], 1, 0)
	data = binary.AppendUvarint(data, 1<<19)
	data = append(data, make([]byte, 1<<20)...)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := undo.Decode(data)
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; err == nil || grown > 1<<16 {
		t.Errorf("%v, %d bytes of memory for %d", err, grown, len(data))
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(example().Encode())
	f.Add((&undo.Span{To: place(1), Count: 1}).Encode())
	for seed := range uint64(8) {
		h := randomHistory(rand.New(rand.NewPCG(seed, 2)), 3)
		f.Add(h.spans[2].Encode())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := undo.Decode(data)
		if err != nil {
			if !errors.Is(err, undo.ErrDamaged) {
				t.Fatal(err)
			}
			return
		}
		if !bytes.Equal(s.Encode(), data) {
			t.Fatal("another form of the same span")
		}
		for _, e := range s.Entries {
			if before, had, err := e.Restore(nil, false); err == nil && (had != e.Had || len(before) != e.Length) {
				t.Fatalf("restored %d bytes, %v; want %d, %v", len(before), had, e.Length, e.Had)
			}
		}
		next := &undo.Span{From: s.To, To: place(1 << 20), Count: 1, Entries: s.Entries}
		if next.To.Compare(next.From) <= 0 {
			return
		}
		merged, err := undo.Merge(s, next)
		if err != nil {
			if !errors.Is(err, undo.ErrMismatch) {
				t.Fatal(err)
			}
			return
		}
		if form := merged.Encode(); len(form) <= undo.MaxBytes {
			if _, err := undo.Decode(form); err != nil {
				t.Fatalf("merged: %v", err)
			}
		}
	})
}
