package meter

import (
	"fmt"
	"unicode/utf8"
)

// reader walks bytes of a module. The first fault sticks in err, and from then
// on every read gives zero, so a caller checks err once per loop or section.
// Nothing is allocated by a number that was read: a count is first held against
// the bytes that are left.
//
// What is read can be written anew on the way: out gets everything, but for what
// replace and put say.
type reader struct {
	data []byte
	off  int
	err  error
	out  []byte
	kept int // data up to here is in out
}

// keep brings out up to date.
func (r *reader) keep() { r.put(r.off) }

// put writes code into out where at lies in data.
func (r *reader) put(at int, code ...byte) {
	r.out = append(append(r.out, r.data[r.kept:at]...), code...)
	r.kept = at
}

// replace writes v for what was read from start on.
func (r *reader) replace(start int, v uint32) {
	r.out = appendU32(append(r.out, r.data[r.kept:start]...), v)
	r.kept = r.off
}

// discard leaves out what was read since the last keep.
func (r *reader) discard() { r.kept = r.off }

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

func (r *reader) left() int { return len(r.data) - r.off }

func (r *reader) byte() byte {
	if r.err != nil || r.off >= len(r.data) {
		r.fail("unexpected end")
		return 0
	}
	b := r.data[r.off]
	r.off++
	return b
}

// take returns the next n bytes, not copied.
func (r *reader) take(n uint32) []byte {
	if r.err != nil || uint64(n) > uint64(r.left()) {
		r.fail("unexpected end")
		return nil
	}
	b := r.data[r.off : r.off+int(n)]
	r.off += int(n)
	return b
}

// u32 reads an unsigned LEB128 of at most 32 bits.
func (r *reader) u32() uint32 {
	var v uint32
	for shift := 0; shift < 35; shift += 7 {
		b := r.byte()
		if r.err != nil {
			return 0
		}
		if shift == 28 && b > 0x0f {
			break
		}
		v |= uint32(b&0x7f) << shift
		if b < 0x80 {
			return v
		}
	}
	r.fail("integer too large")
	return 0
}

// signed reads a signed LEB128 of at most bits bits.
func (r *reader) signed(bits int) int64 {
	var v int64
	for shift := 0; shift < bits; shift += 7 {
		b := r.byte()
		if r.err != nil {
			return 0
		}
		v |= int64(b&0x7f) << shift
		if b < 0x80 {
			if used := bits - shift; used < 7 {
				// The bits beyond the type must repeat its sign.
				if sign := int8(b<<1) >> used; sign != 0 && sign != -1 {
					break
				}
			}
			if shift+7 < 64 && b&0x40 != 0 {
				v |= -1 << (shift + 7)
			}
			return v
		}
	}
	r.fail("integer too large")
	return 0
}

// count reads the length of a vector whose elements take at least size bytes
// each, and refuses one that cannot be there.
func (r *reader) count(size int) int {
	n := r.u32()
	if r.err == nil && uint64(n)*uint64(size) > uint64(r.left()) {
		r.fail("%d elements declared in %d bytes", n, r.left())
		return 0
	}
	return int(n)
}

// name reads a string and checks that it is UTF-8.
func (r *reader) name() string {
	b := r.take(r.u32())
	if !utf8.Valid(b) {
		r.fail("name is not UTF-8")
		return ""
	}
	return string(b)
}

// index reads an index that must be below n; what names it in the error.
func (r *reader) index(n int, what string) uint32 {
	i := r.u32()
	if r.err == nil && uint64(i) >= uint64(n) {
		r.fail("%s %d is out of range (there are %d)", what, i, n)
	}
	return i
}

// appendSigned appends a signed LEB128.
func appendSigned(b []byte, v int64) []byte {
	for v >= 0x40 || v < -0x40 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v)&0x7f)
}

func appendU32(b []byte, v uint32) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}
