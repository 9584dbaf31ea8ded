package replica

import (
	"bytes"
	"slices"

	"mero/node/store"
	"mero/node/vm"
)

// cell is one key as a batch found it in the store and as it will leave it.
type cell struct {
	old, new       []byte
	hadOld, hasNew bool
}

// overlay is what a batch has changed of one key space, over what is below.
type overlay struct {
	below vm.State
	cells map[string]*cell
	// bytes is the size of the keys and values written since the batch began.
	bytes int
}

func newOverlay(below vm.State) *overlay {
	return &overlay{below: below, cells: make(map[string]*cell)}
}

// Get implements vm.State.
func (o *overlay) Get(key []byte) ([]byte, bool, error) {
	if c, ok := o.cells[string(key)]; ok {
		return c.new, c.hasNew, nil
	}
	return o.below.Get(key)
}

// put sets or, with hasNew false, removes a key whose value so far is old.
func (o *overlay) put(key, old, value []byte, hadOld, hasNew bool) {
	c, ok := o.cells[string(key)]
	if !ok {
		c = &cell{old: old, hadOld: hadOld}
		o.cells[string(key)] = c
	}
	c.new, c.hasNew = value, hasNew
	o.bytes += len(key) + len(value)
}

// changes lists what differs from below, ascending by key.
func (o *overlay) changes() []store.Change {
	out := make([]store.Change, 0, len(o.cells))
	for key, c := range o.cells {
		if c.hadOld == c.hasNew && bytes.Equal(c.old, c.new) {
			continue
		}
		out = append(out, store.Change{
			Key: []byte(key), Old: c.old, New: c.new, HadOld: c.hadOld, HasNew: c.hasNew,
		})
	}
	slices.SortFunc(out, func(a, b store.Change) int { return bytes.Compare(a.Key, b.Key) })
	return out
}

// layered is what a call of an old application sees: the replicated state
// first, then the node-local keys (R6).
type layered struct{ replicated, local vm.State }

// Get implements vm.State.
func (l layered) Get(key []byte) ([]byte, bool, error) {
	value, ok, err := l.replicated.Get(key)
	if ok || err != nil {
		return value, ok, err
	}
	return l.local.Get(key)
}

// getter makes a vm.State of a method.
type getter func(key []byte) ([]byte, bool, error)

// Get implements vm.State.
func (g getter) Get(key []byte) ([]byte, bool, error) { return g(key) }

// nothing is the state of a context that does not exist yet.
func nothing([]byte) ([]byte, bool, error) { return nil, false, nil }
