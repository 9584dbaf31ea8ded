package collections

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"fmt"
	"strconv"
)

// KV is the state below. It does not change while a [Tx] or [Fold] uses it, and what it gives is
// not changed by either.
type KV interface {
	Get(key []byte) (value []byte, ok bool, err error)
	// Range gives the entries whose keys begin with prefix and are greater than after
	// (nil: all), ascending, at most limit.
	Range(prefix, after []byte, limit int) ([]Entry, error)
}

// Entry is one row of the state.
type Entry struct{ Key, Value []byte }

// Write is a change of one row.
type Write struct {
	Key, Old, New  []byte
	HadOld, HasNew bool
}

// Origin says who operates, and when.
type Origin struct {
	Author [32]byte
	// Tag names the writer (R3) in stamps: the first 8 bytes of
	// SHA-256("mero/writer/v1" 00 | author | incarnation).
	Tag [8]byte
	// Time is the hybrid time of the delta: a multiple of [MaxOps] + 1 (R2).
	Time uint64
}

// Stamp names one operation for ever.
type Stamp struct {
	// Time is the delta's time and the operation's number within the delta.
	Time uint64
	Tag  [8]byte
}

// IsZero tells whether s names nothing.
func (s Stamp) IsZero() bool { return s == Stamp{} }

// Compare orders stamps by time, then by tag.
func (s Stamp) Compare(other Stamp) int {
	if c := cmp.Compare(s.Time, other.Time); c != 0 {
		return c
	}
	return bytes.Compare(s.Tag[:], other.Tag[:])
}

// DeltaTime is the time of the delta that the operation was in.
func (s Stamp) DeltaTime() uint64 { return s.Time &^ MaxOps }

// String gives the time in decimal and the tag in hexadecimal.
func (s Stamp) String() string {
	return strconv.FormatUint(s.Time, 10) + "/" + hex.EncodeToString(s.Tag[:])
}

// Kind is a kind of collection.
type Kind uint8

// The kinds. Their numbers are in states and operations and never change.
const (
	Absent   Kind = 0 // nothing there
	Register Kind = 1 // one value; the last write wins
	Map      Kind = 2 // values or collections by key
	Set      Kind = 3 // byte strings; adding wins over removing
	Counter  Kind = 4 // a sum
	List     Kind = 5 // a sequence of values or collections
	Text     Kind = 6 // a sequence of code points
	Members  Kind = 7 // a collection for each member, by key, that only this member writes in

	root Kind = 254 // the map of collections that everything begins with

	Value Kind = 255 // no collection: a plain value in a map or a list, an element of a set
)

// String gives the kind's name with its article, as in "a map".
func (k Kind) String() string {
	switch k {
	case Absent:
		return "nothing"
	case Register:
		return "a register"
	case Map:
		return "a map"
	case Set:
		return "a set"
	case Counter:
		return "a counter"
	case List:
		return "a list"
	case Text:
		return "a text"
	case Members:
		return "a collection by member"
	case root:
		return "the root"
	case Value:
		return "a value"
	default:
		return fmt.Sprintf("kind %d", uint8(k))
	}
}

// isCollection tells whether k can be opened.
func (k Kind) isCollection() bool { return k >= Register && k <= Members }

// hasKeys tells whether collections can be opened in k by key.
func (k Kind) hasKeys() bool { return k == root || k == Map || k == Members }

// Flags change what a collection allows. They are part of what it is: it cannot be opened with
// others.
type Flags uint8

// Once is for registers and maps: what was written is not changed or removed while the
// collection is there. Of two who wrote without knowing of each other, the first in canonical
// order did.
const Once Flags = 1

// validFor tells whether a collection of kind k can have these flags.
func (f Flags) validFor(k Kind) bool { return f == 0 || f == Once && (k == Register || k == Map) }

// describe gives kind and flags in words.
func describe(k Kind, f Flags) string {
	if f&Once != 0 {
		return k.String() + " that is written once"
	}
	return k.String()
}

// Ref is a handle of a collection within one [Tx]; 0 is the root.
type Ref int32

// Item is an entry of a collection.
type Item struct {
	Key   []byte // nil in lists
	Value []byte // of plain values
	Kind  Kind   // Value, or the kind of the collection that is there
	Flags Flags  // of the collection
	// Stamp is of the last write of a value, the last addition of a set's element, or the
	// making of a collection.
	Stamp Stamp
}
