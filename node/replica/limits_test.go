package replica_test

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"mero/node/apps"
	"mero/node/delta"
	"mero/node/ident"
	"mero/node/replica"
	"mero/node/store"
)

// waiters are a new author's deltas in a row, which append to one key of the state.
// They are sealed under a key, or the first of them is kept back when that is known.
type waiters struct {
	*author
	key   string
	first []byte // kept back; nil: none is
	list  [][]byte
}

// waiters makes them at a time of their own, the last one of them long after it.
func (w *world) waiters(rng *rand.Rand, key string, sealed delta.EpochKey, n int) *waiters {
	w.t.Helper()
	out := &waiters{author: authorOf(int(key[0]-'A')%crew, rng), key: key}
	form, ticks := payload(w.t, "a"+key+"x"), 2000*uint64(key[0]-'A'+1)
	if sealed == w.key {
		out.first = w.seal(out.author, ticks, form, w.creator.last).Bytes()
		ticks = 1
	}
	for i := range n {
		if i == n-1 {
			ticks += 20_000
		}
		d, err := w.sealAs(out.author, out.seq+1, ticks, form, sealed, w.creator.last, out.last)
		must(w.t, err)
		out.seq, out.last, out.list, ticks = out.seq+1, d, append(out.list, d.Bytes()), 1
	}
	return out
}

// TestWaitingIsLimited: 1 024 deltas of an author wait and 4 096 of a context, for
// whatever it is; more are refused by name, also after a restart. What need not wait
// is folded all the same, and so are all of them once they may be (R4).
func TestWaitingIsLimited(t *testing.T) {
	if raced {
		t.Skip("deltas by the thousands, one after another: there is nothing to race")
	}
	const perAuthor = 1024
	h := newQuickHome(t)
	h.wall = func() time.Time { return base }
	log, reg := h.loud()
	app := h.installTape()
	bystander := newWorld(t, app, 1<<20)
	by := bystander.join(h)
	h.receive(by, bystander.write(bystander.creator, 1, tape("saa")).Bytes())
	w := newWorld(t, app, 1<<20)
	c := w.join(h)
	h.receive(c, w.write(w.creator, 1, tape("saa")).Bytes())

	rng, unknown := rand.New(rand.NewPCG(4096, 0)), delta.NewEpochKey()
	crowd := []*waiters{
		w.waiters(rng, "A", unknown, perAuthor+1), w.waiters(rng, "C", w.key, perAuthor+1),
		w.waiters(rng, "B", unknown, perAuthor+1), w.waiters(rng, "D", w.key, perAuthor+1),
	}
	late := []*waiters{w.waiters(rng, "E", unknown, 1), w.waiters(rng, "F", w.key, 1)}
	refusals := 0
	refused := func(raw []byte) {
		t.Helper()
		log.Reset()
		got := h.receive(c, raw)
		_, id, err := delta.Inspect(raw)
		must(t, err)
		if len(got.Refused) != 1 || got.New != 0 || got.Refused[0].Delta != id || !strings.Contains(got.Refused[0].Reason, "too many deltas wait") {
			t.Fatalf("one too many is received as %+v", got)
		}
		refusals++
		if kept := h.set.Refusals(c.Context); len(kept) != refusals || kept[refusals-1] != got.Refused[0] {
			t.Errorf("remembered are %+v", kept)
		}
		if n := count(t, reg, "mero_replica_deltas_received_total", "refused"); n != float64(refusals) {
			t.Errorf("%v refusals are counted, want %d", n, refusals)
		}
		if !strings.Contains(log.String(), got.Refused[0].Reason) {
			t.Errorf("the log does not say why: %s", log)
		}
		if rec, there := h.fates(c)[id]; there {
			t.Errorf("it is stored: %s %s", rec.Fate, rec.Reason)
		}
	}
	for i, crowd := range crowd {
		got := h.receive(c, crowd.list[:perAuthor]...)
		if got.New != perAuthor || got.Waiting != perAuthor || len(got.Refused) != 0 {
			t.Fatalf("author %s: received as %d new, %d waiting, refused %+v", crowd.key, got.New, got.Waiting, got.Refused)
		}
		if i < 2 { // by its author; later ones would be refused by the sum
			refused(crowd.list[perAuthor])
		}
	}
	h.reopen()
	log, reg = h.loud()
	refusals = 0
	for _, one := range append(late, crowd[:2]...) {
		refused(one.list[len(one.list)-1])
	}
	if info := h.info(c); info.Waiting != 4*perAuthor || info.Deltas != 2+populated {
		t.Errorf("the record is %+v", info)
	}
	free := w.write(w.creator, 1, tape("sff"))
	h.receive(c, free.Bytes())
	if rec := h.fates(c)[free.ID()]; rec.Fate != store.FateFolded {
		t.Errorf("what need not wait is %s %s", rec.Fate, rec.Reason)
	}
	if got := h.receive(by, bystander.waiters(rng, "A", unknown, 1).list...); got.Waiting != 1 {
		t.Errorf("another context receives %+v", got)
	}
	h.verify(c.Context)

	must(t, h.store.Commit(t.Context(), &store.Step{EpochKeys: []store.EpochKey{{Context: w.context, Key: unknown}}}))
	must(t, h.set.Reconsider(t.Context(), c.Context))
	want := map[string]string{"a": "a", "f": "f"}
	all := append(crowd, late...)
	for _, one := range all { // in the order of their times: no roll-back is to be tested
		if one.first != nil {
			h.receive(c, one.first)
			want[one.key] = "x"
		}
		want[one.key] += strings.Repeat("x", len(one.list))
	}
	for _, one := range all {
		h.receive(c, one.list[len(one.list)-1]) // as it comes again
	}
	if d := cmp.Diff(want, h.state(c)); d != "" {
		t.Errorf("when none has to wait any more (-want +got): %s", d)
	}
	if info := h.info(c); info.Waiting != 0 {
		t.Errorf("the record is %+v", info)
	}
	h.verify(c.Context)
	h.verify(by.Context)
}

