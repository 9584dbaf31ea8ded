package collections

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
)

// objectID is the prefix of a collection's rows. The root's is zero.
type objectID [16]byte

// What follows the id in a row's key. doc.go has the forms.
const (
	tagHeader  = 0x00
	tagEntry   = 0x01 // and the key
	tagNode    = 0x02 // and the node's number
	tagRun     = 0x03 // and the run's stamp
	tagElement = 0x04 // and the element
	tagGarbage = 0x05 // of the root: and the id of a removed collection
	tagMark    = 0x06 // of a set: and the element
)

// element names one element of a list or text for ever: the stamp of the operation that inserted
// it and its number within that.
type element struct {
	run Stamp
	off uint32
}

func appendStamp(b []byte, s Stamp) []byte {
	b = binary.BigEndian.AppendUint64(b, s.Time)
	return append(b, s.Tag[:]...)
}

const stampSize = 16

func stampOf(b []byte) Stamp {
	s := Stamp{Time: binary.BigEndian.Uint64(b)}
	copy(s.Tag[:], b[8:stampSize])
	return s
}

func (id objectID) key(tag byte, more int) []byte {
	return append(append(make([]byte, 0, len(id)+1+more), id[:]...), tag)
}

func (id objectID) header() []byte { return id.key(tagHeader, 0) }

// Begun tells whether a state has collections, as far as its rows tell: the header of
// the root is there with the first of them.
func Begun(kv KV) (bool, error) {
	_, ok, err := kv.Get(objectID{}.header())
	return ok, err
}

func (id objectID) entry(key []byte) []byte { return append(id.key(tagEntry, len(key)), key...) }

func (id objectID) mark(elem []byte) []byte { return append(id.key(tagMark, len(elem)), elem...) }

func (id objectID) element(e element) []byte {
	return binary.BigEndian.AppendUint32(appendStamp(id.key(tagElement, stampSize+4), e.run), e.off)
}

func (id objectID) garbage() []byte { return append(objectID{}.key(tagGarbage, len(id)), id[:]...) }

// step is where a collection is in the one that holds it: at a key, or at an element of a list.
type step struct {
	key       []byte
	element   element
	isElement bool
}

func keyStep(key []byte) step { return step{key: key} }

func elementStep(e element) step { return step{element: e, isElement: true} }

// row is the key of the row that says what is there.
func (s step) row(parent objectID) []byte {
	if s.isElement {
		return parent.element(s.element)
	}
	return parent.entry(s.key)
}

// childID is the id of the collection that was made there by an operation. The one that takes its
// place when it is removed and made again has another, so that nothing of it comes back.
func childID(parent objectID, s step, made Stamp) objectID {
	buf := append(make([]byte, 0, 64+len(s.key)), "mero/obj/v1\x00"...)
	buf = appendStamp(append(buf, parent[:]...), made)
	buf = append(buf, s.row(objectID{})[len(objectID{}):]...)
	sum := sha256.Sum256(buf)
	return objectID(sum[:len(objectID{})])
}

// entry is what is at a key of a map or at an element of a list.
type entry struct {
	kind  Kind
	value []byte // of Value
	// stamp is of the write of a value, or of the operation that made the collection.
	stamp Stamp
	flags Flags
	// births are the makings of the collection that nobody has removed: it is there as long
	// as there is one. Some made it without knowing of each other.
	births []Stamp
}

func (e entry) encode() []byte {
	b := make([]byte, 0, 2+stampSize+len(e.value)+len(e.births)*stampSize)
	if e.kind == Value {
		return append(appendStamp(append(b, byte(Value)), e.stamp), e.value...)
	}
	return appendStamps(appendStamp(append(b, byte(e.kind), byte(e.flags)), e.stamp), e.births)
}

