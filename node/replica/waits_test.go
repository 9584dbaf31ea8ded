package replica_test

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"mero/node/apps"
	"mero/node/delta"
	"mero/node/replica"
	"mero/node/store"
)

// TestOwnReasonLasts: what rests on a delta that waits has a reason of its own; when
// the ancestor need not wait any more, it goes on waiting for that, and nothing that
// does not rest on it is held up.
func TestOwnReasonLasts(t *testing.T) {
	for _, kind := range []string{"clock", "key", "upgrade"} {
		t.Run(kind, func(t *testing.T) {
			h := newQuickHome(t)
			s := newStage(t, h, 5)
			a, b := newAuthor(s.rng), newAuthor(s.rng)
			parent := s.w.write(a, uint64(7*time.Minute)/delta.Tick, tape("saa"), s.chain[0])
			var child []byte
			switch kind {
			case "clock":
				child = s.w.write(b, uint64(10*time.Minute)/delta.Tick, tape("sbb"), parent).Bytes()
			case "key":
				d, err := s.w.sealAs(b, 1, 1, payload(t, "sbb"), delta.NewEpochKey(), parent)
				must(t, err)
				child = d.Bytes()
			case "upgrade":
				child = s.w.forge(b, forged{version: 2, kind: 2, parents: []*delta.Delta{parent}, seq: 1, more: []any{uint64(1)}})
			}
			s.receive(child)
			s.h.receive(s.c, child)
			s.take(parent)
			s.same()
			s.now = s.now.Add(4 * time.Minute)
			h.wall = func() time.Time { return s.now }
			must(t, h.set.Reconsider(t.Context(), s.w.context))
			s.same()
			if s.waits(kind) != 1 || h.state(s.c)["a"] != "a" {
				t.Errorf("after the ancestor was released: %v, %v", h.fates(s.c), h.state(s.c))
			}
			h.reopen()
			must(t, h.set.Reconsider(t.Context(), s.w.context))
			s.take(s.late(0))
			h.verify(s.w.context)
		})
	}
}

// TestOwnReasonGoes: a delta whose own reason has gone says that it rests on another.
func TestOwnReasonGoes(t *testing.T) {
	h := newQuickHome(t)
	s := newStage(t, h, 5)
	parent, err := s.w.sealAs(newAuthor(s.rng), 1, 1, payload(t, "saa"), delta.NewEpochKey(), s.chain[0])
	must(t, err)
	child := s.w.write(newAuthor(s.rng), uint64(7*time.Minute)/delta.Tick, tape("sbb"), parent)
	s.take(parent, child)
	s.now = s.now.Add(4 * time.Minute)
	h.wall = func() time.Time { return s.now }
	must(t, h.set.Reconsider(t.Context(), s.w.context))
	if s.waits("key") != 1 || s.waits("parents") != 1 {
		t.Errorf("fates: %v", h.fates(s.c))
	}
}

// TestDroppedAndBackInOneBatch: a delta that is refused because of what arrived, and
// comes again in the same call, waits like any other.
func TestDroppedAndBackInOneBatch(t *testing.T) {
	h := newQuickHome(t)
	s := newStage(t, h, 6)
	broken, err := s.w.sealAs(newAuthor(s.rng), 2, 1, payload(t, "saa"), s.w.key, s.chain[0]) // a gap
	must(t, err)
	child := s.w.write(newAuthor(s.rng), 1, tape("sbb"), broken)
	s.take(child)
	s.take(broken, child)
	info, waiting := h.info(s.c), uint64(s.waits("parents"))
	if info.Waiting != waiting {
		t.Errorf("%d wait, by their fates %d", info.Waiting, waiting)
	}
	h.verify(s.w.context)
}

// stranger is a delta that is sealed by no key, under the name of an epoch.
func (s *stage) stranger(a *author, epoch delta.EpochID, parents ...*delta.Delta) *delta.Delta {
	s.t.Helper()
	d, err := s.w.sealAs(a, a.seq+1, 1, payload(s.t, "saa"), s.w.key, append(parents, a.last)...)
	must(s.t, err)
	h := d.Header()
	d = opened(s.t, s.w.forge(a, forged{version: 1, kind: 2, ids: h.Parents, seq: h.Seq, time: h.Time, sealed: make([]byte, 64), epoch: epoch}))
	a.seq, a.last = a.seq+1, d
	return d
}

