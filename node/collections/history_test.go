package collections_test

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"mero/node/collections"
)

// event is a delta as the tests know it: what was done, in the words of a model.
type event struct {
	number  int // in the order of making
	id      uint64
	origin  collections.Origin
	past    map[int]bool // all that its author had seen
	ops     []byte
	actions []action
}

// action is one thing that was done in a delta. What the fields mean is the model's business.
type action struct {
	what       string
	key, value string
	index, n   int
	nodes      []*fugueNode // text and list: what was inserted
	erased     []*fugueNode
	seen       []birth
}

// knows tells whether the author of e, at its n-th action, had seen the m-th action of other.
func (e *event) knows(n int, other *event, m int) bool {
	return e.past[other.number] || e == other && m < n
}

func compareEvents(a, b *event) int {
	if c := cmp.Compare(a.origin.Time, b.origin.Time); c != 0 {
		return c
	}
	return cmp.Compare(a.id, b.id)
}

// site is a replica: what it has, and what its state is made of.
type site struct {
	author [32]byte
	tag    [8]byte
	clock  uint64
	known  map[int]bool
	state  collections.Mem
	folded []*event
	writes [][]collections.Write
}

// world is some sites and all that happened.
type world struct {
	t      testing.TB
	rng    *rand.Rand
	sites  []*site
	events []*event
	// untied: no two deltas of different writers have one time.
	untied bool
}

func newWorld(t testing.TB, rng *rand.Rand, sites int) *world {
	t.Helper()
	w := &world{t: t, rng: rng}
	for i := range sites {
		s := &site{known: map[int]bool{}, clock: 1000 + rng.Uint64N(20)}
		s.author[0], s.tag[0] = byte(i+1), byte(rng.IntN(250)+1)
		s.tag[1] = byte(i)
		w.sites = append(w.sites, s)
	}
	return w
}

// ordered gives those of some events in canonical order.
func (w *world) ordered(known map[int]bool) []*event {
	var events []*event
	for n := range known {
		events = append(events, w.events[n])
	}
	slices.SortFunc(events, compareEvents)
	return events
}

// refold brings a site's state to what it knows: it takes back what is out of order and folds.
func (w *world) refold(s *site) {
	w.t.Helper()
	events := w.ordered(s.known)
	same := 0
	for same < len(s.folded) && same < len(events) && s.folded[same] == events[same] {
		same++
	}
	for i := len(s.folded) - 1; i >= same; i-- {
		s.state.Revert(s.writes[i])
	}
	s.folded, s.writes = s.folded[:same], s.writes[:same]
	for _, e := range events[same:] {
		writes, err := collections.Fold(&s.state, e.ops, e.origin)
		if err != nil {
			w.t.Fatalf("Fold: %v", err)
		}
		s.state.Apply(writes)
		s.folded, s.writes = append(s.folded, e), append(s.writes, writes)
	}
}

// call makes a delta at a site. do returns what it has done.
func (w *world) call(s *site, do func(tx *collections.Tx, e *event)) *event {
	w.t.Helper()
	past := map[int]bool{}
	for n := range s.known {
		past[n] = true
		seen := w.events[n].origin.Time >> 16
		if w.untied {
			seen >>= 2
		}
		s.clock = max(s.clock, seen)
	}
	s.clock += 1 + w.rng.Uint64N(3)
	e := &event{
		number: len(w.events), id: w.rng.Uint64(), past: past,
		origin: collections.Origin{Author: s.author, Tag: s.tag, Time: s.clock << 16},
	}
	if w.untied {
		e.origin.Time = (s.clock<<2 + uint64(s.author[0])) << 16
	}
	tx := collections.Begin(&s.state, e.origin)
	do(tx, e)
	e.ops = tx.Ops()
	own, err := tx.Writes()
	if err != nil {
		w.t.Fatalf("Writes: %v", err)
	}
	folded, err := collections.Fold(&s.state, e.ops, e.origin)
	if err != nil {
		w.t.Fatalf("Fold of one's own: %v", err)
	}
	if !equalWrites(own, folded) {
		w.t.Fatalf("folding gives other writes than the call had:\n%v\n%v", own, folded)
	}
	w.events = append(w.events, e)
	s.known[e.number] = true
	w.refold(s)
	return e
}

func equalWrites(a, b []collections.Write) bool {
	return slices.EqualFunc(a, b, func(x, y collections.Write) bool {
		return bytes.Equal(x.Key, y.Key) && bytes.Equal(x.Old, y.Old) && bytes.Equal(x.New, y.New) && x.HadOld == y.HadOld && x.HasNew == y.HasNew
	})
}

