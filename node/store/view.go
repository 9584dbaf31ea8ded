package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"iter"
	"sync"

	"github.com/dgraph-io/badger/v4"

	"mero/node/delta"
	"mero/node/ident"
)

// View is a consistent snapshot of one context. It may be used by one goroutine
// at a time and must be closed, soon: what is overwritten meanwhile stays on disk
// for it, and Close of the Store waits for it.
type View struct {
	store   *Store
	reader  reader
	context Context
	once    sync.Once
}

// KeyValue is one entry of a state.
type KeyValue struct{ Key, Value []byte }

// View opens a snapshot of a context; ErrNotFound when it is not on this node.
func (s *Store) View(id ident.ContextID) (*View, error) {
	if !s.users.enter() {
		return nil, ErrClosed
	}
	v := &View{store: s, reader: reader{txn: s.begin(), context: id}}
	s.metrics.views.Inc()
	if err := v.load(id); err != nil {
		v.Close()
		return nil, err
	}
	return v, nil
}

func (v *View) load(id ident.ContextID) error {
	b, err := record(v.reader.txn, contextKey(id))
	if err != nil {
		return err
	}
	if b == nil {
		return fmt.Errorf("context %s: %w", id, ErrNotFound)
	}
	var rec contextRecord
	if err := v.store.codec.decode(b, &rec); err != nil {
		return err
	}
	v.context = rec.context(id)
	v.reader.generations = rec.generations()
	return nil
}

// Close ends the snapshot. A second call does nothing.
func (v *View) Close() {
	v.once.Do(func() {
		v.store.end(v.reader.txn)
		v.store.metrics.views.Dec()
		v.store.users.leave()
	})
}

// Context is the context's record.
func (v *View) Context() Context {
	c := v.context
	c.Heads = append([]delta.ID(nil), c.Heads...)
	return c
}

// Get reads a key of the replicated state. The value is the caller's to keep, and
// not to change.
func (v *View) Get(key []byte) (value []byte, ok bool, err error) {
	return v.reader.get(spaceState, key)
}

// Local reads a key of the node-local state (R6).
func (v *View) Local(key []byte) (value []byte, ok bool, err error) {
	return v.reader.get(spaceLocal, key)
}

// Private reads a key of the private storage.
func (v *View) Private(key []byte) (value []byte, ok bool, err error) {
	return v.reader.get(spacePrivate, key)
}

// Identities are the member keys of this node in the context, by public key.
func (v *View) Identities() ([]Identity, error) {
	return v.store.identities(v.reader.txn, v.reader.context)
}

// EpochKey is the key of an epoch, or ErrNotFound.
func (v *View) EpochKey(id delta.EpochID) (delta.EpochKey, error) {
	var key delta.EpochKey
	b, err := record(v.reader.txn, epochKey(v.reader.context, id))
	if err != nil {
		return key, err
	}
	if b == nil {
		return key, fmt.Errorf("key of epoch %s: %w", id, ErrNotFound)
	}
	copy(key[:], b)
	if len(b) != len(key) || key.ID() != id {
		return delta.EpochKey{}, broken("epoch key", "does not name its epoch %s", id)
	}
	return key, nil
}

// StateAll yields every key of the replicated state with its value: keys of up to
// 512 bytes ascending, then longer ones in no useful order. The slices are the
// caller's. It ends after the first error.
func (v *View) StateAll() iter.Seq2[KeyValue, error] {
	return v.reader.scan(spaceState, nil)
}

// group is all records of one value in one generation.
type group struct {
	form  []byte
	head  []byte
	pages []write // by page number
}

// cursor walks the groups of one generation.
type cursor struct {
	it     *badger.Iterator
	prefix []byte
	now    *group
	err    error
}

func (r reader) cursor(s space, generation uint32, from []byte) *cursor {
	opt := badger.DefaultIteratorOptions
	opt.PrefetchSize = 16
	opt.Prefix = generationKey(s, r.context, generation)
	c := &cursor{it: r.txn.NewIterator(opt), prefix: opt.Prefix}
	c.it.Seek(append(bytes.Clone(opt.Prefix), from...))
	c.next()
	return c
}

