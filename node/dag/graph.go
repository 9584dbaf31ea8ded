package dag

import (
	"cmp"
	"fmt"
	"slices"

	"mero/node/delta"
	"mero/node/ident"
)

// index is the place of a connected delta in Graph.nodes. Deltas are connected
// parents first and never taken out, so places do not change.
type index uint32

// none ends a list of edges.
const none = ^uint32(0)

// vertex is a connected delta, without pointers so that the collector skips it.
type vertex struct {
	id         delta.ID
	time       delta.Time
	seq        uint32 // contiguous from 1, so at most the number of deltas
	writer     uint32 // place in Graph.writers
	firstEdge  uint32 // place of its edges in Graph.edges
	firstChild uint32 // first edge of which it is the parent, or none
	label      uint32 // of the caller
	parents    uint16 // number of its edges
}

// edge leads from a child to one of its parents.
type edge struct {
	parent, child index
	next          uint32 // next edge with the same parent, or none
}

// Graph is the causal graph of one context. Make one with New.
type Graph struct {
	genesis delta.ID
	nodes   []vertex
	edges   []edge
	places  table
	order   []index // by time, then id
	heads   []index // no connected child; by id

	writers   []writer
	writerIDs map[delta.Writer]uint32

	pending pending
}

// New makes an empty graph of the context that begins with this genesis.
func New(genesis delta.ID, limits Limits) *Graph {
	return &Graph{
		genesis:   genesis,
		places:    newTable(),
		writerIDs: map[delta.Writer]uint32{},
		pending:   newPending(limits),
	}
}

// Add takes a verified delta, in any order. An error means that this delta was not
// taken, and wraps one of the sentinels of the package; what Added reports of other
// deltas holds then too. n.Parents is kept only while the delta is pending.
func (g *Graph) Add(n Node) (Added, error) {
	if g.Has(n.ID) || g.pending.has(n.ID) {
		return Added{Duplicate: true}, nil
	}
	var done Added
	err := n.check(g.genesis)
	if err == nil {
		if absent := g.absent(n.Parents); len(absent) > 0 {
			done.Missing, err = g.wait(n, absent)
			if err == nil {
				return done, nil
			}
			return done, fmt.Errorf("delta %s: %w", n.ID, err)
		}
		err = g.connect(&n)
	}
	first := len(g.nodes)
	if err != nil {
		err = fmt.Errorf("delta %s: %w", n.ID, err)
		done.Refused = g.refuse(n.ID)
	} else {
		first--
		done.Refused = g.cascade(n.ID)
	}
	done.Connected = g.settle(index(first))
	return done, err
}

// absent are the parents that are not connected.
func (g *Graph) absent(parents []delta.ID) []delta.ID {
	var absent []delta.ID
	for _, p := range parents {
		if !g.Has(p) {
			absent = append(absent, p)
		}
	}
	return absent
}

// wait makes n pending, and tells which of its parents nobody has brought yet.
func (g *Graph) wait(n Node, absent []delta.ID) ([]delta.ID, error) {
	if err := g.pending.add(n, absent); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(absent, g.pending.has), nil
}

// cascade connects what waited for id, and what waited for that, and so on. It
// gives what turned out to break a rule.
func (g *Graph) cascade(id delta.ID) []Refusal {
	var refused []Refusal
	for work := []delta.ID{id}; len(work) > 0; {
		parent := work[len(work)-1]
		work = work[:len(work)-1]
		for _, n := range g.pending.ready(parent) {
			if err := g.connect(&n); err != nil {
				refused = append(refused, Refusal{n.ID, fmt.Errorf("delta %s: %w", n.ID, err)})
				refused = append(refused, g.refuse(n.ID)...)
				continue
			}
			work = append(work, n.ID)
		}
	}
	return refused
}

// refuse drops all pending descendants of a delta that was refused.
func (g *Graph) refuse(id delta.ID) []Refusal {
	var refused []Refusal
	for work := []delta.ID{id}; len(work) > 0; {
		parent := work[len(work)-1]
		work = work[:len(work)-1]
		for _, child := range g.pending.children(parent) {
			g.pending.remove(child)
			refused = append(refused, Refusal{child, fmt.Errorf("delta %s: %w: %s", child, ErrAncestor, id)})
			work = append(work, child)
		}
	}
	return refused
}

