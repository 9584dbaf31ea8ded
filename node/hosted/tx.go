package hosted

import (
	"errors"

	"mero/node/collections"
	"mero/node/delta"
	"mero/node/layer"
	"mero/node/vm"
)

// Tx is what one call, or one migration, does to collections. It reads its own
// writes, and records them as operations. It is for one goroutine.
type Tx struct {
	tx    *collections.Tx
	state *watched
	kinds map[int32]uint8 // of handles
	reads bool
}

// Begin starts a call of a writer at the time of the delta that it may make.
func Begin(state layer.State, w delta.Writer, now delta.Time) *Tx {
	kv := &watched{rows: rows{state}}
	return &Tx{tx: collections.Begin(kv, origin(w, now)), state: kv, kinds: make(map[int32]uint8)}
}

// BeginReadOnly starts a call whose writes are misuse.
func BeginReadOnly(state layer.State) *Tx {
	kv := &watched{rows: rows{state}}
	return &Tx{tx: collections.BeginReadOnly(kv), state: kv, kinds: make(map[int32]uint8), reads: true}
}

// ReadOnly reports whether writes are misuse.
func (t *Tx) ReadOnly() bool { return t.reads }

// Ops are the operations so far, as a delta carries them; nil: there are none.
func (t *Tx) Ops() []byte { return t.tx.Ops() }

// Writes are what folding Ops changes, ascending by key, if nothing else is folded
// before. Nothing can be written after.
func (t *Tx) Writes() ([]vm.Write, error) {
	list, err := t.tx.Writes()
	return writes(list), err
}

// Work implements vm.Collections.
func (t *Tx) Work() uint64 { return t.tx.Work() }

// watched is rows that remember what went wrong with them.
type watched struct {
	rows

	failed error
}

// Get implements collections.KV.
func (w *watched) Get(key []byte) ([]byte, bool, error) {
	value, ok, err := w.rows.Get(key)
	if err != nil {
		w.failed = err
	}
	return value, ok, err
}

// Range implements collections.KV.
func (w *watched) Range(prefix, after []byte, limit int) ([]collections.Entry, error) {
	list, err := w.rows.Range(prefix, after, limit)
	if err != nil {
		w.failed = err
	}
	return list, err
}

// blame makes an error of the engine the guest's, unless it is this node's.
func (t *Tx) blame(err error) error {
	if err == nil || t.state.failed != nil || errors.Is(err, collections.ErrDamaged) {
		return err
	}
	return &vm.Error{Kind: vm.KindMisuse, Message: err.Error()}
}

func (t *Tx) opened(ref collections.Ref, kind uint8, err error) (int32, error) {
	t.kinds[int32(ref)] = kind
	return int32(ref), t.blame(err)
}

// Open implements vm.Collections.
func (t *Tx) Open(parent int32, key []byte, kind, flags uint8) (int32, error) {
	ref, err := t.tx.Open(collections.Ref(parent), key, collections.Kind(kind), collections.Flags(flags))
	return t.opened(ref, kind, err)
}

// OpenAt implements vm.Collections.
func (t *Tx) OpenAt(list int32, index int64, kind, flags uint8) (int32, error) {
	ref, err := t.tx.OpenAt(collections.Ref(list), index, collections.Kind(kind), collections.Flags(flags))
	return t.opened(ref, kind, err)
}

// InsertOpen implements vm.Collections.
func (t *Tx) InsertOpen(list int32, index int64, kind, flags uint8) (int32, error) {
	ref, err := t.tx.InsertOpen(collections.Ref(list), index, collections.Kind(kind), collections.Flags(flags))
	return t.opened(ref, kind, err)
}

// KindOf implements vm.Collections.
func (t *Tx) KindOf(parent int32, key []byte) (uint8, error) {
	k, err := t.tx.KindOf(collections.Ref(parent), key)
	return uint8(k), t.blame(err)
}

// KindAt implements vm.Collections.
func (t *Tx) KindAt(list int32, index int64) (uint8, error) {
	k, err := t.tx.KindAt(collections.Ref(list), index)
	return uint8(k), t.blame(err)
}

// Len implements vm.Collections.
func (t *Tx) Len(ref int32) (int64, error) {
	n, err := t.tx.Len(collections.Ref(ref))
	return n, t.blame(err)
}

// Get implements vm.Collections.
func (t *Tx) Get(ref int32, key []byte) ([]byte, bool, error) {
	v, ok, err := t.tx.Get(collections.Ref(ref), key)
	return v, ok, t.blame(err)
}