// pull gives a site what another knows.
func (w *world) pull(s, from *site) {
	w.t.Helper()
	for n := range from.known {
		s.known[n] = true
	}
	w.refold(s)
}

// meet gives every site everything, and sees that all have the same rows, which are those of a
// fold from nothing.
func (w *world) meet() *collections.Mem {
	w.t.Helper()
	all := map[int]bool{}
	for _, e := range w.events {
		all[e.number] = true
	}
	var fresh collections.Mem
	for _, e := range w.ordered(all) {
		writes, err := collections.Fold(&fresh, e.ops, e.origin)
		if err != nil {
			w.t.Fatal(err)
		}
		fresh.Apply(writes)
	}
	if err := collections.Check(&fresh); err != nil {
		w.t.Fatal(err)
	}
	for i, s := range w.sites {
		s.known = all
		w.refold(s)
		if !s.state.Equal(&fresh) {
			w.t.Fatalf("site %d is not what a fold from nothing gives", i)
		}
	}
	for _, writes := range slices.Backward(w.sites[0].writes) {
		w.sites[0].state.Revert(writes)
	}
	if n := w.sites[0].state.Len(); n != 0 {
		w.t.Fatalf("%d rows are left when everything is taken back", n)
	}
	return &fresh
}

// all gives what a site knows, or for nil everything.
func (w *world) all(s *site) []*event {
	if s != nil {
		return w.ordered(s.known)
	}
	known := map[int]bool{}
	for n := range w.events {
		known[n] = true
	}
	return w.ordered(known)
}

// model is a collection as its documentation has it, made in the most naive way.
type model struct {
	// act does something in a call and notes it in e. past is what the author has seen, in
	// order, with e itself at the end.
	act func(w *world, tx *collections.Tx, e *event, past []*event)
	// want tells what is there after some events, in order.
	want func(events []*event) string
	// got reads the same.
	got    func(t testing.TB, tx *collections.Tx) string
	untied bool // see world
}

// run is one case: some sites that call and pull at random, and then all meet.
func run(t testing.TB, rng *rand.Rand, m model) {
	t.Helper()
	w := newWorld(t, rng, 2+rng.IntN(2))
	w.untied = m.untied
	for range 4 + rng.IntN(12) {
		s := w.sites[rng.IntN(len(w.sites))]
		if rng.IntN(3) == 0 {
			w.pull(s, w.sites[rng.IntN(len(w.sites))])
			continue
		}
		before := w.all(s)
		w.call(s, func(tx *collections.Tx, e *event) {
			if got, want := m.got(t, tx), m.want(before); got != want {
				t.Fatalf("before a call: got %s, want %s", got, want)
			}
			past := append(slices.Clone(before), e)
			for range 1 + rng.IntN(3) {
				m.act(w, tx, e, past)
			}
			if got, want := m.got(t, tx), m.want(past); got != want {
				t.Fatalf("in a call: got %s, want %s", got, want)
			}
		})
	}
	defer func() {
		if t.Failed() {
			for _, e := range w.all(nil) {
				t.Logf("%d by %x at %d, past %v: %+v", e.number, e.origin.Tag, e.origin.Time>>16, slices.Sorted(maps.Keys(e.past)), e.actions)
			}
		}
	}()
	state := w.meet()
	if got, want := m.got(t, collections.BeginReadOnly(state)), m.want(w.all(nil)); got != want {
		t.Fatalf("at the end: got %s, want %s", got, want)
	}
}

// cases is how many histories each collection is tried with.
const cases = 10_000

// firstSeed gives where a test's random choices come from: MERO_SEED, or another each time, which
// is printed.
func firstSeed(t testing.TB) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv("MERO_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("MERO_SEED: %v", err)
		}
	}
	t.Logf("MERO_SEED=%d", seed)
	return seed
}

// property tries a model with n histories.
func property(t *testing.T, n int, m model) {
	t.Helper()
	seed := firstSeed(t)
	if testing.Short() {
		n /= 10
	}
	for range n {
		func() {
			defer func() {
				if t.Failed() {
					t.Logf("this one alone comes first with MERO_SEED=%d", seed)
				}
			}()
			run(t, rand.New(rand.NewPCG(seed, 0)), m)
		}()
		seed++
	}
}

func open(t testing.TB, tx *collections.Tx, name string, k collections.Kind, f collections.Flags) collections.Ref {
	t.Helper()
	r, err := tx.Open(0, []byte(name), k, f)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func must1[T any](t testing.TB) func(v T, err error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		must(t, err)
		return v
	}
}

func letter(rng *rand.Rand, n int) string { return string(rune('a' + rng.IntN(n))) }

func printed(m map[string]string) string { return fmt.Sprint(m) }
