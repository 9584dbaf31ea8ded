package dag

import (
	"slices"

	"mero/node/delta"
)

// frontier is a binary heap of places. Walks take the latest (or earliest) delta
// from it first; since a parent is earlier than its child, a delta that was reached
// on several ways comes out several times in a row, and no set of visited deltas is
// needed.
type frontier struct {
	heap  []index
	first func(a, b index) bool
}

func (f *frontier) push(at index) {
	f.heap = append(f.heap, at)
	for i := len(f.heap) - 1; i > 0; {
		up := (i - 1) / 2
		if !f.first(f.heap[i], f.heap[up]) {
			return
		}
		f.heap[i], f.heap[up] = f.heap[up], f.heap[i]
		i = up
	}
}

func (f *frontier) pop() index {
	top, last := f.heap[0], len(f.heap)-1
	f.heap[0] = f.heap[last]
	f.heap = f.heap[:last]
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < last; child++ {
			if f.first(f.heap[child], f.heap[least]) {
				least = child
			}
		}
		if least == i {
			return top
		}
		f.heap[i], f.heap[least] = f.heap[least], f.heap[i]
		i = least
	}
}

// next takes the first delta and all its repetitions.
func (f *frontier) next() index {
	top := f.pop()
	for len(f.heap) > 0 && f.heap[0] == top {
		f.pop()
	}
	return top
}

// back visits the given deltas and their ancestors that are not earlier than a
// time, latest first, until visit says false.
func (g *Graph) back(from []index, earliest delta.Time, visit func(index) bool) {
	f := frontier{first: func(a, b index) bool { return g.compare(a, b) > 0 }}
	for _, at := range from {
		if g.nodes[at].time >= earliest {
			f.push(at)
		}
	}
	for len(f.heap) > 0 {
		at := f.next()
		if !visit(at) {
			return
		}
		for _, e := range g.parentEdges(at) {
			if g.nodes[e.parent].time >= earliest {
				f.push(e.parent)
			}
		}
	}
}

// reaches reports whether target is one of the given deltas or of their ancestors.
func (g *Graph) reaches(from []index, target index) bool {
	if slices.Contains(from, target) {
		return true
	}
	found := false
	g.back(from, g.nodes[target].time, func(at index) bool {
		found = at == target
		return !found
	})
	return found
}

// IsAncestor reports whether a is in the past of b; a delta is not in its own past.
// Both must be connected, else the answer is no. It costs a walk over those
// ancestors of b that are later than a.
func (g *Graph) IsAncestor(a, b delta.ID) bool {
	from, fromThere := g.places.find(g.nodes, &b)
	target, targetThere := g.places.find(g.nodes, &a)
	return fromThere && targetThere && from != target && g.reaches([]index{from}, target)
}

// Descendants are the connected deltas that rest on any of the given ones, in
// canonical order, without these (unless one rests on another): what a waiting
// delta holds back (R4).
func (g *Graph) Descendants(of ...delta.ID) []delta.ID {
	f := frontier{first: func(a, b index) bool { return g.compare(a, b) < 0 }}
	for _, id := range of {
		if at, there := g.places.find(g.nodes, &id); there {
			g.pushChildren(&f, at)
		}
	}
	var ids []delta.ID
	for len(f.heap) > 0 {
		at := f.next()
		ids = append(ids, g.nodes[at].id)
		g.pushChildren(&f, at)
	}
	return ids
}

func (g *Graph) pushChildren(f *frontier, at index) {
	for e := g.nodes[at].firstChild; e != none; e = g.edges[e].next {
		f.push(g.edges[e].child)
	}
}
