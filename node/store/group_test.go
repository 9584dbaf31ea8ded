package store_test

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mero/node/store"
)

// TestGroupCommit has many writers share transactions, with wrong and large steps
// among them, and loses nothing.
func TestGroupCommit(t *testing.T) {
	const writers, steps = 16, 40
	s := newStore(t)
	replicas := make([]*replica, writers)
	for i := range replicas {
		replicas[i] = newReplica(t, s, uint64(i))
	}
	before := s.Transaction()
	var wg sync.WaitGroup
	var refused atomic.Int64
	for i, r := range replicas {
		wg.Go(func() {
			for n := range steps {
				size := 500
				if i == 0 && n%10 == 5 {
					size = 1500 << 10
				}
				st := r.step(100, r.set(fmt.Sprint("k", n%5), pattern(size, uint64(n))))
				if err := s.Commit(t.Context(), st); err != nil {
					t.Errorf("writer %d: %v", i, err)
					return
				}
				r.done(st)
				bad := r.step(10, store.Change{Key: []byte("k0"), HadOld: false, New: []byte("x"), HasNew: true})
				r.n--
				if err := s.Commit(t.Context(), bad); !errors.Is(err, store.ErrStale) {
					t.Errorf("writer %d: got %v, want ErrStale", i, err)
					return
				}
				refused.Add(1)
			}
		})
	}
	wg.Wait()
	for _, r := range replicas {
		r.check(t, s)
	}
	t.Logf("%d steps in %d transactions, %d refused", writers*steps, s.Transaction()-before, refused.Load())
}

// TestOneTransactionForAllWhoWait holds one transaction until the others wait.
func TestOneTransactionForAllWhoWait(t *testing.T) {
	const writers = 16
	s := newStore(t)
	replicas := make([]*replica, writers)
	for i := range replicas {
		replicas[i] = newReplica(t, s, uint64(i))
	}
	before := s.Transaction()
	hold, entered := make(chan struct{}), make(chan struct{}, writers)
	s.SetFault(func() error { entered <- struct{}{}; <-hold; return nil })
	var wg sync.WaitGroup
	commit := func(r *replica) {
		st := r.step(100, r.set("k", pattern(500, r.n)))
		if err := s.Commit(t.Context(), st); err != nil {
			t.Error(err)
			return
		}
		r.done(st)
	}
	wg.Go(func() { commit(replicas[0]) })
	<-entered
	for _, r := range replicas[1:] {
		wg.Go(func() { commit(r) })
	}
	for s.Queued() < writers-1 {
		runtime.Gosched()
	}
	close(hold)
	wg.Wait()
	for _, r := range replicas {
		r.check(t, s)
	}
	if n := s.Transaction() - before; n != 2 {
		t.Errorf("%d transactions, want 2: one for the first, one for all who waited", n)
	}
}

// TestSweepingBesideLargeSteps sweeps all the time while generations are written.
func TestSweepingBesideLargeSteps(t *testing.T) {
	s := newStore(t)
	s.SetLimits(100<<10, 500)
	replicas := []*replica{newReplica(t, s, 1), newReplica(t, s, 2)}
	stop := make(chan struct{})
	var sweeper, writers sync.WaitGroup
	sweeper.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if err := s.Tidy(t.Context()); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for _, r := range replicas {
		writers.Go(func() {
			for n := range 10 {
				st := r.step(300<<10, r.set(fmt.Sprint(n%3), pattern(300<<10, uint64(n))))
				if err := s.Commit(t.Context(), st); err != nil {
					t.Error(err)
					return
				}
				r.done(st)
			}
		})
	}
	writers.Wait()
	close(stop)
	sweeper.Wait()
	for _, r := range replicas {
		r.check(t, s)
	}
}

// TestBatchKeepsToItsLimit lets more wait than one transaction holds.
func TestBatchKeepsToItsLimit(t *testing.T) {
	s := newStore(t)
	const writers = 12
	replicas := make([]*replica, writers)
	for i := range replicas {
		replicas[i] = newReplica(t, s, uint64(i))
	}
	hold, entered := make(chan struct{}), make(chan struct{}, 100)
	s.SetFault(func() error { entered <- struct{}{}; <-hold; return nil })
	var wg sync.WaitGroup
	for i, r := range replicas {
		wg.Go(func() {
			st := r.step(100, r.set("k", pattern(300<<10, uint64(i))))
			if err := s.Commit(t.Context(), st); err != nil {
				t.Error(err)
				return
			}
			r.done(st)
		})
	}
	<-entered
	before := s.Transaction()
	close(hold)
	wg.Wait()
	for _, r := range replicas {
		r.check(t, s)
	}
	if n := s.Transaction() - before; n < writers/4 {
		t.Errorf("%d transactions for %d steps of 300 KiB", n, writers)
	}
}