// connect appends a delta whose parents are all connected, or says which rule it
// breaks. The canonical order is brought up to date by settle.
func (g *Graph) connect(n *Node) error {
	parents := make([]index, 0, 4)
	for _, id := range n.Parents {
		p, _ := g.places.find(g.nodes, &id)
		if g.nodes[p].time >= n.Time {
			return fmt.Errorf("%w: %d, parent %s has %d", ErrTime, uint64(n.Time), id, uint64(g.nodes[p].time))
		}
		parents = append(parents, p)
	}
	next, err := g.succeed(n, parents)
	if err != nil {
		return err
	}
	at := index(len(g.nodes))
	v := vertex{
		id: n.ID, time: n.Time, seq: uint32(n.Seq), writer: next.writer,
		firstEdge: uint32(len(g.edges)), firstChild: none, parents: uint16(len(parents)),
	}
	for _, p := range parents {
		if g.nodes[p].firstChild == none {
			g.removeHead(p)
		}
		g.edges = append(g.edges, edge{parent: p, child: at, next: g.nodes[p].firstChild})
		g.nodes[p].firstChild = uint32(len(g.edges) - 1)
	}
	g.nodes = append(g.nodes, v)
	g.places.enter(g.nodes)
	g.addHead(at)
	g.advance(at, next)
	return nil
}

// compare is the canonical order (R8).
func (g *Graph) compare(a, b index) int {
	// As delta.Place.Compare, without copying ids.
	if c := cmp.Compare(g.nodes[a].time, g.nodes[b].time); c != 0 {
		return c
	}
	return g.nodes[a].id.Compare(g.nodes[b].id)
}

// settle puts the deltas from place first on into the canonical order, and gives
// their ids in that order.
func (g *Graph) settle(first index) []delta.ID {
	count := len(g.nodes) - int(first)
	if count == 0 {
		return nil
	}
	fresh := make([]index, count)
	for i := range fresh {
		fresh[i] = first + index(i)
	}
	slices.SortFunc(fresh, g.compare)
	ids := make([]delta.ID, count)
	for i, at := range fresh {
		ids[i] = g.nodes[at].id
	}
	// Merge from the back, so that only what is later than the earliest new delta
	// moves: usually nothing, and else in one go between two new ones.
	end := len(g.order)
	g.order = append(g.order, fresh...)
	for ; count > 0; count-- {
		last, at := fresh[count-1], end
		if end > 0 && g.compare(g.order[end-1], last) > 0 {
			at, _ = slices.BinarySearchFunc(g.order[:end], last, g.compare)
		}
		copy(g.order[at+count:], g.order[at:end])
		g.order[at+count-1], end = last, at
	}
	return ids
}

func (g *Graph) headPlace(at index) (int, bool) {
	return slices.BinarySearchFunc(g.heads, at, func(a, b index) int { return g.nodes[a].id.Compare(g.nodes[b].id) })
}

func (g *Graph) addHead(at index) {
	i, _ := g.headPlace(at)
	g.heads = slices.Insert(g.heads, i, at)
}

func (g *Graph) removeHead(at index) {
	if i, found := g.headPlace(at); found {
		g.heads = slices.Delete(g.heads, i, i+1)
	}
}

// Has reports whether the delta is connected.
func (g *Graph) Has(id delta.ID) bool {
	_, there := g.places.find(g.nodes, &id)
	return there
}

// Len is the number of connected deltas.
func (g *Graph) Len() int { return len(g.nodes) }

// Heads are the connected deltas without a connected child, ascending by id.
func (g *Graph) Heads() []delta.ID { return g.ids(g.heads) }

