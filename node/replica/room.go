package replica

import (
	"maps"

	"mero/node/delta"
	"mero/node/ident"
)

// room is how many more deltas may wait, in all and per author.
type room struct {
	all   int
	each  map[ident.PublicKey]int
	stuck map[delta.ID]struct{} // what waits for something that may never come
}

// room counts what waits for something that may never come, with what rests on it.
// What waits for a deep roll-back is delayed and never refused (R8).
func (h *history) room() *room {
	r := &room{
		all: maxHeld - h.graph.Pending(), each: maps.Clone(h.graph.PendingByAuthor()), stuck: make(map[delta.ID]struct{}),
	}
	var roots []delta.ID
	for id, w := range h.held {
		if w.kind != waitOrder {
			roots = append(roots, id)
		}
	}
	for _, id := range append(h.graph.Descendants(roots...), roots...) {
		if r.isStuck(id) {
			continue // a root that rests on another
		}
		n, _ := h.graph.Get(id)
		r.all--
		r.each[n.Writer.Author]++
		r.stuck[id] = struct{}{}
	}
	return r
}

func (r *room) isStuck(id delta.ID) bool {
	_, is := r.stuck[id]
	return is
}

func (r *room) take(id delta.ID, author ident.PublicKey) bool {
	if r.all <= 0 || r.each[author] >= maxHeldPerAuthor {
		return false
	}
	r.all--
	r.each[author]++
	r.stuck[id] = struct{}{}
	return true
}
