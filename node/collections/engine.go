package collections

import "slices"

// object is a collection that operations have named, and where it was found last.
type object struct {
	parent *object // nil: the root
	step   step
	kind   Kind
	flags  Flags
	// birth is the time, >> 16, of the delta with the last making of it that the author saw. What
	// was made later than that, for the first time, took the place of what the author saw.
	birth   uint64
	depth   int
	owner   [32]byte
	isOwned bool

	there bool
	id    objectID
	made  Stamp // the first making of what is there
	last  Stamp // and the last
	epoch uint64
}

// child gives what is at a place in an object, not looked up yet.
func (o *object) child(s step, k Kind, f Flags, birth uint64) *object {
	c := &object{parent: o, step: s, kind: k, flags: f, birth: birth, depth: o.depth + 1, owner: o.owner, isOwned: o.isOwned}
	if o.kind == Members {
		copy(c.owner[:], s.key)
		c.isOwned = true
	}
	return c
}

// protected tells whether a collection stays for ever: what is in the root and says that nothing
// in it, or nothing of somebody else, can be removed.
func protected(parent *object, e entry) bool {
	return parent.kind == root && (e.kind == Members || e.flags&Once != 0)
}

// engine makes operations, one after another. A [Tx] and [Fold] do it with the same engine, so
// that both come to the same rows.
type engine struct {
	rows    *overlay
	origin  Origin
	number  int // operations made
	objects []*object
	// epoch is how many times a collection was removed: what was found before may be gone.
	epoch uint64
	// The work of operations: of those that are made, and all there was when the one that is
	// being made began.
	applied, began uint64
	isMaking       bool
	decoded        decoded
}

func newEngine(kv KV, o Origin) *engine {
	return &engine{rows: newOverlay(kv), origin: o, objects: []*object{{kind: root, there: true}}}
}

// stamp names the operation that is being made.
func (e *engine) stamp() Stamp {
	return Stamp{Time: e.origin.Time + uint64(e.number), Tag: e.origin.Tag}
}

func (e *engine) kindOf(object int) (Kind, bool) {
	if object >= len(e.objects) {
		return Absent, false
	}
	return e.objects[object].kind, true
}

// entryAt reads what is at a place of an object that is there.
func (e *engine) entryAt(o *object, s step) (found entry, ok bool, err error) {
	b, ok, err := e.rows.get(s.row(o.id))
	if err != nil || !ok {
		return entry{}, false, err
	}
	found, err = decodeEntry(b)
	return found, err == nil, err
}

// find looks an object up: whether it is there as the author saw it.
func (e *engine) find(o *object) (there bool, err error) {
	if o.parent == nil || o.there && o.epoch == e.epoch {
		return true, nil
	}
	o.there = false
	if there, err := e.find(o.parent); err != nil || !there {
		return false, err
	}
	at, ok, err := e.entryAt(o.parent, o.step)
	if err != nil || !ok || at.kind != o.kind || at.flags != o.flags || at.stamp.Time>>16 > o.birth {
		return false, err
	}
	o.id, o.made = childID(o.parent.id, o.step, at.stamp), at.stamp
	o.last = at.births[len(at.births)-1]
	o.there, o.epoch = true, e.epoch
	return true, nil
}

// mayWrite tells whether the author may write in an object.
func (e *engine) mayWrite(o *object) bool { return !o.isOwned || o.owner == e.origin.Author }

// do makes one operation. What does not fit has no effect.
func (e *engine) do(o *op) error {
	e.began, e.isMaking = e.rows.work, true
	err := e.effect(o)
	e.number++
	e.applied, e.isMaking = e.spent(), false
	return err
}

func (e *engine) effect(o *op) error {
	in := e.objects[o.object]
	if o.code == opOpen || o.code == opMake {
		return e.name(in, o)
	}
	if there, err := e.find(in); err != nil || !there || !e.mayWrite(in) {
		return err
	}
	switch o.code {
	case opStore, opClear:
		return e.store(in, o)
	case opPut:
		return e.put(in, o)
	case opRemove:
		return e.remove(in, o)
	case opDrop:
		return e.drop(in, o)
	case opAdd, opDiscard:
		return e.mark(in, o)
	case opIncrease:
		return e.increase(in, o)
	default:
		return e.sequence(in, o)
	}
}

