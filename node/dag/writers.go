package dag

import (
	"cmp"
	"fmt"
	"slices"

	"mero/node/delta"
)

// writer is what one member key has made in one incarnation.
type writer struct {
	id     delta.Writer
	made   []index // by number, then in order of connection
	tips   []index // not in the past of another delta of the writer
	forked bool    // two deltas have one number
	// before are, if it is forked, the deltas with the previous number in the past of
	// each, and the tips that it replaced: what leads to the writer's deltas in its
	// past (but for some of a branch that it merges without having its tip).
	before map[index][]index
}

// Tip is the last delta of a writer, or of one branch of a forked writer.
type Tip struct {
	Writer delta.Writer
	Seq    uint64
	ID     delta.ID
}

// Fork is a number that a writer gave to several deltas (R3).
type Fork struct {
	Writer delta.Writer
	Seq    uint64
	IDs    []delta.ID // ascending
}

// succession is where a delta stands among those of its writer.
type succession struct {
	writer   uint32  // place in Graph.writers
	replaced []index // tips in its past
	before   []index // deltas with the number before its own in its past; not all if the writer is not forked
}

// numbered are the deltas of a writer with one number.
func (g *Graph) numbered(w *writer, seq uint64) []index {
	from, _ := slices.BinarySearchFunc(w.made, seq, func(at index, seq uint64) int {
		return cmp.Compare(uint64(g.nodes[at].seq), seq)
	})
	to := from
	for to < len(w.made) && uint64(g.nodes[w.made[to]].seq) == seq {
		to++
	}
	return w.made[from:to]
}

// succeed checks that n takes the place after its writer's previous delta (R3):
// number n-1 is among its ancestors and number n is not.
func (g *Graph) succeed(n *Node, parents []index) (succession, error) {
	place, known := g.writerIDs[n.Writer]
	if !known {
		if n.Seq != 1 {
			return succession{}, fmt.Errorf("%w: number %d is the first of %s", ErrGap, n.Seq, n.Writer)
		}
		place = uint32(len(g.writers))
		g.writers = append(g.writers, writer{id: n.Writer})
		g.writerIDs[n.Writer] = place
		return succession{writer: place}, nil
	}
	w := &g.writers[place]
	// In order, or nearly: nobody has taken the number, and one delta can be the
	// previous one.
	if tip := w.tips[0]; len(w.tips) == 1 && uint64(g.nodes[tip].seq)+1 == n.Seq {
		if !g.reaches(parents, tip) {
			return succession{}, fmt.Errorf("%w: number %d of %s", ErrGap, n.Seq, n.Writer)
		}
		return succession{writer: place, replaced: []index{tip}}, nil
	}
	return g.branch(n, place, parents)
}

// branch is succeed for a writer that is forked, or forks here, or breaks a rule.
// One walk back, to the earliest delta of interest, answers all questions.
func (g *Graph) branch(n *Node, place uint32, parents []index) (succession, error) {
	w := &g.writers[place]
	previous := g.numbered(w, n.Seq-1)
	if n.Seq > 1 && len(previous) == 0 {
		return succession{}, fmt.Errorf("%w: number %d of %s", ErrGap, n.Seq, n.Writer)
	}
	earliest := delta.MaxTime
	for _, list := range [][]index{previous, g.numbered(w, n.Seq), w.tips} {
		for _, at := range list {
			earliest = min(earliest, g.nodes[at].time)
		}
	}
	next := succession{writer: place}
	reused := false
	g.back(parents, earliest, func(at index) bool {
		v := &g.nodes[at]
		if v.writer != place {
			return true
		}
		reused = uint64(v.seq) == n.Seq
		if uint64(v.seq) == n.Seq-1 {
			next.before = append(next.before, at)
		}
		if slices.Contains(w.tips, at) {
			next.replaced = append(next.replaced, at)
		}
		return !reused
	})
	switch {
	case reused:
		return succession{}, fmt.Errorf("%w: number %d of %s", ErrReused, n.Seq, n.Writer)
	case n.Seq > 1 && len(next.before) == 0:
		return succession{}, fmt.Errorf("%w: number %d of %s", ErrGap, n.Seq, n.Writer)
	}
	return next, nil
}