// TestForkIsReported: when a writer gives one number to two deltas, both count, and
// the log and the metric say so, once (R3).
func TestForkIsReported(t *testing.T) {
	h := newQuickHome(t)
	s := newStage(t, h, 3)
	log, reg := h.loud()
	forks := func(n float64) {
		t.Helper()
		got := count(t, reg, "mero_replica_forked_deltas_total", "")
		if lines := strings.Count(log.String(), "a writer gave one number to several deltas"); got != n || lines != int(n) {
			t.Errorf("forked deltas: %v are counted and %d logged, want %v", got, lines, n)
		}
	}
	a, b := newAuthor(s.rng), newAuthor(s.rng)
	twin := func(op string, parents ...*delta.Delta) *delta.Delta {
		d, err := s.w.sealAs(a, 1, 1, payload(t, op), s.w.key, parents...)
		must(t, err)
		return d
	}
	first, second := twin("sba", s.chain[0]), twin("sbb", s.chain[0])
	s.take(first)
	forks(0)
	s.take(second)
	forks(1)
	header := first.Header()
	if w := header.Writer().String(); !strings.Contains(log.String(), w) || !strings.Contains(log.String(), `"number":1`) {
		t.Errorf("the log does not name %s: %s", w, log)
	}
	s.take(second, first)
	s.take(s.w.write(b, 1, tape("scc"), first, second))
	forks(1)
	s.same()
	for _, d := range []*delta.Delta{first, second} {
		if rec := h.fates(s.c)[d.ID()]; rec.Fate != store.FateFolded {
			t.Errorf("a delta of a fork is %s %s", rec.Fate, rec.Reason)
		}
	}
	h.reopen()
	log, reg = h.loud()
	s.take(twin("sbc", s.chain[0]))
	forks(1)
	s.same()
	h.verify(s.w.context)
}

