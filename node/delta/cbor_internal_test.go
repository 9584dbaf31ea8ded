package delta

import (
	"encoding/binary"
	"errors"
	"testing"
)

// Each number has one encoding that is accepted, and it is the library's.
func TestOneFormForEachNumber(t *testing.T) {
	for _, n := range []uint64{0, 1, 22, 23, 24, 25, 254, 255, 256, 65534, 65535, 65536, 1<<32 - 2, 1<<32 - 1, 1 << 32, 1<<64 - 1} {
		want, err := encMode.Marshal(n)
		if err != nil {
			t.Fatal(err)
		}
		if got := appendUint(nil, n); string(got) != string(want) {
			t.Errorf("%d is written %x, want %x", n, got, want)
		}
		var be [8]byte
		binary.BigEndian.PutUint64(be[:], n)
		forms := [][]byte{
			append([]byte{0x1b}, be[:]...), append([]byte{0x1a}, be[4:]...), append([]byte{0x19}, be[6:]...),
			append([]byte{0x18}, be[7:]...),
			{be[7] & 31},
		}
		sizes := []uint64{1<<64 - 1, 1<<32 - 1, 1<<16 - 1, 1<<8 - 1, 23}
		for i, form := range forms {
			if n > sizes[i] {
				continue // does not fit into this form
			}
			r := &reader{rest: form}
			got := r.uint("number")
			err := r.end("number")
			switch shortest := string(form) == string(want); {
			case shortest && (err != nil || got != n):
				t.Errorf("%x reads as %d, %v", form, got, err)
			case !shortest && !errors.Is(err, ErrNotCanonical):
				t.Errorf("%x reads as %d, %v; want ErrNotCanonical", form, got, err)
			}
			for cut := range form {
				r := &reader{rest: form[:cut]}
				if r.uint("number"); !errors.Is(r.err, ErrTruncated) {
					t.Errorf("%x gives %v, want ErrTruncated", form[:cut], r.err)
				}
			}
		}
	}
}

// What is exactly at a limit is within it.
func TestLimitsAreInclusive(t *testing.T) {
	h := goldenHeader(false) // at MaxTime
	if _, err := decodeHeader(h.encode()); err != nil {
		t.Errorf("at MaxTime: %v", err)
	}
	h.Version = 2
	raw := h.encode()
	raw[0]++
	more := make([]byte, MaxHeader-len(raw)-3)
	raw = append(raw, 0x59, byte(len(more)>>8), byte(len(more)))
	raw = append(raw, more...)
	if len(raw) != MaxHeader {
		t.Fatalf("%d bytes, want %d", len(raw), MaxHeader)
	}
	if _, err := decodeHeader(raw); err != nil {
		t.Errorf("header of MaxHeader bytes: %v", err)
	}
}
