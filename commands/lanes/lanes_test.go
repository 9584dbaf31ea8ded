package lanes_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mero/commands/lanes"
)

// node is a node of a graph with its parents.
type node struct {
	id      string
	parents []string
}

// graphOf makes nodes of "child: parent parent, child: …".
func graphOf(text string) (graph []node) {
	for part := range strings.SplitSeq(text, ",") {
		name, parents, _ := strings.Cut(part, ":")
		graph = append(graph, node{strings.TrimSpace(name), strings.Fields(parents)})
	}
	return graph
}

// TestRow: each node with its lines, the margin behind a comma. Names are the signs.
func TestRow(t *testing.T) {
	for name, tt := range map[string]struct{ graph, want string }{
		"a line":       {"b: a, a:", "b,│\na,"},
		"two heads":    {"c: a, b: a, a:", "c,│\n│ b,│ │\n├─╯\na,"},
		"a merge":      {"d: b c, c: a, b: a, a:", "d\n├─╮,│ │\n│ c,│ │\nb │,│ │\n├─╯\na,"},
		"twice a head": {"c:, b:, a:", "c,\nb,\na,"},
		"a merge into lanes to its left and right": {
			"e: a, d: b c, c: z, f: b, m: y a z, a:, y:, z:, b:",
			"e,│\n│ d\n│ ├─╮,│ │ │\n│ │ c,│ │ │\n│ │ │ f,│ │ │ │\n│ │ │ │ m\n├─┼─┼─┼─┤,│ │ │ │ │\na │ │ │ │,  │ │ │ │\n  │ │ │ y,  │ │ │\n  │ z │,  │   │\n  ├───╯\n  b,",
		},
		"a line over a free lane": {
			"d: a, c:, b: x, e: a, a:, x:", "d,│\n│ c,│\n│ b,│ │\n│ │ e,│ │ │\n├─┼─╯\na │,  │\n  x,",
		},
		"many lanes come together": {
			"d: a, c: a, b: a, a:", "d,│\n│ c,│ │\n│ │ b,│ │ │\n├─┴─╯\na,",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var (
				l   lanes.Lanes[string]
				out []string
			)
			for _, n := range graphOf(tt.graph) {
				above, row, below, margin := l.Row(n.id, n.parents, n.id)
				for _, line := range []string{above, row} {
					if line != "" {
						out = append(out, line)
					}
				}
				if below != "" {
					out = append(out, below)
				}
				out[len(out)-1] += "," + margin
			}
			if diff := cmp.Diff(tt.want, strings.Join(out, "\n")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestWidth: what is right of the lanes that are drawn is an ellipsis.
func TestWidth(t *testing.T) {
	var l lanes.Lanes[int]
	for i := range 2 * lanes.Max {
		_, row, _, margin := l.Row(100+i, []int{i}, "o")
		want := strings.Repeat("│ ", i) + "o"
		after := strings.Repeat("│ ", i) + "│"
		if i >= lanes.Max {
			want = strings.Repeat("│ ", lanes.Max) + "…"
			after = want
		}
		if row != want || margin != after {
			t.Fatalf("head %d is drawn as %q, then %q", i, row, margin)
		}
	}
	parents := make([]int, 2*lanes.Max)
	for i := range parents {
		parents[i] = i
	}
	_, _, below, _ := l.Row(200, parents, "o")
	if want := "│ ├" + strings.Repeat("─┼", lanes.Max-2) + " …"; below != want { // the first parent's lane is the node's own
		t.Errorf("a merge of all is drawn as %q, want %q", below, want)
	}
	above, row, _, _ := l.Row(0, nil, "o")
	if want := "├" + strings.Repeat("─┼", lanes.Max-1) + " …"; above != want || row != "o"+strings.Repeat(" │", lanes.Max-1)+" …" {
		t.Errorf("two lanes far from each other come together as %q, %q", above, row)
	}
}

// TestNarrowAgain: the ellipsis goes when what is behind it has ended.
func TestNarrowAgain(t *testing.T) {
	var l lanes.Lanes[int]
	for i := range lanes.Max + 2 {
		l.Row(100+i, []int{i}, "o")
	}
	for i := range 2 {
		if _, _, _, margin := l.Row(lanes.Max+i, nil, "o"); strings.HasSuffix(margin, "…") != (i == 0) {
			t.Errorf("%d lanes are drawn as %q", lanes.Max+1-i, margin)
		}
	}
}

// randomGraph has each node before its parents.
func randomGraph(rng *rand.Rand, n int) []node {
	graph := make([]node, n)
	for i := range graph {
		graph[i].id = fmt.Sprint(i)
		near := rng.Perm(min(n-i-1, 6))
		for _, at := range near[:rng.IntN(min(len(near), 3)+1)] {
			graph[i].parents = append(graph[i].parents, fmt.Sprint(i+1+at))
		}
	}
	return graph
}

// arms are the directions in which a sign leads.
var arms = map[rune]string{
	'│': "ud", '─': "lr", '├': "udr", '┤': "udl", '┼': "udlr", '┬': "dlr", '┴': "ulr",
	'╭': "dr", '╮': "dl", '╰': "ur", '╯': "ul", ' ': "",
}

// loose names the ends in a drawing that meet nothing. A node may be met from above
// and below.
func loose(drawing []string) (out []string) {
	at := func(y, x int) rune {
		if y < 0 || y >= len(drawing) {
			return ' '
		}
		line := []rune(drawing[y])
		if x < 0 || x >= len(line) {
			return ' '
		}
		return line[x]
	}
	meets := func(y, x int, arm string) bool {
		sign := at(y, x)
		return strings.Contains(arms[sign], arm) || sign == 'o' && (arm == "u" || arm == "d")
	}
	for y, line := range drawing {
		for x, sign := range []rune(line) {
			for _, arm := range arms[sign] {
				var met bool
				switch arm {
				case 'u':
					met = meets(y-1, x, "d")
				case 'd':
					met = meets(y+1, x, "u")
				case 'l':
					met = meets(y, x-1, "r")
				case 'r':
					met = meets(y, x+1, "l")
				}
				if !met {
					out = append(out, fmt.Sprintf("%c of line %d, column %d, %c", sign, y, x, arm))
				}
			}
		}
	}
	return out
}

// TestNoLooseEnds: in drawings of random graphs each line leads from somewhere to
// somewhere, and there are as many of them as nodes that are still to come.
func TestNoLooseEnds(t *testing.T) {
	drawn, wide := 0, 0
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 0))
		graph := randomGraph(rng, 2+rng.IntN(30))
		var (
			l       lanes.Lanes[string]
			drawing []string
			awaited []string
			narrow  = true
		)
		for _, n := range graph {
			above, row, below, margin := l.Row(n.id, n.parents, "o")
			for _, line := range []string{above, row, below} {
				if line != "" {
					drawing = append(drawing, line)
				}
				narrow = narrow && !strings.Contains(line, "…")
			}
			awaited = slices.DeleteFunc(append(awaited, n.parents...), func(id string) bool { return id == n.id })
			slices.Sort(awaited)
			awaited = slices.Compact(awaited)
			if narrow && strings.Count(row, "o") != 1 {
				t.Fatalf("seed %d: node %s is drawn as %q", seed, n.id, row)
			}
			// A lane for each that is to come; two may lead to one as long as it has not.
			if n := strings.Count(margin, "│"); narrow && (n < len(awaited) || (n == 0) != (len(awaited) == 0)) {
				t.Fatalf("seed %d: %d lanes lead on to %d nodes", seed, n, len(awaited))
			}
		}
		if !narrow {
			wide++
			continue
		}
		drawn++
		if ends := loose(drawing); len(ends) > 0 {
			t.Fatalf("seed %d: %v\n%s", seed, ends, strings.Join(drawing, "\n"))
		}
	}
	if drawn < 200 {
		t.Errorf("%d of the drawings were narrow enough to be looked at, %d not", drawn, wide)
	}
}
