package collections_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"mero/node/collections"
)

// fugueNode is an element as the paper has it: a node of a tree.
type fugueNode struct {
	value  string
	parent *fugueNode // nil: the beginning
	isLeft bool
}

// fugue is the tree of some elements: each node's children on either side, in order.
type fugue struct {
	lefts, rights map[*fugueNode][]*fugueNode
	removed       map[*fugueNode]bool
	values        map[*fugueNode]string
}

// treeOf makes the tree of what was done, in order. Of siblings on the right the newest comes
// first, of those on the left last.
func treeOf(events []*event) *fugue {
	f := &fugue{
		lefts: map[*fugueNode][]*fugueNode{}, rights: map[*fugueNode][]*fugueNode{},
		removed: map[*fugueNode]bool{}, values: map[*fugueNode]string{},
	}
	for _, d := range actions(events) {
		for _, n := range d.nodes {
			if d.what == "set" {
				f.values[n] = d.value
				continue
			}
			f.values[n] = n.value
			if n.isLeft {
				f.lefts[n.parent] = append(f.lefts[n.parent], n)
			} else {
				f.rights[n.parent] = append([]*fugueNode{n}, f.rights[n.parent]...)
			}
		}
		for _, n := range d.erased {
			f.removed[n] = true
		}
	}
	return f
}

// walk gives all elements in order, removed ones as well.
func (f *fugue) walk(n *fugueNode) (all []*fugueNode) {
	for _, c := range f.lefts[n] {
		all = append(all, f.walk(c)...)
	}
	if n != nil {
		all = append(all, n)
	}
	for _, c := range f.rights[n] {
		all = append(all, f.walk(c)...)
	}
	return all
}

func (f *fugue) visible() (nodes []*fugueNode) {
	for _, n := range f.walk(nil) {
		if !f.removed[n] {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// insert gives the nodes of values before an index.
func (f *fugue) insert(index int, values []string) (nodes []*fugueNode) {
	var left *fugueNode
	if index > 0 {
		left = f.visible()[index-1]
	}
	first := &fugueNode{value: values[0], parent: left}
	if len(f.rights[left]) > 0 {
		all := f.walk(nil)
		next := 0
		if left != nil {
			next = slices.Index(all, left) + 1
		}
		first.parent, first.isLeft = all[next], true
	}
	nodes = []*fugueNode{first}
	for i, v := range values[1:] {
		nodes = append(nodes, &fugueNode{value: v, parent: nodes[i]})
	}
	return nodes
}

// edit does something to a sequence at random, and notes what the paper makes of it.
func edit(w *world, e *event, past []*event, s sequenceAPI) {
	tree := treeOf(past)
	visible := tree.visible()
	size := len(visible)
	switch what := w.rng.IntN(8); {
	case what < 2 && size > 0:
		at := w.rng.IntN(size)
		n := 1 + w.rng.IntN(min(3, size-at))
		must(w.t, s.remove(at, n))
		e.actions = append(e.actions, action{what: "erase", erased: visible[at : at+n]})
	case what == 2 && size > 0 && s.set != nil:
		at, value := w.rng.IntN(size), strconv.Itoa(w.rng.IntN(1000))
		must(w.t, s.set(at, value))
		e.actions = append(e.actions, action{what: "set", value: value, nodes: visible[at : at+1]})
	default:
		at := w.rng.IntN(size + 1)
		values := make([]string, 1+w.rng.IntN(3))
		for i := range values {
			values[i] = letter(w.rng, 26)
			if w.rng.IntN(8) == 0 {
				values[i] = "ä"
			}
		}
		must(w.t, s.insert(at, values))
		e.actions = append(e.actions, action{what: "insert", nodes: tree.insert(at, values)})
	}
}

type sequenceAPI struct {
	insert func(at int, values []string) error
	remove func(at, n int) error
	set    func(at int, value string) error
}

func wantSequence(events []*event) string {
	tree := treeOf(events)
	var b strings.Builder
	for _, n := range tree.visible() {
		fmt.Fprintf(&b, "%s|", tree.values[n])
	}
	return b.String()
}

// TestText: a text is what Fugue, as in its paper, makes of the same edits.
func TestText(t *testing.T) {
	property(t, cases, model{
		act: func(w *world, tx *collections.Tx, e *event, past []*event) {
			r := open(w.t, tx, "t", collections.Text, 0)
			edit(w, e, past, sequenceAPI{
				insert: func(at int, values []string) error { return tx.InsertText(r, int64(at), strings.Join(values, "")) },
				remove: func(at, n int) error { return tx.RemoveText(r, int64(at), int64(n)) },
			})
		},
		want: wantSequence,
		got: func(t testing.TB, tx *collections.Tx) string {
			t.Helper()
			r := open(t, tx, "t", collections.Text, 0)
			n := must1[int64](t)(tx.Len(r))
			var b strings.Builder
			for _, c := range must1[string](t)(tx.Slice(r, 0, n)) {
				b.WriteRune(c)
				b.WriteByte('|')
			}
			return b.String()
		},
	})
}

// TestList: the same of a list, whose values can be set.
func TestList(t *testing.T) {
	property(t, cases, model{
		act: func(w *world, tx *collections.Tx, e *event, past []*event) {
			r := open(w.t, tx, "l", collections.List, 0)
			edit(w, e, past, sequenceAPI{
				insert: func(at int, values []string) error {
					var each [][]byte
					for _, v := range values {
						each = append(each, []byte(v))
					}
					return tx.Insert(r, int64(at), each...)
				},
				remove: func(at, n int) error { return tx.RemoveAt(r, int64(at), int64(n)) },
				set:    func(at int, value string) error { return tx.SetAt(r, int64(at), []byte(value)) },
			})
		},
		want: wantSequence,
		got: func(t testing.TB, tx *collections.Tx) string {
			t.Helper()
			r := open(t, tx, "l", collections.List, 0)
			n := must1[int64](t)(tx.Len(r))
			var b strings.Builder
			for i, item := range must1[[]collections.Item](t)(tx.Items(r, 0, n)) {
				if at := must1[[]byte](t)(tx.At(r, int64(i))); string(at) != string(item.Value) {
					t.Fatalf("At %d gives %q, Items %q", i, at, item.Value)
				}
				fmt.Fprintf(&b, "%s|", item.Value)
			}
			return b.String()
		},
	})
}
