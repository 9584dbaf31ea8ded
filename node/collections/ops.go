package collections

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"
)

// opsVersion is the first byte of encoded operations.
const opsVersion = 1

// code is what an operation does. Codes are in deltas and never change.
type code uint8

const (
	opOpen       code = 1  // names a collection that the author saw
	opMake       code = 2  // makes a collection if it is not there, and names it
	opStore      code = 3  // register
	opClear      code = 4  // register
	opPut        code = 5  // map
	opRemove     code = 6  // map: a value
	opDrop       code = 7  // root, map, members: a collection
	opAdd        code = 8  // set
	opDiscard    code = 9  // set
	opIncrease   code = 10 // counter
	opInsert     code = 11 // list: values
	opInsertOpen code = 12 // list: a collection
	opSet        code = 13 // list: a value
	opErase      code = 14 // list, text
	opType       code = 15 // text
)

// operates gives the kind that an operation is for.
func (c code) operates(k Kind) bool {
	switch c {
	case opStore, opClear:
		return k == Register
	case opPut, opRemove:
		return k == Map
	case opDrop, opMake:
		return k.hasKeys()
	case opAdd, opDiscard:
		return k == Set
	case opIncrease:
		return k == Counter
	case opInsert, opInsertOpen, opSet:
		return k == List
	case opErase:
		return k == List || k == Text
	case opType:
		return k == Text
	case opOpen:
		return k.hasKeys() || k == List
	default:
		return false
	}
}

// nests tells whether the operation names a collection inside of another.
func (c code) nests() bool { return c == opOpen || c == opMake || c == opInsertOpen }

// anchor says where new elements come: immediately after or before an element; or, with a zero
// element and before unset, at the beginning.
type anchor struct {
	before  bool
	element element
}

// span are elements of one run.
type span struct {
	element
	n uint32
}

// op is one operation. Which fields are used is said by the code.
type op struct {
	code   code
	object int // 0: the root, n: the n-th that was named by open or make
	step   step
	kind   Kind
	flags  Flags
	birth  uint64 // open: the time of the delta that made the collection, >> 16
	value  []byte
	seen   []Stamp
	amount int64
	anchor anchor
	values [][]byte
	spans  []span
}

func appendBytes(b, value []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(value))), value...)
}

func appendElement(b []byte, e element) []byte {
	return binary.AppendUvarint(appendStamp(b, e.run), uint64(e.off))
}

func appendAnchor(b []byte, a anchor) []byte {
	switch {
	case a.element.run.IsZero():
		return append(b, 0)
	case a.before:
		return appendElement(append(b, 1), a.element)
	default:
		return appendElement(append(b, 2), a.element)
	}
}

// append encodes an operation, without its time: that is its delta's and its number.
func (o *op) append(b []byte) []byte {
	b = binary.AppendUvarint(append(b, byte(o.code)), uint64(o.object))
	switch o.code {
	case opOpen, opMake:
		if o.step.isElement {
			b = appendElement(append(b, 1), o.step.element)
		} else {
			b = appendBytes(append(b, 0), o.step.key)
		}
		b = append(b, byte(o.kind), byte(o.flags))
		if o.code == opOpen {
			b = binary.AppendUvarint(b, o.birth)
		}
	case opStore:
		b = appendBytes(b, o.value)
	case opClear:
	case opPut:
		b = appendBytes(appendBytes(b, o.step.key), o.value)
	case opRemove, opDrop, opAdd, opDiscard:
		b = binary.AppendUvarint(appendBytes(b, o.step.key), uint64(len(o.seen)))
		b = appendStamps(b, o.seen)
	case opIncrease:
		b = binary.AppendVarint(b, o.amount)
	default:
		b = o.appendSequence(b)
	}
	return b
}

// appendSequence encodes the rest of an operation of lists and texts.
func (o *op) appendSequence(b []byte) []byte {
	switch o.code {
	case opInsert:
		b = binary.AppendUvarint(appendAnchor(b, o.anchor), uint64(len(o.values)))
		for _, v := range o.values {
			b = appendBytes(b, v)
		}
	case opInsertOpen:
		b = append(appendAnchor(b, o.anchor), byte(o.kind), byte(o.flags))
	case opSet:
		b = appendBytes(appendElement(b, o.step.element), o.value)
	case opType:
		b = appendBytes(appendAnchor(b, o.anchor), o.value)
	default: // opErase
		b = binary.AppendUvarint(b, uint64(len(o.spans)))
		for _, s := range o.spans {
			b = binary.AppendUvarint(appendElement(b, s.element), uint64(s.n))
		}
	}
	return b
}

// decoder reads operations. After the first mistake it reads zeros and keeps the mistake.
type decoder struct {
	rest []byte
	err  error
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: %s", ErrOps, fmt.Sprintf(format, args...))
		d.rest = nil
	}
}

func (d *decoder) uvarint(most uint64) uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 || n > 1 && d.rest[n-1] == 0 {
		d.fail("bad number")
		return 0
	}
	if v > most {
		d.fail("%d is more than %d", v, most)
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) varint() int64 {
	u := d.uvarint(1<<64 - 1)
	return int64(u>>1) ^ -int64(u&1)
}

