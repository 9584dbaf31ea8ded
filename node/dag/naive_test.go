package dag_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mero/node/dag"
	"mero/node/delta"
)

// naive is the graph a second time, from the definitions alone: ancestors are sets,
// everything is computed from all deltas at once, and nothing is remembered.
type naive struct {
	nodes     map[delta.ID]dag.Node
	pasts     map[delta.ID]map[delta.ID]bool // of the connected ones
	verdicts  map[delta.ID]bool
	connected []dag.Node // in canonical order
}

func newNaive(genesis delta.ID, nodes []dag.Node) *naive {
	n := &naive{nodes: map[delta.ID]dag.Node{}, pasts: map[delta.ID]map[delta.ID]bool{}, verdicts: map[delta.ID]bool{}}
	for _, node := range nodes {
		n.nodes[node.ID] = node
	}
	for _, node := range n.nodes {
		if n.isConnected(genesis, node) {
			n.connected = append(n.connected, node)
		}
	}
	slices.SortFunc(n.connected, func(a, b dag.Node) int {
		if a.Time != b.Time {
			return int(int64(a.Time) - int64(b.Time))
		}
		return a.ID.Compare(b.ID)
	})
	return n
}

func (n *naive) isConnected(genesis delta.ID, node dag.Node) bool {
	if verdict, known := n.verdicts[node.ID]; known {
		return verdict
	}
	past := map[delta.ID]bool{}
	ok := (node.ID == genesis) == (len(node.Parents) == 0)
	for _, p := range node.Parents {
		parent, there := n.nodes[p]
		if !there || !n.isConnected(genesis, parent) || parent.Time >= node.Time {
			ok = false
			break
		}
		past[p] = true
		for a := range n.pasts[p] {
			past[a] = true
		}
	}
	numbers := map[uint64]bool{0: true}
	for a := range past {
		if n.nodes[a].Writer == node.Writer {
			numbers[n.nodes[a].Seq] = true
		}
	}
	ok = ok && node.Seq > 0 && numbers[node.Seq-1] && !numbers[node.Seq]
	n.verdicts[node.ID] = ok
	if ok {
		n.pasts[node.ID] = past
	}
	return ok
}

func (n *naive) heads() []delta.ID { return n.headsWithout(nil) }

func (n *naive) headsWithout(out map[delta.ID]struct{}) []delta.ID {
	heads := []delta.ID{}
	isOut := func(id delta.ID) bool { _, is := out[id]; return is }
	for id := range n.pasts {
		hides := func(c dag.Node) bool { return !isOut(c.ID) && slices.Contains(c.Parents, id) }
		if !isOut(id) && !slices.ContainsFunc(n.connected, hides) {
			heads = append(heads, id)
		}
	}
	slices.SortFunc(heads, delta.ID.Compare)
	return heads
}

func (n *naive) vector() []dag.Tip {
	var tips []dag.Tip
	for _, a := range n.connected {
		if !slices.ContainsFunc(n.connected, func(b dag.Node) bool { return b.Writer == a.Writer && n.pasts[b.ID][a.ID] }) {
			tips = append(tips, dag.Tip{Writer: a.Writer, Seq: a.Seq, ID: a.ID})
		}
	}
	slices.SortFunc(tips, func(a, b dag.Tip) int {
		if c := a.Writer.Compare(b.Writer); c != 0 {
			return c
		}
		if a.Seq != b.Seq {
			return int(a.Seq) - int(b.Seq)
		}
		return a.ID.Compare(b.ID)
	})
	return tips
}

func (n *naive) forks() []dag.Fork {
	type number struct {
		writer delta.Writer
		seq    uint64
	}
	made := map[number][]delta.ID{}
	for _, c := range n.connected {
		k := number{c.Writer, c.Seq}
		made[k] = append(made[k], c.ID)
	}
	var forks []dag.Fork
	for k, ids := range made {
		if len(ids) > 1 {
			slices.SortFunc(ids, delta.ID.Compare)
			forks = append(forks, dag.Fork{Writer: k.writer, Seq: k.seq, IDs: ids})
		}
	}
	slices.SortFunc(forks, func(a, b dag.Fork) int {
		if c := a.Writer.Compare(b.Writer); c != 0 {
			return c
		}
		return int(a.Seq) - int(b.Seq)
	})
	return forks
}

func (n *naive) order() []delta.ID {
	ids := []delta.ID{}
	for _, c := range n.connected {
		ids = append(ids, c.ID)
	}
	return ids
}

