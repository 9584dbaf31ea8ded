package hosted

import (
	"fmt"

	"mero/node/collections"
	"mero/node/layer"
)

// Look is a view of the collections of a state for people. It is for one goroutine,
// and changes nothing.
type Look struct{ tx *collections.Tx }

// NewLook makes a view of a state.
func NewLook(state layer.State) *Look { return &Look{tx: collections.BeginReadOnly(rows{state})} }

// Managed reports whether a state has collections, as far as its rows tell. It is
// for applications that are not here: others say so themselves.
func Managed(state layer.State) (bool, error) {
	return collections.Begun(rows{state})
}

// Node is something in a state: a collection, or a plain value.
type Node struct {
	Kind  collections.Kind // collections.Value: a plain value
	Flags collections.Flags
	// Made names the operation that made the collection, or that wrote the value.
	Made  collections.Stamp
	Value []byte // of a plain value
	ref   collections.Ref
}

// Root is where everything begins.
func (l *Look) Root() Node { return Node{Kind: collections.Root} }

// IsKeyed reports whether what is in a collection is found by key.
func (n *Node) IsKeyed() bool {
	switch n.Kind {
	case collections.Root, collections.Map, collections.Set, collections.Members:
		return true
	default:
		return false
	}
}

// In gives what is at a key of a keyed collection; false: nothing is. The error of
// a key that there cannot be is one of collections.
func (l *Look) In(n Node, key []byte) (Node, bool, error) {
	item, ok, err := l.tx.Item(n.ref, key)
	if err != nil || !ok {
		return Node{}, false, err
	}
	found, err := l.node(n, &item, 0)
	return found, err == nil, err
}

// At gives what is at an index of a list; false: it has no such element.
func (l *Look) At(n Node, index int64) (Node, bool, error) {
	size, err := l.tx.Len(n.ref)
	if err != nil || index < 0 || index >= size {
		return Node{}, false, err
	}
	items, err := l.tx.Items(n.ref, index, 1)
	if err != nil || len(items) == 0 {
		return Node{}, false, err
	}
	found, err := l.node(n, &items[0], index)
	return found, err == nil, err
}

// node is an item of a collection.
func (l *Look) node(in Node, item *collections.Item, index int64) (n Node, err error) {
	n = Node{Kind: item.Kind, Flags: item.Flags, Made: item.Stamp, Value: item.Value}
	switch {
	case item.Kind == collections.Value:
	case in.Kind == collections.List:
		n.ref, err = l.tx.OpenAt(in.ref, index, item.Kind, item.Flags)
	default:
		n.ref, err = l.tx.Open(in.ref, item.Key, item.Kind, item.Flags)
	}
	if err != nil {
		err = fmt.Errorf("open what is there: %w", err)
	}
	return n, err
}

// Tree is a node with what is in it.
type Tree struct {
	Node

	// Key is where it is in a keyed collection, Index where it is in a list.
	Key   []byte
	Index int64
	// Length is how many entries, elements or code points a collection has.
	Length int64
	// Set says that a register has a value, which is in Value.
	Set bool
	// Count is a counter's sum: the least or greatest number if it is beyond 64 bits.
	Count int64
	// Text is what a text has, from where it was asked for.
	Text string
	// Written names the last write of a register, counter, list or text.
	Written collections.Stamp
	Entries []*Tree
	// More says that entries, or a part of the text, follow those that are here.
	More bool
	// Cut says that a register's value is left out: there was no room for it.
	Cut bool
}

// Start is where a collection is looked at from: behind a key, or from an index
// of a list or text.
type Start struct {
	After []byte
	Index int64
}

// nestedText is how much of a text is shown inside of something else, in code
// points; at the top it is wholeText.
const (
	nestedText = 1000
	wholeText  = 64 << 10
)

