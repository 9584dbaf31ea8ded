package delta

import (
	"encoding/binary"
	"fmt"

	"mero/node/detcbor"
)

// Envelope, header and body are read by the few lines below instead of by the
// library: they consist of three CBOR types, are read on every hop, and so are
// split without copying megabytes, with an own error for each fault. Payloads,
// which will grow fields, are the library's. Tests compare the two.

// The major types of CBOR that the envelope is made of.
const (
	majorUint  byte = 0
	majorBytes byte = 2
	majorArray byte = 4
)

// appendHead writes the head of an item in its shortest form.
func appendHead(b []byte, major byte, n uint64) []byte {
	m := major << 5
	switch {
	case n < 24:
		return append(b, m|byte(n))
	case n < 1<<8:
		return append(b, m|24, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(b, m|25), uint16(n))
	case n < 1<<32:
		return binary.BigEndian.AppendUint32(append(b, m|26), uint32(n))
	default:
		return binary.BigEndian.AppendUint64(append(b, m|27), n)
	}
}

func appendUint(b []byte, n uint64) []byte { return appendHead(b, majorUint, n) }

func appendArray(b []byte, n int) []byte { return appendHead(b, majorArray, uint64(n)) }

func appendBytes(b, s []byte) []byte {
	return append(appendHead(b, majorBytes, uint64(len(s))), s...)
}

// reader takes canonical CBOR apart. It keeps the first error, after which all
// reads give zero values, so that callers check once.
type reader struct {
	rest []byte
	err  error
}

// fail records what is wrong with the named item.
func (r *reader) fail(name string, err error) {
	if r.err == nil {
		r.err = fmt.Errorf("%s: %w", name, err)
	}
	r.rest = nil
}

// head reads the head of an item of a major type.
func (r *reader) head(name string, major byte) uint64 {
	if r.err != nil {
		return 0
	}
	if len(r.rest) == 0 {
		r.fail(name, ErrTruncated)
		return 0
	}
	first := r.rest[0]
	if first>>5 != major {
		r.fail(name, fmt.Errorf("%w: CBOR type %d, want %d", ErrMalformed, first>>5, major))
		return 0
	}
	info := first & 31
	if info < 24 {
		r.rest = r.rest[1:]
		return uint64(info)
	}
	if info == 31 && major != majorUint {
		r.fail(name, fmt.Errorf("%w: indefinite length", ErrNotCanonical))
		return 0
	}
	if info > 27 {
		r.fail(name, fmt.Errorf("%w: reserved CBOR head %#x", ErrMalformed, first))
		return 0
	}
	return r.long(name, 1<<(info-24))
}

// long reads a head whose number takes 1, 2, 4 or 8 bytes of its own.
func (r *reader) long(name string, size int) uint64 {
	if len(r.rest) < 1+size {
		r.fail(name, ErrTruncated)
		return 0
	}
	var n uint64
	for _, b := range r.rest[1 : 1+size] {
		n = n<<8 | uint64(b)
	}
	least := uint64(24)
	if size > 1 {
		least = 1 << (4 * size) // what does not fit into half the bytes
	}
	if n < least {
		r.fail(name, fmt.Errorf("%w: %d in %d bytes", ErrNotCanonical, n, size))
		return 0
	}
	r.rest = r.rest[1+size:]
	return n
}

func (r *reader) uint(name string) uint64 { return r.head(name, majorUint) }

// array reads the head of a list of at most limit items.
func (r *reader) array(name string, limit int, tooMany error) int {
	n := r.head(name, majorArray)
	if n > uint64(limit) {
		r.fail(name, fmt.Errorf("%w: %d, limit %d", tooMany, n, limit))
		return 0
	}
	return int(n)
}

// tuple reads the head of a list of exactly n items.
func (r *reader) tuple(name string, n int) {
	if got := r.head(name, majorArray); r.err == nil && got != uint64(n) {
		r.fail(name, fmt.Errorf("%w: %d elements, want %d", ErrMalformed, got, n))
	}
}

// bytes reads a byte string, which is a part of what is read: not a copy.
func (r *reader) bytes(name string) []byte {
	n := r.head(name, majorBytes)
	if n > uint64(len(r.rest)) {
		r.fail(name, ErrTruncated)
		return nil
	}
	s := r.rest[:n:n]
	r.rest = r.rest[n:]
	return s
}

// fixed reads a byte string of the length of dst into dst.
func (r *reader) fixed(name string, dst []byte) {
	s := r.bytes(name)
	if r.err == nil && len(s) != len(dst) {
		r.fail(name, fmt.Errorf("%w: %d bytes, want %d", ErrMalformed, len(s), len(dst)))
	}
	copy(dst, s)
}

// end checks that everything was read, and gives the first error.
func (r *reader) end(name string) error {
	if r.err == nil && len(r.rest) > 0 {
		r.fail(name, fmt.Errorf("%w: %d", ErrTrailing, len(r.rest)))
	}
	return r.err
}

// The library's modes for payloads. A test checks that their limits are valid, so that
// the errors need no place here.
var (
	payloadLimits = detcbor.Limits{Nesting: 8, Elements: 1024, Pairs: 64} //nolint:gochecknoglobals // a constant

	encMode, _ = detcbor.EncMode()       //nolint:gochecknoglobals // immutable, and costly to make
	decMode, _ = payloadLimits.DecMode() //nolint:gochecknoglobals // likewise
)
