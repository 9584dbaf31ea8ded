package replica_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mero/node/replica"
)

// history is a context on two nodes that wrote at the same time, as the deltas
// that both made.
func concurrent(t *testing.T, app string, rounds int) (*home, replica.Created, *world, [][]byte) {
	t.Helper()
	a, b := newQuickHome(t), newQuickHome(t)
	ca := a.create(app, "{}")
	b.install(app)
	cb := b.join(a, ca)
	w := (&appProbe{t: t}).worldOf(a, ca)
	b.receive(cb, a.log(ca)...)
	for i := range rounds {
		a.ok(ca, "set", kv{fmt.Sprint("k", i%5), fmt.Sprint("a", i)})
		b.ok(cb, "set", kv{fmt.Sprint("k", i%3), fmt.Sprint("b", i)})
		if i%4 == 3 {
			a.receive(ca, b.log(cb)...)
		}
		if i%7 == 6 {
			b.receive(cb, a.log(ca)...)
		}
	}
	a.receive(ca, b.log(cb)...)
	b.receive(cb, a.log(ca)...)
	if diff := cmp.Diff(a.state(ca), b.state(cb)); diff != "" {
		t.Fatalf("two replicas differ: %s", diff)
	}
	if a.info(ca).Root != b.info(cb).Root {
		t.Fatal("two replicas have two roots")
	}
	a.verify(ca.Context)
	b.verify(cb.Context)
	return a, ca, w, a.log(ca)
}

func TestAnyOrderGivesOneState(t *testing.T) {
	a, ca, w, log := concurrent(t, "rawkv", 14)
	want, state := a.info(ca), a.state(ca)
	c := newQuickHome(t)
	c.install("rawkv")
	orders := 40
	for seed := range orders {
		rng := rand.New(rand.NewPCG(1, uint64(seed)))
		cc := w.join(c)
		for _, i := range rng.Perm(len(log)) {
			c.receive(cc, log[i])
		}
		got := c.info(cc)
		if got.Root != want.Root || !cmp.Equal(got.Heads, want.Heads) || got.Deltas != want.Deltas || got.Waiting != 0 {
			t.Fatalf("seed %d: %+v, want %+v", seed, got, want)
		}
		if diff := cmp.Diff(state, c.state(cc)); diff != "" {
			t.Fatalf("seed %d: %s", seed, diff)
		}
		if seed%10 == 0 {
			c.verify(cc.Context)
		}
		_, err := c.set.Delete(t.Context(), cc.Context)
		must(t, err)
	}
}