// HeadsWithout are the heads, ascending by id, that the graph would have without some
// deltas: those that wait (R4), and that a new delta must not rest on. The descendants
// of each must be among them; ids that are not connected are passed over. It costs what
// these deltas have of parents, and the heads.
func (g *Graph) HeadsWithout(out map[delta.ID]struct{}) []delta.ID {
	isOut := func(at index) bool {
		_, is := out[g.nodes[at].id]
		return is
	}
	heads := slices.DeleteFunc(slices.Clone(g.heads), isOut)
	for id := range out {
		at, there := g.places.find(g.nodes, &id)
		if !there {
			continue
		}
		for _, e := range g.parentEdges(at) {
			// Once for each parent: when it comes with the first of its children.
			if g.edges[g.nodes[e.parent].firstChild].child == at && !isOut(e.parent) && g.onlyChildren(e.parent, isOut) {
				heads = append(heads, e.parent)
			}
		}
	}
	ids := g.ids(heads)
	slices.SortFunc(ids, delta.ID.Compare)
	return ids
}

// onlyChildren reports whether all children of a delta are of some kind.
func (g *Graph) onlyChildren(of index, kind func(index) bool) bool {
	for e := g.nodes[of].firstChild; e != none; e = g.edges[e].next {
		if !kind(g.edges[e].child) {
			return false
		}
	}
	return true
}

// Get is a connected delta.
func (g *Graph) Get(id delta.ID) (Node, bool) {
	at, there := g.places.find(g.nodes, &id)
	if !there {
		return Node{}, false
	}
	v := &g.nodes[at]
	n := Node{ID: id, Writer: g.writers[v.writer].id, Seq: uint64(v.seq), Time: v.time}
	for _, e := range g.parentEdges(at) {
		n.Parents = append(n.Parents, g.nodes[e.parent].id)
	}
	return n, true
}

// IsPending reports whether the delta waits for ancestors.
func (g *Graph) IsPending(id delta.ID) bool { return g.pending.has(id) }

// Pending is the number of deltas that wait for ancestors.
func (g *Graph) Pending() int { return len(g.pending.nodes) }

// PendingByAuthor is Pending by author. It is not to be changed, and holds until the
// next change of the graph.
func (g *Graph) PendingByAuthor() map[ident.PublicKey]int { return g.pending.authors }

// Refuse drops the pending deltas that rest on one that the caller has refused for
// reasons of its own.
func (g *Graph) Refuse(id delta.ID) []Refusal { return g.refuse(id) }

// Without makes the graph that there would be if some connected deltas and their
// descendants had never come. Pending deltas that rest on them are dropped, and
// reported. It costs as much as making the graph did.
func (g *Graph) Without(out map[delta.ID]struct{}) (*Graph, []Refusal) {
	rest := New(g.genesis, g.pending.limits)
	for _, at := range g.order { // parents first
		n, _ := g.Get(g.nodes[at].id)
		if _, is := out[n.ID]; !is {
			_, _ = rest.Add(n) // it depends on what it has in its past, which is here
			rest.SetLabel(n.ID, g.nodes[at].label)
		}
	}
	for _, w := range g.pending.nodes {
		_, _ = rest.Add(w.node) // it is as it was, or waits for one that is out
	}
	var refused []Refusal
	for id := range out {
		refused = append(refused, rest.refuse(id)...)
	}
	return rest, refused
}

// Forget drops a pending delta; what waits for it goes on waiting. It reports
// whether there was one.
func (g *Graph) Forget(id delta.ID) bool {
	if !g.pending.has(id) {
		return false
	}
	g.pending.remove(id)
	return true
}

// Missing are the deltas that pending ones name as parents and that nobody has
// brought, ascending.
func (g *Graph) Missing() []delta.ID { return g.pending.missing() }

func (g *Graph) ids(places []index) []delta.ID {
	ids := make([]delta.ID, len(places))
	for i, at := range places {
		ids[i] = g.nodes[at].id
	}
	return ids
}

func (g *Graph) parentEdges(at index) []edge {
	v := &g.nodes[at]
	return g.edges[v.firstEdge : v.firstEdge+uint32(v.parents)]
}

// authorOf is who a pending delta counts for.
func authorOf(n *Node) ident.PublicKey { return n.Writer.Author }
