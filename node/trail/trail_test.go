package trail_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"mero/node/delta"
	"mero/node/ident"
	"mero/node/store"
	"mero/node/trail"
	"mero/node/undo"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// place is where the n-th delta stands, whatever it is: those that replace others
// stand where they stood, so that spans of the same name come again.
func place(n int) delta.Place {
	if n == 0 {
		return delta.Place{}
	}
	return delta.Place{Time: delta.Time(n) * delta.Tick, ID: delta.ID{byte(n), byte(n >> 8), 1}}
}

// ground is a context with its trail, and beside it what its states were.
type ground struct {
	t      *testing.T
	db     *store.Store
	id     ident.ContextID
	view   *store.View
	trail  trail.Trail
	states []map[string]string // after each delta, before the first one first
	links  []undo.Ref          // oldest first; what the trail must have
}

func newGround(t *testing.T) *ground {
	t.Helper()
	cfg := store.DefaultConfig()
	cfg.Fsync = false
	db, err := store.Open(t.TempDir()+"/db", cfg, store.Deps{Log: zerolog.Nop()})
	must(t, err)
	g := &ground{t: t, db: db, id: ident.ContextID{1}, states: []map[string]string{{}}}
	must(t, db.Commit(t.Context(), &store.Step{Create: true, Context: &store.Context{ID: g.id, Created: time.Unix(1, 0)}}))
	g.open()
	t.Cleanup(func() {
		g.view.Close()
		must(t, db.Close())
	})
	return g
}

func (g *ground) open() {
	g.t.Helper()
	var err error
	g.view, err = g.db.View(g.id)
	must(g.t, err)
	g.trail = trail.Of(g.view)
}

// last is the number of the newest delta.
func (g *ground) last() int { return len(g.states) - 1 }

func (g *ground) state() map[string]string { return g.states[g.last()] }

// next makes the state that follows, and the span that takes it back.
func (g *ground) next(changes map[string]string) *undo.Span {
	before, after := g.state(), maps.Clone(g.state())
	s := &undo.Span{From: place(g.last()), To: place(g.last() + 1), Count: 1, Mark: fmt.Append(nil, g.last())}
	for _, key := range slices.Sorted(maps.Keys(changes)) {
		old, had := before[key]
		value := changes[key]
		if value == "" {
			delete(after, key)
		} else {
			after[key] = value
		}
		s.Entries = append(s.Entries, undo.Diff([]byte(key), []byte(old), []byte(value), had, value != ""))
	}
	g.states = append(g.states, after)
	return s
}

func refOf(s *undo.Span) undo.Ref {
	return undo.Ref{From: s.From, To: s.To, Count: s.Count, Bytes: 4 + len(s.Encode())} // and a checksum
}

func (g *ground) push(s *undo.Span) {
	g.trail.Push(s)
	g.links = append(g.links, refOf(s))
}

// grow folds a delta with random changes.
func (g *ground) grow(rng *rand.Rand) {
	changes := make(map[string]string)
	for range 1 + rng.IntN(3) {
		key := string("abcde"[rng.IntN(5)])
		switch rng.IntN(5) {
		case 0:
			changes[key] = ""
		case 1:
			changes[key] = strings.Repeat("page", 900+rng.IntN(900)) + key
		default:
			changes[key] = fmt.Sprint(rng.IntN(10))
		}
	}
	g.push(g.next(changes))
}

// back takes a span away, which must lead to the state that was there before it.
func (g *ground) back() {
	g.t.Helper()
	s, err := g.trail.Pop()
	if len(g.links) == 0 {
		if !errors.Is(err, trail.ErrEnds) {
			g.t.Fatalf("behind the last span: %v, %v", s, err)
		}
		return
	}
	must(g.t, err)
	want := g.links[len(g.links)-1]
	if got := refOf(s); got != want {
		g.t.Fatalf("the newest span is %+v, want %+v", got, want)
	}
	g.links = g.links[:len(g.links)-1]
	state := maps.Clone(g.state())
	for _, e := range s.Entries {
		now, has := state[string(e.Key)]
		before, had, err := e.Restore([]byte(now), has)
		must(g.t, err)
		delete(state, string(e.Key))
		if had {
			state[string(e.Key)] = string(before)
		}
	}
	g.states = g.states[:g.last()+1-int(s.Count)]
	if d := cmp.Diff(g.state(), state); d != "" || s.From != place(g.last()) || string(s.Mark) != fmt.Sprint(g.last()) {
		g.t.Fatalf("back at delta %d, mark %q: %s", g.last(), s.Mark, d)
	}
}

