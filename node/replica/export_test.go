package replica

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mero/node/fold"
	"mero/node/ident"
	"mero/node/store"
	"mero/node/trail"
)

// CheckQueue holds the lead of a queue of its own while others wait, some of
// whom give up: the rest must get the lead one after another. It runs in a
// synctest bubble.
func CheckQueue(t *testing.T, s *Set, id ident.ContextID, patience time.Duration) {
	r := &replica{set: s, id: id}
	if err := r.lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	const waiters = 10
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		led  int
		gone int
	)
	for i := range waiters {
		wg.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			if i%2 == 0 {
				ctx, cancel = context.WithTimeout(t.Context(), patience)
			}
			defer cancel()
			err := r.lock(ctx)
			mu.Lock()
			defer mu.Unlock()
			if errors.Is(err, context.DeadlineExceeded) {
				gone++
				return
			}
			led++
			r.unlock()
		})
	}
	synctest.Wait()
	<-time.After(2 * patience) // fake time: the patience of half of them ends
	synctest.Wait()
	r.unlock()
	wg.Wait()
	if led != waiters/2 || gone != waiters/2 {
		t.Errorf("%d led and %d gave up, want %d each", led, gone, waiters/2)
	}
	if r.led || len(r.waiting) > 0 {
		t.Errorf("the queue is left with led=%v and %d waiting", r.led, len(r.waiting))
	}
}

// Drain goes through the queue of calls between contexts once.
func (s *Set) Drain(ctx context.Context) (retry bool) { return s.drain(ctx) }

// AbortedBatch runs a call that writes as the second of a batch whose third call
// panics. It returns what the second was answered, and whether it was written.
// The panic ends in the leader, as it would in a request of the server.
func AbortedBatch(t *testing.T, s *Set, id ident.ContextID) (written bool, answered error) {
	t.Helper()
	s.writers.Learned(s.app(t, id), "test")
	s.writers.Took(s.app(t, id), "test", 0) // quick, so that the three share a batch
	r := s.replica(id)
	if err := r.lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	run := func(call func(*batch) (*Result, error), err *error) {
		queued := r.length()
		wg.Go(func() {
			defer func() { _ = recover() }()
			_, *err = r.submit(t.Context(), newTicket("test", call))
		})
		for r.length() == queued {
			runtime.Gosched()
		}
	}
	var ignored, also error
	run(func(*batch) (*Result, error) { return &Result{}, nil }, &ignored)
	run(func(b *batch) (*Result, error) {
		b.private.Put([]byte("second"), nil, []byte("1"), false, true)
		return &Result{}, nil
	}, &answered)
	run(func(*batch) (*Result, error) { panic("a fault of ours") }, &also)
	r.unlock()
	wg.Wait()
	view, err := s.view(id)
	if err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	_, written, err = view.Private([]byte("second"))
	if err != nil {
		t.Fatal(err)
	}
	return written, answered
}

func (r *replica) length() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.waiting)
}

func (s *Set) app(t *testing.T, id ident.ContextID) ident.AppID {
	t.Helper()
	info, err := s.Get(id)
	if err != nil {
		t.Fatal(err)
	}
	return info.App
}

// Believe makes the set think that folding a delta takes so long, so that a
// roll-back over more than 200 is a deep one (R8), until it has seen enough that
// say otherwise.
func (s *Set) Believe(cost time.Duration) {
	records, err := s.deps.Store.Contexts()
	if err != nil {
		panic(err)
	}
	for _, rec := range records {
		r := s.replica(rec.ID)
		if err := r.lock(context.Background()); err != nil {
			panic(err)
		}
		r.fold.Mean = cost
		r.unlock()
	}
}

// Ages is enough for Believe to last for some hundred deltas.
const Ages = 1 << 50

// Thin brings the undo spans of a context into a budget of bytes.
func (s *Set) Thin(ctx context.Context, id ident.ContextID, budget int) error {
	r := s.replica(id)
	if err := r.lock(ctx); err != nil {
		return err
	}
	defer r.unlock()
	view, err := s.view(id)
	if err != nil {
		return err
	}
	defer view.Close()
	rec := view.Context()
	t := trail.Of(view)
	if err := t.CompactTo(budget); err != nil {
		return err
	}
	step := store.Step{Context: &rec}
	if err := t.Changes(&step); err != nil {
		return err
	}
	return s.deps.Store.Commit(ctx, &step)
}

// Lead keeps the queue of a context until the function that it returns is called.
func (s *Set) Lead(ctx context.Context, id ident.ContextID) (func(), error) {
	r := s.replica(id)
	return r.unlock, r.lock(ctx)
}

// RefoldOnce does a deep roll-back as Deepen does, or a rebuild, without its pace, and
// lets something happen before it takes the live state's place.
func (s *Set) RefoldOnce(ctx context.Context, id ident.ContextID, genesis bool, during func()) error {
	r := s.replica(id)
	ctx, done, err := r.takeOver(ctx, false)
	if err != nil {
		return err
	}
	defer done()
	j, err := s.beginRefold(ctx, r, genesis)
	if err != nil {
		return err
	}
	defer j.base.Close()
	defer j.end(ctx)
	want, read, err := s.look(ctx, r, j)
	if err != nil {
		return err
	}
	err = j.foldTo(ctx, want, read)
	read.Close()
	j.b.view = j.base
	if err == nil && j.whole {
		err = j.dropRest(ctx)
	}
	if err != nil {
		return err
	}
	during()
	return r.alone(ctx, func(b *batch) error { return j.finish(ctx, b) })
}

// ErrRestart says that a job has to begin again.
var ErrRestart = errRestart

// CheckShallow says whether a roll-back over so many deltas is done at once, when so
// many took so long each, and after one over as many as gaveUp was given up.
func CheckShallow(depth uint64, each time.Duration, gaveUp uint64) bool {
	f := &fold.Cost{Mean: each}
	if gaveUp > 0 {
		f.GaveUp(gaveUp)
	}
	return f.IsShallow(depth)
}

// Queued is how many wait for the lead of a context.
func (s *Set) Queued(id ident.ContextID) int { return s.replica(id).length() }

// Tend is one of Run's looks at what waits, in so long from now.
func (s *Set) Tend(ctx context.Context, id ident.ContextID, later time.Duration) {
	r := s.replica(id)
	r.mu.Lock()
	r.used, r.looked = r.used.Add(-later), r.looked.Add(-later)
	r.mu.Unlock()
	s.tend(ctx)
}

// HasGraph reports whether the graph of a context is in memory.
func (s *Set) HasGraph(ctx context.Context, id ident.ContextID) bool {
	r := s.replica(id)
	if err := r.lock(ctx); err != nil {
		panic(err)
	}
	defer r.unlock()
	return r.history != nil
}

// Tire makes paced jobs rest for so long as soon as they have worked.
func (s *Set) Tire(rest time.Duration) { s.pace.After(rest / 3) }
