package dag_test

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"mero/node/dag"
	"mero/node/delta"
)

// history is what honest writers make: each delta has the last deltas that its
// writer has seen as parents.
func history(count, writers int) []dag.Node {
	r := rand.New(rand.NewPCG(1, uint64(count)))
	nodes := []dag.Node{{ID: randomID(r), Writer: writerOf("a"), Seq: 1, Time: delta.Tick}}
	last := make([]int, writers)
	seqs := make([]uint64, writers)
	seqs[0] = 1
	for i := 1; i < count; i++ {
		w := i % writers
		seqs[w]++
		n := dag.Node{ID: randomID(r), Writer: writerOf(string(rune('a' + w))), Seq: seqs[w], Time: delta.Time(i+1) * delta.Tick}
		n.Parents = append(n.Parents, nodes[last[w]].ID, nodes[last[r.IntN(writers)]].ID)
		slices.SortFunc(n.Parents, delta.ID.Compare)
		n.Parents = slices.Compact(n.Parents)
		nodes = append(nodes, n)
		last[w] = i
	}
	return nodes
}

func add(b testing.TB, nodes []dag.Node) *dag.Graph {
	b.Helper()
	genesis := slices.IndexFunc(nodes, func(n dag.Node) bool { return len(n.Parents) == 0 })
	g := dag.New(nodes[genesis].ID, dag.Limits{Pending: len(nodes), PerAuthor: len(nodes), Parents: 4 * len(nodes)})
	for _, n := range nodes {
		if _, err := g.Add(n); err != nil {
			b.Fatal(err)
		}
	}
	if g.Len() != len(nodes) {
		b.Fatalf("%d of %d connected", g.Len(), len(nodes))
	}
	return g
}

func benchmark(b *testing.B, nodes []dag.Node) {
	b.ReportAllocs()
	for b.Loop() {
		add(b, nodes)
	}
	b.ReportMetric(float64(b.N)*float64(len(nodes))/b.Elapsed().Seconds(), "deltas/s")
}

// P9: 10 000 deltas in reverse order.
func BenchmarkReverse10000(b *testing.B) {
	nodes := history(10_000, 1)
	slices.Reverse(nodes)
	benchmark(b, nodes)
}

func BenchmarkReverse10000FiveWriters(b *testing.B) {
	nodes := history(10_000, 5)
	slices.Reverse(nodes)
	benchmark(b, nodes)
}

func BenchmarkInOrder10000(b *testing.B) { benchmark(b, history(10_000, 1)) }

func BenchmarkInOrder10000FiveWriters(b *testing.B) { benchmark(b, history(10_000, 5)) }

// A start with a large context. Deltas are loaded in canonical order.
func BenchmarkLoad100000(b *testing.B) { benchmark(b, history(100_000, 1)) }

func BenchmarkLoad100000FiveWriters(b *testing.B) { benchmark(b, history(100_000, 5)) }

// The heads of 100 000 deltas of which the last wait, with what rests on them, and
// finding these.
func BenchmarkLast10Wait(b *testing.B) {
	g := add(b, history(100_000, 5))
	roots := []delta.ID{g.At(g.Len() - 10)}
	b.ReportAllocs()
	for b.Loop() {
		out := map[delta.ID]struct{}{roots[0]: {}}
		for _, id := range g.Descendants(roots...) {
			out[id] = struct{}{}
		}
		if len(g.HeadsWithout(out)) == 0 {
			b.Fatal("no heads")
		}
	}
}

// P16: 100 contexts of 1 000 deltas.
func BenchmarkMemory(b *testing.B) {
	nodes := history(1000, 3)
	var before, after runtime.MemStats
	graphs := make([]*dag.Graph, 100)
	for b.Loop() {
		clear(graphs)
		runtime.GC()
		runtime.ReadMemStats(&before)
		for i := range graphs {
			graphs[i] = add(b, nodes)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/100_000, "B/delta")
	runtime.KeepAlive(graphs)
}