// TestReadsBesideAPendingTransaction reads while a transaction is held up.
func TestReadsBesideAPendingTransaction(t *testing.T) {
	s := newStore(t)
	r := newReplica(t, s, 1)
	r.commit(t, s, 10, r.set("a", []byte("1")))
	hold, entered := make(chan struct{}), make(chan struct{}, 1)
	s.SetFault(func() error { entered <- struct{}{}; <-hold; return nil })
	st := r.step(10, r.set("a", []byte("2")))
	done := make(chan error, 1)
	go func() { done <- s.Commit(t.Context(), st) }()
	<-entered
	r.n--
	r.check(t, s)
	close(hold)
	must(t, <-done)
	r.n++
	r.done(st)
	r.check(t, s)
}

func TestSameContextOneAfterTheOther(t *testing.T) {
	s := newStore(t)
	r := newReplica(t, s, 1)
	var wg sync.WaitGroup
	var won atomic.Int64
	for range 8 {
		wg.Go(func() {
			rec := r.rec
			err := s.Commit(t.Context(), &store.Step{Context: &rec})
			if err == nil {
				won.Add(1)
			} else if !errors.Is(err, store.ErrStale) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d steps were made from one state", won.Load())
	}
}

func TestCloseWaitsAndRefuses(t *testing.T) {
	s := newStore(t)
	r := newReplica(t, s, 1)
	v, err := s.View(r.id)
	must(t, err)
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	for s.Writable() == nil { // until Close was entered
		runtime.Gosched()
	}
	if _, _, err := v.Get([]byte("k")); err != nil {
		t.Errorf("a view that was open: %v", err)
	}
	if _, err := s.View(r.id); !errors.Is(err, store.ErrClosed) {
		t.Errorf("View: got %v, want ErrClosed", err)
	}
	if err := s.Commit(t.Context(), r.step(1)); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Commit: got %v, want ErrClosed", err)
	}
	if _, err := s.Apps(); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Apps: got %v, want ErrClosed", err)
	}
	select {
	case err := <-closed:
		t.Fatalf("closed under a view: %v", err)
	default:
	}
	v.Close()
	must(t, <-closed)
	must(t, s.Close())
}

func TestLocked(t *testing.T) {
	dir := t.TempDir() + "/db"
	open(t, dir, noSync())
	if _, err := store.Open(dir, noSync(), quiet()); !errors.Is(err, store.ErrLocked) {
		t.Errorf("got %v, want ErrLocked", err)
	}
}

// attempt commits in a goroutine of its own and sends what came of it: nil, an
// error or what it panicked with.
func attempt(t *testing.T, s *store.Store, st *store.Step, ended chan<- any) {
	t.Helper()
	go func() {
		var got any
		defer func() {
			if p := recover(); p != nil {
				got = p
			}
			ended <- got
		}()
		if err := s.Commit(t.Context(), st); err != nil {
			got = err
		}
	}()
}

// TestPanicOfTheLeader panics in the second transaction, which two of four share
// that wait for the first: nobody waits for ever, and the store says that it
// failed.
func TestPanicOfTheLeader(t *testing.T) {
	const writers = 4
	s := newStore(t)
	replicas := make([]*replica, writers)
	for i := range replicas {
		replicas[i] = newReplica(t, s, uint64(i))
	}
	s.SetLimits(1<<20, 8) // two or three steps in a transaction
	hold, entered := make(chan struct{}), make(chan struct{}, writers)
	var transactions atomic.Int64
	s.SetFault(func() error {
		entered <- struct{}{}
		<-hold
		if transactions.Add(1) == 2 {
			panic("boom")
		}
		return nil
	})
	ended := make(chan any, 1)
	for i, r := range replicas {
		attempt(t, s, r.step(100, r.set("k", pattern(500, r.n))), ended)
		if i == 0 {
			<-entered
		}
		for s.Queued() < i {
			runtime.Gosched()
		}
	}
	close(hold)
	outcome := func() string {
		select {
		case got := <-ended:
			if err, ok := got.(error); ok && errors.Is(err, store.ErrFailed) {
				return "failed"
			}
			return fmt.Sprint(got)
		case <-time.After(10 * time.Second):
			return "waits for ever"
		}
	}
	got := map[string]int{}
	for range writers {
		got[outcome()]++
	}
	if diff := cmp.Diff(got, map[string]int{"<nil>": 1, "boom": 1, "failed": writers - 2}); diff != "" {
		t.Fatalf("what became of the writers (-got +want):\n%s", diff)
	}
	r := replicas[1]
	attempt(t, s, r.step(100, r.set("k", []byte("later"))), ended)
	if got := outcome(); got != "failed" || !errors.Is(s.Writable(), store.ErrFailed) {
		t.Errorf("afterwards: a write %s, and the store says %v", got, s.Writable())
	}
	must(t, s.Close())
}
