package collections

import (
	"bytes"
	"fmt"
)

// keyed gives an opened collection to look at a key of.
func (t *Tx) keyed(r Ref, key []byte, kinds ...Kind) (h *handle, there bool, err error) {
	if h, there, err = t.reader(r, kinds...); err == nil {
		err = t.checkKey(h, key)
	}
	return h, there, err
}

// KindOf tells what is at a key of the root, of a map or of a collection by member.
func (t *Tx) KindOf(parent Ref, key []byte) (Kind, error) {
	h, there, err := t.keyed(parent, key, Map, Members, root)
	if err != nil || !there {
		return Absent, err
	}
	at, ok, err := t.engine.entryAt(&h.object, keyStep(key))
	if err != nil || !ok {
		return Absent, err
	}
	return at.kind, nil
}

// Len gives the number of entries, elements or code points.
func (t *Tx) Len(r Ref) (int64, error) {
	h, there, err := t.reader(r, Map, Set, Members, List, Text, root)
	if err != nil || !there {
		return 0, err
	}
	if h.kind == List || h.kind == Text {
		s, err := t.engine.open(h.id, h.kind)
		return int64(s.head.visible), err
	}
	c, err := t.engine.counts(h.id)
	return int64(c.entries), err
}

// Get gives a value of a map. A collection at the key is [ErrKind].
func (t *Tx) Get(r Ref, key []byte) (value []byte, ok bool, err error) {
	h, there, err := t.keyed(r, key, Map)
	if err != nil || !there {
		return nil, false, err
	}
	at, ok, err := t.engine.entryAt(&h.object, keyStep(key))
	if err != nil || !ok {
		return nil, false, err
	}
	if at.kind != Value {
		return nil, false, fmt.Errorf("%w: %s is %v, not a value", ErrKind, t.nameAt(h, keyStep(key)), at.kind)
	}
	return at.value, true, nil
}

// Has tells whether there is an element of a set, or a value or a collection at a key.
func (t *Tx) Has(r Ref, key []byte) (bool, error) {
	h, there, err := t.keyed(r, key, Map, Set, Members, root)
	if err != nil || !there {
		return false, err
	}
	if h.kind == Set {
		_, ok, err := t.engine.rows.get(h.id.mark(key))
		return ok, err
	}
	_, ok, err := t.engine.entryAt(&h.object, keyStep(key))
	return ok, err
}

// Put sets a value in a map. The last in order wins. Over a collection it is [ErrKind].
func (t *Tx) Put(r Ref, key, value []byte) error {
	h, there, err := t.writer(r, Map)
	if err != nil {
		return err
	}
	if err := t.checkKey(h, key); err != nil {
		return err
	}
	if err := t.checkValue(h, value); err != nil {
		return err
	}
	if there {
		at, ok, err := t.engine.entryAt(&h.object, keyStep(key))
		switch {
		case err != nil:
			return err
		case ok && at.kind != Value:
			return fmt.Errorf("%w: %s is %v: remove it first", ErrKind, t.nameAt(h, keyStep(key)), at.kind)
		case ok && h.flags&Once != 0:
			return t.once(nil, t.nameAt(h, keyStep(key)))
		}
	}
	return t.write(h, op{code: opPut, step: keyStep(key), value: value})
}

// Remove takes away an element of a set, a value of a map, or a collection with all that is in
// it, if others have not put or made it meanwhile. It tells whether there was something.
func (t *Tx) Remove(r Ref, key []byte) (was bool, err error) {
	h, there, err := t.writer(r, Map, Set, Members, root)
	if err == nil {
		err = t.checkKey(h, key)
	}
	if err != nil || !there {
		return false, err
	}
	if h.kind == Set {
		seen, err := t.engine.marks(h.id, key)
		if err != nil || len(seen) == 0 {
			return false, err
		}
		return true, t.write(h, op{code: opDiscard, step: keyStep(key), seen: seen})
	}
	at, ok, err := t.engine.entryAt(&h.object, keyStep(key))
	if err != nil || !ok {
		return false, err
	}
	name := t.nameAt(h, keyStep(key))
	switch {
	case h.flags&Once != 0:
		return false, t.once(nil, name)
	case protected(&h.object, at):
		return false, fmt.Errorf("%w: %s is %s and in the root", ErrOnce, name, describe(at.kind, at.flags))
	case h.kind == Members && !bytes.Equal(key, t.engine.origin.Author[:]):
		return false, fmt.Errorf("%w: %s belongs to another member", ErrOwner, name)
	case at.kind == Value:
		return true, t.write(h, op{code: opRemove, step: keyStep(key), seen: []Stamp{at.stamp}})
	default:
		return true, t.write(h, op{code: opDrop, step: keyStep(key), seen: at.births})
	}
}

// Add puts an element into a set, and tells whether it is new. Adding again is of use: it wins
// over those who remove the element without knowing of it.
func (t *Tx) Add(r Ref, elem []byte) (isNew bool, err error) {
	h, there, err := t.writer(r, Set)
	if err != nil {
		return false, err
	}
	if err := t.checkKey(h, elem); err != nil {
		return false, err
	}
	var seen []Stamp
	if there {
		if seen, err = t.engine.marks(h.id, elem); err != nil {
			return false, err
		}
	}
	return len(seen) == 0, t.write(h, op{code: opAdd, step: keyStep(elem), seen: seen})
}

// Scan gives entries of the root, of a map, set or collection by member, ascending by key, after
// and before the bounds (nil: open). It gives at most limit, [MaxItems], and [MaxItemBytes]
// together; only an empty answer says that there is no more.
func (t *Tx) Scan(r Ref, after, upTo []byte, limit int) ([]Item, error) {
	h, there, err := t.reader(r, Map, Set, Members, root)
	if err != nil || !there {
		return nil, err
	}
	tag := byte(tagEntry)
	if h.kind == Set {
		tag = tagMark
	}
	prefix := h.id.key(tag, 0)
	var from []byte
	if after != nil {
		after = after[:min(len(after), MaxKey+1)] // no key is longer, and this is greater than those that begin alike
		from = append(h.id.key(tag, len(after)), after...)
	}
	var items []Item
	limit, size := min(limit, MaxItems), 0
	for batch := 16; len(items) < limit; batch *= 2 {
		batch = min(batch, limit-len(items), MaxItems)
		found, err := t.engine.rows.scan(prefix, from, batch)
		if err != nil {
			return nil, err
		}
		for _, f := range found {
			item, err := itemOf(h.kind, f.Key[len(prefix):], f.Value)
			if err != nil {
				return nil, err
			}
			size += len(f.Key) + len(f.Value)
			if upTo != nil && bytes.Compare(item.Key, upTo) >= 0 || size > MaxItemBytes && len(items) > 0 {
				return items, nil
			}
			items = append(items, item)
			from = f.Key
		}
		if len(found) < batch {
			break
		}
		if size > MaxItemBytes/4 {
			batch = 8 // large values: do not read many that will not be given
		}
	}
	return items, nil
}

func itemOf(k Kind, key, value []byte) (Item, error) {
	if k == Set {
		marks, err := decodeMarks(value)
		if err != nil {
			return Item{}, err
		}
		return Item{Key: key, Kind: Value, Stamp: marks[len(marks)-1]}, nil
	}
	at, err := decodeEntry(value)
	return Item{Key: key, Value: at.value, Kind: at.kind, Flags: at.flags, Stamp: at.stamp}, err
}
