package dag

import (
	"iter"
	"slices"

	"mero/node/delta"
)

// All are the connected deltas in canonical order. The graph must not change during
// the iteration.
func (g *Graph) All() iter.Seq[delta.ID] { return g.from(0) }

// From is the part of All that is not before a place, whether or not a delta is
// there: what is folded again after a roll-back to that place.
func (g *Graph) From(p delta.Place) iter.Seq[delta.ID] { return g.from(g.Before(p)) }

func (g *Graph) from(i int) iter.Seq[delta.ID] {
	return func(yield func(delta.ID) bool) {
		for _, at := range g.order[i:] {
			if !yield(g.nodes[at].id) {
				return
			}
		}
	}
}

// Before is the number of connected deltas before a place: how many stay when state
// is rolled back to it, and the position of the delta that is there, if one is.
func (g *Graph) Before(p delta.Place) int {
	i, _ := slices.BinarySearchFunc(g.order, &p, func(at index, p *delta.Place) int { return g.place(at).Compare(*p) })
	return i
}

// At is the delta at a position of the canonical order, from 0 to below Len: position
// Before(p) is that of the first delta not before p. Adding a delta moves those that
// are later.
func (g *Graph) At(position int) delta.ID { return g.nodes[g.order[position]].id }

// Place is where a connected delta stands; false if it is none.
func (g *Graph) Place(id delta.ID) (delta.Place, bool) {
	at, there := g.places.find(g.nodes, &id)
	if !there {
		return delta.Place{}, false
	}
	return g.place(at), true
}

// Latest is the place of the last connected delta; false in an empty graph.
func (g *Graph) Latest() (delta.Place, bool) {
	if len(g.order) == 0 {
		return delta.Place{}, false
	}
	return g.place(g.order[len(g.order)-1]), true
}

func (g *Graph) place(at index) delta.Place {
	return delta.Place{Time: g.nodes[at].time, ID: g.nodes[at].id}
}
