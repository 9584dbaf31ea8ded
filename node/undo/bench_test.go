package undo_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"mero/node/undo"
)

// small is a span of changes of 1 000 entries of 100 bytes with keys of 32.
func small(from, to int) (*undo.Span, [][]byte) {
	s := spanOf(from, to)
	var after [][]byte
	for i := range 1000 {
		key := make([]byte, 32)
		binary.BigEndian.PutUint32(key, uint32(i))
		after = append(after, bytes.Repeat([]byte{byte(to)}, 100))
		s.Entries = append(s.Entries, undo.Diff(key, bytes.Repeat([]byte{byte(from)}, 100), after[i], true, true))
	}
	return s, after
}

func BenchmarkEncode1000(b *testing.B) {
	s, _ := small(0, 1)
	b.ReportAllocs()
	for b.Loop() {
		s.Encode()
	}
	b.ReportMetric(float64(len(s.Encode())), "B")
}

func BenchmarkDecode1000(b *testing.B) {
	s, _ := small(0, 1)
	form := s.Encode()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := undo.Decode(form); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMerge1000(b *testing.B) {
	older, _ := small(0, 1)
	newer, _ := small(1, 2)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := undo.Merge(older, newer); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRestore1000(b *testing.B) {
	s, after := small(0, 1)
	b.ReportAllocs()
	for b.Loop() {
		for i := range s.Entries {
			if _, _, err := s.Entries[i].Restore(after[i], true); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// large is a value of 800 KiB before and after three of its pages changed.
func large() (before, after []byte) {
	before = make([]byte, 800<<10)
	after = bytes.Clone(before)
	for _, at := range []int{0, 400 << 10, 700 << 10} {
		after[at] = 1
	}
	return before, after
}

func BenchmarkDiff800KiB(b *testing.B) {
	before, after := large()
	b.SetBytes(int64(len(before)))
	b.ReportAllocs()
	for b.Loop() {
		if e := undo.Diff(nil, before, after, true, true); len(e.Pages) != 3 {
			b.Fatal(len(e.Pages))
		}
	}
}

func BenchmarkRestore800KiB(b *testing.B) {
	before, after := large()
	e := undo.Diff(nil, before, after, true, true)
	b.SetBytes(int64(len(before)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := e.Restore(after, true); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMerge800KiB(b *testing.B) {
	before, after := large()
	older := spanOf(0, 1, undo.Diff(nil, before, after, true, true))
	newer := spanOf(1, 2, undo.Diff(nil, after, before, true, true))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := undo.Merge(older, newer); err != nil {
			b.Fatal(err)
		}
	}
}

// A context of a million deltas with all that is kept of it.
func BenchmarkNext(b *testing.B) {
	var counts []int
	for n := 1 << 19; n >= 128; n /= 2 {
		counts = append(counts, n)
	}
	for range 384 {
		counts = append(counts, 1)
	}
	refs := chain(counts...)
	b.ReportAllocs()
	for b.Loop() {
		undo.Next(refs, 256, 1<<30)
	}
}
