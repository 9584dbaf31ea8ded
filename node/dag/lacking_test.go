package dag_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mero/node/dag"
	"mero/node/delta"
)

// side is one of two replicas that exchange what they lack.
type side struct {
	g     *dag.Graph
	nodes []dag.Node // that came
}

// newSide is a replica to which some of the nodes came, in some order.
func newSide(r *rand.Rand, nodes []dag.Node, share int) *side {
	s := &side{g: dag.New(nodes[0].ID, roomy)}
	s.take(nodes[0])
	for _, i := range r.Perm(len(nodes)) {
		if r.IntN(100) < share {
			s.take(nodes[i])
		}
	}
	return s
}

// newClosed is newSide without what would be pending.
func newClosed(r *rand.Rand, nodes []dag.Node, count int) *side {
	s := &side{g: dag.New(nodes[0].ID, roomy)}
	for _, n := range nodes {
		known := !slices.ContainsFunc(n.Parents, func(id delta.ID) bool { return !s.g.Has(id) })
		if known && (len(n.Parents) == 0 || r.IntN(len(nodes)) < count) {
			s.take(n)
		}
	}
	return s
}

func (s *side) take(n dag.Node) {
	s.nodes = append(s.nodes, n)
	_, _ = s.g.Add(n)
}

// lacking reads all pages.
func lacking(t testing.TB, g *dag.Graph, theirs []dag.Tip, limit int) (ids []delta.ID) {
	t.Helper()
	var after delta.Place
	for more := true; more; {
		var page []delta.Place
		page, more = g.Lacking(theirs, after, limit)
		if len(page) > limit || more && len(page) < limit {
			t.Fatalf("a page of %d, more: %v, limit %d", len(page), more, limit)
		}
		for _, p := range page {
			if p.Compare(after) <= 0 {
				t.Fatalf("%v does not come after %v", p, after)
			}
			if at, ok := g.Place(p.ID); !ok || at != p {
				t.Fatalf("%v is not where %s is", p, p.ID)
			}
			after = p
			ids = append(ids, p.ID)
		}
	}
	return ids
}

// give sends deltas in their order. Everything must find its ancestors there, unless the
// two know different branches of a writer.
func (s *side) give(t *testing.T, to *side, list []delta.ID, forks bool) (fresh int) {
	t.Helper()
	for _, id := range list {
		n, _ := s.g.Get(id)
		added, err := to.g.Add(n)
		if errors.Is(err, dag.ErrPendingFull) {
			continue
		}
		if err != nil {
			t.Fatalf("what was lacking is refused: %v", err)
		}
		if !added.Duplicate {
			to.nodes = append(to.nodes, n)
			fresh++
		}
		if !to.g.Has(id) && !forks {
			t.Fatalf("%s lacks ancestors: it was sent without them", id)
		}
	}
	return fresh
}

// exchange goes on until nothing comes any more, and counts the rounds in which
// something did.
func exchange(t *testing.T, r *rand.Rand, a, b *side, forks bool) (rounds int) {
	t.Helper()
	for ; ; rounds++ {
		limit := 1 + r.IntN(20)
		toB := lacking(t, a.g, b.g.Vector(), limit)
		toA := lacking(t, b.g, a.g.Vector(), limit)
		if a.give(t, b, toB, forks)+b.give(t, a, toA, forks) == 0 {
			return rounds
		}
	}
}

func connected(g *dag.Graph) []delta.ID { return append([]delta.ID{}, slices.Collect(g.All())...) }

