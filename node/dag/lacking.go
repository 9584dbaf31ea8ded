package dag

import (
	"slices"

	"mero/node/delta"
)

// Lacking are the places of the connected deltas that a replica with this vector
// lacks, in canonical order: those after a place (zero: all), at most limit of them,
// and whether there are more. Sent in this order, each finds its ancestors there.
//
// It costs O(tips + writers) and what is given; of a writer that is forked here, and of
// which the replica has not all branches, O(deltas of that writer).
//
// What the vector does not tell is taken for lacking, so too much is given at times,
// never too little for good: of a writer that is forked there and not here, all; of one
// forked here, what is in the past of none of the tips that are known here. There is
// one exception: a replica with a higher number of a writer than is known here, none
// of whose tips are, is taken to have all of that writer. If the writer is forked, the
// other side finds out (it has that number too) and sends its branch, so that the next
// exchange gives what was left out; until then others may lack ancestors there.
//
// A vector of a liar leads to no more work than an empty one, and a lookup a tip: tips
// of unknown writers, with a number that is not the delta's, or said twice add nothing.
func (g *Graph) Lacking(theirs []Tip, after delta.Place, limit int) (places []delta.Place, more bool) {
	rest := g.lacked(theirs)
	first := frontier{first: func(a, b index) bool { return g.compare(a, b) < 0 }}
	for w, list := range rest {
		from, found := slices.BinarySearchFunc(list, &after, func(at index, p *delta.Place) int { return g.place(at).Compare(*p) })
		if found {
			from++
		}
		if rest[w] = list[from:]; len(rest[w]) > 0 {
			first.push(rest[w][0])
		}
	}
	for len(first.heap) > 0 {
		if len(places) == limit {
			return places, true
		}
		at := first.pop()
		places = append(places, g.place(at))
		w := g.nodes[at].writer
		if rest[w] = rest[w][1:]; len(rest[w]) > 0 {
			first.push(rest[w][0])
		}
	}
	return places, false
}

// told is what a vector says of one writer.
type told struct {
	known   []index // if it is forked here: its deltas that are named
	have    uint32  // else: the highest number of a delta that is named
	unknown uint64  // the highest number of a delta that is not here
}

// lacked are the deltas that a replica with this vector lacks, by writer, each list in
// canonical order.
func (g *Graph) lacked(theirs []Tip) [][]index {
	says := g.told(theirs)
	rest := make([][]index, len(g.writers))
	var held []bool
	for i := range g.writers {
		w, t := &g.writers[i], &says[i]
		switch {
		case !w.forked && t.have == 0 && t.unknown > uint64(len(w.made)):
		case !w.forked:
			rest[i] = w.made[t.have:] // number n is at place n-1
		case !g.areAllTips(w, t.known):
			if held == nil {
				held = make([]bool, len(g.nodes))
			}
			rest[i] = g.lackedOfForked(w, t.known, held)
		}
	}
	return rest
}

func (g *Graph) told(theirs []Tip) []told {
	says := make([]told, len(g.writers))
	for i := range theirs {
		tip := &theirs[i]
		w, known := g.writerIDs[tip.Writer]
		if !known {
			continue
		}
		at, here := g.places.find(g.nodes, &tip.ID)
		switch t := &says[w]; {
		case !here:
			t.unknown = max(t.unknown, tip.Seq)
		case g.nodes[at].writer != w || uint64(g.nodes[at].seq) != tip.Seq:
		case g.writers[w].forked:
			t.known = append(t.known, at)
		default:
			t.have = max(t.have, g.nodes[at].seq)
		}
	}
	return says
}

// areAllTips reports whether all tips of a writer are among known ones.
func (g *Graph) areAllTips(w *writer, known []index) bool {
	if len(known) < len(w.tips) {
		return false
	}
	slices.Sort(known)
	return !slices.ContainsFunc(w.tips, func(tip index) bool {
		_, is := slices.BinarySearch(known, tip)
		return !is
	})
}

// lackedOfForked are the deltas of a writer, which gave numbers to several, that are
// not in the past of known ones. What is found to be there is marked as held.
func (g *Graph) lackedOfForked(w *writer, known []index, held []bool) []index {
	for _, at := range known {
		held[at] = true
	}
	var rest []index
	for _, at := range slices.Backward(w.made) { // numbers fall, and to those before a delta too
		if !held[at] {
			rest = append(rest, at)
			continue
		}
		for _, before := range w.before[at] {
			held[before] = true
		}
	}
	slices.SortFunc(rest, g.compare)
	return rest
}
