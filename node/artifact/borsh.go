package artifact

import (
	"encoding/binary"
	"unicode/utf8"
)

// reader takes borsh apart: little-endian integers, u32 counts, one byte for
// options and enums. After the first fault bad is set and everything reads as zero.
type reader struct {
	data []byte
	at   int
	bad  bool
}

func (r *reader) fail() {
	r.bad = true
	r.at = len(r.data)
}

// take is the next n bytes, a part of the data.
func (r *reader) take(n int) []byte {
	if r.bad || n > len(r.data)-r.at {
		r.fail()
		return nil
	}
	r.at += n
	return r.data[r.at-n : r.at : r.at]
}

func (r *reader) u8() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) u32() uint32 {
	if b := r.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *reader) u64() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// count reads the number of items of a list, each of some bytes at least. What
// cannot be there fails at once, so that a loop never runs longer than the data.
func (r *reader) count(least int) int {
	n := r.u32()
	if uint64(n)*uint64(least) > uint64(len(r.data)-r.at) {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *reader) bytes() []byte { return r.take(r.count(1)) }

// str reads UTF-8. Of a string that is there it is not nil.
func (r *reader) str() []byte {
	b := r.bytes()
	if !utf8.Valid(b) {
		r.fail()
		return nil
	}
	return b
}

// option reads whether a value follows.
func (r *reader) option() bool {
	switch r.u8() {
	case 0:
		return false
	case 1:
		return !r.bad
	}
	r.fail()
	return false
}
