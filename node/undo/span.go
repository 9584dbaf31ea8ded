package undo

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"mero/node/delta"
	"mero/node/ident"
)

const (
	// MaxBytes bounds the encoded form of a span: Decode refuses a longer one, and
	// Next merges none that could become longer.
	MaxBytes = 64 << 20
	// MaxMark bounds Span.Mark, in bytes.
	MaxMark = 256
	// maxLength bounds the length of a value: the numbers of its pages fit 32 bits,
	// and so does its length in memory.
	maxLength = 1<<31 - 1
)

var (
	// ErrGap says that two spans are not neighbours.
	ErrGap = errors.New("undo spans are not neighbours")
	// ErrDamaged says that bytes are not the form of a span.
	ErrDamaged = errors.New("undo span is damaged")
)

// version is the first byte of the form.
const version = 1

// Span undoes the deltas after From, up to and including To.
type Span struct {
	From, To delta.Place // From is before To; the zero Place: nothing was there
	// Count is the number of the deltas, at least 1.
	Count uint64
	// Mark is what else the state was at From; opaque here, at most MaxMark bytes.
	Mark []byte
	// Entries of the keys that changed, strictly ascending by key.
	Entries []Entry
}

// Encode gives the form of the span, see the package documentation. The span must be
// as described, its entries as Diff, Merge and Decode give them: Decode refuses what
// was made of another one.
func (s *Span) Encode() []byte {
	b := make([]byte, 0, s.bytes())
	b = append(b, version)
	b = appendPlace(b, s.From)
	b = appendPlace(b, s.To)
	b = binary.AppendUvarint(b, s.Count)
	b = appendBytes(b, s.Mark)
	b = binary.AppendUvarint(b, uint64(len(s.Entries)))
	for i := range s.Entries {
		b = s.Entries[i].append(b)
	}
	return b
}

// bytes is the most that the form can take, if not much more.
func (s *Span) bytes() int {
	n := 1 + 2*placeSize + 3*binary.MaxVarintLen64 + len(s.Mark)
	for i := range s.Entries {
		e := &s.Entries[i]
		n += len(e.Key) + 3*5
		for _, p := range e.Pages {
			n += 5 + len(p.Data)
		}
	}
	return n
}

func (e *Entry) append(b []byte) []byte {
	b = appendBytes(b, e.Key)
	if !e.Had {
		return append(b, 0)
	}
	b = binary.AppendUvarint(b, uint64(e.Length)+1)
	b = binary.AppendUvarint(b, uint64(len(e.Pages)))
	next := uint32(0)
	for _, p := range e.Pages {
		b = binary.AppendUvarint(b, uint64(p.N-next))
		b = append(b, p.Data...)
		next = p.N + 1
	}
	return b
}

const placeSize = 8 + ident.Size

func appendPlace(b []byte, p delta.Place) []byte {
	return append(binary.BigEndian.AppendUint64(b, uint64(p.Time)), p.ID[:]...)
}

func appendBytes(b, data []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(data))), data...)
}

// Merge makes one span of two neighbours: restoring its entries is restoring those
// of newer and then those of older. Its mark is the older one's. The error is ErrGap
// if older does not end where newer begins, and ErrMismatch if entries cannot follow
// each other. The span shares memory with both.
func Merge(older, newer *Span) (*Span, error) {
	if older.To != newer.From {
		return nil, fmt.Errorf("%w: one ends at %s, the next begins at %s", ErrGap, older.To.ID, newer.From.ID)
	}
	s := &Span{From: older.From, To: newer.To, Count: older.Count + newer.Count, Mark: older.Mark}
	s.Entries = make([]Entry, 0, len(older.Entries)+len(newer.Entries))
	a, b := older.Entries, newer.Entries
	for len(a) > 0 && len(b) > 0 {
		switch bytes.Compare(a[0].Key, b[0].Key) {
		case -1:
			s.Entries, a = append(s.Entries, a[0]), a[1:]
		case 1:
			s.Entries, b = append(s.Entries, b[0]), b[1:]
		default:
			e, err := mergeEntries(&a[0], &b[0])
			if err != nil {
				return nil, err
			}
			s.Entries, a, b = append(s.Entries, e), a[1:], b[1:]
		}
	}
	s.Entries = append(append(s.Entries, a...), b...)
	return s, nil
}
