package root

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/crypto/blake2b"
)

const (
	// Size is the length of a Sum in bytes: 1 024 lanes of 16 bits.
	Size = 2048
	// PageSize is the number of bytes of a large value that are hashed as one
	// element. It is a constant of the protocol.
	PageSize = 4096
)

const (
	stateDomain = "mero/state/v1\x00"
	rootDomain  = "mero/root/v1\x00"
)

// The kinds of element, see the form in doc.go.
const (
	kindSmall byte = iota
	kindLarge
	kindPage
)

// topBits masks the highest bit of each of the four lanes in a 64-bit word.
const topBits = 0x8000_8000_8000_8000

// ErrSize says that bytes given to UnmarshalBinary are not a sum.
var ErrSize = errors.New("state sum: wrong length")

// Sum is the homomorphic hash of a set of keys and values. The zero value is
// the sum of the empty state. Sums are compared with ==.
type Sum [Size]byte

// Replace changes the value of key from before to after. hadOld and hasNew tell an
// absent value from an empty one. Only the pages that differ are hashed.
//
// before must be what the sum holds for key: the sum is not able to check that, and
// is wrong from then on if it is not.
func (s *Sum) Replace(key, before, after []byte, hadOld, hasNew bool) {
	if !hadOld && !hasNew {
		return
	}
	h := newHasher(key)
	switch {
	case hadOld && hasNew:
		s.change(h, before, after)
	case hadOld:
		s.whole(h, before, (*Sum).Sub)
	default:
		s.whole(h, after, (*Sum).Add)
	}
}

// change is Replace for a value that is there before and after.
func (s *Sum) change(h *hasher, before, after []byte) {
	if len(before) <= PageSize || len(after) <= PageSize {
		if string(before) == string(after) {
			return
		}
		s.whole(h, before, (*Sum).Sub)
		s.whole(h, after, (*Sum).Add)
		return
	}
	if len(before) != len(after) {
		s.Sub(h.length(before))
		s.Add(h.length(after))
	}
	for n := range max(pages(before), pages(after)) {
		was, hadOld := page(before, n)
		is, hasNew := page(after, n)
		if hadOld && hasNew && string(was) == string(is) {
			continue
		}
		if hadOld {
			s.Sub(h.page(n, was))
		}
		if hasNew {
			s.Add(h.page(n, is))
		}
	}
}

// whole adds or subtracts all elements of one value.
func (s *Sum) whole(h *hasher, value []byte, apply func(*Sum, *Sum)) {
	if len(value) <= PageSize {
		apply(s, h.small(value))
		return
	}
	apply(s, h.length(value))
	for n := range pages(value) {
		p, _ := page(value, n)
		apply(s, h.page(n, p))
	}
}

func pages(value []byte) int { return (len(value) + PageSize - 1) / PageSize }

// page is the n-th page of a large value, and whether there is one.
func page(value []byte, n int) ([]byte, bool) {
	from := n * PageSize
	if from >= len(value) {
		return nil, false
	}
	return value[from:min(from+PageSize, len(value))], true
}

// Add adds the sum of other keys. The two sets of keys must be disjoint for the
// result to be the sum of a state.
func (s *Sum) Add(other *Sum) {
	for i := 0; i < Size; i += 8 {
		x, y := binary.LittleEndian.Uint64(s[i:]), binary.LittleEndian.Uint64(other[i:])
		// Four lanes in one word: without their top bits the lanes cannot carry
		// into each other, and the top bits are added without carry by xor.
		z := ((x &^ topBits) + (y &^ topBits)) ^ ((x ^ y) & topBits)
		binary.LittleEndian.PutUint64(s[i:], z)
	}
}

// Sub takes away what Add added.
func (s *Sum) Sub(other *Sum) {
	for i := 0; i < Size; i += 8 {
		x, y := binary.LittleEndian.Uint64(s[i:]), binary.LittleEndian.Uint64(other[i:])
		// As in Add; the top bits that are set in x cannot be borrowed across.
		z := ((x | topBits) - (y &^ topBits)) ^ ((x ^ ^y) & topBits)
		binary.LittleEndian.PutUint64(s[i:], z)
	}
}

// Root is the 32-byte state root (R9): the sum, and meta, by which the caller
// binds membership, code and epochs at the heads of the folded set.
func (s *Sum) Root(meta [32]byte) [32]byte {
	h := sha256.New()
	h.Write([]byte(rootDomain))
	h.Write(meta[:])
	h.Write(s[:])
	var out [32]byte
	h.Sum(out[:0])
	return out
}

// MarshalBinary gives the 2 048 bytes of the sum. It never fails.
func (s Sum) MarshalBinary() ([]byte, error) { return s[:], nil }

// UnmarshalBinary reads what MarshalBinary wrote. The error wraps ErrSize.
func (s *Sum) UnmarshalBinary(data []byte) error {
	if len(data) != Size {
		return fmt.Errorf("%w: %d bytes, want %d", ErrSize, len(data), Size)
	}
	copy(s[:], data)
	return nil
}

// hasher hashes the elements of one key. What it returns is valid until its
// next use.
type hasher struct {
	xof    blake2b.XOF
	prefix []byte // domain, kind (to be set), length of key, key
	out    Sum
}

func newHasher(key []byte) *hasher {
	// The error is for sizes that cannot be; Size is a constant.
	xof, _ := blake2b.NewXOF(Size, nil)
	prefix := make([]byte, 0, len(stateDomain)+1+8+len(key)+8)
	prefix = append(prefix, stateDomain...)
	prefix = append(prefix, 0)
	prefix = binary.BigEndian.AppendUint64(prefix, uint64(len(key)))
	prefix = append(prefix, key...)
	return &hasher{xof: xof, prefix: prefix}
}

func (h *hasher) small(value []byte) *Sum { return h.sum(kindSmall, h.prefix, value) }

func (h *hasher) length(value []byte) *Sum {
	return h.sum(kindLarge, binary.BigEndian.AppendUint64(h.prefix, uint64(len(value))), nil)
}

func (h *hasher) page(n int, data []byte) *Sum {
	return h.sum(kindPage, binary.BigEndian.AppendUint32(h.prefix, uint32(n)), data)
}

// sum hashes one element. Neither Write nor Read of an XOF of this size fails.
func (h *hasher) sum(kind byte, prefix, rest []byte) *Sum {
	prefix[len(stateDomain)] = kind
	h.xof.Reset()
	_, _ = h.xof.Write(prefix)
	_, _ = h.xof.Write(rest)
	_, _ = h.xof.Read(h.out[:])
	return &h.out
}
