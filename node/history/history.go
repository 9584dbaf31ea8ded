package history

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"mero/node/dag"
	"mero/node/delta"
	"mero/node/ident"
	"mero/node/members"
	"mero/node/store"
)

// ErrDamaged says that a stored delta cannot be read, so that state cannot be folded
// from it.
var ErrDamaged = errors.New("the log of deltas is damaged")

// History is the graph of a context in memory, and what of it waits. It is for one
// goroutine.
type History struct {
	Graph *dag.Graph
	// Held are connected deltas that wait for something themselves. Hold and Release
	// change it.
	Held map[delta.ID]*Wait
	// Blocked are held deltas and what rests on them, which are not in the state,
	// each with a held one that it rests on. It is to be read only.
	Blocked map[delta.ID]delta.ID
	// Misfits are stored deltas that waited for their parents and, as is known now,
	// break a rule: they are to be dropped.
	Misfits []delta.Place
	// Tried are deltas that this node could not fold, held again or not.
	Tried map[delta.ID]*Wait
	// Log has the views of the membership that occur. Label, in the graph, is the view at
	// a delta, once that was judged.
	Log *members.Log

	dirty  bool                     // Blocked is to be made again
	waited map[delta.ID]delta.Place // the places of what waited, while the graph is loaded
	// members are member deltas that were folded, while the graph is loaded.
	members map[delta.ID]bool
}

// New is the history of a context of which nothing is known yet but its founder.
func New(founder members.Founder) *History {
	return &History{
		Graph: dag.New(founder.Genesis, dag.DefaultLimits()), Log: members.New(founder),
		Held: make(map[delta.ID]*Wait), Blocked: make(map[delta.ID]delta.ID), Tried: make(map[delta.ID]*Wait),
		waited: make(map[delta.ID]delta.Place), members: make(map[delta.ID]bool),
	}
}

// Load reads the history of a context from the store.
func Load(view *store.View, now time.Time) (*History, error) {
	founder, err := FounderOf(view)
	if err != nil {
		return nil, err
	}
	h := New(founder)
	for r, err := range view.Headers(0) {
		if err != nil {
			return nil, err
		}
		if err := h.take(r); err != nil {
			return nil, fmt.Errorf("%w: delta %s: %w", ErrDamaged, r.ID, err)
		}
		h.Recall(r, now)
	}
	h.Settle()
	h.waited = nil
	return h, h.labelAll(view)
}

// Recall notes what a stored delta waits for, if it is for something of its own;
// Settle must follow.
func (h *History) Recall(r store.DeltaRecord, now time.Time) {
	if r.Fate != store.FateWaiting || !h.Knows(r.ID) {
		return
	}
	if w := readWait(r.Reason, now); w.Kind != Parents {
		h.Held[r.ID], h.dirty = w, true
	}
}

// take puts a stored delta into the graph. One that waited and breaks a rule, now
// that its ancestors are here, is a misfit and no error.
func (h *History) take(r store.DeltaRecord) error {
	header, id, err := delta.HeaderOf(r.Bytes)
	if err != nil {
		return err
	}
	if id != r.ID {
		return errors.New("it is stored under another id")
	}
	added, err := h.Add(id, header)
	for _, refusal := range added.Refused {
		h.Misfits = append(h.Misfits, h.waited[refusal.ID])
	}
	place := delta.Place{Time: r.Time, ID: r.ID}
	if err != nil && r.Fate == store.FateWaiting {
		h.Misfits = append(h.Misfits, place)
		return nil
	}
	if r.Fate == store.FateWaiting {
		h.waited[id] = place
	}
	if r.Fate == store.FateFolded && header.Kind == delta.KindMember {
		h.members[id] = true
	}
	return err
}

// Append adds a delta that was made here on the heads, with what it makes of the
// membership at its cut.
func (h *History) Append(d *delta.Delta, change members.Change) error {
	added, err := h.Add(d.ID(), d.Header())
	if err != nil {
		return fmt.Errorf("a delta made here does not fit: %w", err)
	}
	if len(added.Connected) == 0 {
		return fmt.Errorf("a delta made here does not fit: %d parents are missing", len(added.Missing))
	}
	cut, _, err := h.CutOf(d.ID())
	h.Judged(d.ID(), cut, change)
	return err
}

// Remember takes over what an earlier graph in memory knew of deltas that could not
// be folded here, and tells it what this one has found at rest.
func (h *History) Remember(tried map[delta.ID]*Wait, now time.Time) {
	for id, w := range h.Held {
		if before := tried[id]; before != nil && before.Kind == w.Kind {
			h.Held[id] = before
		} else if IsTransient(w.Kind) {
			w.putOff(now)
			tried[id] = w
		}
	}
	h.Tried = tried
}

// Hold makes a connected delta wait, with all that rests on it.
func (h *History) Hold(id delta.ID, w *Wait) {
	if IsTransient(w.Kind) {
		now := w.Since
		if before := h.Tried[id]; before != nil && before.Kind == w.Kind {
			w.Since, w.tries = before.Since, before.tries
		}
		w.putOff(now)
		h.Tried[id] = w
	}
	h.Held[id] = w
	h.Blocked[id] = id
	for _, d := range h.Graph.Descendants(id) {
		if _, own := h.Held[d]; !own {
			h.Blocked[d] = id
		}
	}
}