// TestLackingAgainstNaive: without forks, what is lacking is the difference of the two
// sets, and one exchange makes them equal. With forks it is never less where all tips
// are known.
func TestLackingAgainstNaive(t *testing.T) {
	forked := 0
	for seed := range uint64(1000) {
		r := rand.New(rand.NewPCG(seed, 44))
		nodes := randomNodes(r, 5+r.IntN(60))
		a := newClosed(r, nodes, r.IntN(2*len(nodes)))
		b := newClosed(r, nodes, r.IntN(2*len(nodes)))
		all := newNaive(nodes[0].ID, append(slices.Clone(a.nodes), b.nodes...))
		forks := len(all.forks()) > 0
		for _, from := range [][2]*side{{a, b}, {b, a}} {
			own, other := from[0].g, from[1].g
			var want []delta.ID
			for _, id := range connected(own) {
				if !other.Has(id) {
					want = append(want, id)
				}
			}
			got := lacking(t, own, other.Vector(), 1+r.IntN(20))
			isMissed := func(id delta.ID) bool { return !slices.Contains(got, id) }
			allKnown := !slices.ContainsFunc(other.Vector(), func(tip dag.Tip) bool { return !own.Has(tip.ID) })
			if !forks && !cmp.Equal(want, got) || allKnown && slices.ContainsFunc(want, isMissed) {
				t.Fatalf("seed %d (forks: %v): %d lacking, want %d", seed, forks, len(got), len(want))
			}
		}
		rounds := exchange(t, r, a, b, forks)
		if forks {
			forked++
		}
		if !forks && rounds > 1 || rounds > 2 {
			t.Fatalf("seed %d (forks: %v): %d rounds", seed, forks, rounds)
		}
		if diff := cmp.Diff(all.order(), connected(a.g)); diff != "" {
			t.Fatalf("seed %d: (-naive +got):\n%s", seed, diff)
		}
		if !slices.Equal(a.g.Heads(), b.g.Heads()) || !cmp.Equal(a.g.Vector(), b.g.Vector()) {
			t.Fatalf("seed %d: two sides differ after an exchange", seed)
		}
		if rest := lacking(t, a.g, b.g.Vector(), 5); len(rest) > 0 {
			t.Fatalf("seed %d: %d lacking among equals", seed, len(rest))
		}
	}
	if forked < 50 {
		t.Errorf("%d histories with forks: the test tests too little", forked)
	}
}

// machines write at the same time, some as the same writer, as copies of a node do, and
// hear of each other now and then.
func machines(r *rand.Rand, steps int) (all []dag.Node, sides []*side) {
	writers := 1 + r.IntN(4)
	all = []dag.Node{{ID: randomID(r), Writer: writerOf("w0"), Seq: 1, Time: delta.Tick}}
	for range 2 + r.IntN(4) {
		s := &side{g: dag.New(all[0].ID, dag.Limits{Pending: 2, PerAuthor: 2, Parents: 8})}
		s.take(all[0])
		sides = append(sides, s)
	}
	for range steps {
		i := r.IntN(len(sides))
		s := sides[i]
		if r.IntN(6) == 0 { // a message that says what one knows, or the first part of that
			known := connected(sides[r.IntN(len(sides))].g)
			for _, id := range known[:r.IntN(len(known)+1)] {
				j := slices.IndexFunc(all, func(n dag.Node) bool { return n.ID == id })
				s.take(all[j])
			}
			continue
		}
		latest, _ := s.g.Latest()
		n := dag.Node{ID: randomID(r), Writer: writerOf(fmt.Sprint("w", i%writers)), Seq: 1, Parents: s.g.Heads(), Time: latest.Time + delta.Time(1+r.IntN(3))*delta.Tick}
		for _, tip := range s.g.Tips(n.Writer) {
			n.Seq = max(n.Seq, tip.Seq+1)
		}
		s.take(n)
		if !s.g.Has(n.ID) {
			panic("a machine's delta does not fit")
		}
		all = append(all, n)
	}
	return all, sides
}

