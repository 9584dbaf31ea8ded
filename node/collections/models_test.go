package collections_test

import (
	"strconv"
	"testing"

	"mero/node/collections"
)

// did is one action in its delta.
type did struct {
	event *event
	n     int
	action
}

func actions(events []*event) (all []did) {
	for _, e := range events {
		for n, a := range e.actions {
			all = append(all, did{event: e, n: n, action: a})
		}
	}
	return all
}

// saw tells whether the author of d had seen other.
func (d did) saw(other did) bool { return d.event.knows(d.n, other.event, other.n) }

// TestRegister: the last write in order is what is there, or with Once the first.
func TestRegister(t *testing.T) {
	for _, flags := range []collections.Flags{0, collections.Once} {
		t.Run(strconv.Itoa(int(flags)), func(t *testing.T) {
			property(t, cases/2, model{
				act: func(w *world, tx *collections.Tx, e *event, past []*event) {
					r := open(w.t, tx, "r", collections.Register, flags)
					_, isSet, err := tx.Load(r)
					must(w.t, err)
					if w.rng.IntN(4) == 0 {
						err := tx.Clear(r)
						if flags == 0 && isSet {
							e.actions = append(e.actions, action{what: "clear"})
						}
						wantError(w.t, err, flags != 0 && isSet, collections.ErrOnce)
						return
					}
					value := strconv.Itoa(w.rng.IntN(1000))
					err = tx.Store(r, []byte(value))
					if wantError(w.t, err, flags != 0 && isSet, collections.ErrOnce); err == nil {
						e.actions = append(e.actions, action{what: "store", value: value})
					}
				},
				want: func(events []*event) string {
					value := "-"
					for _, d := range actions(events) {
						switch {
						case flags != 0 && value != "-":
						case d.what == "clear":
							value = "-"
						default:
							value = d.value
						}
					}
					return value
				},
				got: func(t testing.TB, tx *collections.Tx) string {
					t.Helper()
					value, ok, err := tx.Load(open(t, tx, "r", collections.Register, flags))
					must(t, err)
					if !ok {
						return "-"
					}
					return string(value)
				},
			})
		})
	}
}

// TestMap: the last put in order is what is there, until somebody removes it who saw it.
func TestMap(t *testing.T) {
	for _, flags := range []collections.Flags{0, collections.Once} {
		t.Run(strconv.Itoa(int(flags)), func(t *testing.T) {
			property(t, cases/2, model{
				act: func(w *world, tx *collections.Tx, e *event, past []*event) {
					r := open(w.t, tx, "m", collections.Map, flags)
					key := letter(w.rng, 3)
					has := must1[bool](w.t)(tx.Has(r, []byte(key)))
					if w.rng.IntN(3) == 0 {
						was, err := tx.Remove(r, []byte(key))
						wantError(w.t, err, has && flags != 0, collections.ErrOnce)
						if was != (has && flags == 0) {
							w.t.Fatalf("Remove gives %v", was)
						}
						e.actions = append(e.actions, action{what: "remove", key: key})
						return
					}
					value := strconv.Itoa(w.rng.IntN(1000))
					err := tx.Put(r, []byte(key), []byte(value))
					if wantError(w.t, err, has && flags != 0, collections.ErrOnce); err == nil {
						e.actions = append(e.actions, action{what: "put", key: key, value: value})
					}
				},
				want: func(events []*event) string {
					last := map[string]did{}
					for _, d := range actions(events) {
						now, ok := last[d.key]
						switch {
						case flags != 0 && (ok || d.what == "remove"):
						case d.what == "put":
							last[d.key] = d
						case ok && d.saw(now):
							delete(last, d.key)
						}
					}
					values := map[string]string{}
					for key, d := range last {
						values[key] = d.value
					}
					return printed(values)
				},
				got: func(t testing.TB, tx *collections.Tx) string {
					t.Helper()
					r := open(t, tx, "m", collections.Map, flags)
					return printed(scanned(t, tx, r))
				},
			})
		})
	}
}

// scanned reads a map by pages, and sees that Get, Has and Len agree.
func scanned(t testing.TB, tx *collections.Tx, r collections.Ref) map[string]string {
	t.Helper()
	values := map[string]string{}
	var after []byte
	for {
		items := must1[[]collections.Item](t)(tx.Scan(r, after, nil, 2))
		if len(items) == 0 {
			break
		}
		for _, i := range items {
			if after != nil && string(after) >= string(i.Key) {
				t.Fatalf("%q after %q", i.Key, after)
			}
			after = i.Key
			values[string(i.Key)] = string(i.Value)
			if has := must1[bool](t)(tx.Has(r, i.Key)); !has {
				t.Fatalf("no %q", i.Key)
			}
		}
	}
	if n := must1[int64](t)(tx.Len(r)); int(n) != len(values) {
		t.Fatalf("Len %d of %v", n, values)
	}
	return values
}

// TestSet: an element is there if somebody added it whose adding nobody who saw it removed.
func TestSet(t *testing.T) {
	property(t, cases, model{
		act: func(w *world, tx *collections.Tx, e *event, past []*event) {
			r := open(w.t, tx, "s", collections.Set, 0)
			key := letter(w.rng, 3)
			has := must1[bool](w.t)(tx.Has(r, []byte(key)))
			if w.rng.IntN(2) == 0 {
				if was := must1[bool](w.t)(tx.Remove(r, []byte(key))); was != has {
					w.t.Fatalf("Remove gives %v", was)
				}
				e.actions = append(e.actions, action{what: "remove", key: key})
				return
			}
			if isNew := must1[bool](w.t)(tx.Add(r, []byte(key))); isNew == has {
				w.t.Fatalf("Add gives %v", isNew)
			}
			e.actions = append(e.actions, action{what: "add", key: key})
		},
		want: func(events []*event) string {
			all, there := actions(events), map[string]string{}
			for _, add := range all {
				isRemoved := add.what != "add"
				for _, d := range all {
					isRemoved = isRemoved || d.what == "remove" && d.key == add.key && d.saw(add)
				}
				if !isRemoved {
					there[add.key] = ""
				}
			}
			return printed(there)
		},
		got: func(t testing.TB, tx *collections.Tx) string {
			t.Helper()
			return printed(scanned(t, tx, open(t, tx, "s", collections.Set, 0)))
		},
	})
}

// TestCounter: the sum of all increases.
func TestCounter(t *testing.T) {
	property(t, cases, model{
		act: func(w *world, tx *collections.Tx, e *event, past []*event) {
			n := w.rng.IntN(2001) - 1000
			must(w.t, tx.Increase(open(w.t, tx, "c", collections.Counter, 0), int64(n)))
			e.actions = append(e.actions, action{n: n})
		},
		want: func(events []*event) string {
			sum := 0
			for _, d := range actions(events) {
				sum += d.action.n
			}
			return strconv.Itoa(sum)
		},
		got: func(t testing.TB, tx *collections.Tx) string {
			t.Helper()
			return strconv.Itoa(int(must1[int64](t)(tx.Count(open(t, tx, "c", collections.Counter, 0)))))
		},
	})
}
