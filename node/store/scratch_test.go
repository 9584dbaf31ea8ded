package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"mero/node/store"
)

// scratchModel is what a scratch should have: nil for a removed key.
type scratchModel map[string][]byte

func put(key string, value []byte) store.Change {
	return store.Change{Key: []byte(key), New: value, HasNew: value != nil}
}

func (m scratchModel) put(tb testing.TB, sc *store.Scratch, changes ...store.Change) {
	tb.Helper()
	must(tb, sc.Put(tb.Context(), changes))
	for _, c := range changes {
		m[string(c.Key)] = c.New
	}
}

// check compares both ways of reading a scratch with the model.
func (m scratchModel) check(tb testing.TB, sc *store.Scratch) {
	tb.Helper()
	for key, want := range m {
		got, present, known, err := sc.Get([]byte(key))
		must(tb, err)
		if !known || present != (want != nil) || !bytes.Equal(got, want) {
			tb.Fatalf("Get: key of %d bytes: %d bytes, present %v, known %v, want %d bytes", len(key), len(got), present, known, len(want))
		}
	}
	seen := 0
	var last []byte
	for e, err := range sc.All() {
		must(tb, err)
		want, ok := m[string(e.Key)]
		if !ok || e.Present != (want != nil) || !bytes.Equal(e.Value, want) {
			tb.Fatalf("All: key of %d bytes: %d bytes, present %v, want %d bytes, %v", len(e.Key), len(e.Value), e.Present, len(want), ok)
		}
		if len(e.Key) <= 512 && seen > 0 && bytes.Compare(last, e.Key) >= 0 {
			tb.Fatalf("All: %q after %q", e.Key, last)
		}
		last = e.Key
		seen++
	}
	if seen != len(m) {
		tb.Fatalf("All: %d keys, want %d", seen, len(m))
	}
	for _, key := range []string{"unknown", strings.Repeat("u", 2000), strings.Repeat("u", store.MaxKey+1)} {
		if _, present, known, err := sc.Get([]byte(key)); present || known || err != nil {
			tb.Fatalf("a key that is not there: %v, %v, %v", present, known, err)
		}
	}
}

// onto is the state of r with the scratch upon it.
func (m scratchModel) onto(state map[string][]byte) map[string][]byte {
	out := maps.Clone(state)
	for key, value := range m {
		if value == nil {
			delete(out, key)
		} else {
			out[key] = value
		}
	}
	return out
}

// fillScratch meets every shape of value, and what was there before it.
func fillScratch(tb testing.TB, sc *store.Scratch) scratchModel {
	tb.Helper()
	m := make(scratchModel)
	long, gone, back := string(pattern(3000, 6)), string(pattern(40<<10, 21)), string(pattern(700, 22))
	m.put(tb, sc, put("shrinks", pattern(200<<10, 30)), put("grows", pattern(3, 31)), put("one page", pattern(60<<10, 32)),
		put("goes", pattern(50<<10, 33)), put(long, pattern(20<<10, 34)), put(gone, pattern(9000, 35)), put("empty", []byte{}))
	m.put(tb, sc, put("shrinks", pattern(5000, 36)), put("grows", pattern(50<<10, 37)), put("goes", nil), put(long, nil),
		put(gone, nil), put(back, nil), put("never", nil))
	m.put(tb, sc, put(back, pattern(9000, 38)), put("big", pattern(700<<10, 39)), put("one page", pattern(60<<10, 5)),
		put("twice", pattern(30<<10, 60)), put("twice", pattern(9000, 61)))
	return m
}

func newScratch(tb testing.TB, s *store.Store, r *replica) *store.Scratch {
	tb.Helper()
	sc, err := s.NewScratch(r.id)
	must(tb, err)
	return sc
}