func (d *decoder) take(n int) []byte {
	if n > len(d.rest) {
		d.fail("cut short")
		return nil
	}
	b := d.rest[:n:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) byte() byte {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) bytes(least, most int) []byte {
	b := d.take(int(d.uvarint(uint64(most))))
	if len(b) < least {
		d.fail("%d bytes, less than %d", len(b), least)
	}
	return b
}

func (d *decoder) stamp() Stamp {
	b := d.take(stampSize)
	if b == nil {
		return Stamp{}
	}
	s := stampOf(b)
	if s.IsZero() {
		d.fail("zero stamp")
	}
	return s
}

func (d *decoder) element() element {
	return element{run: d.stamp(), off: uint32(d.uvarint(MaxInsert - 1))}
}

func (d *decoder) anchor() anchor {
	switch side := d.byte(); side {
	case 0:
		return anchor{}
	case 1:
		return anchor{before: true, element: d.element()}
	case 2:
		return anchor{element: d.element()}
	default:
		d.fail("side %d", side)
		return anchor{}
	}
}

func (d *decoder) seen(least, most int) []Stamp {
	n := int(d.uvarint(uint64(most)))
	if n < least {
		d.fail("%d stamps, less than %d", n, least)
	}
	var stamps []Stamp
	for i := range n {
		s := d.stamp()
		if d.err != nil {
			return nil
		}
		if i > 0 && stamps[i-1].Compare(s) >= 0 {
			d.fail("stamps out of order")
			return nil
		}
		stamps = append(stamps, s)
	}
	return stamps
}

// child reads where a collection is in one of kind parent.
func (d *decoder) child(parent Kind) step {
	switch form := d.byte(); {
	case form == 1 && parent == List:
		return elementStep(d.element())
	case form == 0 && parent.hasKeys():
		return keyStep(d.key(parent))
	default:
		d.fail("form %d of a place in %v", form, parent)
		return step{}
	}
}

// key reads a key of a collection of kind k.
func (d *decoder) key(k Kind) []byte {
	switch k {
	case root:
		name := d.bytes(1, MaxName)
		if !utf8.Valid(name) {
			d.fail("a name that is not UTF-8")
		}
		return name
	case Members:
		return d.bytes(memberKey, memberKey)
	default:
		return d.bytes(1, MaxKey)
	}
}

func (d *decoder) kinds() (Kind, Flags) {
	k, f := Kind(d.byte()), Flags(d.byte())
	if !k.isCollection() || !f.validFor(k) {
		d.fail("flags %d of %v", f, k)
	}
	return k, f
}

// next reads one operation. kindOf gives the kind of a collection that was named before.
func (d *decoder) next(o *op, kindOf func(object int) (Kind, bool)) {
	*o = op{code: code(d.byte()), object: int(d.uvarint(MaxOps))}
	k, ok := kindOf(o.object)
	if !ok || !o.code.operates(k) {
		d.fail("operation %d on %v (%d)", o.code, k, o.object)
		return
	}
	switch o.code {
	case opOpen, opMake:
		o.step = d.child(k)
		o.kind, o.flags = d.kinds()
		if o.code == opOpen {
			o.birth = d.uvarint(1<<48 - 1)
		}
	case opStore:
		o.value = d.bytes(0, MaxValue)
	case opClear:
	case opPut:
		o.step = keyStep(d.key(k))
		o.value = d.bytes(0, MaxValue)
	case opRemove, opDrop, opAdd, opDiscard:
		o.step = keyStep(d.key(k))
		o.seen = d.seenBy(o.code)
	case opIncrease:
		if o.amount = d.varint(); o.amount == 0 {
			d.fail("an increase by nothing")
		}
	default:
		d.sequence(o)
	}
}

// seenBy reads the stamps that an operation says its author saw.
func (d *decoder) seenBy(c code) []Stamp {
	switch c {
	case opRemove:
		return d.seen(1, 1)
	case opAdd:
		return d.seen(0, MaxSeen)
	default:
		return d.seen(1, MaxSeen)
	}
}

// sequence reads the rest of an operation of lists and texts.
func (d *decoder) sequence(o *op) {
	switch o.code {
	case opInsert:
		o.anchor = d.anchor()
		n := int(d.uvarint(MaxRun))
		if n == 0 {
			d.fail("no values")
		}
		for i := 0; i < n && d.err == nil; i++ {
			o.values = append(o.values, d.bytes(0, MaxValue))
		}
	case opInsertOpen:
		o.anchor = d.anchor()
		o.kind, o.flags = d.kinds()
	case opSet:
		o.step = elementStep(d.element())
		o.value = d.bytes(0, MaxValue)
	case opErase:
		o.spans = d.spans()
	case opType:
		o.anchor = d.anchor()
		if o.value = d.bytes(1, MaxInsert); !utf8.Valid(o.value) {
			d.fail("text that is not UTF-8")
		}
	default:
		d.fail("operation %d", o.code)
	}
}

// spans reads which elements are removed.
func (d *decoder) spans() (spans []span) {
	n := int(d.uvarint(MaxOpBytes))
	if n == 0 {
		d.fail("no elements")
	}
	for i := 0; i < n && d.err == nil; i++ {
		s := span{element: d.element(), n: uint32(d.uvarint(MaxInsert))}
		if s.n == 0 || s.off+s.n > MaxInsert {
			d.fail("%d elements from %d", s.n, s.off)
		}
		spans = append(spans, s)
	}
	return spans
}