// next reads the next group; now is nil at the end or after an error.
func (c *cursor) next() {
	c.now = nil
	var g *group
	for ; c.it.Valid(); c.it.Next() {
		item := c.it.Item()
		form, page, err := cutPage(item.Key())
		if err != nil {
			c.err = err
			return
		}
		if g != nil && !bytes.Equal(form, g.form) {
			break
		}
		value, err := item.ValueCopy(nil)
		if err != nil {
			c.err = fmt.Errorf("read from the store: %w", err)
			return
		}
		if g == nil {
			g = &group{form: bytes.Clone(form)}
		}
		if page == 0 {
			g.head = value
			continue
		}
		g.pages = append(g.pages, write{key: binary.BigEndian.AppendUint32(nil, page), value: value})
	}
	c.now = g
}

// scan yields a space in the order of forms, the overlay above the base.
func (r reader) scan(s space, from []byte) iter.Seq2[KeyValue, error] {
	return func(yield func(KeyValue, error) bool) {
		base := r.cursor(s, r.base, from)
		defer base.it.Close()
		over := &cursor{}
		if r.overlay != 0 {
			over = r.cursor(s, r.overlay, from)
			defer over.it.Close()
		}
		for {
			layers, err := step(base, over)
			if err != nil {
				yield(KeyValue{}, err)
				return
			}
			if layers == nil {
				return
			}
			h, err := topHead(s, layers)
			if err == nil && h.tombstone {
				continue
			}
			var kv KeyValue
			if err == nil {
				kv, err = assemble(s, layers, h)
			}
			if !yield(kv, err) || err != nil {
				return
			}
		}
	}
}

// step takes the smallest form from both cursors: its groups, the upper one last.
func step(base, over *cursor) ([]*group, error) {
	if base.err != nil || over.err != nil {
		return nil, first(base.err, over.err)
	}
	b, o := base.now, over.now
	switch {
	case b == nil && o == nil:
		return nil, nil
	case o == nil || b != nil && bytes.Compare(b.form, o.form) < 0:
		base.next()
		return []*group{b}, nil
	case b == nil || bytes.Compare(o.form, b.form) < 0:
		over.next()
		return []*group{o}, nil
	}
	base.next()
	over.next()
	return []*group{b, o}, nil
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// topHead is the head of one form: the overlay's, if that has one.
func topHead(s space, layers []*group) (head, error) {
	var raw []byte
	for _, g := range layers {
		if g.head != nil {
			raw = g.head
		}
	}
	if raw == nil {
		return head{}, broken("value", "pages without a head")
	}
	return decodeHead(s, layers[0].form, raw)
}

// assemble makes key and value of the groups of one form. The value of a tombstone
// is empty, and so is its key, if that is named by its hash and not of a scratch.
func assemble(s space, layers []*group, h head) (kv KeyValue, err error) {
	form := layers[0].form
	value := make([]byte, h.length)
	missing := s.pages(h.length) + chunks(h.keyLength) - 1
	copy(value, h.first)
	key := make([]byte, h.keyLength)
	seen := make(map[uint32]bool, missing)
	for _, g := range layers {
		for _, p := range g.pages {
			page := binary.BigEndian.Uint32(p.key)
			want, ok := target(s, page, value, key)
			if !ok {
				continue // a page of the base that the overlay's value does not have
			}
			copy(want, p.value)
			if len(want) == len(p.value) && !seen[page] {
				seen[page] = true
				missing--
			}
		}
	}
	if missing != 0 {
		return KeyValue{}, broken("value", "%d pages are missing", missing)
	}
	if !hashed(form) {
		key, _, err = plainForm(form)
	}
	return KeyValue{Key: key, Value: value}, err
}

// target is where a page belongs.
func target(s space, page uint32, value, key []byte) ([]byte, bool) {
	if page >= keyChunkPage {
		n := int(page - keyChunkPage)
		if n >= chunks(len(key)) {
			return nil, false
		}
		return key[n*keyChunk : min((n+1)*keyChunk, len(key))], true
	}
	if int64(page) >= int64(s.pages(len(value))) {
		return nil, false
	}
	return s.page(value, int(page)), true
}