// Release ends what a delta waits for; settle must follow.
func (h *History) Release(id delta.ID) {
	delete(h.Held, id)
	h.dirty = true
}

// Add takes a verified delta, in any order.
func (h *History) Add(id delta.ID, header delta.Header) (dag.Added, error) {
	return h.Graph.Add(dag.NodeOf(id, header))
}

// Dropped is a delta that was taken out of a history, or never came into it, and why.
type Dropped struct {
	ID     delta.ID
	Author ident.PublicKey // zero: not known
	Err    error
}

// Drop takes connected deltas out for some reason, as if they and what rests on them
// had never come. It gives all that went, what waited for its parents last.
func (h *History) Drop(because error, ids ...delta.ID) (out []Dropped) {
	gone := make(map[delta.ID]struct{})
	for i, id := range append(slices.Clone(ids), h.Graph.Descendants(ids...)...) {
		if _, is := gone[id]; is {
			continue
		}
		gone[id] = struct{}{}
		n, _ := h.Graph.Get(id)
		err := because
		if i >= len(ids) {
			err = dag.ErrAncestor
		}
		out = append(out, Dropped{ID: id, Author: n.Writer.Author, Err: err})
		delete(h.Held, id)
		delete(h.Blocked, id)
		delete(h.Tried, id)
	}
	graph, pending := h.Graph.Without(gone)
	for _, r := range pending {
		out = append(out, Dropped{ID: r.ID, Err: r.Err})
	}
	h.Graph, h.dirty = graph, true
	h.Settle()
	return out
}

// Settle brings blocked up to date and tells what is not blocked any more, in
// canonical order.
func (h *History) Settle() []delta.Place {
	if !h.dirty {
		return nil
	}
	before := h.Blocked
	h.Blocked, h.dirty = make(map[delta.ID]delta.ID), false
	roots := make([]delta.ID, 0, len(h.Held))
	for id := range h.Held {
		roots = append(roots, id)
		h.Blocked[id] = id
	}
	for _, id := range h.Graph.Descendants(roots...) { // parents first
		h.Rests(id)
	}
	var free []delta.Place
	for id := range before {
		if _, still := h.Blocked[id]; !still {
			free = append(free, h.Place(id))
		}
	}
	slices.SortFunc(free, delta.Place.Compare)
	return free
}

// Rests reports whether a connected delta rests on one that waits, and gives it a
// Place among what is blocked then.
func (h *History) Rests(id delta.ID) bool {
	if len(h.Blocked) == 0 {
		return false
	}
	if _, ok := h.Blocked[id]; ok {
		return true
	}
	n, _ := h.Graph.Get(id)
	for _, p := range n.Parents {
		if root, ok := h.Blocked[p]; ok {
			h.Blocked[id] = root
			return true
		}
	}
	return false
}

// IsBlocked reports whether a connected delta waits, or rests on one that does.
func (h *History) IsBlocked(id delta.ID) bool {
	_, ok := h.Blocked[id]
	return ok
}

// Knows reports whether a delta came, connected or not.
func (h *History) Knows(id delta.ID) bool { return h.Graph.Has(id) || h.Graph.IsPending(id) }

// Place is that of a connected delta.
func (h *History) Place(id delta.ID) delta.Place {
	n, _ := h.Graph.Get(id)
	return delta.Place{Time: n.Time, ID: id}
}

// Heads are the heads of what is in the state, at most store.MaxHeads of them.
func (h *History) Heads() []delta.ID {
	heads := h.heads()
	return heads[:min(len(heads), store.MaxHeads)]
}

func (h *History) heads() []delta.ID {
	heads := h.Graph.Heads()
	if len(h.Blocked) > 0 {
		out := make(map[delta.ID]struct{}, len(h.Blocked))
		for id := range h.Blocked {
			out[id] = struct{}{}
		}
		heads = h.Graph.HeadsWithout(out)
	}
	return heads
}

// Waiting is how many deltas wait, for whatever it is.
func (h *History) Waiting() uint64 { return uint64(len(h.Blocked) + h.Graph.Pending()) }

// AncestorOf names a delta that holds back another.
func (h *History) AncestorOf(id delta.ID) (delta.ID, *Wait) {
	root := h.Blocked[id]
	return root, h.Held[root]
}

// Wanted are the deltas after a place that belong into the state, in canonical
// order, without what a job had to leave out; of those that wait for a roll-back only
// the late ones that are given.
func (h *History) Wanted(from delta.Place, out map[delta.ID]*Wait, late map[delta.ID]struct{}) (list []delta.ID) {
	var roots []delta.ID
	for id, w := range h.Held {
		if _, taken := late[id]; !taken || w.Kind != Order {
			roots = append(roots, id)
		}
	}
	for id := range out {
		roots = append(roots, id)
	}
	skip := make(map[delta.ID]struct{}, len(roots))
	for _, id := range append(h.Graph.Descendants(roots...), roots...) {
		skip[id] = struct{}{}
	}
	for id := range h.Graph.From(from) {
		if _, waits := skip[id]; id != from.ID && !waits {
			list = append(list, id)
		}
	}
	return list
}