// TestApplicationComesLater: without its application a context takes deltas, which
// wait for the code; once it is installed they are folded as anywhere.
func TestApplicationComesLater(t *testing.T) {
	h, elsewhere := newQuickHome(t), newQuickHome(t)
	h.wall = func() time.Time { return base.Add(time.Minute) }
	log, reg := h.loud()
	module, id := tapeModule(t, elsewhere)
	app := ident.AppID(id)
	w := newWorld(t, app, 1<<20)
	s := &stage{naive: newNaive(t, w, module), h: h, c: w.join(h), rng: rand.New(rand.NewPCG(6, 6))}
	s.now = h.wall()
	other, err := h.apps.Install(t.Context(), bytes.NewReader(append(tapeCode(t), 0, 2, 1, 'x')), apps.Source{URL: "file:///other.wasm"}) // with a custom section
	must(t, err)
	bystander := newWorld(t, other.ID, 1<<20)
	by := bystander.join(h)

	begins := w.write(w.creator, 1, tape("saa"))
	goesOn := w.write(w.creator, 1, tape("aab"))
	beside := w.write(newAuthor(s.rng), 3, tape("abb"), w.genesis)
	joins := w.write(newAuthor(s.rng), 1, tape("acc"), goesOn, beside)
	if got := s.take(begins, goesOn, beside, joins); got.New != 4 || got.Waiting != 4 || len(got.Refused) != 0 {
		t.Errorf("received as %+v", got)
	}
	h.receive(by, bystander.write(bystander.creator, 1, tape("sbb")).Bytes())
	waiting := func() {
		t.Helper()
		fates := h.fates(s.c)
		for name, want := range map[string]struct {
			d      *delta.Delta
			reason string
		}{
			"the first":            {begins, "code: application " + app.String() + " is not installed; since "},
			"the one after it":     {goesOn, "parents: it rests on " + begins.ID().String() + ", which waits (code); since "},
			"one beside it":        {beside, "code: application " + app.String() + " is not installed; since "},
			"the one on all of it": {joins, "which waits (code); since "},
		} {
			if rec := fates[want.d.ID()]; rec.Fate != store.FateWaiting || !strings.Contains(rec.Reason, want.reason) {
				t.Errorf("%s is %s %q, want %q", name, rec.Fate, rec.Reason, want.reason)
			}
		}
		if info := h.info(s.c); info.Waiting != 4 || info.Deltas != 1+populated || info.Voids != 0 || len(h.state(s.c)) > 0 {
			t.Errorf("the record is %+v, the state %v", info, h.state(s.c))
		}
		_, err := h.set.Execute(t.Context(), replica.Request{Context: s.c.Context, Method: "do", Input: tape(), Executor: s.c.Member})
		if err == nil {
			t.Error("a call went well without an application")
		}
		h.verify(s.c.Context)
		if got := h.state(by)["b"]; got != "b" {
			t.Errorf("another context has %q", got)
		}
	}
	waiting()
	if n := count(t, reg, "mero_replica_deltas_held_total", "code"); n != 2 {
		t.Errorf("%v deltas are counted as waiting for code", n)
	}
	if !strings.Contains(log.String(), "delta waits: application "+app.String()) {
		t.Errorf("the log does not say it: %s", log)
	}
	must(t, h.set.Reconsider(t.Context(), s.c.Context))
	waiting()
	h.reopen()
	must(t, h.set.Reconsider(t.Context(), s.c.Context))
	waiting()
	h.installTape()
	must(t, h.set.Reconsider(t.Context(), s.c.Context))
	s.same()
	if info := h.info(s.c); info.Deltas != 5+populated {
		t.Errorf("the record is %+v", info)
	}
	h.verify(s.c.Context)
	s.call()
	s.same()
}

// TestEndlessArtifact: an artifact that never ends is void by its fuel, while other
// contexts go on; going back past it does not run it again.
func TestEndlessArtifact(t *testing.T) {
	if testing.Short() || raced {
		t.Skip("using up the fuel of an apply takes seconds")
	}
	h := newQuickHome(t)
	h.wall = func() time.Time { return base.Add(time.Minute) }
	log, reg := h.loud()
	app := h.installTape()
	w, bystander := newWorld(t, app, 1<<20), newWorld(t, app, 1<<20)
	c, by := w.join(h), bystander.join(h)
	h.receive(by, bystander.write(bystander.creator, 1, tape("saa")).Bytes())
	begins := w.write(w.creator, 5, tape("saa"))
	a := newAuthor(rand.New(rand.NewPCG(5, 5)))
	endless := w.write(a, 20, tape("sab", "l  "), begins)
	after := w.write(a, 1, tape("aac"))

	done := make(chan struct{})
	go func() {
		defer close(done)
		if _, err := h.set.Receive(t.Context(), c.Context, [][]byte{begins.Bytes(), endless.Bytes(), after.Bytes()}); err != nil {
			t.Error(err)
		}
	}()
	for calls, ended := 0, false; !ended; calls++ {
		_, err := h.set.Execute(t.Context(), replica.Request{Context: by.Context, Method: "do", Input: tape("sbb"), Executor: by.Member})
		must(t, err)
		select {
		case <-done:
			if ended = true; calls < 10 {
				t.Errorf("%d calls of another context in that time", calls)
			}
		default:
		}
	}
	holds := func() {
		t.Helper()
		if rec := h.fates(c)[endless.ID()]; rec.Fate != store.FateVoid || !strings.Contains(rec.Reason, "used up its fuel") {
			t.Errorf("it is %s %q", rec.Fate, rec.Reason)
		}
		if got := h.state(c)["a"]; got != "ac" {
			t.Errorf("the state has %q", got)
		}
	}
	holds()
	if !strings.Contains(log.String(), "used up its fuel") {
		t.Errorf("the log does not say why: %s", log)
	}
	runs := observed(t, reg, "mero_replica_phase_seconds", "apply")
	before := w.write(newAuthor(rand.New(rand.NewPCG(5, 6))), 1, tape("n  "), w.genesis) // traps
	h.receive(c, before.Bytes())
	holds()
	if n := observed(t, reg, "mero_replica_phase_seconds", "apply") - runs; n > 3 {
		t.Errorf("%d runs for a void delta, the first and the last again", n)
	}
	h.verify(c.Context)
	h.verify(by.Context)
	h.reopen()
	holds()
}

// observed is how often a histogram with a label was told something.
func observed(t testing.TB, reg *prometheus.Registry, name, label string) uint64 {
	t.Helper()
	families, err := reg.Gather()
	must(t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && m.GetLabel()[0].GetValue() == label {
				return m.GetHistogram().GetSampleCount()
			}
		}
	}
	return 0
}
