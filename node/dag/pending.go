package dag

import (
	"fmt"
	"slices"

	"mero/node/delta"
	"mero/node/ident"
)

// pending holds the deltas whose ancestors are missing, and who waits for whom.
type pending struct {
	limits  Limits
	nodes   map[delta.ID]*waiting
	waiters map[delta.ID][]delta.ID // absent parent → pending children; each child once
	authors map[ident.PublicKey]int
	parents int
}

type waiting struct {
	node   Node
	absent int // parents that are not connected
}

func newPending(limits Limits) pending {
	return pending{
		limits:  limits,
		nodes:   map[delta.ID]*waiting{},
		waiters: map[delta.ID][]delta.ID{},
		authors: map[ident.PublicKey]int{},
	}
}

func (p *pending) has(id delta.ID) bool {
	_, there := p.nodes[id]
	return there
}

// add takes a node that waits for the absent parents, if there is room.
func (p *pending) add(n Node, absent []delta.ID) error {
	author := authorOf(&n)
	switch {
	case len(p.nodes) >= p.limits.Pending:
		return fmt.Errorf("%w: %d in all", ErrPendingFull, len(p.nodes))
	case p.authors[author] >= p.limits.PerAuthor:
		return fmt.Errorf("%w: %d of %s", ErrPendingFull, p.authors[author], author)
	case p.parents+len(n.Parents) > p.limits.Parents:
		return fmt.Errorf("%w: with %d parents", ErrPendingFull, p.parents)
	}
	p.nodes[n.ID] = &waiting{node: n, absent: len(absent)}
	p.authors[author]++
	p.parents += len(n.Parents)
	for _, id := range absent {
		p.waiters[id] = append(p.waiters[id], n.ID)
	}
	return nil
}

// ready takes out the nodes that waited for nothing but the delta that has now been
// connected.
func (p *pending) ready(connected delta.ID) []Node {
	children := p.waiters[connected]
	delete(p.waiters, connected)
	var ready []Node
	for _, id := range children {
		w := p.nodes[id]
		if w.absent--; w.absent == 0 {
			p.drop(w)
			ready = append(ready, w.node)
		}
	}
	return ready
}

// children are the nodes that wait for an absent delta.
func (p *pending) children(id delta.ID) []delta.ID { return slices.Clone(p.waiters[id]) }

// remove drops a node that is still waiting. Of its parents only the absent ones
// have it among their waiters.
func (p *pending) remove(id delta.ID) {
	w := p.nodes[id]
	if w == nil {
		return
	}
	p.drop(w)
	for _, parent := range w.node.Parents {
		left := slices.DeleteFunc(p.waiters[parent], func(child delta.ID) bool { return child == id })
		if len(left) == 0 {
			delete(p.waiters, parent)
			continue
		}
		p.waiters[parent] = left
	}
}

func (p *pending) drop(w *waiting) {
	delete(p.nodes, w.node.ID)
	p.parents -= len(w.node.Parents)
	author := authorOf(&w.node)
	if p.authors[author]--; p.authors[author] == 0 {
		delete(p.authors, author)
	}
}

func (p *pending) missing() []delta.ID {
	ids := make([]delta.ID, 0, len(p.waiters))
	for id := range p.waiters {
		if !p.has(id) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, delta.ID.Compare)
	return ids
}
