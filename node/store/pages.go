package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"mero/node/ident"
)

// A value of a space is a head record, and for each further page of the value one
// record. The head is
//
//	01 | uvarint length of the value | uvarint length of the key, if its form is a hash | first page
//	00                                 a tombstone; in overlays only
//	00 | uvarint length of the key     the same, in a scratch, if its form is a hash
//
// A key that is named by its hash follows as pages from keyChunkPage on. Only
// pages that change are written; an overlay has a head for every key it touches,
// and of the further pages those that differ from the base.
const (
	headTombstone = 0x00
	headValue     = 0x01
)

// write is one record to put or to delete.
type write struct {
	key, value []byte
	del        bool
}

// cost is what badger counts for a record, and a little more.
func (w write) cost() int { return len(w.key) + len(w.value) + 24 }

// pages is the number of pages of a value; the head's counts.
func (s space) pages(length int) int {
	return max(1, (length+s.pageSize()-1)/s.pageSize())
}

func (s space) page(value []byte, n int) []byte {
	from := min(n*s.pageSize(), len(value))
	return value[from:min(from+s.pageSize(), len(value))]
}

func hashed(form []byte) bool { return form[0] == formHashed }

// chunks is the number of records that hold a hashed key.
func chunks(keyLength int) int { return (keyLength + keyChunk - 1) / keyChunk }

// head is a decoded head record.
type head struct {
	length    int // of the value
	keyLength int // when the form is a hash
	first     []byte
	tombstone bool
}

func decodeHead(s space, form, b []byte) (head, error) {
	if len(b) > 0 && b[0] == headTombstone {
		return decodeTombstone(form, b[1:])
	}
	if len(b) == 0 || b[0] != headValue {
		return head{}, broken("value", "bad head of %d bytes", len(b))
	}
	b = b[1:]
	length, n := binary.Uvarint(b)
	if n <= 0 {
		return head{}, broken("value", "bad length")
	}
	b = b[n:]
	var keyLength uint64
	if hashed(form) {
		keyLength, n = binary.Uvarint(b)
		if n <= 0 || keyLength > MaxKey {
			return head{}, broken("value", "bad length of its key")
		}
		b = b[n:]
	}
	if length > 1<<31 || len(b) != min(int(length), s.pageSize()) {
		return head{}, broken("value", "first page of %d bytes for a value of %d", len(b), length)
	}
	return head{length: int(length), keyLength: int(keyLength), first: b}, nil
}

func decodeTombstone(form, b []byte) (head, error) {
	if len(b) == 0 {
		return head{tombstone: true}, nil
	}
	length, n := binary.Uvarint(b)
	if n != len(b) || length > MaxKey || !hashed(form) {
		return head{}, broken("value", "bad tombstone of %d bytes", 1+len(b))
	}
	return head{tombstone: true, keyLength: int(length)}, nil
}

// encodeTombstone is a tombstone, with the length of its key where pieces of that
// follow.
func encodeTombstone(keyLength int) []byte {
	if keyLength == 0 {
		return []byte{headTombstone}
	}
	return binary.AppendUvarint([]byte{headTombstone}, uint64(keyLength))
}

func encodeHead(s space, form, key, value []byte) []byte {
	first := s.page(value, 0)
	b := make([]byte, 0, 1+2*binary.MaxVarintLen64+len(first))
	b = append(b, headValue)
	b = binary.AppendUvarint(b, uint64(len(value)))
	if hashed(form) {
		b = binary.AppendUvarint(b, uint64(len(key)))
	}
	return append(b, first...)
}

// diff adds the records that turn c.Old into c.New under a generation's prefix.
// For an overlay it leaves pages that vanish to the merge.
func diff(out []write, s space, prefix []byte, c Change, overlay bool) []write {
	stem := appendForm(append(make([]byte, 0, len(prefix)+len(c.Key)+40), prefix...), c.Key)
	form := stem[len(prefix):]
	switch {
	case c.HasNew:
		return diffValue(out, s, stem, form, c, overlay)
	case c.HadOld && overlay:
		return append(out, write{key: withPage(stem, 0), value: encodeTombstone(0)})
	case c.HadOld:
		return removal(out, s, stem, head{length: len(c.Old), keyLength: keyLength(form, c.Key)})
	}
	return out
}

func keyLength(form, key []byte) int {
	if hashed(form) {
		return len(key)
	}
	return 0
}

func diffValue(out []write, s space, stem, form []byte, c Change, overlay bool) []write {
	oldPages, newPages := 0, s.pages(len(c.New))
	if c.HadOld {
		oldPages = s.pages(len(c.Old))
	}
	changed := false
	for n := 1; n < newPages; n++ {
		page := s.page(c.New, n)
		if n < oldPages && bytes.Equal(page, s.page(c.Old, n)) {
			continue
		}
		changed = true
		out = append(out, write{key: withPage(stem, uint32(n)), value: page})
	}
	if !overlay {
		out = removePages(out, stem, newPages, oldPages)
	}
	same := c.HadOld && len(c.Old) == len(c.New) && bytes.Equal(s.page(c.Old, 0), s.page(c.New, 0))
	if !same || overlay && changed {
		out = append(out, write{key: withPage(stem, 0), value: encodeHead(s, form, c.Key, c.New)})
	}
	if hashed(form) && !c.HadOld {
		out = keyPieces(out, stem, c.Key)
	}
	return out
}

