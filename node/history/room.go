package history

import (
	"mero/node/delta"
	"mero/node/ident"
	"mero/node/members"
)

// Limits of the deltas that wait for something that may never come, and of what
// Rests on them (R4). Those that only wait for a deep roll-back are not among them.
const (
	maxHeld          = 4096
	maxHeldPerAuthor = 1024
)

// Room is how many more deltas may wait, in all and per author. Whoever is no member has
// room together with all others who are none: keys cost nothing, and one member could
// take all places in the names of four.
type Room struct {
	all   int
	each  map[ident.PublicKey]int
	stuck map[delta.ID]struct{} // what waits for something that may never come
	who   *members.View
}

// Room counts what waits for something that may never come, with what rests on it.
// What waits for a deep roll-back is delayed and never refused (R8). who is the
// membership as of the state.
func (h *History) Room(who *members.View) *Room {
	r := &Room{
		all: maxHeld - h.Graph.Pending(), each: make(map[ident.PublicKey]int), stuck: make(map[delta.ID]struct{}), who: who,
	}
	for author, n := range h.Graph.PendingByAuthor() {
		r.each[r.of(author)] += n
	}
	var roots []delta.ID
	for id, w := range h.Held {
		if w.Kind != Order {
			roots = append(roots, id)
		}
	}
	for _, id := range append(h.Graph.Descendants(roots...), roots...) {
		if r.IsStuck(id) {
			continue // a root that rests on another
		}
		n, _ := h.Graph.Get(id)
		r.all--
		r.each[r.of(n.Writer.Author)]++
		r.stuck[id] = struct{}{}
	}
	return r
}

// of is by whom an author is counted.
func (r *Room) of(author ident.PublicKey) ident.PublicKey {
	if r.who.IsMember(author) {
		return author
	}
	return ident.PublicKey{}
}

// IsStuck reports whether a delta waits for something that may never come.
func (r *Room) IsStuck(id delta.ID) bool {
	_, is := r.stuck[id]
	return is
}

// Take gives room to a delta that will wait for such; false when there is none.
func (r *Room) Take(id delta.ID, author ident.PublicKey) bool {
	author = r.of(author)
	if r.all <= 0 || r.each[author] >= maxHeldPerAuthor {
		return false
	}
	r.all--
	r.each[author]++
	r.stuck[id] = struct{}{}
	return true
}
