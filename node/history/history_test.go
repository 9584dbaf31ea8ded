package history_test

import (
	"errors"
	"testing"
	"time"

	"mero/node/dag"
	"mero/node/delta"
	"mero/node/history"
	"mero/node/ident"
	"mero/node/members"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// line is a history of n deltas of one writer, each on the one before, and one beside
// them.
func line(t *testing.T, n int) (*history.History, []delta.ID) {
	t.Helper()
	h := history.New(members.Founder{Genesis: delta.ID{1}})
	var ids []delta.ID
	for i := range n {
		ids = append(ids, delta.ID{byte(i + 1)})
		node := dag.Node{ID: ids[i], Writer: delta.Writer{Author: ident.PublicKey{1}}, Seq: uint64(i + 1), Time: delta.Time(i+1) * delta.Tick}
		if i > 0 {
			node.Parents = ids[i-1 : i]
		}
		if _, err := h.Graph.Add(node); err != nil {
			t.Fatal(err)
		}
	}
	return h, ids
}

// TestBackOff: what this node could not fold is tried again, each time after twice as
// long, whatever becomes of the graph in memory.
func TestBackOff(t *testing.T) {
	for kind, want := range map[string]int{history.Watchdog: 2, history.Memory: 5} {
		tried, now := make(map[delta.ID]*history.Wait), noon
		h, ids := line(t, 3)
		h.Remember(tried, now)
		h.Hold(ids[1], &history.Wait{Kind: kind, Since: now})
		tries := 0
		for end := now.Add(10 * time.Minute); now.Before(end); now = now.Add(10 * time.Second) {
			if tries%2 == 1 { // the graph is dropped now and then, and loaded again
				h, _ = line(t, 3)
				h.Held[ids[1]] = &history.Wait{Kind: kind, Since: now}
				h.Remember(tried, now)
			}
			if h.Held[ids[1]].IsDue(now) {
				tries++
				h.Release(ids[1])
				h.Hold(ids[1], &history.Wait{Kind: kind, Since: now})
			}
		}
		if tries != want {
			t.Errorf("%s: %d tries in ten minutes, want %d", kind, tries, want)
		}
		if since := h.Held[ids[1]].Since; since != noon {
			t.Errorf("%s: it waits since %s", kind, since)
		}
	}
}

// TestHoldAndRelease: what rests on a delta that waits is blocked, and what belongs into
// the state is the rest.
func TestHoldAndRelease(t *testing.T) {
	h, ids := line(t, 5)
	h.Hold(ids[3], &history.Wait{Kind: history.Key, Since: noon})
	h.Hold(ids[1], &history.Wait{Kind: history.Order, Since: noon})
	if got := h.Waiting(); got != 4 {
		t.Errorf("%d wait", got)
	}
	if got := h.Heads(); len(got) != 1 || got[0] != ids[0] {
		t.Errorf("heads %v", got)
	}
	wanted := func(late map[delta.ID]struct{}, want int) {
		t.Helper()
		if got := h.Wanted(delta.Place{}, nil, late); len(got) != want {
			t.Errorf("%d are wanted, want %d", len(got), want)
		}
	}
	wanted(nil, 1)
	wanted(map[delta.ID]struct{}{ids[1]: {}}, 3) // a job takes the late one along
	wanted(map[delta.ID]struct{}{ids[3]: {}}, 1) // what lacks its key is not late
	h.Release(ids[1])
	free := h.Settle()
	if len(free) != 2 || free[0].ID != ids[1] || free[1].ID != ids[2] {
		t.Errorf("released are %v", free)
	}
	if root, w := h.AncestorOf(ids[4]); root != ids[3] || w.Kind != history.Key {
		t.Errorf("the last one waits for %s, %+v", root, w)
	}
}

// TestDrop: what is taken out is gone with all that rests on it.
func TestDrop(t *testing.T) {
	h, ids := line(t, 5)
	h.Hold(ids[2], &history.Wait{Kind: history.Key, Since: noon})
	lost := delta.ID{77}
	pending := dag.Node{
		ID: delta.ID{99}, Parents: []delta.ID{ids[3], lost}, Writer: delta.Writer{Author: ident.PublicKey{2}}, Seq: 1, Time: 99 * delta.Tick,
	}
	if _, err := h.Graph.Add(pending); err != nil {
		t.Fatal(err)
	}
	why := errors.New("a test")
	out := h.Drop(why, ids[2])
	if len(out) != 4 || out[0].ID != ids[2] || !errors.Is(out[0].Err, why) || out[3].ID != pending.ID {
		t.Errorf("dropped are %v", out)
	}
	for _, d := range out[1:] {
		if !errors.Is(d.Err, dag.ErrAncestor) {
			t.Errorf("%s is dropped for %v", d.ID, d.Err)
		}
	}
	if h.Waiting() != 0 || h.Graph.Len() != 2 || h.Knows(ids[4]) || h.Knows(pending.ID) {
		t.Errorf("%d wait, %d are left", h.Waiting(), h.Graph.Len())
	}
}

// TestRoom: what waits for a roll-back takes none; all else does, with what rests on it.
func TestRoom(t *testing.T) {
	h, ids := line(t, 4)
	author, who := ident.PublicKey{1}, members.Found(members.Founder{Genesis: delta.ID{1}, Key: ident.PublicKey{1}})
	h.Hold(ids[1], &history.Wait{Kind: history.Order, Since: noon})
	if r := h.Room(who); r.IsStuck(ids[1]) || r.IsStuck(ids[3]) {
		t.Error("what waits for its order takes room")
	}
	h.Hold(ids[2], &history.Wait{Kind: history.Clock, Since: noon})
	r := h.Room(who)
	if r.IsStuck(ids[1]) || !r.IsStuck(ids[2]) || !r.IsStuck(ids[3]) {
		t.Error("what waits for the clock takes none")
	}
	taken := 0
	for r.Take(delta.ID{100, byte(taken), byte(taken >> 8)}, author) {
		taken++
	}
	if taken != 1022 {
		t.Errorf("room for %d more of an author", taken)
	}
	for i := range 1025 { // each of whom is no member
		if r.Take(delta.ID{101, byte(i), byte(i >> 8)}, ident.PublicKey{2, byte(i), byte(i >> 8)}) != (i < 1024) {
			t.Errorf("stranger %d: room is %v", i, i >= 1024)
		}
	}
}

// TestReason: a wait at rest is read again as it was.
func TestReason(t *testing.T) {
	w := history.Wait{Kind: history.Key, Words: "the key of epoch 1: is not here", Since: noon}
	if got, want := w.Reason(), "key: the key of epoch 1: is not here; since 2026-11-25T12:00:00Z"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
