package replica_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mero/node/delta"
	"mero/node/replica"
)

// TestAt looks at the state as of every delta, by undo spans, by merged ones with
// folding on from there, and by folding from genesis, against a replica that took the
// deltas one by one.
func TestAt(t *testing.T) {
	h := newQuickHome(t)
	s := newStage(t, h, 9)
	step := newQuickHome(t)
	step.wall = h.wall
	step.installTape()
	c := s.w.join(step)
	type moment struct {
		place delta.Place
		state map[string]string
		root  [32]byte
	}
	var past []moment
	note := func() {
		info := step.info(c)
		view, err := step.store.View(c.Context)
		must(t, err)
		past = append(past, moment{place: view.Context().Last, state: step.state(c), root: info.Root})
		view.Close()
	}
	for _, d := range append(slices.Clone(s.chain), s.grow(700, 0)...) {
		step.receive(c, d.Bytes())
		note()
	}
	s.take(s.chain...)
	for i := len(past) - 1; i >= 0; i -= 1 + i/9 {
		at, err := h.set.At(t.Context(), s.w.context, past[i].place)
		must(t, err)
		got := whole(t, at)
		if at.Context.Last != past[i].place || at.Context.Root != past[i].root || !cmp.Equal(got, past[i].state) {
			t.Errorf("after %d deltas: %v, root %x; want %v, root %x", i, got, at.Context.Root, past[i].state, past[i].root)
		}
		at.Close()
	}
	genesis, err := h.set.At(t.Context(), s.w.context, delta.Place{})
	must(t, err)
	defer genesis.Close()
	if n := len(whole(t, genesis)); n != 0 {
		t.Errorf("before everything: %d keys", n)
	}
	h.verify(s.w.context)
}

// whole reads all of a past state, in pages.
func whole(t *testing.T, p *replica.Past) map[string]string {
	t.Helper()
	out := map[string]string{}
	var after []byte
	for {
		page, err := p.Range(nil, after, 3)
		must(t, err)
		if len(page) == 0 {
			return out
		}
		for _, kv := range page {
			out[string(kv.Key)] = string(kv.Value)
			after = kv.Key
		}
	}
}
