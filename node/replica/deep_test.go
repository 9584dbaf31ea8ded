package replica_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"mero/node/delta"
	"mero/node/replica"
	"mero/node/store"
)

// stage is a world with a replica and the model of it, and a chain of deltas by its
// creator.
type stage struct {
	*naive
	h     *home
	c     replica.Created
	chain []*delta.Delta
	rng   *rand.Rand
}

func newStage(t *testing.T, h *home, seed uint64) *stage {
	t.Helper()
	h.t = t
	h.wall = func() time.Time { return base.Add(time.Minute) }
	_, app := tapeModule(t, h)
	module, _ := tapeModule(t, newQuickHome(t)) // of an engine that outlives reopening h
	w := newWorld(t, app, 1<<30)
	s := &stage{naive: newNaive(t, w, module), h: h, c: w.join(h), rng: rand.New(rand.NewPCG(seed, 7))}
	s.now = h.wall()
	s.chain = []*delta.Delta{w.write(w.creator, 1, tape())}
	s.take(s.chain...)
	return s
}

// ops are operations over some keys; work is what they cost beside.
func (s *stage) ops(work byte) []byte {
	list := make([]string, 0, 4)
	for range 1 + s.rng.IntN(3) {
		list = append(list, string([]byte{"aaasdmippcxnr"[s.rng.IntN(13)], "abcdefgh"[s.rng.IntN(8)], "abcdefgh"[s.rng.IntN(8)]}))
	}
	if s.rng.IntN(20) == 0 {
		list = append(list, "f"+string([]byte{"abcd"[s.rng.IntN(4)], byte(s.rng.IntN(40))}))
	}
	if work > 0 {
		list = append(list, "w "+string([]byte{work}))
	}
	return tape(list...)
}

// grow makes the chain longer, without delivering it.
func (s *stage) grow(n int, work byte) []*delta.Delta {
	at := len(s.chain)
	for range n {
		s.chain = append(s.chain, s.w.write(s.w.creator, 2, s.ops(work)))
	}
	return s.chain[at:]
}

// take delivers deltas as one call.
func (s *stage) take(list ...*delta.Delta) *replica.Received {
	s.t.Helper()
	envelopes := make([][]byte, 0, len(list))
	for _, d := range list {
		envelopes = append(envelopes, d.Bytes())
	}
	s.receive(envelopes...)
	return s.h.receive(s.c, envelopes...)
}

// call writes on the replica itself.
func (s *stage) call() *delta.Delta {
	s.t.Helper()
	res, err := s.h.set.Execute(s.t.Context(), replica.Request{
		Context: s.w.context, Method: "do", Input: tape(string([]byte{'a', "abcd"[s.rng.IntN(4)], 'L'})), Executor: s.c.Member,
	})
	must(s.t, err)
	raw := s.h.made[res.Delta]
	s.receive(raw)
	return opened(s.t, raw)
}

// late makes a delta of a new author at a place of the chain.
func (s *stage) late(at int) *delta.Delta {
	return s.w.write(newAuthor(s.rng), 1, s.ops(0), s.chain[at])
}

func (s *stage) same() {
	s.t.Helper()
	if diff := s.diff(s.h, s.c); diff != "" {
		s.t.Fatal(diff)
	}
}

// settle does the deep roll-backs until nothing waits for one.
func (s *stage) settle() {
	s.t.Helper()
	for range 20 {
		s.h.set.Deepen(s.t.Context())
		if s.waits("order") == 0 {
			return
		}
		must(s.t, s.h.set.Reconsider(s.t.Context(), s.w.context))
	}
	s.t.Fatal("deltas still wait for a deep roll-back after 20 of them")
}

func (s *stage) waits(kind string) (n int) {
	s.t.Helper()
	for _, rec := range s.h.fates(s.c) {
		if rec.Fate == store.FateWaiting && strings.HasPrefix(rec.Reason, kind+": ") {
			n++
		}
	}
	return n
}

