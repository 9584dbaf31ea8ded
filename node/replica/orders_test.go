package replica_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mero/node/delta"
	"mero/node/replica"
)

// TestOrders hands the same deltas of three authors to replicas in 1 000 orders, in
// batches of any size, some of them doubly: one root, one state, one set of fates
// (F18). MERO_ORDERS sets how many orders; the long form is 100 000.
func TestOrders(t *testing.T) {
	n := times(t, "MERO_ORDERS", 1000)
	h := newQuickHome(t)
	h.wall = func() time.Time { return base.Add(time.Minute) }
	_, app := tapeModule(t, h)
	rng := rand.New(rand.NewPCG(18, 18))
	w := newWorld(t, app, 1<<30)
	deltas := threeAuthors(w, rng)

	var (
		root  [32]byte
		state map[string]string
		fates map[delta.ID]string
	)
	for order := range n {
		c := w.join(h)
		deliver(h, c, rng, deltas, order == 0)
		got := make(map[delta.ID]string)
		for id, r := range h.fates(c) {
			got[id] = r.Fate.String() + " " + r.Reason
		}
		info := h.info(c)
		if order == 0 {
			root, state, fates = info.Root, h.state(c), got
			h.verify(c.Context)
		}
		if d := cmp.Diff(fates, got); d != "" || info.Root != root {
			t.Fatalf("order %d: root %x, in order it is %x; fates: %s\nstate: %s", order, info.Root, root, d, cmp.Diff(state, h.state(c)))
		}
		if order%100 == 0 {
			if d := cmp.Diff(state, h.state(c)); d != "" {
				t.Fatalf("order %d: one root and two states: %s", order, d)
			}
		}
		w.leave(h)
	}
	t.Logf("%d orders of %d deltas", n, len(deltas))
}

// threeAuthors is what three members write who hear of each other now and then. Some
// of it is void.
func threeAuthors(w *world, rng *rand.Rand) []*delta.Delta {
	authors := []*author{w.creator, newAuthor(rng), newAuthor(rng)}
	out := []*delta.Delta{w.write(w.creator, 1, tape("saa"))}
	for i := range 12 {
		a := authors[rng.IntN(len(authors))]
		parents := []*delta.Delta{out[0]}
		if i%4 == 3 {
			parents = append(parents, out[len(out)-1])
		}
		ops := string([]byte{"aasdmipcx"[rng.IntN(9)], "abc"[rng.IntN(3)], "abc"[rng.IntN(3)]})
		out = append(out, w.write(a, 1+rng.Uint64N(3), tape(ops, "aab"), parents...))
	}
	return out
}

// deliver hands all deltas in, in a random order unless told otherwise.
func deliver(h *home, c replica.Created, rng *rand.Rand, deltas []*delta.Delta, inOrder bool) {
	order := rng.Perm(len(deltas))
	if inOrder {
		for i := range order {
			order[i] = i
		}
	}
	for len(order) > 0 {
		k := 1 + rng.IntN(min(3, len(order)))
		var batch [][]byte
		for _, i := range order[:k] {
			batch = append(batch, deltas[i].Bytes())
		}
		if rng.IntN(8) == 0 {
			batch = append(batch, deltas[rng.IntN(len(deltas))].Bytes())
		}
		h.receive(c, batch...)
		order = order[k:]
	}
}