// depth asks how far back a delta is.
func (g *ground) depth(n int) {
	g.t.Helper()
	var want uint64
	at, start := len(g.links), place(g.last())
	for at > 0 && start.Compare(place(n)) >= 0 {
		at--
		start = g.links[at].From
		want += g.links[at].Count
	}
	found := len(g.links) > 0 && start.Compare(place(n)) < 0 // without spans it knows no place
	got, ok, err := g.trail.Depth(place(n))
	must(g.t, err)
	if ok != found || got != want {
		g.t.Fatalf("depth of delta %d of %d: %d, %v; want %d, %v; spans %+v", n, g.last(), got, ok, want, found, g.links)
	}
}

// compact brings the spans into a budget, and looks at what is left.
func (g *ground) compact(budget int) {
	g.t.Helper()
	must(g.t, g.trail.CompactTo(budget))
	before := g.links
	g.commit(false)
	bytes := 0
	for i, ref := range g.links {
		bytes += ref.Bytes
		if i > 0 && g.links[i-1].To != ref.From {
			g.t.Fatalf("a gap: %+v", g.links)
		}
	}
	switch {
	case bytes > budget:
		g.t.Fatalf("%d bytes of spans, the budget is %d", bytes, budget)
	case len(g.links) > 0 && g.links[len(g.links)-1].To != place(g.last()):
		g.t.Fatalf("the newest span ends at %s, the state at %s", g.links[len(g.links)-1].To.ID, place(g.last()).ID)
	case len(g.links) == 0 && len(before) > 0 && before[len(before)-1].Bytes <= budget:
		g.t.Fatalf("nothing is left of %+v", before)
	}
}

// commit stores what has become of the spans. With same they must be what the test
// says; else the test takes what there is.
func (g *ground) commit(same bool) {
	g.t.Helper()
	rec := g.view.Context()
	step := &store.Step{Context: &rec}
	must(g.t, g.trail.Changes(step))
	must(g.t, g.db.Commit(g.t.Context(), step))
	g.view.Close()
	g.open()
	refs, err := g.view.UndoRefs()
	must(g.t, err)
	got := make([]undo.Ref, 0, len(refs))
	for _, r := range refs {
		got = append(got, undo.Ref(r))
	}
	if same && !slices.Equal(got, g.links) {
		g.t.Fatalf("the store has %+v, want %+v", got, g.links)
	}
	g.links = got
}

// TestTrail: whatever is pushed, taken back, compacted and stored between, each span
// leads to the state that was there before its deltas.
func TestTrail(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 0))
			g := newGround(t)
			for range 300 {
				switch rng.IntN(16) {
				case 0, 1, 2:
					for range 1 + rng.IntN(4) {
						g.back()
					}
				case 3:
					g.compact(1 << (10 + rng.IntN(12)))
				case 4, 5:
					g.commit(true)
				case 6, 7:
					g.depth(1 + rng.IntN(g.last()+2))
				default:
					for range 1 + rng.IntN(12) {
						g.grow(rng)
					}
				}
			}
			g.commit(true)
			for len(g.links) > 0 {
				g.back()
			}
			g.back()
			g.commit(true)
		})
	}
}

// TestDistances: beyond the newest PerDelta, n deltas take O(log n) spans, also when
// they come in many steps.
func TestDistances(t *testing.T) {
	g := newGround(t)
	for i := range 3000 {
		g.push(g.next(map[string]string{string("abc"[i%3]): fmt.Sprint(i)}))
		if i%100 == 0 {
			must(t, g.trail.Compact(1<<20))
			g.commit(false)
		}
	}
	must(t, g.trail.Compact(1<<20))
	if n := g.trail.Len(); n < trail.PerDelta || n > trail.PerDelta+30 {
		t.Errorf("%d spans", n)
	}
	g.commit(false)
	if g.links[0].From != place(0) {
		t.Errorf("they begin at %+v", g.links[0])
	}
	for len(g.links) > 0 {
		g.back()
	}
}