// Put implements vm.Collections.
func (t *Tx) Put(ref int32, key, value []byte) error {
	return t.blame(t.tx.Put(collections.Ref(ref), key, value))
}

// Remove implements vm.Collections.
func (t *Tx) Remove(ref int32, key []byte) (bool, error) {
	was, err := t.tx.Remove(collections.Ref(ref), key)
	return was, t.blame(err)
}

// Has implements vm.Collections.
func (t *Tx) Has(ref int32, key []byte) (bool, error) {
	ok, err := t.tx.Has(collections.Ref(ref), key)
	return ok, t.blame(err)
}

// Add implements vm.Collections.
func (t *Tx) Add(ref int32, key []byte) (bool, error) {
	ok, err := t.tx.Add(collections.Ref(ref), key)
	return ok, t.blame(err)
}

// Scan implements vm.Collections.
func (t *Tx) Scan(ref int32, after, upTo []byte, limit int) ([]vm.CollectionItem, error) {
	found, err := t.tx.Scan(collections.Ref(ref), after, upTo, limit)
	return itemsOf(found), t.blame(err)
}

func itemsOf(found []collections.Item) (out []vm.CollectionItem) {
	for _, i := range found {
		out = append(out, vm.CollectionItem{Kind: uint8(i.Kind), Key: i.Key, Value: i.Value})
	}
	return out
}

// The interface has no functions of their own for registers: reading and writing
// without a key means one. In a collection with keys it is a key that there cannot be.

// isKeyed reports whether what a handle names has keys.
func (t *Tx) isKeyed(ref int32) bool {
	k := collections.Kind(t.kinds[ref])
	return ref == 0 || k == collections.Map || k == collections.Set || k == collections.Members
}

// Load implements vm.Collections.
func (t *Tx) Load(ref int32) ([]byte, bool, error) {
	if t.isKeyed(ref) {
		ok, err := t.Has(ref, nil)
		return nil, ok, err
	}
	v, ok, err := t.tx.Load(collections.Ref(ref))
	return v, ok, t.blame(err)
}

// Store implements vm.Collections.
func (t *Tx) Store(ref int32, value []byte) error {
	if t.isKeyed(ref) {
		return t.Put(ref, nil, value)
	}
	return t.blame(t.tx.Store(collections.Ref(ref), value))
}

// Clear implements vm.Collections.
func (t *Tx) Clear(ref int32) error {
	if t.isKeyed(ref) {
		_, err := t.Remove(ref, nil)
		return err
	}
	return t.blame(t.tx.Clear(collections.Ref(ref)))
}

// Count implements vm.Collections.
func (t *Tx) Count(ref int32) (int64, error) {
	n, err := t.tx.Count(collections.Ref(ref))
	return n, t.blame(err)
}

// Increase implements vm.Collections.
func (t *Tx) Increase(ref int32, n int64) error {
	return t.blame(t.tx.Increase(collections.Ref(ref), n))
}

// At implements vm.Collections.
func (t *Tx) At(list int32, index int64) ([]byte, error) {
	v, err := t.tx.At(collections.Ref(list), index)
	return v, t.blame(err)
}

// Insert implements vm.Collections.
func (t *Tx) Insert(list int32, index int64, value []byte) error {
	return t.blame(t.tx.Insert(collections.Ref(list), index, value))
}

// SetAt implements vm.Collections.
func (t *Tx) SetAt(list int32, index int64, value []byte) error {
	return t.blame(t.tx.SetAt(collections.Ref(list), index, value))
}

// RemoveAt implements vm.Collections.
func (t *Tx) RemoveAt(ref int32, index, n int64) error {
	if t.kinds[ref] == uint8(collections.Text) {
		return t.blame(t.tx.RemoveText(collections.Ref(ref), index, n))
	}
	return t.blame(t.tx.RemoveAt(collections.Ref(ref), index, n))
}

// Slice implements vm.Collections.
func (t *Tx) Slice(text int32, from, n int64) (string, error) {
	s, err := t.tx.Slice(collections.Ref(text), from, n)
	return s, t.blame(err)
}

// InsertText implements vm.Collections.
func (t *Tx) InsertText(text int32, at int64, s string) error {
	return t.blame(t.tx.InsertText(collections.Ref(text), at, s))
}

// Items implements vm.Collections.
func (t *Tx) Items(list int32, from, n int64) ([]vm.CollectionItem, error) {
	found, err := t.tx.Items(collections.Ref(list), from, n)
	return itemsOf(found), t.blame(err)
}
