package replica_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"mero/node/delta"
	"mero/node/history"
	"mero/node/ident"
	"mero/node/replica"
)

// known is Known, and must be what Get says.
func (h *home) known(c replica.Created) replica.Known {
	h.t.Helper()
	known, err := h.set.Known(h.t.Context(), c.Context)
	must(h.t, err)
	info := h.info(c)
	if !slices.Equal(known.Heads, info.Heads) || known.Root != info.Root || known.Waiting != info.Waiting {
		h.t.Fatalf("known are %d waiting on %v with root %x, want %d on %v with %x", known.Waiting, known.Heads, known.Root, info.Waiting, info.Heads, info.Root)
	}
	return known
}

// lacking reads all pages of what a replica with a vector lacks, and holds that each is
// of the size that was asked for.
func (h *home) lacking(c replica.Created, theirs []replica.Tip, maxBytes int) (all [][]byte) {
	h.t.Helper()
	var after delta.Place
	for more := true; more; {
		page, last, rest, err := h.set.Lacking(h.t.Context(), c.Context, theirs, after, maxBytes)
		must(h.t, err)
		bytes := 0
		for _, raw := range page {
			place := opened(h.t, raw).Place()
			if place.Compare(after) <= 0 {
				h.t.Fatalf("%v comes after %v", place, after)
			}
			after = place
			bytes += len(raw)
		}
		if last != after || bytes > maxBytes && len(page) > 1 || rest && len(page) == 0 {
			h.t.Fatalf("a page of %d with %d bytes up to %v, says %v, more: %v", len(page), bytes, after, last, rest)
		}
		more, all = rest, append(all, page...)
	}
	return all
}

// exchange compares vectors and sends what is lacking until nothing comes any more.
func exchange(a, b *home, ca, cb replica.Created, rng *rand.Rand) (rounds int) {
	a.t.Helper()
	for ; ; rounds++ {
		ka, kb := a.known(ca), b.known(cb)
		maxBytes := 1 + rng.IntN(3000)
		toB, toA := a.lacking(ca, kb.Tips, maxBytes), b.lacking(cb, ka.Tips, maxBytes)
		fresh := b.receiveAny(cb, toB).New + a.receiveAny(ca, toA).New
		for _, side := range []struct {
			from, to *home
			f, t     replica.Created
			missing  []delta.ID
		}{{a, b, ca, cb, kb.Missing}, {b, a, cb, ca, ka.Missing}} {
			wanted, err := side.from.set.Envelopes(a.t.Context(), side.f.Context, side.missing, 1<<20)
			must(a.t, err)
			fresh += side.to.receiveAny(side.t, wanted).New
		}
		if fresh == 0 {
			return rounds
		}
	}
}

// receiveAny is receive of deltas that may be none, verified before or not.
func (h *home) receiveAny(c replica.Created, list [][]byte) *replica.Received {
	h.t.Helper()
	if len(list)%2 == 0 {
		return h.receive(c, list...)
	}
	var parcels []replica.Parcel
	for _, raw := range list {
		p, err := replica.Open(c.Context, raw)
		must(h.t, err)
		parcels = append(parcels, p)
	}
	got, err := h.set.ReceiveOpened(h.t.Context(), c.Context, parcels)
	must(h.t, err)
	return got
}

// TestExchange: two replicas got parts of a history by several writers, some of them
// copied, and more than they could connect. They exchange until nothing comes any more,
// and hold the same then.
func TestExchange(t *testing.T) {
	a, b := newQuickHome(t), newQuickHome(t)
	app := a.installTape()
	b.installTape()
	a.wall, b.wall = noon, noon
	most, waited := 0, uint64(0)
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 71))
		w := newWorld(t, app, 1<<20)
		ca, cb := w.join(a), w.join(b)
		writers := writersOf(w, 1+rng.IntN(3))
		all := []*delta.Delta{w.genesis}
		copies := rng.IntN(2) == 0
		for i := range 10 + rng.IntN(30) {
			who := writers[rng.IntN(len(writers))]
			if copies && rng.IntN(4) == 0 { // a copy of a node, from now on or for once
				twin := *who
				if writers = append(writers, &twin); rng.IntN(2) == 0 {
					writers = writers[1:]
				}
			}
			var on []*delta.Delta
			for range rng.IntN(3) {
				p := all[max(0, len(all)-1-rng.IntN(6))]
				if slices.ContainsFunc(writers, func(a *author) bool { return a.last == p }) {
					on = append(on, p)
				}
			}
			if copies {
				on = nil // two branches in one past may break rules, which other tests are about
			}
			all = append(all, w.write(who, uint64(1+rng.IntN(3)), tape("S"+fmt.Sprintf("k%d", i%10)), on...))
		}
		for _, d := range all[1:] {
			if rng.IntN(3) > 0 {
				a.receive(ca, d.Bytes())
			}
			if rng.IntN(3) > 0 {
				b.receive(cb, d.Bytes())
			}
		}
		waited += a.info(ca).Waiting + b.info(cb).Waiting
		most = max(most, exchange(a, b, ca, cb, rng))
		ka, kb := a.known(ca), b.known(cb)
		if diff := cmp.Diff(ka, kb); diff != "" && ka.Waiting+kb.Waiting == 0 {
			t.Fatalf("seed %d: two replicas know different things:\n%s", seed, diff)
		}
		if diff := cmp.Diff(ka.Tips, kb.Tips); diff != "" {
			t.Fatalf("seed %d: two vectors:\n%s", seed, diff)
		}
		a.set.Deepen(t.Context())
		b.set.Deepen(t.Context())
		if diff := cmp.Diff(a.state(ca), b.state(cb)); diff != "" || a.info(ca).Root != b.info(cb).Root {
			t.Fatalf("seed %d: two states:\n%s", seed, diff)
		}
		w.leave(a)
		w.leave(b)
	}
	t.Logf("at most %d rounds; %d deltas waited before", most, waited)
	if waited < 100 || most < 2 {
		t.Errorf("%d deltas waited, at most %d rounds: the test tests too little", waited, most)
	}
}

