package undo

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"mero/node/delta"
)

// Decode reads what Encode wrote. The error wraps ErrDamaged for anything else: each
// span has one form. The span shares memory with data. Hostile data cost memory in
// proportion to their length: at most 64 bytes for an entry, which takes two at least.
func Decode(data []byte) (*Span, error) {
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrDamaged, len(data), MaxBytes)
	}
	r := &reader{rest: data}
	if v := r.take(1); v != nil && v[0] != version {
		return nil, fmt.Errorf("%w: version %d", ErrDamaged, v[0])
	}
	s := &Span{From: r.place(), To: r.place(), Count: r.number()}
	s.Mark = r.bytes(MaxMark)
	for range r.count(2) {
		e := r.entry()
		if n := len(s.Entries); n > 0 && bytes.Compare(s.Entries[n-1].Key, e.Key) >= 0 {
			r.bad = true
		}
		if r.bad {
			break
		}
		s.Entries = append(s.Entries, e)
	}
	switch {
	case r.bad:
		return nil, fmt.Errorf("%w: in the %d bytes before the last %d", ErrDamaged, len(data)-len(r.rest), len(r.rest))
	case len(r.rest) > 0:
		return nil, fmt.Errorf("%w: %d bytes too many", ErrDamaged, len(r.rest))
	case s.Count == 0 || s.From.Compare(s.To) >= 0:
		return nil, fmt.Errorf("%w: undoes nothing", ErrDamaged)
	}
	return s, nil
}

// reader takes the form apart. After the first fault bad is set and everything reads
// as zero.
type reader struct {
	rest []byte
	bad  bool
}

// take is the next n bytes.
func (r *reader) take(n int) []byte {
	if r.bad || n > len(r.rest) {
		r.bad = true
		return nil
	}
	data := r.rest[:n:n]
	r.rest = r.rest[n:]
	return data
}

// number reads a number in its shortest form.
func (r *reader) number() uint64 {
	v, n := binary.Uvarint(r.rest)
	if r.bad || n <= 0 || n > 1 && r.rest[n-1] == 0 {
		r.bad = true
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// count reads the number of items that take some bytes each. What cannot be there
// fails at once, so that no loop runs longer than the data.
func (r *reader) count(least int) int {
	n := r.number()
	if n > uint64(len(r.rest)/least) {
		r.bad = true
		return 0
	}
	return int(n)
}

// bytes reads as many bytes as the number before them says.
func (r *reader) bytes(most int) []byte {
	n := r.count(1)
	if n > most {
		r.bad = true
	}
	return r.take(n)
}

func (r *reader) place() (p delta.Place) {
	if b := r.take(placeSize); b != nil {
		p.Time = delta.Time(binary.BigEndian.Uint64(b))
		copy(p.ID[:], b[8:])
	}
	return p
}

func (r *reader) entry() Entry {
	e := Entry{Key: r.bytes(MaxBytes)}
	length := r.number()
	if r.bad || length == 0 {
		return e
	}
	if length-1 > maxLength {
		r.bad = true
		return e
	}
	e.Had, e.Length = true, int(length-1)
	next := uint64(0)
	for range r.count(2) {
		n := r.number()
		if r.bad || n >= uint64(pages(e.Length))-next {
			r.bad = true
			return e
		}
		n += next
		data := r.take(pageLength(e.Length, int(n)))
		e.Pages = append(e.Pages, Page{N: uint32(n), Data: data})
		next = n + 1
	}
	return e
}