// advance enters a connected delta with its writer.
func (g *Graph) advance(at index, next succession) {
	w := &g.writers[next.writer]
	same := g.numbered(w, uint64(g.nodes[at].seq))
	if len(same) > 0 && !w.forked {
		w.forked = true
		w.before = make(map[index][]index, len(w.made)+1)
		chain := slices.Clone(w.made)
		for i := 1; i < len(chain); i++ {
			w.before[chain[i]] = chain[i-1 : i : i]
		}
	}
	if w.forked {
		w.before[at] = append(next.before, next.replaced...)
	}
	i := len(w.made)
	for i > 0 && g.nodes[w.made[i-1]].seq > g.nodes[at].seq {
		i--
	}
	w.made = slices.Insert(w.made, i, at)
	w.tips = slices.DeleteFunc(w.tips, func(tip index) bool { return slices.Contains(next.replaced, tip) })
	w.tips = append(w.tips, at)
}

// Vector is what the graph holds, as one tip per writer and as one per branch of
// a forked writer, ascending by writer, number and id. Pending deltas are not in it.
func (g *Graph) Vector() []Tip {
	var tips []Tip
	for i := range g.writers {
		for _, at := range g.writers[i].tips {
			tips = append(tips, g.tip(at))
		}
	}
	slices.SortFunc(tips, func(a, b Tip) int {
		if c := a.Writer.Compare(b.Writer); c != 0 {
			return c
		}
		return compareTips(a, b)
	})
	return tips
}

// Tips are the last deltas of one writer: none if it is unknown, several if it is
// forked; ascending by number and id.
func (g *Graph) Tips(id delta.Writer) []Tip {
	place, known := g.writerIDs[id]
	if !known {
		return nil
	}
	var tips []Tip
	for _, at := range g.writers[place].tips {
		tips = append(tips, g.tip(at))
	}
	slices.SortFunc(tips, compareTips)
	return tips
}

func compareTips(a, b Tip) int {
	if c := cmp.Compare(a.Seq, b.Seq); c != 0 {
		return c
	}
	return a.ID.Compare(b.ID)
}

func (g *Graph) tip(at index) Tip {
	v := &g.nodes[at]
	return Tip{Writer: g.writers[v.writer].id, Seq: uint64(v.seq), ID: v.id}
}

// Forks are all numbers that were used twice, ascending by writer and number.
func (g *Graph) Forks() []Fork {
	var forks []Fork
	for i := range g.writers {
		w := &g.writers[i]
		if !w.forked {
			continue
		}
		for from := 0; from < len(w.made); {
			seq := g.nodes[w.made[from]].seq
			same := g.numbered(w, uint64(seq))
			if len(same) > 1 {
				ids := g.ids(same)
				slices.SortFunc(ids, delta.ID.Compare)
				forks = append(forks, Fork{Writer: w.id, Seq: uint64(seq), IDs: ids})
			}
			from += len(same)
		}
	}
	slices.SortStableFunc(forks, func(a, b Fork) int { return a.Writer.Compare(b.Writer) })
	return forks
}

// IsTwin reports whether a connected delta has its number together with others.
func (g *Graph) IsTwin(id delta.ID) bool {
	at, there := g.places.find(g.nodes, &id)
	if !there {
		return false
	}
	w := &g.writers[g.nodes[at].writer]
	return w.forked && len(g.numbered(w, uint64(g.nodes[at].seq))) > 1
}

// IsForked reports whether the writer gave one number to several deltas.
func (g *Graph) IsForked(id delta.Writer) bool {
	place, known := g.writerIDs[id]
	return known && g.writers[place].forked
}
