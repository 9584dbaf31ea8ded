package collections

import (
	"fmt"
	"math/bits"
	"slices"
)

func (e *engine) register(id objectID) (register, error) {
	b, ok, err := e.rows.get(id.header())
	if err != nil || !ok {
		return register{}, err
	}
	return decodeRegister(b)
}

// store sets or clears a register. The last in order wins; of one that is written once, the first.
func (e *engine) store(in *object, o *op) error {
	if in.flags&Once != 0 {
		if now, err := e.register(in.id); err != nil || now.set || o.code == opClear {
			return err
		}
	}
	r := register{stamp: e.stamp(), set: o.code == opStore, value: o.value}
	return e.rows.put(in.id.header(), r.encode())
}

// put sets a value in a map. The last in order wins, but not over a collection.
func (e *engine) put(in *object, o *op) error {
	now, ok, err := e.entryAt(in, o.step)
	if err != nil || ok && (now.kind != Value || in.flags&Once != 0) {
		return err
	}
	if !ok {
		if err := e.count(in.id, 1, 0); err != nil {
			return err
		}
	}
	return e.rows.put(o.step.row(in.id), entry{kind: Value, stamp: e.stamp(), value: o.value}.encode())
}

// remove takes away the value that its author saw, and no other.
func (e *engine) remove(in *object, o *op) error {
	now, ok, err := e.entryAt(in, o.step)
	if err != nil || !ok || now.kind != Value || in.flags&Once != 0 || now.stamp != o.seen[0] {
		return err
	}
	if err := e.count(in.id, -1, 0); err != nil {
		return err
	}
	return e.rows.remove(o.step.row(in.id))
}

// drop takes a collection away for those makings of it that its author saw.
func (e *engine) drop(in *object, o *op) error {
	now, ok, err := e.entryAt(in, o.step)
	if err != nil || !ok || now.kind == Value || in.flags&Once != 0 || protected(in, now) {
		return err
	}
	if in.kind == Members && [32]byte(o.step.key) != e.origin.Author {
		return nil
	}
	left := without(now.births, o.seen)
	if len(left) == len(now.births) {
		return nil
	}
	if len(left) > 0 {
		now.births = left
		return e.rows.put(o.step.row(in.id), now.encode())
	}
	if err := e.rows.remove(o.step.row(in.id)); err != nil {
		return err
	}
	if err := e.count(in.id, -1, 0); err != nil {
		return err
	}
	return e.discard(childID(in.id, o.step, now.stamp))
}

// marks reads the additions of a set's element that nobody has removed.
func (e *engine) marks(id objectID, elem []byte) ([]Stamp, error) {
	b, ok, err := e.rows.get(id.mark(elem))
	if err != nil || !ok {
		return nil, err
	}
	return decodeMarks(b)
}

func decodeMarks(b []byte) ([]Stamp, error) {
	if len(b) == 0 || len(b)%stampSize != 0 {
		return nil, fmt.Errorf("%w: set element of %d bytes", ErrDamaged, len(b))
	}
	return stampsOf(b), nil
}

// mark adds an element to a set or removes it, in place of what its author saw: what others added
// meanwhile stays.
func (e *engine) mark(in *object, o *op) error {
	now, err := e.marks(in.id, o.step.key)
	if err != nil {
		return err
	}
	next := without(now, o.seen)
	if o.code == opAdd {
		next = with(next, e.stamp())
	}
	if slices.Equal(now, next) {
		return nil
	}
	if len(now) == 0 || len(next) == 0 {
		change := 1
		if len(next) == 0 {
			change = -1
		}
		if err := e.count(in.id, change, 0); err != nil {
			return err
		}
	}
	key := in.id.mark(o.step.key)
	if len(next) == 0 {
		return e.rows.remove(key)
	}
	return e.rows.put(key, appendStamps(make([]byte, 0, len(next)*stampSize), next))
}

func (e *engine) counter(id objectID) (counter, error) {
	b, ok, err := e.rows.get(id.header())
	if err != nil || !ok {
		return counter{}, err
	}
	return decodeCounter(b)
}

func (e *engine) increase(in *object, o *op) error {
	c, err := e.counter(in.id)
	if err != nil {
		return err
	}
	var carry uint64
	c.lo, carry = bits.Add64(c.lo, uint64(o.amount), 0)
	c.hi, _ = bits.Add64(c.hi, uint64(o.amount>>63), carry)
	c.stamp = e.stamp()
	return e.rows.put(in.id.header(), c.encode())
}