func TestScratchReads(t *testing.T) {
	s := newStore(t)
	r := newReplica(t, s, 1)
	seedState(t, s, r)
	sc := newScratch(t, s, r)
	make(scratchModel).check(t, sc)
	m := fillScratch(t, sc)
	m.check(t, sc)
	r.check(t, s) // nobody sees it
	must(t, s.Tidy(t.Context()))
	m.check(t, sc) // nor is it swept while it is in use
	m.put(t, sc, put("twice", pattern(9000, 1)), put("twice", []byte("2")))
	m.check(t, sc)
	for e, err := range sc.All() { // stopping early is no error
		must(t, err)
		if e.Key != nil {
			break
		}
	}
	must(t, sc.Discard(t.Context()))
	must(t, sc.Discard(t.Context()))
	r.check(t, s)
	noLeftovers(t, s, r)
	spent(t, sc)
}

// spent checks that a scratch takes and tells nothing any more.
func spent(tb testing.TB, sc *store.Scratch) {
	tb.Helper()
	if _, _, _, err := sc.Get([]byte("big")); !errors.Is(err, store.ErrSpent) {
		tb.Errorf("Get: %v", err)
	}
	if err := sc.Put(context.Background(), []store.Change{put("a", nil)}); !errors.Is(err, store.ErrSpent) {
		tb.Errorf("Put: %v", err)
	}
	for _, err := range sc.All() {
		if !errors.Is(err, store.ErrSpent) {
			tb.Errorf("All: %v", err)
		}
	}
}

// scratchStep is a step that takes a scratch and has something of everything
// besides. size is that of a value of its own.
func scratchStep(r *replica, sc *store.Scratch, m scratchModel, size int) *store.Step {
	merged := clone(r)
	merged.state = m.onto(r.state)
	st := merged.step(100, merged.set("one page", pattern(30<<10, 41)), merged.set("big", nil), merged.set("goes", []byte("back")),
		merged.set("own", pattern(size, 42)), merged.set("stays", nil))
	st.Scratch = sc
	st.Undo = []store.Undo{span(r.id, 0, r.n, 300), span(r.id, r.n, r.n+1, size)}
	st.UndoDrop = refsOf(span(r.id, 0, r.n, 300), span(r.id, 0, 1, 9000))
	return st
}

// take commits a step with a scratch and takes it into the model.
func (r *replica) take(st *store.Step, m scratchModel) {
	r.n++
	r.state = m.onto(r.state)
	r.done(st)
}

func TestScratchStep(t *testing.T) {
	for name, size := range map[string]int{"small": 5000, "large": 2 << 20} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			r := newReplica(t, s, 1)
			seedState(t, s, r)
			sc := newScratch(t, s, r)
			m := fillScratch(t, sc)
			// The visible state goes on meanwhile, under the scratch as well.
			st := r.step(10, r.set("shrinks", pattern(300<<10, 50)), r.set("goes", nil), r.set("other", []byte("1")),
				r.set(string(pattern(40<<10, 21)), pattern(9000, 51)), r.set("one page", pattern(3, 52)))
			st.Undo = []store.Undo{span(r.id, 0, 1, 9000)}
			must(t, s.Commit(t.Context(), st))
			r.done(st)
			m.check(t, sc)
			r.check(t, s)
			old, err := s.View(r.id)
			must(t, err)
			defer old.Close()
			before := *clone(r)

			st = scratchStep(r, sc, m, size)
			transaction := s.Transaction()
			must(t, s.Commit(t.Context(), st))
			if n := s.Transaction() - transaction; name == "large" && n < 4 {
				t.Errorf("%d transactions: the step was not large", n)
			}
			r.take(st, m)
			r.check(t, s)
			checkUndo(t, s, r.id, st.Undo)
			noLeftovers(t, s, r)
			spent(t, sc)
			must(t, sc.Discard(t.Context()))
			r.check(t, s)
			for key, want := range before.state {
				got, ok, err := old.Get([]byte(key))
				if err != nil || !ok || !bytes.Equal(got, want) {
					t.Fatalf("a view that was open changed: %v, %v", ok, err)
				}
			}
			r.commit(t, s, 10, r.set("next", []byte("1")))
			r.check(t, s)
		})
	}
}

