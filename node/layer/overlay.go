package layer

import (
	"bytes"
	"iter"
	"slices"
	"strings"

	"mero/node/store"
	"mero/node/vm"
)

// cell is one key as a batch found it in the store and as it will leave it.
type cell struct {
	old, new       []byte
	hadOld, hasNew bool
}

// State is a state whose keys can be read in their order.
type State interface {
	vm.State
	// Range gives entries whose keys begin with prefix and are greater than after
	// (nil: all of them), ascending, at most limit.
	Range(prefix, after []byte, limit int) ([]store.KeyValue, error)
}

// Overlay is what a batch has changed of one key space, over what is below.
type Overlay struct {
	below State
	cells map[string]*cell
	// sorted are the keys of cells, ascending, but for those in fresh.
	sorted, fresh []string
	// bytes is the size of the keys and values written since the batch began, kept
	// that of the values that are in memory.
	bytes, kept int
}

// New makes an overlay that has changed nothing yet.
func New(below State) *Overlay {
	return &Overlay{below: below, cells: make(map[string]*cell)}
}

// Get implements vm.State.
func (o *Overlay) Get(key []byte) ([]byte, bool, error) {
	if c, ok := o.cells[string(key)]; ok {
		return c.new, c.hasNew, nil
	}
	return o.below.Get(key)
}

// Put sets or, with hasNew false, removes a key whose value so far is old.
func (o *Overlay) Put(key, old, value []byte, hadOld, hasNew bool) {
	c, ok := o.cells[string(key)]
	if !ok {
		c = &cell{old: old, hadOld: hadOld}
		o.cells[string(key)] = c
		o.fresh = append(o.fresh, string(key))
		o.kept += len(old)
	}
	o.kept += len(value) - len(c.new)
	c.new, c.hasNew = value, hasNew
	o.bytes += len(key) + len(value)
}

// Written is the size of the keys and values that were put so far, in bytes.
func (o *Overlay) Written() int { return o.bytes }

// Held is the size of the values in memory, in bytes.
func (o *Overlay) Held() int { return o.kept }

// Rebase puts the overlay over something else.
func (o *Overlay) Rebase(below State) { o.below = below }

// Has reports whether the overlay has something to say of a key.
func (o *Overlay) Has(key []byte) bool {
	_, ok := o.cells[string(key)]
	return ok
}

// All yields what the overlay has, removed keys included, in no order.
func (o *Overlay) All() iter.Seq[store.ScratchEntry] {
	return func(yield func(store.ScratchEntry) bool) {
		for key, c := range o.cells {
			if !yield(store.ScratchEntry{Key: []byte(key), Value: c.new, Present: c.hasNew}) {
				return
			}
		}
	}
}

// Changes lists what differs from below, ascending by key.
func (o *Overlay) Changes() []store.Change {
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

// Range implements State.
func (o *Overlay) Range(prefix, after []byte, limit int) ([]store.KeyValue, error) {
	o.sort()
	return merged(o.below, o.within, prefix, after, limit)
}

// sort brings the keys that came since the last time into their order. A batch that
// writes and reads by turns has few of them at a time.
func (o *Overlay) sort() {
	if len(o.fresh) == 0 {
		return
	}
	slices.Sort(o.fresh)
	all := make([]string, 0, len(o.sorted)+len(o.fresh))
	old := o.sorted
	for _, key := range o.fresh {
		n, _ := slices.BinarySearch(old, key)
		all = append(append(all, old[:n]...), key)
		old = old[n:]
	}
	o.sorted, o.fresh = append(all, old...), nil
}

// within gives what the overlay has by itself of a range.
func (o *Overlay) within(prefix, after []byte, limit int) ([]store.ScratchEntry, error) {
	from := string(prefix)
	if after != nil && bytes.Compare(after, prefix) >= 0 {
		from = string(after) + "\x00" // the next key there can be
	}
	n, _ := slices.BinarySearch(o.sorted, from)
	var out []store.ScratchEntry
	for _, key := range o.sorted[n:] {
		if len(out) >= limit || !strings.HasPrefix(key, string(prefix)) {
			break
		}
		c := o.cells[key]
		out = append(out, store.ScratchEntry{Key: []byte(key), Value: c.new, Present: c.hasNew})
	}
	return out, nil
}

// merged is a range of a state over which entries lie that replace its own, or
// remove them.
func merged(
	below State, above func(prefix, after []byte, limit int) ([]store.ScratchEntry, error), prefix, after []byte, limit int,
) ([]store.KeyValue, error) {
	var out []store.KeyValue
	for len(out) < limit {
		low, err := below.Range(prefix, after, limit)
		if err != nil {
			return nil, err
		}
		high, err := above(prefix, after, limit)
		if err != nil {
			return nil, err
		}
		// A side that filled its page says nothing about what comes after it.
		var end []byte
		if len(low) == limit {
			end = low[limit-1].Key
		}
		if len(high) == limit && (end == nil || bytes.Compare(high[limit-1].Key, end) < 0) {
			end = high[limit-1].Key
		}
		out = mix(out, low, high, end)
		if end == nil {
			break
		}
		after = end
	}
	return out[:min(len(out), limit)], nil
}

// mix appends what is there of both sides up to a key, if there is one.
func mix(out, low []store.KeyValue, high []store.ScratchEntry, end []byte) []store.KeyValue {
	within := func(key []byte) bool { return end == nil || bytes.Compare(key, end) <= 0 }
	for len(low) > 0 || len(high) > 0 {
		order := 1
		switch {
		case len(low) > 0 && len(high) > 0:
			order = bytes.Compare(low[0].Key, high[0].Key)
		case len(low) > 0:
			order = -1
		}
		if order < 0 {
			if within(low[0].Key) {
				out = append(out, low[0])
			}
			low = low[1:]
			continue
		}
		if order == 0 {
			low = low[1:]
		}
		if e := high[0]; e.Present && within(e.Key) {
			out = append(out, store.KeyValue{Key: e.Key, Value: e.Value})
		}
		high = high[1:]
	}
	return out
}

// Getter makes a state of a method, for key spaces whose order nobody asks for.
type Getter func(key []byte) ([]byte, bool, error)

// Get implements vm.State.
func (g Getter) Get(key []byte) ([]byte, bool, error) { return g(key) }

// Range implements State: nothing.
func (Getter) Range([]byte, []byte, int) ([]store.KeyValue, error) { return nil, nil }

// Nothing is the state of a context that does not exist yet.
func Nothing([]byte) ([]byte, bool, error) { return nil, false, nil }

// Scratched is a state with a scratch over it.
type Scratched struct {
	Scratch *store.Scratch
	Below   State
}

// Get implements vm.State.
func (s Scratched) Get(key []byte) ([]byte, bool, error) {
	value, present, known, err := s.Scratch.Get(key)
	if known || err != nil {
		return value, present, err
	}
	return s.Below.Get(key)
}

// Range implements State.
func (s Scratched) Range(prefix, after []byte, limit int) ([]store.KeyValue, error) {
	return merged(s.Below, s.Scratch.Range, prefix, after, limit)
}

// Layered is what a call of an old application sees: the replicated state
// first, then the node-local keys (R6).
type Layered struct{ Replicated, Local vm.State }

// Get implements vm.State.
func (l Layered) Get(key []byte) ([]byte, bool, error) {
	value, ok, err := l.Replicated.Get(key)
	if ok || err != nil {
		return value, ok, err
	}
	return l.Local.Get(key)
}
