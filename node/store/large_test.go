package store_test

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"testing"

	"mero/node/delta"
	"mero/node/store"
)

var errCrash = errors.New("process dies here")

// crashAt lets n transactions through.
func crashAt(n int) func() error {
	return func() error {
		if n--; n < 0 {
			return errCrash
		}
		return nil
	}
}

// seedState gives a context values of every shape that a large step can meet.
func seedState(t *testing.T, s *store.Store, r *replica) {
	t.Helper()
	r.commit(t, s, 10, r.set("shrinks", pattern(100<<10, 1)), r.set("grows", pattern(5000, 2)),
		r.set("goes", pattern(100<<10, 3)), r.set("stays", pattern(9000, 4)), r.set("one page", pattern(60<<10, 5)),
		r.set(string(pattern(3000, 6)), pattern(9000, 6)), r.set(string(pattern(3000, 7)), pattern(9000, 7)))
}

// largeStep changes size bytes and more, in all the ways there are.
func largeStep(r *replica, size int) *store.Step {
	onePage := append([]byte(nil), r.state["one page"]...)
	onePage[30<<10]++
	changes := []store.Change{
		r.set("shrinks", pattern(3000, 8)), r.set("grows", pattern(50<<10, 9)), r.set("goes", nil),
		r.set("one page", onePage),
		r.set(string(pattern(3000, 6)), nil), r.set(string(pattern(3000, 7)), pattern(20000, 10)),
		r.set(string(pattern(40<<10, 11)), pattern(10, 11)),
	}
	for i := 0; size > 0; i++ {
		changes = append(changes, r.set(fmt.Sprintf("new %d", i), pattern(64<<10, uint64(i))))
		size -= 64 << 10
	}
	st := r.step(4<<20, changes...)
	for i := range 40 {
		st.XCallsAdd = append(st.XCallsAdd, store.XCall{Source: r.id, Function: fmt.Sprint(i), Params: pattern(16<<10, uint64(i))})
	}
	return st
}

func queueLength(t *testing.T, s *store.Store) int {
	t.Helper()
	queue, err := s.XCalls(1000)
	must(t, err)
	for i, x := range queue {
		if x.Function != fmt.Sprint(i) {
			t.Errorf("queue: %q at %d", x.Function, i)
		}
	}
	return len(queue)
}

func TestLargeStep(t *testing.T) {
	s := newStore(t)
	r := newReplica(t, s, 1)
	seedState(t, s, r)
	before := s.Transaction()
	st := largeStep(r, 31<<20)
	must(t, s.Commit(t.Context(), st))
	r.done(st)
	if n := s.Transaction() - before; n < 40 {
		t.Errorf("only %d transactions: the step was not large", n)
	}
	r.check(t, s)
	if n := queueLength(t, s); n != 40 {
		t.Errorf("%d calls are queued, want 40", n)
	}
	r.commit(t, s, 10, r.set("next", []byte("1")))
	r.check(t, s)
	noLeftovers(t, s, r)
}

// noLeftovers checks that nothing is stored but what the model needs.
func noLeftovers(t *testing.T, s *store.Store, r *replica) {
	t.Helper()
	records, err := s.Records()
	must(t, err)
	want := 0
	for key, value := range r.state {
		want += max(1, (len(value)+4095)/4096)
		if len(key) > 512 {
			want += (len(key) + 32<<10 - 1) / (32 << 10)
		}
	}
	if got := records[store.TableState]; got != want {
		t.Errorf("%d records of state, want %d", got, want)
	}
	if got := records[store.TableFate]; got != int(r.rec.Deltas) {
		t.Errorf("%d fates, want %d", got, r.rec.Deltas)
	}
	if n := records[store.TableLeftover]; n != 0 {
		t.Errorf("%d leftover records", n)
	}
}