// TestDeepRollback: a delta far back waits, with what rests on it, while calls and
// arrivals go on; then it is folded, with all of that. A restart in between changes
// nothing.
func TestDeepRollback(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprint("restart=", restart), func(t *testing.T) {
			h := newQuickHome(t)
			s := newStage(t, h, 1)
			s.take(s.grow(300, 0)...)
			s.same()
			before := h.info(s.c)
			late := s.late(3)
			onLate := s.w.write(newAuthor(s.rng), 1, s.ops(0), late, s.chain[200])
			h.set.Believe(replica.Ages)
			if got := s.take(late); got.Waiting != 1 || got.New != 1 {
				t.Errorf("it was received as %+v", got)
			}
			h.set.Believe(replica.Ages)
			if got := s.take(onLate); got.Waiting != 1 {
				t.Errorf("what rests on it was received as %+v", got)
			}
			if info := h.info(s.c); info.Root != before.Root || info.Waiting != 2 {
				t.Errorf("while it waits: %+v", info)
			}
			if s.waits("order") != 1 || s.waits("parents") != 1 {
				t.Errorf("fates: %v", h.fates(s.c))
			}
			made := s.call()
			s.take(s.w.write(newAuthor(s.rng), 1, s.ops(0), s.chain[290]))
			if restart {
				h.reopen()
				h.wall = func() time.Time { return base.Add(time.Minute) }
				must(t, h.set.Reconsider(t.Context(), s.w.context))
			}
			h.set.Deepen(t.Context())
			s.same()
			if rec := h.fates(s.c)[made.ID()]; rec.Fate == store.FateWaiting {
				t.Errorf("the call's delta is %s %s", rec.Fate, rec.Reason)
			}
			h.verify(s.w.context)
			h.reopen()
			s.same()
			s.call()
			s.same()
		})
	}
}

// TestDeepRollbackWhileBusy: all that can happen while a deep roll-back goes on: calls,
// arrivals near the end, behind its beginning, and on deltas that wait for it.
// MERO_DEEP sets how many histories.
func TestDeepRollbackWhileBusy(t *testing.T) {
	n := times(t, "MERO_DEEP", 6)
	h := newQuickHome(t)
	during := 0
	for seed := range n {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			s := newStage(t, h, uint64(seed))
			s.take(s.grow(260, 3)...)
			lates := []*delta.Delta{s.late(30)}
			h.set.Believe(replica.Ages)
			s.take(lates[0])
			if s.waits("order") != 1 {
				t.Fatal("the roll-back is no deep one")
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				h.set.Deepen(context.WithoutCancel(t.Context()))
			}()
			for i := 0; ; i++ {
				select {
				case <-done:
				default:
					if i < 200 {
						during++
						s.something(&lates)
						continue
					}
				}
				break
			}
			<-done
			s.settle()
			s.same()
			h.verify(s.w.context)
			s.w.leave(h)
		})
	}
	h.t = t
	t.Logf("%d histories, %d events during roll-backs", n, during)
}

func (s *stage) something(lates *[]*delta.Delta) {
	s.t.Helper()
	switch s.rng.IntN(7) {
	case 0, 1:
		s.call()
	case 2: // near the end
		s.take(s.late(len(s.chain) - 1 - s.rng.IntN(20)))
	case 3: // in the middle
		d := s.late(len(s.chain) - 1 - s.rng.IntN(150))
		*lates = append(*lates, d)
		s.take(d)
	case 4: // behind the beginning of what goes on, seldom
		if s.rng.IntN(4) == 0 {
			d := s.late(1 + s.rng.IntN(28))
			*lates = append(*lates, d)
			s.h.set.Believe(replica.Ages)
			s.take(d)
		}
	case 5: // on one that waits
		s.take(s.w.write(newAuthor(s.rng), 1, s.ops(0), (*lates)[s.rng.IntN(len(*lates))]))
	case 6: // two of the chain
		s.take(s.grow(2, 0)...)
	}
}

// TestDeepRollbackInterrupted: a deep roll-back that ends by a crash or by a full disk
// leaves the state as it was, and is done after.
func TestDeepRollbackInterrupted(t *testing.T) {
	h := newQuickHome(t)
	s := newStage(t, h, 3)
	s.take(s.grow(260, 3)...)
	before := h.info(s.c)
	h.set.Believe(replica.Ages)
	s.take(s.late(20))
	for i := range 4 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(20+40*i)*time.Millisecond)
		h.set.Deepen(ctx)
		cancel()
		if i%2 == 0 {
			h.reopen()
		}
		if info := h.info(s.c); info.Root != before.Root || info.Waiting != 1 {
			t.Fatalf("interrupted: %+v", info)
		}
		must(t, h.set.Reconsider(t.Context(), s.w.context))
	}
	h.free.Store(1) // the switch does not fit
	h.set.Deepen(t.Context())
	if info := h.info(s.c); info.Root != before.Root || info.Waiting != 1 {
		t.Fatalf("on a full disk: %+v", info)
	}
	h.free.Store(1 << 40)
	must(t, h.set.Reconsider(t.Context(), s.w.context))
	s.settle()
	s.same()
	h.verify(s.w.context)
}