// TestReplace: the spans of another trail take the place of those after a delta, as
// the work beside the live state does it; of all for the zero place.
func TestReplace(t *testing.T) {
	for _, stored := range []bool{true, false} {
		for _, keep := range []int{0, 4, 10} {
			t.Run(fmt.Sprintf("stored=%v,keep=%d", stored, keep), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(1, 1))
				g := newGround(t)
				for range 10 {
					g.grow(rng)
				}
				if stored {
					g.commit(true)
				}
				other := trail.Of(nil)
				g.states, g.links = g.states[:keep+1], g.links[:keep]
				for range 8 {
					s := g.next(map[string]string{"a": fmt.Sprint(rng.IntN(10)), "new": "value"})
					other.Push(s)
					g.links = append(g.links, refOf(s))
				}
				if err := g.trail.Replace(place(keep), &other); err != nil {
					t.Fatal(err)
				}
				g.commit(true)
				for range len(g.links) + 1 {
					g.back()
				}
			})
		}
	}
}

// TestReplaceByShort: a trail that lost its oldest spans, because one was too large or
// for its budget, leaves nothing before them: spans never have a gap.
func TestReplaceByShort(t *testing.T) {
	for name, shorten := range map[string]func(g *ground, other *trail.Trail){
		"too large": func(g *ground, other *trail.Trail) {
			other.Push(g.next(map[string]string{"large": strings.Repeat("0123456789abcdef", undo.MaxBytes/16)}))
			other.Push(g.next(map[string]string{"large": ""}))
		},
		"budget": func(g *ground, other *trail.Trail) {
			other.Push(g.next(map[string]string{"a": strings.Repeat("page", 4096)}))
			other.Push(g.next(map[string]string{"a": "1"}))
			must(g.t, other.CompactTo(1))
		},
		"budget, then more": func(g *ground, other *trail.Trail) {
			other.Push(g.next(map[string]string{"a": "1"}))
			must(g.t, other.CompactTo(1))
			other.Push(g.next(map[string]string{"a": "2"}))
			_, err := other.Pop()
			must(g.t, err)
			g.states = g.states[:g.last()]
		},
	} {
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 1))
			g := newGround(t)
			for range 6 {
				g.grow(rng)
			}
			g.commit(true)
			other := trail.Of(nil)
			shorten(g, &other)
			g.links = nil
			for range 3 {
				s := g.next(map[string]string{"b": fmt.Sprint(g.last())})
				other.Push(s)
				g.links = append(g.links, refOf(s))
			}
			must(t, g.trail.Replace(place(6), &other))
			g.compact(1 << 20)
			if len(g.links) != 3 {
				t.Errorf("%d spans are left", len(g.links))
			}
			for range len(g.links) + 1 {
				g.back()
			}
		})
	}
}

// TestReplaceAfterNoBoundary: when no span ends where the other trail begins, since live
// ones were merged across it meanwhile, nothing is left before it.
func TestReplaceAfterNoBoundary(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	g := newGround(t)
	for range 3 {
		g.grow(rng)
	}
	from := g.last()
	g.states = append(g.states, g.state())
	merged := &undo.Span{From: place(from), To: place(from + 2), Count: 2}
	g.trail.Push(merged)
	other := trail.Of(nil)
	g.links = nil
	for range 3 {
		s := g.next(map[string]string{"b": fmt.Sprint(g.last())})
		other.Push(s)
		g.links = append(g.links, refOf(s))
	}
	must(t, g.trail.Replace(place(from+1), &other))
	g.commit(true)
	for range len(g.links) + 1 {
		g.back()
	}
}

// TestHeavy: the spans that a batch pushes are worth compacting before they take many
// times what the store will have of them; then they take no more than their budget.
func TestHeavy(t *testing.T) {
	g := newGround(t)
	const state = 4 << 20
	most, compacted := 0, 0
	for n := range 20 {
		g.push(g.next(map[string]string{"a": strings.Repeat(fmt.Sprintf("%016d", n), state/16)}))
		most = max(most, g.trail.Made())
		if g.trail.IsHeavy(state) {
			compacted++
			must(t, g.trail.Compact(state))
			if got := g.trail.Made(); got > trail.Budget(state) {
				t.Errorf("%d bytes are left, the budget is %d", got, trail.Budget(state))
			}
		}
	}
	if compacted == 0 || most > 8<<20+3*trail.Budget(state) {
		t.Errorf("at most %d bytes, compacted %d times", most, compacted)
	}
	made := g.trail.Made()
	g.commit(false)
	stored := 0
	for _, ref := range g.links {
		stored += ref.Bytes
	}
	if stored != made {
		t.Errorf("%d bytes are stored, %d were made", stored, made)
	}
	if n := g.trail.Made(); n != 0 {
		t.Errorf("a new trail has made %d", n)
	}
	for range len(g.links) + 1 {
		g.back()
	}
}