// TestCrashAtEveryTransaction kills a large step before each of its transactions,
// sees old or new, lets Run sweep, and goes on.
func TestCrashAtEveryTransaction(t *testing.T) {
	dir := filepath.Join(fastDir(t), "db")
	s := open(t, dir, noSync())
	base := newReplica(t, s, 1)
	seedState(t, s, base)
	must(t, s.Close())
	sawOld, sawNew := 0, 0
	for n := 0; ; n += scale {
		copied := filepath.Join(fastDir(t), "db")
		copyStore(t, dir, copied)
		s := open(t, copied, noSync())
		s.SetLimits(300<<10, 1000)
		r := clone(base)
		st := largeStep(r, 512<<10)
		s.SetFault(crashAt(n))
		err := s.Commit(t.Context(), st)
		s.SetFault(nil)
		finished := s.Writable() == nil
		must(t, s.Close())
		if err != nil && !errors.Is(err, errCrash) {
			t.Fatalf("border %d: %v", n, err)
		}

		s = open(t, copied, noSync())
		if err == nil {
			r.done(st)
			sawNew++
		} else {
			r.n--
			sawOld++
		}
		if differs := r.diff(s); differs != nil {
			t.Fatalf("border %d, acknowledged %v: %v", n, err == nil, differs)
		}
		if got, want := queueLength(t, s), len(st.XCallsAdd)*boolInt(err == nil); got != want {
			t.Fatalf("border %d: %d calls are queued, want %d", n, got, want)
		}
		afterCrash(t, s, r, n)
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

// afterCrash writes on, with the sweeping done by a commit or by Run.
func afterCrash(t *testing.T, s *store.Store, r *replica, n int) {
	t.Helper()
	s.SetLimits(300<<10, 1000)
	if n%2 == 0 {
		r.commit(t, s, 10, r.set("grows", pattern(7000, 1)))
		if err := r.diff(s); err != nil {
			t.Fatalf("border %d, next step: %v", n, err)
		}
	}
	must(t, s.Tidy(t.Context()))
	if err := r.diff(s); err != nil {
		t.Fatalf("border %d, swept: %v", n, err)
	}
	noLeftovers(t, s, r)
}

func clone(r *replica) *replica {
	out := *r
	out.state = maps.Clone(r.state)
	return &out
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// TestCrashOfLargestStep does the same with 32 MiB and 4 MiB at a few borders.
func TestCrashOfLargestStep(t *testing.T) {
	if testing.Short() || scale > 1 {
		t.Skip("large")
	}
	for _, n := range []int{1, 40, 60} { // before the switch, and twice after it
		dir := filepath.Join(fastDir(t), "db")
		s := open(t, dir, noSync())
		r := newReplica(t, s, 1)
		seedState(t, s, r)
		st := largeStep(r, 31<<20)
		s.SetFault(crashAt(n))
		err := s.Commit(t.Context(), st)
		s.SetFault(nil)
		must(t, s.Close())
		s = open(t, dir, noSync())
		if err == nil {
			r.done(st)
		} else {
			r.n--
		}
		if err := r.diff(s); err != nil {
			t.Fatalf("border %d: %v", n, err)
		}
		stop := run(t, s)
		must(t, s.Tidy(t.Context()))
		stop()
		r.check(t, s)
		noLeftovers(t, s, r)
		must(t, s.Close())
	}
}

func TestCreateWithLargeStep(t *testing.T) {
	for _, n := range []int{0, 3, 1000} {
		dir := filepath.Join(fastDir(t), "db")
		s := open(t, dir, noSync())
		r := &replica{id: contextID(1), state: make(map[string][]byte)}
		r.rec.ID = r.id
		st := r.step(3<<20, r.set("a", pattern(2<<20, 1)))
		st.Create = true
		s.SetFault(crashAt(n))
		err := s.Commit(t.Context(), st)
		s.SetFault(nil)
		must(t, s.Close())
		s = open(t, dir, noSync())
		if n < 1000 {
			if err == nil {
				t.Fatalf("border %d: acknowledged", n)
			}
			if _, err := s.View(r.id); !errors.Is(err, store.ErrNotFound) {
				t.Fatalf("border %d: half a context: %v", n, err)
			}
			st.Create = true
			must(t, s.Commit(t.Context(), st))
		}
		r.done(st)
		must(t, s.Tidy(t.Context()))
		r.check(t, s)
		noLeftovers(t, s, r)
		must(t, s.Close())
	}
}

func TestManyDeltasInOneStep(t *testing.T) {
	s := newStore(t)
	r := newReplica(t, s, 1)
	st := r.step(100)
	for r.n < 20_000/scale {
		r.n++
		st.Deltas = append(st.Deltas, store.DeltaRecord{
			ID: deltaID(r.id, r.n), Time: delta.Time(r.n * delta.Tick), Bytes: pattern(100, r.n), Fate: store.FateFolded,
		})
	}
	st.Context.Deltas = r.n
	must(t, s.Commit(t.Context(), st))
	r.done(st)
	r.check(t, s)
}

func TestQueueOfLargeReads(t *testing.T) {
	// A call that reads may queue calls without any change of its context.
	s := newStore(t)
	st := &store.Step{}
	for i := range 100 {
		st.XCallsAdd = append(st.XCallsAdd, store.XCall{Source: contextID(1), Function: fmt.Sprint(i), Params: pattern(16<<10, 1)})
	}
	must(t, s.Commit(t.Context(), st))
	if n := queueLength(t, s); n != 100 {
		t.Fatalf("%d queued", n)
	}
	queue, err := s.XCalls(7)
	must(t, err)
	if len(queue) != 7 {
		t.Errorf("asked for 7, got %d", len(queue))
	}
	for _, x := range st.XCallsAdd {
		must(t, s.Commit(t.Context(), &store.Step{XCallsDone: []uint64{x.Seq}}))
	}
	must(t, s.Tidy(t.Context()))
	records, err := s.Records()
	must(t, err)
	if records[store.TableXCall]+records[store.TableGroup] != 0 {
		t.Errorf("the queue is not empty: %v", records)
	}
}

func TestTooManyIdentities(t *testing.T) {
	s := newStore(t)
	r := newReplica(t, s, 1)
	s.SetLimits(100<<10, 1000)
	st := r.step(10)
	for i := range 2000 {
		st.EpochKeys = append(st.EpochKeys, store.EpochKey{Context: r.id, Key: delta.EpochKey{byte(i), byte(i >> 8)}})
	}
	if err := s.Commit(t.Context(), st); !errors.Is(err, store.ErrTooLarge) {
		t.Fatalf("got %v, want ErrTooLarge", err)
	}
	r.n--
	r.check(t, s)
}

func TestDeleteContextResumes(t *testing.T) {
	for _, n := range []int{0, 1, 2, 5, 1000} {
		dir := filepath.Join(fastDir(t), "db")
		s := open(t, dir, noSync())
		keep := newReplica(t, s, 1)
		seedState(t, s, keep)
		r := newReplica(t, s, 2)
		seedState(t, s, r)
		for i := range 30 {
			r.commit(t, s, 2000, r.set(fmt.Sprint(i), pattern(9000, 1)))
		}
		i, err := store.NewIdentity(r.rec.Created)
		must(t, err)
		i.Context = r.id
		must(t, s.PutIdentity(t.Context(), i))
		must(t, s.SetAlias(t.Context(), store.AliasContext, r.id, "x", [32]byte{1}))
		must(t, s.Commit(t.Context(), &store.Step{XCallsAdd: []store.XCall{{Source: r.id, Target: keep.id}}}))
		s.SetLimits(1<<20, 50)
		s.SetFault(crashAt(n))
		err = s.DeleteContext(t.Context(), r.id)
		s.SetFault(nil)
		must(t, s.Close())
		if (err != nil) != (n == 0) {
			t.Fatalf("border %d: %v", n, err)
		}
		s = open(t, dir, noSync())
		if n == 0 {
			r.check(t, s)
			must(t, s.DeleteContext(t.Context(), r.id))
		}
		if _, err := s.View(r.id); !errors.Is(err, store.ErrNotFound) {
			t.Fatalf("border %d: %v", n, err)
		}
		if err := s.DeleteContext(t.Context(), r.id); !errors.Is(err, store.ErrNotFound) {
			t.Fatalf("border %d: %v", n, err)
		}
		if n == 2 { // made again before it was swept
			again := newReplica(t, s, 2)
			again.commit(t, s, 10, again.set("new", []byte("1")))
			must(t, s.Tidy(t.Context()))
			again.check(t, s)
			must(t, s.DeleteContext(t.Context(), r.id))
		}
		must(t, s.Tidy(t.Context()))
		keep.check(t, s)
		noLeftovers(t, s, keep)
		left, err := s.RecordsWith(r.id)
		must(t, err)
		if left != 0 {
			t.Errorf("border %d: %d records name the deleted context", n, left)
		}
		must(t, s.Close())
	}
}