// TestEnvelopes: in the order of the ids, without what is not here, as many as fit.
func TestEnvelopes(t *testing.T) {
	h := newQuickHome(t)
	w := newWorld(t, h.installTape(), 1<<20)
	h.wall = noon
	c := w.join(h)
	first := w.write(w.creator, 1, tape("Sa1"))
	missed := w.write(w.creator, 1, tape("Sb1"))
	waits := w.write(w.creator, 1, tape("Sc1"))
	h.receive(c, first.Bytes(), waits.Bytes())
	ids := []delta.ID{waits.ID(), missed.ID(), w.genesis.ID(), first.ID()}
	for _, row := range []struct {
		name     string
		maxBytes int
		want     [][]byte
	}{
		{"all", 1 << 20, [][]byte{waits.Bytes(), w.genesis.Bytes(), first.Bytes()}},
		{"nothing fits", 1, [][]byte{waits.Bytes()}},
		{"two fit", len(waits.Bytes()) + len(w.genesis.Bytes()), [][]byte{waits.Bytes(), w.genesis.Bytes()}},
	} {
		got, err := h.set.Envelopes(t.Context(), c.Context, ids, row.maxBytes)
		must(t, err)
		if diff := cmp.Diff(row.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.name, diff)
		}
	}
	known := h.known(c)
	if diff := cmp.Diff([]delta.ID{missed.ID()}, known.Missing); diff != "" {
		t.Errorf("missing (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{history.Parents: 1}, known.Held); diff != "" || known.Deltas != 2+populated {
		t.Errorf("%d deltas; held (-want +got):\n%s", known.Deltas, diff)
	}
}

// TestExchangeOfNoContext: a stranger's id makes nothing.
func TestExchangeOfNoContext(t *testing.T) {
	h := newQuickHome(t)
	id := ident.ContextID{1}
	_, err := h.set.Known(t.Context(), id)
	_, _, _, lacking := h.set.Lacking(t.Context(), id, nil, delta.Place{}, 1)
	_, envelopes := h.set.Envelopes(t.Context(), id, nil, 1)
	_, opened := h.set.ReceiveOpened(t.Context(), id, nil)
	for _, err := range []error{err, lacking, envelopes, opened} {
		if !errors.Is(err, replica.ErrContextNotFound) {
			t.Errorf("%v, want %v", err, replica.ErrContextNotFound)
		}
	}
}

// TestOpen: what is no delta of a context is found without the context, and what was
// opened for one is not taken by another.
func TestOpen(t *testing.T) {
	h := newQuickHome(t)
	app := h.installTape()
	h.wall = noon
	w, other := newWorld(t, app, 1<<20), newWorld(t, app, 1<<20)
	w.join(h)
	other.join(h)
	raw := w.write(w.creator, 1, tape("Sa1")).Bytes()
	if _, err := replica.Open(other.context, raw); err == nil {
		t.Error("a delta of another context is opened")
	}
	forged := slices.Clone(raw)
	forged[len(forged)-1] ^= 1
	if _, err := replica.Open(w.context, forged); err == nil {
		t.Error("a forged delta is opened")
	}
	p, err := replica.Open(w.context, raw)
	must(t, err)
	if _, err := h.set.ReceiveOpened(t.Context(), other.context, []replica.Parcel{p}); err == nil {
		t.Error("a parcel is taken in by another context")
	}
	got, err := h.set.ReceiveOpened(t.Context(), w.context, []replica.Parcel{p})
	must(t, err)
	if got.New != 1 || got.Waiting != 0 {
		t.Errorf("%+v", got)
	}
}

