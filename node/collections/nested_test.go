package collections_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"

	"mero/node/collections"
)

func wantError(t testing.TB, err error, wanted bool, want error) {
	t.Helper()
	if wanted && !errors.Is(err, want) || !wanted && err != nil {
		t.Fatalf("error %v, want %v: %v", err, want, wanted)
	}
}

// birth is the making of a collection.
type birth struct {
	event, n int
	tag      [8]byte
}

// slot is what is at a key of a map that holds values and maps.
type slot struct {
	value  *did
	isMap  bool
	births []birth // all since it is there
	left   []birth // those that nobody removed
	inside map[string]did
}

// slots makes a map of values and maps of what was done, in order.
func slots(events []*event) map[string]*slot {
	all := map[string]*slot{}
	for _, d := range actions(events) {
		s := all[d.key]
		switch d.what {
		case "make":
			b := birth{event: d.event.number, n: d.n, tag: d.event.origin.Tag}
			if s == nil {
				s = &slot{isMap: true, inside: map[string]did{}}
				all[d.key] = s
			}
			if s.isMap {
				// A writer's newer making stands for its older ones.
				s.left = slices.DeleteFunc(s.left, func(b birth) bool { return b.tag == d.event.origin.Tag })
				s.births, s.left = append(s.births, b), append(s.left, b)
			}
		case "inside", "remove inside":
			if s == nil || !slices.ContainsFunc(s.births, func(b birth) bool { return slices.Contains(d.seen, b) }) {
				continue
			}
			key := strconv.Itoa(d.index)
			if d.what == "inside" {
				s.inside[key] = d
			} else if now, ok := s.inside[key]; ok && d.saw(now) {
				delete(s.inside, key)
			}
		case "put":
			if s == nil || !s.isMap {
				all[d.key] = &slot{value: &d}
			}
		case "remove":
			switch {
			case s == nil:
			case s.value != nil && len(d.seen) == 0 && d.saw(*s.value): // its author saw no map there
				delete(all, d.key)
			case s.isMap:
				s.left = slices.DeleteFunc(s.left, func(b birth) bool { return slices.Contains(d.seen, b) })
				if len(s.left) == 0 {
					delete(all, d.key)
				}
			}
		}
	}
	return all
}

// TestNested: a collection in a map is there as long as somebody made it whose making nobody who
// saw it removed; nothing of what was removed comes back; what others write in it goes with it.
func TestNested(t *testing.T) {
	property(t, cases, model{
		// The time alone tells whether what an author saw was there before or after what took
		// its place: of two deltas with one time, not.
		untied: true,
		act: func(w *world, tx *collections.Tx, e *event, past []*event) {
			m := open(w.t, tx, "m", collections.Map, 0)
			key := letter(w.rng, 2)
			now := slots(past)[key]
			switch w.rng.IntN(6) {
			case 0:
				err := tx.Put(m, []byte(key), []byte(key))
				if wantError(w.t, err, now != nil && now.isMap, collections.ErrKind); err == nil {
					e.actions = append(e.actions, action{what: "put", key: key})
				}
			case 1, 2:
				was := must1[bool](w.t)(tx.Remove(m, []byte(key)))
				if was != (now != nil) {
					w.t.Fatalf("Remove gives %v", was)
				}
				if was {
					e.actions = append(e.actions, action{what: "remove", key: key, seen: slices.Clone(now.left)})
				}
			default:
				r, err := tx.Open(m, []byte(key), collections.Map, 0)
				if wantError(w.t, err, now != nil && !now.isMap, collections.ErrKind); err != nil {
					return
				}
				inner := w.rng.IntN(2)
				a := action{what: "inside", key: key, index: inner, value: strconv.Itoa(w.rng.IntN(1000))}
				if w.rng.IntN(3) == 0 {
					a.what = "remove inside"
					if was := must1[bool](w.t)(tx.Remove(r, []byte(strconv.Itoa(inner)))); !was {
						return
					}
				} else {
					must(w.t, tx.Put(r, []byte(strconv.Itoa(inner)), []byte(a.value)))
				}
				if now == nil {
					a.seen = []birth{{event: e.number, n: len(e.actions), tag: e.origin.Tag}}
					e.actions = append(e.actions, action{what: "make", key: key})
				} else {
					a.seen = slices.Clone(now.left)
				}
				e.actions = append(e.actions, a)
			}
		},
		want: func(events []*event) string {
			all, text := slots(events), ""
			for _, key := range slices.Sorted(maps.Keys(all)) {
				if s := all[key]; s.isMap {
					inside := map[string]string{}
					for k, d := range s.inside {
						inside[k] = d.value
					}
					text += fmt.Sprint(key, inside)
				} else {
					text += fmt.Sprint(key, "=", s.value.key)
				}
			}
			return text
		},
		got: func(t testing.TB, tx *collections.Tx) string {
			t.Helper()
			m := open(t, tx, "m", collections.Map, 0)
			text := ""
			for _, item := range must1[[]collections.Item](t)(tx.Scan(m, nil, nil, 10)) {
				if item.Kind == collections.Value {
					text += fmt.Sprint(string(item.Key), "=", string(item.Value))
					continue
				}
				r := must1[collections.Ref](t)(tx.Open(m, item.Key, collections.Map, 0))
				text += fmt.Sprint(string(item.Key), scanned(t, tx, r))
			}
			return text
		},
	})
}