func decodeEntry(b []byte) (entry, error) {
	if len(b) >= 1+stampSize && Kind(b[0]) == Value {
		return entry{kind: Value, stamp: stampOf(b[1:]), value: b[1+stampSize:]}, nil
	}
	if len(b) < 2+2*stampSize || len(b)%stampSize != 2 || !Kind(b[0]).isCollection() {
		return entry{}, fmt.Errorf("%w: entry of %d bytes", ErrDamaged, len(b))
	}
	e := entry{kind: Kind(b[0]), flags: Flags(b[1]), stamp: stampOf(b[2:])}
	e.births = stampsOf(b[2+stampSize:])
	return e, nil
}

func appendStamps(b []byte, stamps []Stamp) []byte {
	for _, s := range stamps {
		b = appendStamp(b, s)
	}
	return b
}

// stampsOf reads what appendStamps wrote. The length of b is a multiple of stampSize.
func stampsOf(b []byte) []Stamp {
	stamps := make([]Stamp, 0, len(b)/stampSize)
	for ; len(b) >= stampSize; b = b[stampSize:] {
		stamps = append(stamps, stampOf(b))
	}
	return stamps
}

// without gives stamps less those that are seen. Both ascend.
func without(stamps, seen []Stamp) []Stamp {
	return slices.DeleteFunc(slices.Clone(stamps), func(s Stamp) bool {
		_, ok := slices.BinarySearchFunc(seen, s, Stamp.Compare)
		return ok
	})
}

// with gives stamps and one more, which takes the place of an older one of the same writer: a
// writer has seen what it did itself. Beyond MaxSeen the oldest goes.
func with(stamps []Stamp, own Stamp) []Stamp {
	stamps = slices.DeleteFunc(slices.Clone(stamps), func(s Stamp) bool { return s.Tag == own.Tag })
	i, _ := slices.BinarySearchFunc(stamps, own, Stamp.Compare)
	stamps = slices.Insert(stamps, i, own)
	if len(stamps) > MaxSeen {
		stamps = stamps[1:]
	}
	return stamps
}

// counts are the header of a root, map, set or collection by member; all zero, there is none.
type counts struct {
	entries uint64
	garbage uint64 // of the root: removed collections whose rows are still there
}

func (c counts) encode() []byte {
	return binary.AppendUvarint(binary.AppendUvarint(nil, c.entries), c.garbage)
}

func decodeCounts(b []byte) (counts, error) {
	entries, n := binary.Uvarint(b)
	if n > 0 {
		if garbage, m := binary.Uvarint(b[n:]); m > 0 && n+m == len(b) {
			return counts{entries: entries, garbage: garbage}, nil
		}
	}
	return counts{}, fmt.Errorf("%w: header of %d bytes", ErrDamaged, len(b))
}

// register is the header of a register.
type register struct {
	stamp Stamp
	set   bool
	value []byte
}

func (r register) encode() []byte {
	b := appendStamp(make([]byte, 0, stampSize+1+len(r.value)), r.stamp)
	if !r.set {
		return append(b, 0)
	}
	return append(append(b, 1), r.value...)
}

func decodeRegister(b []byte) (register, error) {
	if len(b) < stampSize+1 || b[stampSize] > 1 {
		return register{}, fmt.Errorf("%w: register of %d bytes", ErrDamaged, len(b))
	}
	return register{stamp: stampOf(b), set: b[stampSize] == 1, value: b[stampSize+1:]}, nil
}

// counter is the header of a counter: a sum of 128 bits, in two's complement. It cannot overflow:
// that would take 2⁶⁴ operations.
type counter struct {
	stamp  Stamp
	hi, lo uint64
}

func (c counter) encode() []byte {
	b := appendStamp(make([]byte, 0, stampSize+16), c.stamp)
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, c.hi), c.lo)
}

func decodeCounter(b []byte) (counter, error) {
	if len(b) != stampSize+16 {
		return counter{}, fmt.Errorf("%w: counter of %d bytes", ErrDamaged, len(b))
	}
	b16 := b[stampSize:]
	return counter{stamp: stampOf(b), hi: binary.BigEndian.Uint64(b16), lo: binary.BigEndian.Uint64(b16[8:])}, nil
}
