package collections

import (
	"bytes"
	"slices"
	"strconv"
)

// Root is the kind of the map of collections that everything begins with. Nothing else has it.
const Root = root

// Item tells what is at a key of the root, of a map, set or collection by member.
func (t *Tx) Item(r Ref, key []byte) (item Item, ok bool, err error) {
	h, there, err := t.keyed(r, key, Map, Set, Members, root)
	if err != nil || !there {
		return Item{}, false, err
	}
	row := h.id.entry(key)
	if h.kind == Set {
		row = h.id.mark(key)
	}
	b, ok, err := t.engine.rows.get(row)
	if err != nil || !ok {
		return Item{}, false, err
	}
	item, err = itemOf(h.kind, bytes.Clone(key), b)
	return item, err == nil, err
}

// MaxTold is how many values of one operation are described.
const MaxTold = 64

// Level is one step of the way from the root to a collection.
type Level struct {
	In Kind // what it is a step in
	// Key is where the next collection is in a root, map or collection by member.
	Key []byte
	// Element names where it is in a list; for people.
	Element string
}

// Op describes one operation to people. doc.go, "Operations", says what they are.
type Op struct {
	Name string // as in doc.go: "make", "put", "insert open" …
	Path []Level
	// Kind and Flags are of the collection at Path. The operation is on it, or has made it ("make"
	// and "insert open").
	Kind  Kind
	Flags Flags
	// Key is that of a map, root or collection by member, or the element of a set.
	Key []byte
	// Element is the list's element that is set.
	Element string
	// Where says at which place of a list or text something is inserted.
	Where string
	// Values are what is stored, put, set, inserted or typed, at most MaxTold; More counts others.
	Values [][]byte
	More   int
	Amount int64 // of an increase
	Count  int   // of erased elements
	// Seen are how many earlier writes the operation knows of and takes away.
	Seen int
}

// Describe lists the operations of a delta, at most the first limit of them, and how many there
// are beyond. What only names a collection ("open") is not counted. The error wraps [ErrOps], or
// is a [*LimitError] for what is too large: such a delta is void. What it gives shares memory with
// ops.
func Describe(ops []byte, limit int) (list []Op, more int, err error) {
	if len(ops) == 0 {
		return nil, 0, nil
	}
	d, err := newDecoder(ops)
	if err != nil {
		return nil, 0, err
	}
	known := namings{{kind: root}}
	var next op
	for n := 0; len(d.rest) > 0; n++ {
		if n >= MaxOps {
			return nil, 0, &LimitError{What: "operations", Limit: MaxOps}
		}
		d.next(&next, known.kindOf)
		if d.err == nil && next.code.nests() && known[next.object].depth >= MaxDepth {
			d.fail("a collection deeper than %d", MaxDepth)
		}
		if d.err != nil {
			return nil, 0, d.err
		}
		at := next.object
		if next.code == opOpen || next.code == opMake {
			known = append(known, naming{holder: at, step: next.step, kind: next.kind, flags: next.flags, depth: known[at].depth + 1})
			at = len(known) - 1
		}
		switch {
		case next.code == opOpen:
		case len(list) < limit:
			list = append(list, next.describe(known, at))
		default:
			more++
		}
	}
	return list, more, nil
}

// naming is a collection that operations name.
type naming struct {
	holder int
	step   step
	kind   Kind
	flags  Flags
	depth  int
}

type namings []naming

func (n namings) kindOf(object int) (Kind, bool) {
	if object >= len(n) {
		return Absent, false
	}
	return n[object].kind, true
}

// path is the way to a collection.
func (n namings) path(at int) []Level {
	levels := make([]Level, n[at].depth)
	for ; at != 0; at = n[at].holder {
		in := &n[at]
		l := Level{In: n[in.holder].kind, Key: in.step.key}
		if in.step.isElement {
			l.Element = in.step.element.String()
		}
		levels[in.depth-1] = l
	}
	return levels
}

// newDecoder checks how operations begin.
func newDecoder(ops []byte) (*decoder, error) {
	if len(ops) > MaxOpBytes {
		return nil, &LimitError{What: "bytes of operations", Limit: MaxOpBytes}
	}
	d := &decoder{rest: ops}
	if v := d.byte(); v != opsVersion {
		d.fail("version %d", v)
	} else if len(d.rest) == 0 {
		d.fail("none")
	}
	return d, d.err
}

// describe describes an operation on, or the making of, one of the known collections.
func (o *op) describe(known namings, at int) Op {
	out := Op{
		Name: o.code.String(), Path: known.path(at), Kind: known[at].kind, Flags: known[at].flags,
		Seen: len(o.seen), Amount: o.amount,
	}
	told := min(len(o.values), MaxTold)
	out.Values, out.More = slices.Clone(o.values[:told]), len(o.values)-told
	if o.code != opMake {
		out.Key = o.step.key
	}
	switch o.code {
	case opSet:
		out.Element = o.step.element.String()
		out.Values = [][]byte{o.value}
	case opStore, opPut:
		out.Values = [][]byte{o.value}
	case opType:
		out.Values = [][]byte{o.value}
		out.Where = o.anchor.String()
	case opInsert:
		out.Where = o.anchor.String()
	case opInsertOpen:
		out.Where = o.anchor.String()
		out.Path = append(out.Path, Level{In: List, Element: "new"})
		out.Kind, out.Flags = o.kind, o.flags
	case opErase:
		for _, s := range o.spans {
			out.Count += int(s.n)
		}
	default:
	}
	return out
}

// String gives the name of an operation, as in doc.go.
func (c code) String() string {
	names := [...]string{
		opOpen: "open", opMake: "make", opStore: "store", opClear: "clear", opPut: "put", opRemove: "remove", opDrop: "drop",
		opAdd: "add", opDiscard: "discard", opIncrease: "increase", opInsert: "insert", opInsertOpen: "insert open",
		opSet: "set", opErase: "erase", opType: "type",
	}
	if int(c) < len(names) && names[c] != "" {
		return names[c]
	}
	return "operation " + strconv.Itoa(int(c))
}

// String gives the run's stamp and the number in the run.
func (e element) String() string { return e.run.String() + "+" + strconv.FormatUint(uint64(e.off), 10) }

// String says where something is inserted.
func (a anchor) String() string {
	switch {
	case a.element.run.IsZero():
		return "at the beginning"
	case a.before:
		return "before " + a.element.String()
	default:
		return "after " + a.element.String()
	}
}
