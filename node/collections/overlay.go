package collections

import (
	"bytes"
	"slices"
	"strings"
)

// readCache is how many rows that were only read an overlay keeps, so that a long call does not
// hold all that it ever looked at.
const readCache = 4096

// row is one row as the overlay sees it.
type row struct {
	old, value      []byte
	hadOld, present bool
	written         bool
}

// overlay is the state below with changes on top. It counts what is done with it: equal
// operations on equal states count the same, whoever does them.
type overlay struct {
	kv    KV
	rows  map[string]*row
	reads int // rows in rows that are not written

	written int    // rows
	bytes   int    // of keys and new values of written rows
	work    uint64 // rows and bytes / 64

	sorted []string // keys of written rows as of the last look, ascending
	fresh  []string // keys written since
}

func newOverlay(kv KV) *overlay { return &overlay{kv: kv, rows: map[string]*row{}} }

func (o *overlay) charge(bytes int) { o.work += 1 + uint64(bytes)>>6 }

// get gives a value, which must not be changed.
func (o *overlay) get(key []byte) (value []byte, ok bool, err error) {
	r := o.rows[string(key)]
	if r == nil {
		r = &row{}
		if r.old, r.hadOld, err = o.kv.Get(key); err != nil {
			return nil, false, err
		}
		r.value, r.present = r.old, r.hadOld
		if o.reads < readCache {
			o.rows[string(key)] = r
			o.reads++
		}
	}
	o.charge(len(r.value))
	return r.value, r.present, nil
}

// write gives the row to change.
func (o *overlay) write(key []byte) (*row, error) {
	r := o.rows[string(key)]
	if r != nil && r.written {
		o.bytes -= len(r.value)
		return r, nil
	}
	k := string(key)
	if r == nil {
		old, had, err := o.kv.Get(key)
		if err != nil {
			return nil, err
		}
		r = &row{old: old, hadOld: had}
		o.rows[k] = r
	} else {
		o.reads--
	}
	r.written = true
	o.written++
	o.bytes += len(key)
	o.fresh = append(o.fresh, k)
	return r, nil
}

// put sets a row and keeps value.
func (o *overlay) put(key, value []byte) error {
	r, err := o.write(key)
	if err != nil {
		return err
	}
	r.value, r.present = value, true
	o.bytes += len(value)
	o.charge(len(value))
	return nil
}

// remove takes a row away.
func (o *overlay) remove(key []byte) error {
	r, err := o.write(key)
	if err != nil {
		return err
	}
	r.value, r.present = nil, false
	o.charge(0)
	return nil
}

// settle sorts what was written since the last look in among the rest.
func (o *overlay) settle() {
	if len(o.fresh) == 0 {
		return
	}
	o.work += uint64(len(o.fresh) + len(o.sorted))
	o.sorted = append(o.sorted, o.fresh...)
	o.fresh = o.fresh[:0]
	slices.Sort(o.sorted)
}

// scan gives the entries whose keys begin with prefix and are greater than after (nil: all),
// ascending, at most limit.
func (o *overlay) scan(prefix, after []byte, limit int) ([]Entry, error) {
	o.settle()
	from := string(prefix)
	if after != nil && bytes.Compare(after, prefix) >= 0 {
		from = string(after) + "\x00" // the least key that is greater
	}
	next, _ := slices.BinarySearch(o.sorted, from)
	var found []Entry
	for len(found) < limit {
		below, err := o.kv.Range(prefix, after, limit)
		if err != nil {
			return nil, err
		}
		for _, e := range below {
			found, next = o.takeLess(found, next, string(e.Key), limit)
			if len(found) >= limit {
				return found, nil
			}
			if next < len(o.sorted) && o.sorted[next] == string(e.Key) {
				found = o.take(found, o.sorted[next])
				next++
				continue
			}
			o.charge(len(e.Value))
			found = append(found, e)
		}
		if len(below) < limit {
			break
		}
		after = below[len(below)-1].Key
	}
	for next < len(o.sorted) && len(found) < limit && strings.HasPrefix(o.sorted[next], string(prefix)) {
		found = o.take(found, o.sorted[next])
		next++
	}
	return found, nil
}

// takeLess appends written rows from the next on whose keys are less than a key.
func (o *overlay) takeLess(found []Entry, next int, key string, limit int) ([]Entry, int) {
	for next < len(o.sorted) && len(found) < limit && o.sorted[next] < key {
		found = o.take(found, o.sorted[next])
		next++
	}
	return found, next
}

// take appends a written row if it is there.
func (o *overlay) take(found []Entry, key string) []Entry {
	r := o.rows[key]
	o.charge(len(r.value))
	if !r.present {
		return found
	}
	return append(found, Entry{Key: []byte(key), Value: r.value})
}

// writes gives what differs from the state below, ascending.
func (o *overlay) writes() []Write {
	o.settle()
	var writes []Write
	for _, key := range o.sorted {
		r := o.rows[key]
		if r.hadOld == r.present && bytes.Equal(r.old, r.value) {
			continue
		}
		writes = append(writes, Write{Key: []byte(key), Old: r.old, New: r.value, HadOld: r.hadOld, HasNew: r.present})
	}
	return writes
}
