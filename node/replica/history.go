package replica

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"mero/node/dag"
	"mero/node/delta"
	"mero/node/store"
)

// The kinds of waiting (R4). A reason at rest begins with one of them.
const (
	waitParents  = "parents"
	waitCode     = "code"
	waitKey      = "key"
	waitClock    = "clock"
	waitUpgrade  = "upgrade"
	waitWatchdog = "watchdog"
	waitMemory   = "memory"
	waitOrder    = "order" // a deep roll-back is under way (R8)
)

// Limits of the deltas that wait for something that may never come, and of what
// rests on them (R4). Those that only wait for a deep roll-back are not among them.
const (
	maxHeld          = 4096
	maxHeldPerAuthor = 1024
)

// history is the graph of a context in memory, and what of it waits. It is
// loaded when a delta arrives and belongs to whoever leads the context's queue.
type history struct {
	graph *dag.Graph
	// held are connected deltas that wait for something themselves.
	held map[delta.ID]*wait
	// blocked are held deltas and what rests on them, which are not in the state,
	// each with a held one that it rests on.
	blocked map[delta.ID]delta.ID
	// dirty: blocked is to be made again.
	dirty bool
	// misfits are stored deltas that waited for their parents and, as is known now,
	// break a rule: they are to be dropped.
	misfits []delta.Place
	// waited are the places of what waited when the graph was loaded.
	waited map[delta.ID]delta.Place
	// tried are deltas that this node could not fold, held again or not.
	tried map[delta.ID]*wait
}

// wait is what a delta waits for, since when, and when that is looked at again.
type wait struct {
	kind, words string
	since       time.Time
	tries       int
	next        time.Time
	fresh       bool  // as an earlier process of the node left it
	stranger    error // it is to be dropped
}

// reason is the wait at rest.
func (w *wait) reason() string {
	return fmt.Sprintf("%s: %s; since %s", w.kind, w.words, w.since.UTC().Format(time.RFC3339))
}

// readWait is the inverse of reason, as far as it matters.
func readWait(reason string, now time.Time) *wait {
	w := &wait{since: now, fresh: true}
	w.kind, w.words, _ = strings.Cut(reason, ": ")
	if i := strings.LastIndex(w.words, "; since "); i >= 0 {
		if at, err := time.Parse(time.RFC3339, w.words[i+len("; since "):]); err == nil {
			w.since = at
		}
		w.words = w.words[:i]
	}
	return w
}

// loadHistory reads the graph of a context from the store.
func (s *Set) loadHistory(view *store.View) (*history, error) {
	rec := view.Context()
	h := &history{
		graph: dag.New(rec.Genesis, dag.DefaultLimits()),
		held:  make(map[delta.ID]*wait), blocked: make(map[delta.ID]delta.ID),
		waited: make(map[delta.ID]delta.Place), tried: make(map[delta.ID]*wait),
	}
	now := s.deps.Wall()
	for r, err := range view.Headers(0) {
		if err != nil {
			return nil, err
		}
		if err := h.take(r); err != nil {
			return nil, fmt.Errorf("%w: delta %s: %w", ErrDamagedLog, r.ID, err)
		}
		if r.Fate != store.FateWaiting || !h.knows(r.ID) {
			continue
		}
		if w := readWait(r.Reason, now); w.kind != waitParents {
			h.held[r.ID] = w
			h.dirty = true
		}
	}
	h.settle()
	h.waited = nil
	return h, nil
}

// take puts a stored delta into the graph. One that waited and breaks a rule, now
// that its ancestors are here, is a misfit and no error.
func (h *history) take(r store.DeltaRecord) error {
	header, id, err := delta.HeaderOf(r.Bytes)
	if err != nil {
		return err
	}
	if id != r.ID {
		return errors.New("it is stored under another id")
	}
	added, err := h.graph.Add(dag.NodeOf(id, header))
	for _, refusal := range added.Refused {
		h.misfits = append(h.misfits, h.waited[refusal.ID])
	}
	place := delta.Place{Time: r.Time, ID: r.ID}
	if err != nil && r.Fate == store.FateWaiting {
		h.misfits = append(h.misfits, place)
		return nil
	}
	if r.Fate == store.FateWaiting {
		h.waited[id] = place
	}
	return err
}