// TestLackingOfCopies: copies of a node fork their writer again and again; two replicas
// are equal after two exchanges, though hardly anything may wait for its parents.
func TestLackingOfCopies(t *testing.T) {
	rounds := map[int]int{}
	sent, fresh := 0, 0
	for seed := range uint64(1000) {
		r := rand.New(rand.NewPCG(seed, 48))
		nodes, sides := machines(r, 10+r.IntN(60))
		a, b := sides[0], sides[1]
		had := a.g.Len() + b.g.Len()
		sent += len(lacking(t, a.g, b.g.Vector(), 9)) + len(lacking(t, b.g, a.g.Vector(), 9))
		n := exchange(t, r, a, b, true)
		fresh += a.g.Len() + b.g.Len() - had
		rounds[n]++
		want := newNaive(nodes[0].ID, append(slices.Clone(a.nodes), b.nodes...))
		if diff := cmp.Diff(want.order(), connected(a.g)) + cmp.Diff(want.order(), connected(b.g)); diff != "" || n > 2 {
			t.Fatalf("seed %d: %d rounds (-naive +got):\n%s", seed, n, diff)
		}
		if rest := lacking(t, a.g, b.g.Vector(), 5); len(rest) > 0 {
			t.Fatalf("seed %d: %d lacking among equals", seed, len(rest))
		}
	}
	t.Logf("%v histories by rounds; %d lacked, %d were sent in the first", rounds, fresh, sent)
	if rounds[2] < 100 {
		t.Errorf("%v histories by rounds: the test tests too little", rounds)
	}
}

// TestLackingOfBranches: of a forked writer only that is given which no known tip rests
// on, as long as no branch was merged into another.
func TestLackingOfBranches(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 49))
	w, genesis := writerOf("w"), randomID(r)
	g := dag.New(genesis, roomy)
	add := func(n dag.Node) dag.Tip {
		if _, err := g.Add(n); err != nil {
			t.Fatal(err)
		}
		return dag.Tip{Writer: n.Writer, Seq: n.Seq, ID: n.ID}
	}
	branches := [3][]dag.Tip{}
	first := add(dag.Node{ID: genesis, Writer: w, Seq: 1, Time: delta.Tick})
	for seq := uint64(2); seq < 50; seq++ {
		for b := range branches {
			on := first
			if n := len(branches[b]); n > 0 {
				on = branches[b][n-1]
			}
			n := dag.Node{ID: randomID(r), Writer: w, Seq: seq, Time: delta.Tick * delta.Time(seq), Parents: []delta.ID{on.ID}}
			branches[b] = append(branches[b], add(n))
		}
	}
	got := lacking(t, g, []dag.Tip{branches[0][40], branches[0][47], branches[1][10], branches[2][47]}, 10)
	var want []delta.ID
	for _, tip := range branches[1][11:] {
		want = append(want, tip.ID)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestLackingWithPending: what waits for its parents is exchanged once these came.
func TestLackingWithPending(t *testing.T) {
	waited := 0
	for seed := range uint64(1000) {
		r := rand.New(rand.NewPCG(seed, 45))
		nodes := randomNodes(r, 5+r.IntN(60))
		a, b := newSide(r, nodes, 30+r.IntN(70)), newSide(r, nodes, 30+r.IntN(70))
		waited += a.g.Pending() + b.g.Pending()
		exchange(t, r, a, b, true)
		want := newNaive(nodes[0].ID, append(slices.Clone(a.nodes), b.nodes...)).order()
		for _, s := range []*side{a, b} {
			if diff := cmp.Diff(want, connected(s.g)); diff != "" {
				t.Fatalf("seed %d: (-naive +got):\n%s", seed, diff)
			}
		}
	}
	if waited < 1000 {
		t.Errorf("%d pending deltas in all: the test tests too little", waited)
	}
}

// TestLackingOfLiars: whatever a vector says, all pages come to an end, are in order,
// and hold nothing twice; and a lie costs no more than an empty vector.
func TestLackingOfLiars(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 46))
		nodes := randomNodes(r, 40)
		s := newSide(r, nodes, 90)
		var lies []dag.Tip
		for range r.IntN(60) {
			n := nodes[r.IntN(len(nodes))]
			lie := dag.Tip{Writer: n.Writer, Seq: n.Seq, ID: n.ID}
			switch r.IntN(5) {
			case 0:
				lie.Writer = writerOf(fmt.Sprint("nobody", r.IntN(10)))
			case 1:
				lie.Seq = []uint64{0, 1, math.MaxUint64, math.MaxUint32 + 2, r.Uint64()}[r.IntN(5)]
			case 2:
				lie.ID = randomID(r)
			case 3:
				lie.Writer = nodes[r.IntN(len(nodes))].Writer
			}
			lies = append(lies, slices.Repeat([]dag.Tip{lie}, 1+r.IntN(3))...)
		}
		if n, ok := s.g.Get(nodes[r.IntN(len(nodes))].ID); ok {
			lie := dag.Tip{Writer: n.Writer, Seq: n.Seq + 1, ID: n.ID}
			if got := lacking(t, s.g, []dag.Tip{lie}, 7); len(got) != s.g.Len() {
				t.Fatalf("seed %d: %d lacking of %d after a tip with a wrong number", seed, len(got), s.g.Len())
			}
		}
		if got := lacking(t, s.g, lies, 7); len(got) > s.g.Len() {
			t.Fatalf("seed %d: %d lacking of %d", seed, len(got), s.g.Len())
		}
	}
}