// TestStrangers: what nobody with a key sealed is refused at the door, with all that
// rests on it and came before.
func TestStrangers(t *testing.T) {
	h := newQuickHome(t)
	s := newStage(t, h, 9)
	a := newAuthor(s.rng)
	first := s.stranger(a, s.w.key.ID(), s.chain[0])
	onIt := s.w.write(newAuthor(s.rng), 1, tape("sbb"), first)
	onThat := s.w.write(newAuthor(s.rng), 1, tape("scc"), onIt)
	if got := s.take(onThat, onIt); got.Waiting != 2 {
		t.Errorf("what rests on it is received as %+v", got)
	}
	if got := s.take(first); got.New != 0 || len(got.Refused) != 3 {
		t.Errorf("it is received as %+v", got)
	}
	if info := h.info(s.c); info.Waiting != 0 || info.Voids != 0 || len(h.log(s.c)) != 1+populated {
		t.Errorf("the record is %+v", info)
	}
	s.same()
	h.verify(s.w.context)
}

// TestStrangersKeyComesLater: as long as a key is not here, nobody can tell who sealed
// under it; when it comes, what does not open is dropped with all that rests on it, and
// what opens is folded (R4), by a roll-back at once or beside the live state.
func TestStrangersKeyComesLater(t *testing.T) {
	for _, deep := range []bool{false, true} {
		h := newQuickHome(t)
		s := newStage(t, h, 9)
		key := delta.NewEpochKey()
		first := s.stranger(newAuthor(s.rng), key.ID(), s.chain[0])
		good, err := s.w.sealAs(newAuthor(s.rng), 1, 1, payload(t, "sgg"), key, s.chain[0])
		must(t, err)
		onIt := s.w.write(newAuthor(s.rng), 1, tape("sbb"), first, good)
		lost := s.w.write(newAuthor(s.rng), 1, tape("see"), s.chain[0]) // does not come
		pending := s.w.write(newAuthor(s.rng), 1, tape("scc"), onIt, lost)
		s.take(first, good, onIt, pending)
		s.take(s.w.write(newAuthor(s.rng), 1, tape("sdd"), s.chain[0]))
		s.same()
		if s.waits("key") != 2 || s.waits("parents") != 2 {
			t.Fatalf("fates: %v", h.fates(s.c))
		}
		if deep {
			s.take(s.grow(260, 0)...)
			h.set.Believe(replica.Ages)
		}
		must(t, h.store.Commit(t.Context(), &store.Step{EpochKeys: []store.EpochKey{{Context: s.w.context, Key: key}}}))
		s.keys[key.ID()] = key
		must(t, h.set.Reconsider(t.Context(), s.w.context))
		if deep {
			s.settle()
		}
		s.same()
		if info := h.info(s.c); info.Waiting != 0 || len(h.set.Refusals(s.w.context)) != 3 {
			t.Errorf("the record is %+v, refused %+v", info, h.set.Refusals(s.w.context))
		}
		h.verify(s.w.context)
		if got := s.take(first, onIt); got.New != 1 || len(got.Refused) != 1 { // now the one waits for the other
			t.Errorf("they come again as %+v", got)
		}
		h.reopen()
		h.wall = func() time.Time { return base.Add(time.Minute) }
		s.call()
		s.take(lost)
		s.same()
		h.verify(s.w.context)
	}
}

// TestReasonOfAnOrphanWhoseParentWaits: a delta that came before its parent says what it
// waits for when that has come and waits itself.
func TestReasonOfAnOrphanWhoseParentWaits(t *testing.T) {
	for _, together := range []bool{true, false} {
		h, elsewhere := newQuickHome(t), newQuickHome(t)
		h.wall = func() time.Time { return base.Add(time.Minute) }
		_, app := tapeModule(t, elsewhere)
		w := newWorld(t, app, 1<<20)
		c := w.join(h) // the application is not installed
		parent := w.write(w.creator, 1, tape("saa"))
		child := w.write(w.creator, 1, tape("aab"))
		if together {
			h.receive(c, child.Bytes(), parent.Bytes())
		} else {
			h.receive(c, child.Bytes())
			h.receive(c, parent.Bytes())
		}
		if got := h.fates(c)[child.ID()].Reason; !strings.Contains(got, "it rests on "+parent.ID().String()+", which waits (code)") {
			t.Errorf("together=%v: it is said to wait for %q", together, got)
		}
	}
}