// append adds a delta that was made here on the heads.
func (h *history) append(d *delta.Delta) error {
	added, err := h.graph.Add(dag.NodeOf(d.ID(), d.Header()))
	if err != nil {
		return fmt.Errorf("a delta made here does not fit: %w", err)
	}
	if len(added.Connected) == 0 {
		return fmt.Errorf("a delta made here does not fit: %d parents are missing", len(added.Missing))
	}
	return nil
}

// remember takes over what an earlier graph in memory knew of deltas that could not
// be folded here, and tells it what this one has found at rest.
func (h *history) remember(tried map[delta.ID]*wait, now time.Time) {
	for id, w := range h.held {
		if before := tried[id]; before != nil && before.kind == w.kind {
			h.held[id] = before
		} else if isTransient(w.kind) {
			w.putOff(now)
			tried[id] = w
		}
	}
	h.tried = tried
}

// hold makes a connected delta wait, with all that rests on it.
func (h *history) hold(id delta.ID, w *wait) {
	if isTransient(w.kind) {
		now := w.since
		if before := h.tried[id]; before != nil && before.kind == w.kind {
			w.since, w.tries = before.since, before.tries
		}
		w.putOff(now)
		h.tried[id] = w
	}
	h.held[id] = w
	h.blocked[id] = id
	for _, d := range h.graph.Descendants(id) {
		if _, own := h.held[d]; !own {
			h.blocked[d] = id
		}
	}
}

// release ends what a delta waits for; settle must follow.
func (h *history) release(id delta.ID) {
	delete(h.held, id)
	h.dirty = true
}

// settle brings blocked up to date and tells what is not blocked any more, in
// canonical order.
func (h *history) settle() []delta.Place {
	if !h.dirty {
		return nil
	}
	before := h.blocked
	h.blocked, h.dirty = make(map[delta.ID]delta.ID), false
	roots := make([]delta.ID, 0, len(h.held))
	for id := range h.held {
		roots = append(roots, id)
		h.blocked[id] = id
	}
	for _, id := range h.graph.Descendants(roots...) { // parents first
		h.rests(id)
	}
	var free []delta.Place
	for id := range before {
		if _, still := h.blocked[id]; !still {
			free = append(free, h.place(id))
		}
	}
	slices.SortFunc(free, delta.Place.Compare)
	return free
}

// rests reports whether a connected delta rests on one that waits, and gives it a
// place among what is blocked then.
func (h *history) rests(id delta.ID) bool {
	if len(h.blocked) == 0 {
		return false
	}
	if _, ok := h.blocked[id]; ok {
		return true
	}
	n, _ := h.graph.Get(id)
	for _, p := range n.Parents {
		if root, ok := h.blocked[p]; ok {
			h.blocked[id] = root
			return true
		}
	}
	return false
}

func (h *history) isBlocked(id delta.ID) bool {
	_, ok := h.blocked[id]
	return ok
}

func (h *history) knows(id delta.ID) bool { return h.graph.Has(id) || h.graph.IsPending(id) }

func (h *history) place(id delta.ID) delta.Place {
	n, _ := h.graph.Get(id)
	return delta.Place{Time: n.Time, ID: id}
}

// heads are the heads of what is in the state, at most store.MaxHeads of them.
func (h *history) heads() []delta.ID {
	heads := h.graph.Heads()
	if len(h.blocked) > 0 {
		out := make(map[delta.ID]struct{}, len(h.blocked))
		for id := range h.blocked {
			out[id] = struct{}{}
		}
		heads = h.graph.HeadsWithout(out)
	}
	return heads[:min(len(heads), store.MaxHeads)]
}

// waiting is how many deltas wait, for whatever it is.
func (h *history) waiting() uint64 { return uint64(len(h.blocked) + h.graph.Pending()) }

// ancestorOf names a delta that holds back another.
func (h *history) ancestorOf(id delta.ID) (delta.ID, *wait) {
	root := h.blocked[id]
	return root, h.held[root]
}