// TestLackingOfManyTips: a vector of strangers costs a lookup a tip, and memory by what
// is here, not by what it says.
func TestLackingOfManyTips(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 47))
	nodes := randomNodes(r, 200)
	s := newSide(r, nodes, 100)
	lies := make([]dag.Tip, 100_000)
	for i := range lies {
		lies[i] = dag.Tip{Writer: writerOf(fmt.Sprint("nobody", i)), Seq: math.MaxUint64, ID: randomID(r)}
	}
	own := s.g.Vector()
	for i := range lies[:50_000] {
		lies[i] = own[i%len(own)]
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const times = 10
	for range times {
		if got, _ := s.g.Lacking(lies, delta.Place{}, 10); len(got) > 0 {
			t.Fatalf("%d are lacking", len(got))
		}
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / times; each > 4<<20 {
		t.Errorf("a vector of 100 000 tips allocates %d bytes", each)
	}
}

// benchmarkGraph has so many deltas of so many writers, each on the head.
func benchmarkGraph(b *testing.B, count, writers int) *dag.Graph {
	b.Helper()
	r := rand.New(rand.NewPCG(9, 9))
	nodes := []dag.Node{{ID: randomID(r), Writer: writerOf("w0"), Seq: 1, Time: delta.Tick}}
	g := dag.New(nodes[0].ID, roomy)
	seqs := map[int]uint64{0: 1}
	for i := range count {
		if i > 0 {
			w := r.IntN(writers)
			seqs[w]++
			last := nodes[i-1]
			nodes = append(nodes, dag.Node{
				ID: randomID(r), Writer: writerOf(fmt.Sprint("w", w)), Seq: seqs[w], Time: last.Time + delta.Tick, Parents: []delta.ID{last.ID},
			})
		}
		if _, err := g.Add(nodes[i]); err != nil {
			b.Fatal(err)
		}
	}
	return g
}

func BenchmarkVector(b *testing.B) {
	g := benchmarkGraph(b, 100_000, 100)
	for b.Loop() {
		g.Vector()
	}
}

func BenchmarkLacking(b *testing.B) {
	for _, writers := range []int{1, 100, 10_000} {
		g := benchmarkGraph(b, 100_000, writers)
		own := g.Vector()
		b.Run(fmt.Sprintf("none/writers=%d", writers), func(b *testing.B) {
			for b.Loop() {
				if page, _ := g.Lacking(own, delta.Place{}, 4096); len(page) > 0 {
					b.Fatal(len(page))
				}
			}
		})
		b.Run(fmt.Sprintf("all/writers=%d", writers), func(b *testing.B) {
			for b.Loop() {
				if got := lacking(b, g, nil, 4096); len(got) != g.Len() {
					b.Fatal(len(got))
				}
			}
		})
	}
}