// name gives a collection a number, which those of a delta count, and makes it if the operation is
// to. Whether it is there is looked up whenever it is used.
func (e *engine) name(in *object, o *op) error {
	birth := o.birth
	if o.code == opMake {
		birth = e.origin.Time >> 16
	}
	named := in.child(o.step, o.kind, o.flags, birth)
	e.objects = append(e.objects, named)
	if o.code == opOpen {
		return nil
	}
	if there, err := e.find(in); err != nil || !there || !e.mayWrite(named) {
		return err
	}
	return e.makeChild(in, named)
}

// makeChild makes a collection, or is one more of those who made it.
func (e *engine) makeChild(in, named *object) error {
	at, ok, err := e.entryAt(in, named.step)
	if err != nil {
		return err
	}
	if ok {
		if at.kind != named.kind || at.flags != named.flags || slices.Contains(at.births, e.stamp()) {
			return nil
		}
		at.births = with(at.births, e.stamp())
		return e.rows.put(named.step.row(in.id), at.encode())
	}
	made, err := e.makeAt(in, named.step, named.kind, named.flags)
	if err != nil || !made {
		return err
	}
	return e.count(in.id, 1, 0)
}

// makeAt writes the row of a new collection.
func (e *engine) makeAt(in *object, s step, k Kind, f Flags) (made bool, err error) {
	stamp := e.stamp()
	// Only a writer who uses a stamp twice comes to the rows of what was removed.
	dead, err := e.isGarbage(childID(in.id, s, stamp))
	if err != nil || dead {
		return false, err
	}
	at := entry{kind: k, flags: f, stamp: stamp, births: []Stamp{stamp}}
	return true, e.rows.put(s.row(in.id), at.encode())
}

// counts reads the header of a root, map, set or collection by member.
func (e *engine) counts(id objectID) (counts, error) {
	b, ok, err := e.rows.get(id.header())
	if err != nil || !ok {
		return counts{}, err
	}
	return decodeCounts(b)
}

func (e *engine) count(id objectID, entries, garbage int) error {
	c, err := e.counts(id)
	if err != nil {
		return err
	}
	c.entries += uint64(entries)
	c.garbage += uint64(garbage)
	if c == (counts{}) {
		return e.rows.remove(id.header())
	}
	return e.rows.put(id.header(), c.encode())
}

// spent is the work of operations so far.
func (e *engine) spent() uint64 {
	if e.isMaking {
		return e.applied + e.rows.work - e.began
	}
	return e.applied
}

// check says whether the operations, with the one that is being made, are within the limits of a
// delta, or within half of them.
func (e *engine) check(half bool) error {
	share := 1
	if half {
		share = 2
	}
	switch {
	case e.rows.written > MaxRows/share:
		return &LimitError{What: "changed rows", Limit: MaxRows}
	case e.rows.bytes > MaxBytes/share:
		return &LimitError{What: "changed bytes", Limit: MaxBytes}
	case e.spent() > MaxWork/uint64(share):
		return &LimitError{What: "units of work", Limit: MaxWork}
	default:
		return nil
	}
}

// Fold makes the operations of one delta and gives what changes, ascending by key. Equal
// operations on equal states give equal writes. [ErrOps] and [*LimitError] make the delta void;
// other errors are kv's own or [ErrDamaged], about this node alone.
func Fold(kv KV, ops []byte, o Origin) ([]Write, error) {
	if len(ops) == 0 {
		return nil, nil
	}
	if len(ops) > MaxOpBytes {
		return nil, &LimitError{What: "bytes of operations", Limit: MaxOpBytes}
	}
	e := newEngine(kv, o)
	d := decoder{rest: ops}
	if v := d.byte(); v != opsVersion {
		d.fail("version %d", v)
	} else if len(d.rest) == 0 {
		d.fail("none")
	}
	var next op
	for len(d.rest) > 0 {
		if e.number >= MaxOps {
			return nil, &LimitError{What: "operations", Limit: MaxOps}
		}
		d.next(&next, e.kindOf)
		if d.err == nil && next.code.nests() && e.objects[next.object].depth >= MaxDepth {
			d.fail("a collection deeper than %d", MaxDepth)
		}
		if d.err != nil {
			break
		}
		if err := e.do(&next); err != nil {
			return nil, err
		}
		if err := e.check(false); err != nil {
			return nil, err
		}
	}
	if d.err != nil {
		return nil, d.err
	}
	return e.finish()
}