// randomNodes makes a history of honest writers, with some rules broken: forks,
// gaps, reused numbers, times not later than a parent, foreign and absent parents.
func randomNodes(r *rand.Rand, count int) []dag.Node {
	writers := 1 + r.IntN(4)
	trouble := r.IntN(3) // in a third of the histories there is none
	nodes := []dag.Node{{ID: randomID(r), Writer: writerOf("w0"), Seq: 1, Time: delta.Tick}}
	next := map[int]uint64{0: 2}
	for len(nodes) < count {
		w := r.IntN(writers)
		n := dag.Node{ID: randomID(r), Writer: writerOf(fmt.Sprint("w", w)), Seq: max(next[w], 1)}
		next[w] = n.Seq + 1
		recent := nodes[max(0, len(nodes)-1-r.IntN(8)):]
		for range 1 + r.IntN(3) {
			n.Parents = append(n.Parents, recent[r.IntN(len(recent))].ID)
		}
		for _, p := range nodes { // an honest writer builds on its own last delta
			if p.Writer == n.Writer && p.Seq+1 == n.Seq {
				n.Parents = append(n.Parents, p.ID)
			}
			if slices.Contains(n.Parents, p.ID) {
				n.Time = max(n.Time, p.Time)
			}
		}
		n.Time += delta.Time(1+r.IntN(3)) * delta.Tick
		if r.IntN(12) < trouble {
			spoil(r, &n, nodes)
		}
		slices.SortFunc(n.Parents, delta.ID.Compare)
		n.Parents = slices.Compact(n.Parents)
		nodes = append(nodes, n)
	}
	return nodes
}

func spoil(r *rand.Rand, n *dag.Node, nodes []dag.Node) {
	switch r.IntN(6) {
	case 0:
		n.Seq = uint64(r.IntN(int(n.Seq) + 2))
	case 1:
		n.Time = delta.Time(1+r.IntN(10)) * delta.Tick
	case 2:
		n.Parents = []delta.ID{nodes[r.IntN(len(nodes))].ID}
	case 3:
		n.Parents = append(n.Parents, randomID(r))
	case 4: // a fork: another delta like an earlier one
		like := nodes[r.IntN(len(nodes))]
		n.Writer, n.Seq, n.Parents, n.Time = like.Writer, like.Seq, slices.Clone(like.Parents), like.Time
	case 5: // a fork that goes on, perhaps over both branches
		like := nodes[r.IntN(len(nodes))]
		n.Writer, n.Seq, n.Parents = like.Writer, like.Seq+1, append(n.Parents, like.ID)
		n.Time = max(n.Time, like.Time+delta.Tick)
	}
}

func randomID(r *rand.Rand) (id delta.ID) {
	for i := 0; i < len(id); i += 8 {
		binary.LittleEndian.PutUint64(id[i:], r.Uint64())
	}
	return id
}

// checkArrival adds nodes in the given order and compares with the naive graph of
// what has arrived, in between and at the end.
func checkArrival(t *testing.T, nodes []dag.Node, arrival []int, every int) {
	t.Helper()
	genesis := nodes[0].ID
	g := dag.New(genesis, roomy)
	var arrived []dag.Node
	reported := map[delta.ID]bool{}
	for step, i := range arrival {
		arrived = append(arrived, nodes[i])
		added, err := g.Add(nodes[i])
		if err == nil && !added.Duplicate && len(added.Connected) == 0 && !g.IsPending(nodes[i].ID) {
			t.Fatalf("step %d: neither connected nor pending nor refused", step)
		}
		for _, id := range added.Connected {
			if reported[id] {
				t.Fatalf("step %d: %s connected twice", step, id)
			}
			reported[id] = true
			n, _ := g.Get(id)
			for _, p := range n.Parents {
				if !reported[p] {
					t.Fatalf("step %d: %s connected before its parent", step, id)
				}
			}
		}
		if step%every == 0 || step == len(arrival)-1 {
			compare(t, g, newNaive(genesis, arrived), len(reported))
		}
	}
}

func compare(t *testing.T, g *dag.Graph, want *naive, reported int) {
	t.Helper()
	order := append([]delta.ID{}, slices.Collect(g.All())...)
	if diff := cmp.Diff(want.order(), order); diff != "" {
		t.Fatalf("order (-naive +got):\n%s", diff)
	}
	for i, n := range want.connected {
		place := delta.Place{Time: n.Time, ID: n.ID}
		if got, ok := g.Place(n.ID); !ok || got != place || g.Before(place) != i || g.At(i) != n.ID {
			t.Fatalf("position %d: place %v, %v, want %v; before %d, at %s", i, got, ok, place, g.Before(place), g.At(i))
		}
	}
	if latest, ok := g.Latest(); ok != (len(order) > 0) || ok && latest.ID != order[len(order)-1] {
		t.Fatalf("latest is %v, %v", latest, ok)
	}
	if reported != len(order) || g.Len() != len(order) {
		t.Fatalf("%d reported as connected, Len %d, in order %d", reported, g.Len(), len(order))
	}
	if diff := cmp.Diff(want.heads(), append([]delta.ID{}, g.Heads()...)); diff != "" {
		t.Fatalf("heads (-naive +got):\n%s", diff)
	}
	if diff := cmp.Diff(want.vector(), g.Vector()); diff != "" {
		t.Fatalf("vector (-naive +got):\n%s", diff)
	}
	if diff := cmp.Diff(want.forks(), g.Forks()); diff != "" {
		t.Fatalf("forks (-naive +got):\n%s", diff)
	}
}