// TestSpans: after 2 000 deltas the undo spans lie at doubling distances; roll-backs of
// every depth give what a fresh fold gives, at once and beside the live state; and
// with no room for spans the state is folded from genesis.
func TestSpans(t *testing.T) {
	h := newQuickHome(t)
	s := newStage(t, h, 4)
	const length = 2000
	for range 8 {
		s.take(s.grow(length/8, 0)...)
	}
	s.same()
	refs := h.spans(s.c)
	total := uint64(0)
	for i, r := range refs {
		total += r.Count
		if i > 0 && refs[i-1].To != r.From {
			t.Errorf("a gap between spans %d and %d", i-1, i)
		}
	}
	if len(refs) > 2*256+16 {
		t.Errorf("%d spans for %d deltas", len(refs), length)
	}
	if info := h.info(s.c); total != info.Deltas+info.Voids {
		t.Errorf("the spans reach back over %d of %d deltas", total, info.Deltas+info.Voids)
	}
	t.Logf("%d spans over %d deltas, the longest over %d", len(refs), total, refs[0].Count)
	deep := 0
	for i, depth := range []int{0, 1, 2, 7, 30, 120, 199, 201, 260, 300, 513, 777, 1100, 1500, 1950, 1999} {
		cost := time.Duration(0)
		if i%2 == 0 {
			cost = replica.Ages
		}
		h.set.Believe(cost)
		s.take(s.late(length - depth))
		if s.waits("order") > 0 {
			deep++
			h.set.Deepen(t.Context())
		}
		if s.waits("order") > 0 {
			t.Fatalf("depth %d: it still waits", depth)
		}
		s.same()
	}
	t.Logf("%d of 16 roll-backs beside the live state", deep)
	h.verify(s.w.context)

	must(t, h.set.Thin(t.Context(), s.w.context, 1000))
	if refs := h.spans(s.c); len(refs) > 20 {
		t.Errorf("%d spans in 1000 bytes", len(refs))
	}
	h.set.Believe(0)
	s.take(s.late(500))
	if s.waits("order") != 1 {
		t.Error("it is rolled back without spans")
	}
	h.set.Deepen(t.Context())
	s.same()
	h.verify(s.w.context)
	if refs := h.spans(s.c); len(refs) < 100 {
		t.Errorf("%d spans after a fold from genesis", len(refs))
	}
}

// spans are the undo spans in the store.
func (h *home) spans(c replica.Created) []store.UndoRef {
	h.t.Helper()
	view, err := h.store.View(c.Context)
	must(h.t, err)
	defer view.Close()
	refs, err := view.UndoRefs()
	must(h.t, err)
	return refs
}

// TestRestoredHome: two copies of one home go on writing, and hand over what they made.
// Both write as new writers from then on, which are not forked, and converge (R3).
func TestRestoredHome(t *testing.T) {
	a := newQuickHome(t)
	c := a.create("rawkv", "{}")
	for i := range 5 {
		a.ok(c, "set", kv{fmt.Sprint("k", i), "before"})
	}
	a.close()
	dir := t.TempDir()
	must(t, os.CopyFS(dir, os.DirFS(a.dir)))
	a.open()
	b := &home{t: t, dir: dir, wall: time.Now, quick: true}
	b.start()
	was := writer(t, a, c)
	for i := range 3 {
		a.ok(c, "set", kv{fmt.Sprint("k", i), fmt.Sprint("a", i)})
		b.ok(c, "set", kv{fmt.Sprint("k", i+1), fmt.Sprint("b", i)})
	}
	a.receive(c, b.log(c)...)
	b.receive(c, a.log(c)...)
	for i, h := range []*home{a, b, a, b} {
		res := h.ok(c, "set", kv{fmt.Sprint("after", i), "1"})
		if got := opened(t, h.made[res.Delta]).Header(); got.Incarnation == was || got.Seq != uint64(1+i/2) {
			t.Errorf("after the hand-over number %d of incarnation %s is written", got.Seq, got.Incarnation)
		}
	}
	a.receive(c, b.log(c)...)
	b.receive(c, a.log(c)...)
	if a.info(c).Root != b.info(c).Root {
		t.Error("the copies do not converge")
	}
	a.reopen()
	a.verify(c.Context)
	b.verify(c.Context)
	numbers := make(map[string]int)
	for _, raw := range a.log(c) {
		h := opened(t, raw).Header()
		if h.Incarnation != was {
			numbers[fmt.Sprint(h.Incarnation, h.Seq)]++
		}
	}
	if len(numbers) != 4 {
		t.Errorf("the new writers made %v", numbers)
	}
}

// writer is the incarnation under which a home writes.
func writer(t *testing.T, h *home, c replica.Created) delta.Incarnation {
	t.Helper()
	all, err := h.store.Identities(c.Context)
	must(t, err)
	return all[0].Incarnation
}