// TestDetach: a trail that was detached has what is pushed, and touches nothing else.
func TestDetach(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	g := newGround(t)
	for range 5 {
		g.grow(rng)
	}
	g.commit(true)
	g.back()
	g.grow(rng)
	g.trail.Detach()
	if n := g.trail.Len(); n != 0 {
		t.Errorf("%d spans are left", n)
	}
	stored, err := g.view.UndoRefs()
	must(t, err)
	s := g.next(map[string]string{"a": "b"})
	g.trail.Push(s)
	g.links = append(g.links[:0], refOf(s))
	g.depth(3)
	g.depth(g.last() + 1)
	step := &store.Step{}
	must(t, g.trail.Changes(step))
	if len(step.UndoDrop) != 0 || len(step.Undo) != 1 || step.Undo[0].To != s.To {
		t.Errorf("it changes %+v, drops %+v of %+v", step.Undo, step.UndoDrop, stored)
	}
	g.back()
	g.back() // the end
}

// TestTooLarge: a span that is too large to be kept ends the trail, also what of it
// is stored; what is pushed after it is kept.
func TestTooLarge(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	g := newGround(t)
	g.grow(rng)
	g.push(g.next(map[string]string{"large": strings.Repeat("0123456789abcdef", undo.MaxBytes/16)}))
	g.commit(true)
	g.grow(rng)
	g.trail.Push(g.next(map[string]string{"large": ""}))
	g.links = nil
	g.depth(1)
	g.grow(rng)
	g.commit(true)
	g.back()
	g.back() // the end
}

// TestUnreadable: a span that the store cannot read is none that fits.
func TestUnreadable(t *testing.T) {
	g := newGround(t)
	g.push(g.next(map[string]string{"a": "1"}))
	g.commit(true)
	lost := g.links[0]
	lost.Count++ // the store has none of this name
	pretended := trail.Pretend(g.view, lost)
	if s, err := pretended.Pop(); !errors.Is(err, trail.ErrMisfit) || !errors.Is(err, store.ErrNotFound) {
		t.Errorf("took %+v, %v", s, err)
	}
}

// TestMisfit: stored spans that are damaged are found when they are needed, and only
// then.
func TestMisfit(t *testing.T) {
	for name, spoil := range map[string]func(u []store.Undo){
		"no span":              func(u []store.Undo) { clear(u[1].Data) },
		"a span of other ones": func(u []store.Undo) { u[1].Data = slices.Clone(u[2].Data) },
	} {
		t.Run(name, func(t *testing.T) {
			g := newGround(t)
			for range 4 {
				g.push(g.next(map[string]string{"a": fmt.Sprint(g.last())}))
			}
			rec := g.view.Context()
			step := &store.Step{Context: &rec}
			must(t, g.trail.Changes(step))
			for i := range step.Undo {
				step.Undo[i].Data = slices.Clone(step.Undo[i].Data)
			}
			spoil(step.Undo)
			must(t, g.db.Commit(t.Context(), step))
			g.view.Close()
			g.open()
			g.depth(1)
			if err := g.trail.CompactTo(300); !errors.Is(err, trail.ErrMisfit) {
				t.Errorf("compacting: %v", err)
			}
			g.trail = trail.Of(g.view)
			g.back()
			g.back()
			if name == "no span" {
				if s, err := g.trail.Pop(); !errors.Is(err, trail.ErrMisfit) {
					t.Errorf("took %+v, %v", s, err)
				}
			}
		})
	}
}

// TestChecksum: no bit of a span at rest can change unseen.
func TestChecksum(t *testing.T) {
	data := trail.Seal([]byte("a span"))
	if form, err := trail.Unseal(data); err != nil || string(form) != "a span" {
		t.Fatalf("%q, %v", form, err)
	}
	for n := range 8 * len(data) {
		bad := bytes.Clone(data)
		bad[n/8] ^= 1 << (n % 8)
		if _, err := trail.Unseal(bad); !errors.Is(err, trail.ErrMisfit) {
			t.Errorf("bit %d: %v", n, err)
		}
	}
	for n := range data {
		if _, err := trail.Unseal(data[:n]); !errors.Is(err, trail.ErrMisfit) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
}