// Tree gives a node and what is in it, from start on, in all items of collections
// and about size bytes of keys and values at most. Collections share what is left
// with those that come after them, the outer ones first; each tells its length.
func (l *Look) Tree(n Node, start Start, items, size int) (*Tree, error) {
	top := &Tree{Node: n}
	w := walk{look: l, items: items, size: size, top: top}
	w.add(top)
	for len(w.queue) > 0 {
		t, most := w.queue[0], 0
		w.queue = w.queue[1:]
		if t.holds() {
			most = (w.items + w.holders - 1) / w.holders
			w.holders--
		}
		if err := w.fill(t, start, most); err != nil {
			return nil, err
		}
		start = Start{}
	}
	return top, nil
}

// holds reports whether there can be entries in a node.
func (n *Node) holds() bool { return n.IsKeyed() || n.Kind == collections.List }

// walk is a tree that is being made.
type walk struct {
	look        *Look
	items, size int // what may still be shown
	top         *Tree
	queue       []*Tree
	holders     int // in the queue still: what can have entries
}

func (w *walk) add(t *Tree) {
	w.queue = append(w.queue, t)
	if t.holds() {
		w.holders++
	}
}

// fill looks into one node.
func (w *walk) fill(t *Tree, start Start, most int) (err error) {
	tx := w.look.tx
	switch t.Kind {
	case collections.Value:
		return nil
	case collections.Register:
		err = w.register(t)
	case collections.Counter:
		t.Count, err = tx.Count(t.ref)
	case collections.Text:
		err = w.text(t, start.Index)
	default:
		err = w.entries(t, start, most)
	}
	if err != nil || t.IsKeyed() {
		return err
	}
	t.Written, err = tx.StampOf(t.ref)
	return err
}

// isTop reports whether a tree is what was asked for: it is shown in any case.
func (w *walk) isTop(t *Tree) bool { return t == w.top }

func (w *walk) register(t *Tree) (err error) {
	if w.size <= 0 && !w.isTop(t) {
		t.Cut = true
		return nil
	}
	t.Value, t.Set, err = w.look.tx.Load(t.ref)
	if len(t.Value) > w.size && !w.isTop(t) {
		t.Value, t.Cut = nil, true
	}
	w.size -= len(t.Value)
	return err
}

func (w *walk) text(t *Tree, from int64) (err error) {
	if t.Length, err = w.look.tx.Len(t.ref); err != nil {
		return err
	}
	most := int64(nestedText)
	if w.isTop(t) {
		most = wholeText
	} else if w.size <= 0 {
		most = 0
	}
	from = min(from, t.Length)
	most = min(most, t.Length-from)
	t.Text, err = w.look.tx.Slice(t.ref, from, most)
	t.More = from+most < t.Length
	w.size -= len(t.Text)
	return err
}

func (w *walk) entries(t *Tree, start Start, most int) (err error) {
	tx := w.look.tx
	if t.Length, err = tx.Len(t.ref); err != nil {
		return err
	}
	if most <= 0 || w.size <= 0 {
		t.More = t.Length > start.Index
		return nil
	}
	var found []collections.Item
	if t.Kind == collections.List {
		from := min(start.Index, t.Length)
		found, err = tx.Items(t.ref, from, min(int64(most), t.Length-from))
	} else {
		found, err = tx.Scan(t.ref, start.After, nil, most)
	}
	if err != nil {
		return err
	}
	for i := range found {
		if w.size <= 0 {
			t.More = true
			return nil
		}
		item := &found[i]
		index := start.Index + int64(i)
		n, err := w.look.node(t.Node, item, index)
		if err != nil {
			return err
		}
		e := &Tree{Node: n, Key: item.Key, Index: index}
		t.Entries = append(t.Entries, e)
		w.items--
		w.size -= len(item.Key) + len(item.Value)
		if n.Kind != collections.Value {
			w.add(e)
		}
	}
	t.More, err = w.follows(t, start)
	return err
}

// follows reports whether there is more behind the entries that are shown.
func (w *walk) follows(t *Tree, start Start) (bool, error) {
	n := len(t.Entries)
	switch {
	case t.Kind == collections.List:
		return start.Index+int64(n) < t.Length, nil
	case n == 0:
		return false, nil
	case start.After == nil && int64(n) == t.Length:
		return false, nil
	}
	next, err := w.look.tx.Scan(t.ref, t.Entries[n-1].Key, nil, 1)
	return len(next) > 0, err
}
