package dag_test

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"mero/node/dag"
	"mero/node/delta"
	"mero/node/ident"
)

// graph is a graph written as text, one chain of stages per line:
//
//	G -> A -> B | C -> D
//
// Every delta of a stage has all deltas of the stage before as parents; a delta may
// stand on several lines and then has the parents of all of them. G is the genesis.
// A delta is written name[:writer seq][@time]: B:x2@9 is number 2 of writer x, made
// at tick 9. Without them a delta is the first of a writer of its own, one tick
// after its latest parent. What is said of a delta is said where it first stands.
type graph struct {
	nodes map[string]*dag.Node
	names map[delta.ID]string
	order []string // as written
}

// id is the id of a name: names decide which of two deltas of one time is first, so
// ids begin with the name.
func id(name string) delta.ID {
	h := delta.ID(sha256.Sum256([]byte(name)))
	copy(h[:], name)
	return h
}

func author(name string) (k ident.PublicKey) {
	copy(k[:], name)
	return k
}

func writerOf(name string) delta.Writer { return delta.Writer{Author: author(name)} }

func parse(t testing.TB, text string) *graph {
	t.Helper()
	g := &graph{nodes: map[string]*dag.Node{}, names: map[delta.ID]string{}}
	for line := range strings.SplitSeq(text, "\n") {
		if strings.TrimSpace(line) == "" {
			continue
		}
		var above []string
		for stage := range strings.SplitSeq(line, "->") {
			var names []string
			for spec := range strings.SplitSeq(stage, "|") {
				name := g.delta(t, strings.TrimSpace(spec), above)
				names = append(names, name)
			}
			above = names
		}
	}
	for _, n := range g.nodes {
		slices.SortFunc(n.Parents, delta.ID.Compare)
		n.Parents = slices.Compact(n.Parents)
	}
	return g
}

func (g *graph) delta(t testing.TB, spec string, above []string) string {
	t.Helper()
	spec, at, timed := strings.Cut(spec, "@")
	name, made, made2 := strings.Cut(spec, ":")
	n := g.nodes[name]
	if n == nil {
		n = &dag.Node{ID: id(name), Writer: writerOf(name), Seq: 1, Time: delta.Tick}
		g.nodes[name], g.names[n.ID] = n, name
		g.order = append(g.order, name)
		for _, parent := range above {
			n.Time = max(n.Time, g.nodes[parent].Time+delta.Tick)
		}
	}
	if made2 {
		digits := strings.IndexFunc(made, func(r rune) bool { return r >= '0' && r <= '9' })
		n.Writer, n.Seq = writerOf(made[:digits]), number(t, made[digits:])
	}
	if timed {
		n.Time = delta.Time(number(t, at) * delta.Tick)
	}
	for _, parent := range above {
		n.Parents = append(n.Parents, id(parent))
	}
	return name
}

func number(t testing.TB, text string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (g *graph) text(ids []delta.ID) string {
	var names []string
	for _, id := range ids {
		name := g.names[id]
		if name == "" {
			name = id.Short()
		}
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

// step adds one delta and says what happened, as the tables in the tests have it.
func (g *graph) step(into *dag.Graph, name string) string {
	added, err := into.Add(*g.nodes[name])
	var said []string
	if added.Duplicate {
		said = append(said, "duplicate")
	}
	if len(added.Connected) > 0 {
		said = append(said, "connected "+g.text(added.Connected))
	}
	if len(added.Missing) > 0 {
		said = append(said, "missing "+g.text(added.Missing))
	}
	for _, r := range added.Refused {
		said = append(said, fmt.Sprintf("refused %s: %s", g.names[r.ID], reason(r.Err)))
	}
	if err != nil {
		said = append(said, reason(err))
	}
	return strings.Join(said, ", ")
}