// TestReceiveManySteps: what is more than one step is counted as one.
func TestReceiveManySteps(t *testing.T) {
	h := newQuickHome(t)
	w := newWorld(t, h.installTape(), 1<<20)
	h.wall = noon
	c := w.join(h)
	var list [][]byte
	for i := range 700 {
		list = append(list, w.write(w.creator, 1, tape(fmt.Sprintf("Sa%d", i%10))).Bytes())
	}
	forged := slices.Clone(list[699])
	forged[len(forged)-1] ^= 1
	h.receive(c, list[:100]...)
	got := h.receive(c, slices.Concat(list[50:600], [][]byte{forged}, list[601:650], list[590:600])...)
	if got.New != 549 || got.Duplicate != 60 || got.Waiting != 49 || len(got.Refused) != 1 || len(got.Missing) != 1 {
		t.Errorf("%d new, %d duplicate, %d waiting, %d refused, %d missing", got.New, got.Duplicate, got.Waiting, len(got.Refused), len(got.Missing))
	}
	forged[len(forged)-1] ^= 1
	got = h.receive(c, list[600], forged)
	if info := h.info(c); got.New != 2 || info.Waiting != 1 {
		t.Errorf("%+v; %d wait", got, info.Waiting)
	}
	if info := h.info(c); info.Deltas != 651+populated {
		t.Errorf("%d deltas are folded", info.Deltas)
	}
	// The id names it: whatever else the envelope says is not looked at.
	forged[len(forged)-1] ^= 1
	if got := h.receive(c, forged); got.Duplicate != 1 || len(got.Refused) != 0 {
		t.Errorf("a stored delta with another signature: %+v", got)
	}
}

// TestGraphsLeaveMemory: the graphs that were not used for longest go first, and what
// was dropped is read again.
func TestGraphsLeaveMemory(t *testing.T) {
	h := newQuickHome(t)
	app := h.installTape()
	h.wall = noon
	var list []replica.Created
	for range 4 {
		w := newWorld(t, app, 1<<20)
		list = append(list, w.join(h))
		for i := range 9 {
			h.receive(list[len(list)-1], w.write(w.creator, 1, tape(fmt.Sprintf("Sa%d", i))).Bytes())
		}
	}
	first := h.known(list[0]) // the others were used before
	for _, row := range []struct {
		most   int
		loaded []bool
	}{
		{40 + 4*populated, []bool{true, true, true, true}},
		{39 + 4*populated, []bool{true, false, true, true}},
		{20 + 2*populated, []bool{true, false, false, true}},
		{19 + 2*populated, []bool{true, false, false, false}},
		{9 + populated, []bool{false, false, false, false}},
	} {
		h.set.Trim(row.most)
		var loaded []bool
		for _, c := range list {
			loaded = append(loaded, h.set.Loaded(c.Context))
		}
		if !slices.Equal(row.loaded, loaded) {
			t.Errorf("at most %d deltas: %v are in memory, want %v", row.most, loaded, row.loaded)
		}
	}
	if diff := cmp.Diff(first, h.known(list[0])); diff != "" {
		t.Errorf("after reading it again (-before +after):\n%s", diff)
	}
}

// TestIdleGraphsLeaveMemory: after a session with every context the graphs go by
// themselves (P16), but not one that is looked at again and again.
func TestIdleGraphsLeaveMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newQuickHome(t)
		app := h.installTape()
		var list []replica.Created
		for range 3 {
			w := newWorld(t, app, 1<<20)
			list = append(list, w.join(h))
			h.known(list[len(list)-1])
		}
		ctx, cancel := withCancel(t)
		var wg sync.WaitGroup
		wg.Go(func() { must(t, h.set.Run(ctx)) })
		for range 6 {
			<-time.After(time.Minute) // fake time
			h.known(list[0])
		}
		cancel()
		wg.Wait()
		for i, c := range list {
			if got := h.set.Loaded(c.Context); got != (i == 0) {
				t.Errorf("context %d is in memory: %v", i, got)
			}
		}
	})
}

// TestLateShareARollback: late deltas that are handed in together cost one roll-back, in
// however many steps they could be taken in.
func TestLateShareARollback(t *testing.T) {
	h := newQuickHome(t)
	w := newWorld(t, h.installTape(), 1<<20)
	h.wall = noon
	c := w.join(h)
	var late [][]byte
	writers := writersOf(w, 2)
	for i := range 700 {
		own := w.write(writers[0], 2, tape(fmt.Sprintf("Sa%d", i%10)))
		other := w.write(writers[1], 2, tape(fmt.Sprintf("Sb%d", i%7)))
		late = append(late, other.Bytes())
		if i < 100 { // the roll-back is done at once
			h.receive(c, own.Bytes())
		}
	}
	before := h.rollbacks()
	got := h.receive(c, late...)
	if n := h.rollbacks() - before; n != 1 || got.New != 700 || got.Waiting != 0 {
		t.Errorf("%d roll-backs; %+v", n, got)
	}
	h.verify(c.Context)
}

// rollbacks is how many there were.
func (h *home) rollbacks() uint64 {
	h.t.Helper()
	families, err := h.reg.Gather()
	must(h.t, err)
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "mero_replica_rollback") {
			return f.GetMetric()[0].GetHistogram().GetSampleCount()
		}
	}
	h.t.Fatal("no metric of roll-backs")
	return 0
}