// keyPieces keeps a key that is named by its hash.
func keyPieces(out []write, stem, key []byte) []write {
	for n := range chunks(len(key)) {
		piece := key[n*keyChunk : min((n+1)*keyChunk, len(key))]
		out = append(out, write{key: withPage(stem, keyChunkPage+uint32(n)), value: piece})
	}
	return out
}

func removePages(out []write, stem []byte, from, to int) []write {
	for n := from; n < to; n++ {
		out = append(out, write{key: withPage(stem, uint32(n)), del: true})
	}
	return out
}

// removal deletes a whole value, its head last: an interrupted removal can be
// done again from the head.
func removal(out []write, s space, stem []byte, h head) []write {
	out = removePages(out, stem, 1, s.pages(h.length))
	for n := range chunks(h.keyLength) {
		out = append(out, write{key: withPage(stem, keyChunkPage+uint32(n)), del: true})
	}
	return append(out, write{key: withPage(stem, 0), del: true})
}

// generations says where the values of a context are: base, and above it an
// overlay unless that is zero.
type generations struct {
	base, overlay uint32
}

// reader reads the spaces of one context in one snapshot.
type reader struct {
	txn     *badger.Txn
	context ident.ContextID
	generations
}

// record reads one record, nil when there is none.
func record(txn *badger.Txn, key []byte) ([]byte, error) {
	item, err := txn.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read from the store: %w", err)
	}
	var out []byte
	// The bytes of an item that Get returned are its own copy, so they may be kept.
	err = item.Value(func(b []byte) error { out = b; return nil })
	if err != nil {
		return nil, fmt.Errorf("read from the store: %w", err)
	}
	if out == nil {
		out = []byte{}
	}
	return out, nil
}

func (r reader) stem(s space, generation uint32, form []byte) []byte {
	return append(generationKey(s, r.context, generation), form...)
}

// headOf finds the head of a value, in the overlay first. ok is false when there
// is no value.
func (r reader) headOf(s space, form []byte) (h head, ok bool, err error) {
	layers := [...]uint32{r.overlay, r.base}
	for i, generation := range layers {
		if i == 0 && generation == 0 {
			continue
		}
		b, err := record(r.txn, withPage(r.stem(s, generation, form), 0))
		if err != nil {
			return head{}, false, err
		}
		if b == nil {
			continue
		}
		h, err := decodeHead(s, form, b)
		return h, err == nil && !h.tombstone, err
	}
	return head{}, false, nil
}

// pageOf reads a further page of a value, nil when there is none.
func (r reader) pageOf(s space, form []byte, page uint32) ([]byte, error) {
	if r.overlay != 0 {
		b, err := record(r.txn, withPage(r.stem(s, r.overlay, form), page))
		if b != nil || err != nil {
			return b, err
		}
	}
	return record(r.txn, withPage(r.stem(s, r.base, form), page))
}

// get reads a value.
func (r reader) get(s space, key []byte) ([]byte, bool, error) {
	if len(key) > MaxKey {
		return nil, false, nil
	}
	form := appendForm(make([]byte, 0, len(key)+40), key)
	h, ok, err := r.headOf(s, form)
	if !ok || err != nil {
		return nil, false, err
	}
	value, err := r.value(s, form, h)
	return value, err == nil, err
}

// value reads the value of a head.
func (r reader) value(s space, form []byte, h head) ([]byte, error) {
	if h.length <= len(h.first) {
		return h.first, nil
	}
	value := make([]byte, h.length)
	copy(value, h.first)
	found := make([]bool, s.pages(h.length))
	found[0] = true
	for _, generation := range [...]uint32{r.base, r.overlay} {
		if generation == 0 {
			continue
		}
		if err := r.fill(s, r.stem(s, generation, form), value, found); err != nil {
			return nil, err
		}
	}
	for n, ok := range found {
		if !ok {
			return nil, broken("value", "page %d of %d is missing", n, len(found))
		}
	}
	return value, nil
}

// fill copies the further pages that one generation has into the value.
func (r reader) fill(s space, stem, value []byte, found []bool) error {
	opt := badger.DefaultIteratorOptions
	opt.PrefetchValues = false
	opt.Prefix = stem
	it := r.txn.NewIterator(opt)
	defer it.Close()
	for it.Seek(withPage(stem, 1)); it.Valid(); it.Next() {
		item := it.Item()
		key := item.Key()
		if len(key) != len(stem)+pageBytes {
			return broken("value", "strange page")
		}
		n := binary.BigEndian.Uint32(key[len(stem):])
		if int64(n) >= int64(len(found)) {
			return nil // beyond a value that became shorter, or pieces of the key
		}
		want := s.page(value, int(n))
		err := item.Value(func(b []byte) error {
			// A base page under an overlay may be of the length before; the overlay
			// then has that page too.
			copy(want, b)
			found[n] = len(b) == len(want)
			return nil
		})
		if err != nil {
			return fmt.Errorf("read from the store: %w", err)
		}
	}
	return nil
}
