package replica

import (
	"bytes"
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

// ranged is a state whose keys can be read in their order.
type ranged interface {
	vm.State
	// Range gives entries whose keys begin with prefix and are greater than after
	// (nil: all of them), ascending, at most limit.
	Range(prefix, after []byte, limit int) ([]store.KeyValue, error)
}

// overlay is what a batch has changed of one key space, over what is below.
type overlay struct {
	below ranged
	cells map[string]*cell
	// sorted are the keys of cells, ascending, but for those in fresh.
	sorted, fresh []string
	// bytes is the size of the keys and values written since the batch began, kept
	// that of the values that are in memory.
	bytes, kept int
}

func newOverlay(below ranged) *overlay {
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
		o.fresh = append(o.fresh, string(key))
		o.kept += len(old)
	}
	o.kept += len(value) - len(c.new)
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

// Range implements ranged.
func (o *overlay) Range(prefix, after []byte, limit int) ([]store.KeyValue, error) {
	o.sort()
	return merged(o.below, o.within, prefix, after, limit)
}

// sort brings the keys that came since the last time into their order. A batch that
// writes and reads by turns has few of them at a time.
func (o *overlay) sort() {
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
func (o *overlay) within(prefix, after []byte, limit int) ([]store.ScratchEntry, error) {
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
	below ranged, above func(prefix, after []byte, limit int) ([]store.ScratchEntry, error), prefix, after []byte, limit int,
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

// getter makes a state of a method, for key spaces whose order nobody asks for.
type getter func(key []byte) ([]byte, bool, error)

// Get implements vm.State.
func (g getter) Get(key []byte) ([]byte, bool, error) { return g(key) }

// Range implements ranged: nothing.
func (getter) Range([]byte, []byte, int) ([]store.KeyValue, error) { return nil, nil }

// nothing is the state of a context that does not exist yet.
func nothing([]byte) ([]byte, bool, error) { return nil, false, nil }

// scratched is a state with a scratch over it.
type scratched struct {
	scratch *store.Scratch
	below   ranged
}

// Get implements vm.State.
func (s scratched) Get(key []byte) ([]byte, bool, error) {
	value, present, known, err := s.scratch.Get(key)
	if known || err != nil {
		return value, present, err
	}
	return s.below.Get(key)
}

// Range implements ranged.
func (s scratched) Range(prefix, after []byte, limit int) ([]store.KeyValue, error) {
	return merged(s.below, s.scratch.Range, prefix, after, limit)
}