func TestEmptyScratch(t *testing.T) {
	s := newStore(t)
	r := newReplica(t, s, 1)
	r.commit(t, s, 10, r.set("a", pattern(9000, 1)))
	st := r.step(10, r.set("a", pattern(100, 2)), r.set("b", []byte("1")))
	st.Scratch = newScratch(t, s, r)
	must(t, s.Commit(t.Context(), st))
	r.done(st)
	r.check(t, s)
	noLeftovers(t, s, r)
	must(t, newScratch(t, s, r).Discard(t.Context()))
	noLeftovers(t, s, r)
}

func TestScratchRefusals(t *testing.T) {
	s := newStore(t)
	r := newReplica(t, s, 1)
	other := newReplica(t, s, 2)
	if _, err := s.NewScratch(contextID(3)); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a scratch of no context: %v", err)
	}
	sc := newScratch(t, s, r)
	m := make(scratchModel)
	m.put(t, sc, put("a", []byte("1")))
	long := []store.Change{put(strings.Repeat("k", store.MaxKey+1), nil)}
	if err := sc.Put(t.Context(), long); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("a key that is too long: %v", err)
	}
	foreign := other.step(10)
	foreign.Scratch = sc
	stale := r.step(10)
	stale.Scratch = sc
	stale.Context.Step--
	wrong := r.step(10, r.set("a", []byte("2"))) // a has a value in the scratch
	wrong.Scratch = sc
	creates := r.step(10)
	creates.Scratch, creates.Create = sc, true
	for name, tc := range map[string]struct {
		step *store.Step
		want error
	}{
		"another context": {foreign, store.ErrStale},
		"older step":      {stale, store.ErrStale},
		"wrong old":       {wrong, store.ErrStale},
		"create":          {creates, store.ErrNotFound},
		"no context":      {&store.Step{Scratch: sc}, store.ErrNotFound},
	} {
		if err := s.Commit(t.Context(), tc.step); !errors.Is(err, tc.want) {
			t.Errorf("%s: got %v, want %v", name, err, tc.want)
		}
	}
	m.check(t, sc) // none of them used it up
	r.n = 0
	r.check(t, s)

	must(t, s.DeleteContext(t.Context(), r.id))
	again := newReplica(t, s, 1)
	st := again.step(10)
	st.Scratch = sc
	if err := s.Commit(t.Context(), st); !errors.Is(err, store.ErrStale) {
		t.Errorf("a scratch of a context that was deleted: %v", err)
	}
	must(t, sc.Discard(t.Context()))
	left, err := s.RecordsWith(r.id)
	must(t, err)
	if left != 1 { // the context itself
		t.Errorf("%d records are left", left)
	}
}