// TestForkOfAnOrphanIsReported: a fork is reported when the twin came before its parent.
func TestForkOfAnOrphanIsReported(t *testing.T) {
	h := newQuickHome(t)
	s := newStage(t, h, 3)
	log, reg := h.loud()
	a, b := newAuthor(s.rng), newAuthor(s.rng)
	parent := s.w.write(b, 1, tape("scc"), s.chain[0])
	twin := func(op string, parents ...*delta.Delta) *delta.Delta {
		d, err := s.w.sealAs(a, 1, 1, payload(t, op), s.w.key, parents...)
		must(t, err)
		return d
	}
	s.take(twin("sba", s.chain[0]))
	s.take(twin("sbb", parent))
	s.take(parent)
	s.same()
	if n := count(t, reg, "mero_replica_forked_deltas_total", ""); n != 1 || !strings.Contains(log.String(), "gave one number") {
		t.Errorf("%v are counted; log %s", n, log)
	}
}

// TestLaterDeltasOfAForkedWriter: numbers that were given once are no forks.
func TestLaterDeltasOfAForkedWriter(t *testing.T) {
	h := newQuickHome(t)
	s := newStage(t, h, 3)
	a := newAuthor(s.rng)
	for _, op := range []string{"sba", "sbb"} {
		d, err := s.w.sealAs(a, 1, 1, payload(t, op), s.w.key, s.chain[0])
		must(t, err)
		s.take(d)
		a.seq, a.last = 1, d
	}
	log, reg := h.loud()
	s.take(s.w.write(a, 1, tape("sbc")))
	s.take(s.w.write(a, 1, tape("sbc")))
	if n := count(t, reg, "mero_replica_forked_deltas_total", ""); n != 0 {
		t.Errorf("numbers that were given once are counted %v times as forks: %s", n, log)
	}
}

// TestOneAuthorsShare: what waits for its parents and what waits for something else
// share what one author may have waiting.
func TestOneAuthorsShare(t *testing.T) {
	if raced {
		t.Skip("deltas by the thousands, one after another: there is nothing to race")
	}
	h := newQuickHome(t)
	s := newStage(t, h, 3)
	a := newAuthor(rand.New(rand.NewPCG(1, 1)))
	unknown := delta.NewEpochKey()
	var lost, sealed [][]byte
	s.w.write(a, 1, tape("saa"), s.chain[0]) // never arrives
	for range 1024 {
		lost = append(lost, s.w.write(a, 1, tape("saa")).Bytes())
	}
	a = &author{key: a.key, inc: delta.NewIncarnation()}
	for range 1024 {
		d, err := s.w.sealAs(a, a.seq+1, 1, payload(t, "saa"), unknown, s.chain[0], a.last)
		must(t, err)
		a.seq, a.last, sealed = a.seq+1, d, append(sealed, d.Bytes())
	}
	h.receive(s.c, lost...)
	h.receive(s.c, sealed...)
	if n := h.info(s.c).Waiting; n > 1024 {
		t.Errorf("%d deltas of one author wait", n)
	}
}

// TestUnusedGraphIsDropped: the graph of a context that nobody uses is not kept in
// memory, whether or not something waits there; what waits is looked at all the same.
func TestUnusedGraphIsDropped(t *testing.T) {
	h := newQuickHome(t)
	s := newStage(t, h, 5)
	now := h.wall()
	h.wall = func() time.Time { return now }
	d := s.w.write(newAuthor(s.rng), uint64(7*time.Minute)/delta.Tick, tape("saa"), s.chain[0])
	s.take(d)
	look := func(later time.Duration, graph bool) {
		t.Helper()
		h.set.Tend(t.Context(), s.w.context, later)
		if got := h.set.HasGraph(t.Context(), s.w.context); got != graph {
			t.Errorf("after %s more a graph is in memory: %v", later, got)
		}
	}
	look(time.Minute, true)
	look(5*time.Minute, true) // it was dropped, and is read for the look
	look(10*time.Second, false)
	look(10*time.Second, false)
	_, err := h.apps.Install(t.Context(), bytes.NewReader(append(tapeCode(t), 0, 2, 1, 'x')), apps.Source{URL: "file:///other.wasm"})
	must(t, err)
	look(10*time.Second, true)
	look(10*time.Second, false)
	now = now.Add(10 * time.Minute)
	look(6*time.Minute, true)
	if rec := h.fates(s.c)[d.ID()]; rec.Fate != store.FateFolded {
		t.Errorf("in its time it is %s %s", rec.Fate, rec.Reason)
	}
	look(10*time.Second, true) // it was used
}