// F18: the same deltas in 1 000 orders.
func TestAnyArrivalOrder(t *testing.T) {
	orders := 1000
	if testing.Short() {
		orders = 100
	}
	for seed := range uint64(orders / 10) {
		r := rand.New(rand.NewPCG(seed, 18))
		nodes := randomNodes(r, 5+r.IntN(60))
		for range 10 {
			arrival := append(r.Perm(len(nodes)), r.Perm(len(nodes))[:len(nodes)/4]...) // some come twice
			checkArrival(t, nodes, arrival, 13)
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		}
	}
}

func TestAncestryAgainstNaive(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 3))
		nodes := randomNodes(r, 50)
		g := dag.New(nodes[0].ID, roomy)
		for _, i := range r.Perm(len(nodes)) {
			_, _ = g.Add(nodes[i])
		}
		want := newNaive(nodes[0].ID, nodes)
		for _, b := range want.connected {
			down := map[delta.ID]bool{}
			for _, d := range g.Descendants(b.ID) {
				down[d] = true
			}
			for _, a := range want.connected {
				if got := g.IsAncestor(a.ID, b.ID); got != want.pasts[b.ID][a.ID] {
					t.Fatalf("seed %d: IsAncestor gives %v", seed, got)
				}
				if down[a.ID] != want.pasts[a.ID][b.ID] {
					t.Fatalf("seed %d: Descendants gives %v", seed, down[a.ID])
				}
			}
		}
	}
}

// What waits is any set of deltas with all that rests on them.
func TestHeadsWithoutAgainstNaive(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 4))
		nodes := randomNodes(r, 5+r.IntN(40))
		g := dag.New(nodes[0].ID, roomy)
		for _, i := range r.Perm(len(nodes)) {
			_, _ = g.Add(nodes[i])
		}
		want := newNaive(nodes[0].ID, nodes)
		out := map[delta.ID]struct{}{}
		for range 1 + r.IntN(6) {
			of := nodes[r.IntN(len(nodes))].ID
			out[of] = struct{}{}
			for id, past := range want.pasts {
				if past[of] {
					out[id] = struct{}{}
				}
			}
			got := append([]delta.ID{}, g.HeadsWithout(out)...)
			if diff := cmp.Diff(want.headsWithout(out), got); diff != "" {
				t.Fatalf("seed %d: without %d (-naive +got):\n%s", seed, len(out), diff)
			}
		}
	}
}

// TestWithoutAgainstNaive: taking deltas out again leaves the graph of those that never
// rested on them.
func TestWithoutAgainstNaive(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 15))
	for range 200 {
		nodes := randomNodes(r, 30)
		g := dag.New(nodes[0].ID, roomy)
		for _, i := range r.Perm(len(nodes)) {
			if i%7 != 6 { // some never come
				_, _ = g.Add(nodes[i])
			}
		}
		out := make(map[delta.ID]struct{})
		for range 2 {
			if root := nodes[1+r.IntN(len(nodes)-1)].ID; g.Has(root) {
				out[root] = struct{}{}
				for _, id := range g.Descendants(root) {
					out[id] = struct{}{}
				}
			}
		}
		got, refused := g.Without(out)
		want := dag.New(nodes[0].ID, roomy)
		dropped := 0
		for i, n := range nodes {
			if _, is := out[n.ID]; !is && i%7 != 6 && (g.Has(n.ID) || g.IsPending(n.ID)) {
				_, _ = want.Add(n)
			}
		}
		for id := range out {
			dropped += len(want.Refuse(id))
		}
		if d := cmp.Diff(want.Vector(), got.Vector()) + cmp.Diff(want.Heads(), got.Heads()) + cmp.Diff(want.Missing(), got.Missing()) +
			cmp.Diff(slices.Collect(want.From(delta.Place{})), slices.Collect(got.From(delta.Place{}))); d != "" || want.Pending() != got.Pending() || dropped != len(refused) {
			t.Fatalf("without %d of %d (-want +got): %s; %d pending, want %d; %d refused, want %d", len(out), g.Len(), d, got.Pending(), want.Pending(), len(refused), dropped)
		}
	}
}

func FuzzArrivalOrder(f *testing.F) {
	f.Add(uint64(1), []byte{})
	f.Add(uint64(2), []byte{9, 3, 200, 0, 0, 7})
	f.Add(uint64(77), []byte("the order of arrival"))
	f.Fuzz(func(t *testing.T, seed uint64, order []byte) {
		if len(order) > 200 {
			return
		}
		r := rand.New(rand.NewPCG(seed, 0))
		nodes := randomNodes(r, 2+len(order)%50)
		arrival := make([]int, 0, len(order)+len(nodes))
		for _, b := range order {
			arrival = append(arrival, int(b)%len(nodes))
		}
		arrival = append(arrival, r.Perm(len(nodes))...)
		checkArrival(t, nodes, arrival, 11)
	})
}