func TestScratchAfterFailure(t *testing.T) {
	s := newStore(t)
	r := newReplica(t, s, 1)
	sc := newScratch(t, s, r)
	must(t, sc.Put(t.Context(), []store.Change{put("a", []byte("1"))}))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := sc.Put(ctx, []store.Change{put("a", []byte("2"))}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	spent(t, sc)
	st := r.step(10)
	st.Scratch = sc
	if err := s.Commit(t.Context(), st); !errors.Is(err, store.ErrSpent) {
		t.Errorf("a step took it: %v", err)
	}
	if err := sc.Discard(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Discard: %v", err)
	}
	must(t, s.Tidy(t.Context())) // what Discard could not do
	r.n--
	r.check(t, s)
	noLeftovers(t, s, r)
}

// TestScratchAfterHalfStep: what a large step wrote ahead into a scratch is its own,
// so when it fails, no other step may have the scratch.
func TestScratchAfterHalfStep(t *testing.T) {
	s := newStore(t)
	r := newReplica(t, s, 1)
	seedState(t, s, r)
	sc := newScratch(t, s, r)
	m := fillScratch(t, sc)
	ctx, cancel := context.WithCancel(t.Context())
	s.SetFault(func() error { cancel(); return nil }) // after the first transaction
	if err := s.Commit(ctx, scratchStep(r, sc, m, 3<<20)); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	s.SetFault(nil)
	merged := clone(r)
	merged.state = m.onto(r.state)
	st := merged.step(10)
	st.Scratch = sc
	if err := s.Commit(t.Context(), st); !errors.Is(err, store.ErrSpent) {
		t.Errorf("another step took it: %v", err)
	}
	spent(t, sc)
	must(t, sc.Discard(t.Context()))
	r.check(t, s)
	noLeftovers(t, s, r)
}

// TestScratchIsShared: many read while one writes, steps go on, and Run sweeps.
func TestScratchIsShared(t *testing.T) {
	s := newStore(t)
	r := newReplica(t, s, 1)
	seedState(t, s, r)
	sc := newScratch(t, s, r)
	ctx, stop := context.WithCancel(t.Context())
	var others sync.WaitGroup
	for range 3 {
		others.Go(func() {
			for ctx.Err() == nil {
				value, present, known, err := sc.Get([]byte("big"))
				if err != nil || known != present || known && !bytes.Equal(value, pattern(20<<10, uint64(len(value)))) {
					t.Errorf("%d bytes, %v, %v, %v", len(value), present, known, err)
					return
				}
				for _, err := range sc.All() {
					if err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	others.Go(func() {
		for ctx.Err() == nil {
			if err := s.Tidy(t.Context()); err != nil {
				t.Error(err)
				return
			}
		}
	})
	m := make(scratchModel)
	for n := range 50 / scale {
		m.put(t, sc, put("big", pattern(20<<10, 20<<10)), put(fmt.Sprint(n), pattern(9000, uint64(n))))
		r.commit(t, s, 10, r.set("big", pattern(30<<10, uint64(n))))
	}
	stop()
	others.Wait()
	m.check(t, sc)
	merged := clone(r)
	merged.state = m.onto(r.state)
	st := merged.step(10)
	st.Scratch = sc
	must(t, s.Commit(t.Context(), st))
	r.take(st, m)
	r.check(t, s)
	noLeftovers(t, s, r)
}

// TestScratchOfSameValues: a rebuild that finds what was there rewrites nothing when
// it is moved.
func TestScratchOfSameValues(t *testing.T) {
	s := newStore(t)
	r := newReplica(t, s, 1)
	seedState(t, s, r)
	sc := newScratch(t, s, r)
	for key, value := range r.state {
		must(t, sc.Put(t.Context(), []store.Change{put(key, value)}))
	}
	st := r.step(10)
	st.Scratch = sc
	before := s.Transaction()
	must(t, s.Commit(t.Context(), st))
	r.done(st)
	_, written, err := s.WrittenSince(before)
	must(t, err)
	if written > 50<<10 {
		t.Errorf("%d bytes were written for a state that stays", written)
	}
	r.check(t, s)
	noLeftovers(t, s, r)
}

// TestScratchCrash kills a process at each transaction of filling a scratch, taking
// it and moving it, and finds the old state or the new one, then sweeps.
func TestScratchCrash(t *testing.T) {
	for name, size := range map[string]int{"small": 5000, "large": 600 << 10} {
		t.Run(name, func(t *testing.T) { scratchCrash(t, size) })
	}
}

func scratchCrash(t *testing.T, size int) {
	dir := filepath.Join(fastDir(t), "db")
	s := open(t, dir, noSync())
	base := newReplica(t, s, 1)
	seedState(t, s, base)
	st := base.step(10, base.set(string(pattern(40<<10, 21)), pattern(9000, 51)))
	st.Undo = []store.Undo{span(base.id, 0, 1, 9000)}
	must(t, s.Commit(t.Context(), st))
	base.done(st)
	must(t, s.Close())
	sawOld, sawNew := 0, 0
	for n := 0; ; n += scale {
		copied := filepath.Join(fastDir(t), "db")
		copyStore(t, dir, copied)
		s := open(t, copied, noSync())
		s.SetLimits(150<<10, 60)
		r := clone(base)
		sc := newScratch(t, s, r)
		s.SetFault(crashAt(n))
		st, m, err := tryScratch(t, s, r, sc, size)
		s.SetFault(nil)
		finished := s.Writable() == nil
		must(t, s.Close())
		if err != nil && !errors.Is(err, errCrash) {
			t.Fatalf("border %d: %v", n, err)
		}
		s = open(t, copied, noSync())
		undo := []store.Undo{span(base.id, 0, 1, 9000)}
		if err == nil {
			r.take(st, m)
			undo = st.Undo
			sawNew++
		} else {
			sawOld++
		}
		if differs := r.diff(s); differs != nil {
			t.Fatalf("border %d, acknowledged %v: %v", n, err == nil, differs)
		}
		checkUndo(t, s, r.id, undo)
		afterCrash(t, s, r, n)
		checkUndo(t, s, r.id, undo)
		must(t, s.Close())
		if finished {
			break
		}
	}
	if sawOld < 10/scale || sawNew < 5/scale {
		t.Errorf("%d borders before the switch, %d after: too few to mean anything", sawOld, sawNew)
	}
	t.Logf("%d borders before the switch, %d after", sawOld, sawNew)
}

// tryScratch fills a scratch and commits it, until something fails.
func tryScratch(t *testing.T, s *store.Store, r *replica, sc *store.Scratch, size int) (*store.Step, scratchModel, error) {
	t.Helper()
	m := make(scratchModel)
	long, gone := string(pattern(3000, 6)), string(pattern(40<<10, 21))
	for _, changes := range [][]store.Change{
		{put("shrinks", pattern(200<<10, 30)), put("goes", pattern(50<<10, 33)), put(long, pattern(20<<10, 34)), put("one page", r.state["one page"])},
		{put("shrinks", pattern(5000, 36)), put("goes", nil), put(long, nil), put(gone, nil), put("big", pattern(300<<10, 39)), put("stays", nil)},
		{put(string(pattern(40<<10, 23)), nil), put("stays", pattern(9000, 40))},
	} {
		if err := sc.Put(t.Context(), changes); err != nil {
			return nil, nil, err
		}
		for _, c := range changes {
			m[string(c.Key)] = c.New
		}
	}
	st := scratchStep(r, sc, m, size)
	return st, m, s.Commit(t.Context(), st)
}

// TestScratchRandom compares a long random history with the model.
func TestScratchRandom(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	s := newStore(t)
	s.SetLimits(64<<10, 100)
	r := newReplica(t, s, 1)
	keys := []string{"a", "b", "c\x00", "d", string(pattern(600, 1)), string(pattern(40<<10, 2)), ""}
	value := func() []byte {
		sizes := []int{0, 1, 4096, 4097, 9000, 30 << 10}
		i := rng.IntN(len(sizes) + 2)
		if i >= len(sizes) {
			return nil
		}
		return pattern(sizes[i], rng.Uint64N(3))
	}
	changes := func(set func(string, []byte) store.Change) (out []store.Change) {
		some := slices.Clone(keys)
		rng.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
		for _, key := range some[:1+rng.IntN(4)] {
			out = append(out, set(key, value()))
		}
		return out
	}
	for range 40 / scale {
		sc := newScratch(t, s, r)
		m := make(scratchModel)
		for range rng.IntN(5) {
			m.put(t, sc, changes(put)...)
			if rng.IntN(2) == 0 {
				r.commit(t, s, 10, changes(r.set)...)
			}
			m.check(t, sc)
			r.check(t, s)
		}
		if rng.IntN(4) == 0 {
			must(t, sc.Discard(t.Context()))
		} else {
			merged := clone(r)
			merged.state = m.onto(r.state)
			st := merged.step(10, changes(merged.set)...)
			st.Scratch = sc
			must(t, s.Commit(t.Context(), st))
			r.take(st, m)
		}
		r.check(t, s)
		noLeftovers(t, s, r)
	}
	if r.n == 0 {
		t.Error("nothing was committed")
	}
}
