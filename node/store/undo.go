package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"mero/node/delta"
	"mero/node/ident"
)

// MaxUndo bounds Undo.Data, in bytes.
const MaxUndo = 64 << 20

// UndoRef names an undo span: it takes back the Count deltas after From, up to and
// including To, and has Bytes bytes. All of it is in the span's key, so that spans
// can be listed without being read.
type UndoRef struct {
	From, To delta.Place
	Count    uint64
	Bytes    int
}

// Undo is an undo span of a context (R8). Its data mean nothing to this package. It
// is a cache: whoever finds none, or one that does not decode, folds again.
type Undo struct {
	UndoRef
	// Data has Bytes bytes, at most MaxUndo.
	Data []byte
}

func (u *Undo) check() error {
	if len(u.Data) > MaxUndo {
		return fmt.Errorf("%w: undo span of %d bytes, at most %d", ErrTooLarge, len(u.Data), MaxUndo)
	}
	if len(u.Data) != u.Bytes {
		return fmt.Errorf("undo span of %d bytes is said to have %d", len(u.Data), u.Bytes)
	}
	return nil
}

const placeBytes = 8 + ident.Size

func appendPlace(b []byte, p delta.Place) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(p.Time))
	return append(b, p.ID[:]...)
}

func cutPlace(b []byte) (p delta.Place) {
	p.Time = delta.Time(binary.BigEndian.Uint64(b))
	copy(p.ID[:], b[8:placeBytes])
	return p
}

// undoForm is the key in spaceUndo: place of the last delta, then what else there
// is to know. To comes first, so that spans are in canonical order.
func undoForm(u UndoRef) []byte {
	b := make([]byte, 0, 2*placeBytes+2*binary.MaxVarintLen64)
	b = appendPlace(appendPlace(b, u.To), u.From)
	b = binary.AppendUvarint(b, u.Count)
	return binary.AppendUvarint(b, uint64(u.Bytes))
}

func cutUndoForm(form []byte) (u UndoRef, err error) {
	if len(form) < 2*placeBytes {
		return u, broken("key", "undo span of %d bytes", len(form))
	}
	u.To, u.From = cutPlace(form), cutPlace(form[placeBytes:])
	b := form[2*placeBytes:]
	count, n := binary.Uvarint(b)
	if n <= 0 {
		return u, broken("key", "undo span without a count")
	}
	size, m := binary.Uvarint(b[n:])
	if m <= 0 || size > MaxUndo {
		return u, broken("key", "undo span of a bad length")
	}
	u.Count, u.Bytes = count, int(size)
	if !bytes.Equal(undoForm(u), form) {
		return u, broken("key", "undo span is not named as it is written")
	}
	return u, nil
}

// undoWrites are the records of the step's undo spans in a generation.
func undoWrites(out []write, st *Step, generation uint32, overlay bool) []write {
	prefix := generationKey(spaceUndo, st.Context.ID, generation)
	added := make(map[UndoRef]bool, len(st.Undo))
	for _, u := range st.Undo {
		added[u.UndoRef] = true
		out = diff(out, spaceUndo, prefix, Change{Key: undoForm(u.UndoRef), New: u.Data, HasNew: true}, overlay)
	}
	for _, ref := range st.UndoDrop {
		if added[ref] {
			continue // of the same length, so all of its records were written
		}
		form := appendForm(nil, undoForm(ref))
		stem := append(append(make([]byte, 0, len(prefix)+len(form)), prefix...), form...)
		if overlay {
			out = append(out, write{key: withPage(stem, 0), value: encodeTombstone(0)})
		} else {
			out = removal(out, spaceUndo, stem, head{length: ref.Bytes})
		}
	}
	return out
}

// UndoRefs are the undo spans of the context, ascending by To. It reads keys only.
func (v *View) UndoRefs() ([]UndoRef, error) {
	r := v.reader
	found, err := r.undoKeys(r.base)
	if err != nil {
		return nil, err
	}
	if r.overlay != 0 {
		over, err := r.undoKeys(r.overlay)
		if err != nil {
			return nil, err
		}
		found = mergeUndoKeys(found, over)
	}
	refs := make([]UndoRef, 0, len(found))
	for _, k := range found {
		if !k.dropped {
			refs = append(refs, k.ref)
		}
	}
	return refs, nil
}

// undoKey is an undo span in one generation.
type undoKey struct {
	ref     UndoRef
	dropped bool // a tombstone
}

// undoKeys lists one generation, ascending.
func (r reader) undoKeys(generation uint32) (out []undoKey, err error) {
	opt := badger.DefaultIteratorOptions
	opt.PrefetchValues = false
	opt.Prefix = generationKey(spaceUndo, r.context, generation)
	it := r.txn.NewIterator(opt)
	defer it.Close()
	for it.Seek(opt.Prefix); it.Valid(); it.Next() {
		item := it.Item()
		form, page, err := cutPage(item.Key())
		if err != nil {
			return nil, err
		}
		if page != 0 {
			continue
		}
		key, ok, err := plainForm(form)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, broken("key", "undo span is named by a hash")
		}
		ref, err := cutUndoForm(key)
		if err != nil {
			return nil, err
		}
		// The head of a value is longer, even of an empty one.
		out = append(out, undoKey{ref: ref, dropped: item.ValueSize() == 1})
	}
	return out, nil
}

// mergeUndoKeys lays the overlay's above the base's; both ascend.
func mergeUndoKeys(base, over []undoKey) []undoKey {
	hidden := make(map[UndoRef]bool, len(over))
	for _, k := range over {
		hidden[k.ref] = true
	}
	base = slices.DeleteFunc(base, func(k undoKey) bool { return hidden[k.ref] })
	all := append(base, over...)
	slices.SortFunc(all, func(a, b undoKey) int { return bytes.Compare(undoForm(a.ref), undoForm(b.ref)) })
	return all
}

// Undo is the data of an undo span, or ErrNotFound. They are the caller's to keep,
// and not to change.
func (v *View) Undo(ref UndoRef) ([]byte, error) {
	data, ok, err := v.reader.get(spaceUndo, undoForm(ref))
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("undo span up to %s: %w", ref.To.ID, ErrNotFound)
	}
	if len(data) != ref.Bytes {
		return nil, broken("undo span", "%d bytes, its key says %d", len(data), ref.Bytes)
	}
	return data, nil
}
