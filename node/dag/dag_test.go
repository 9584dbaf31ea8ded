package dag_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mero/node/dag"
	"mero/node/delta"
)

// roomy holds whatever a test makes pending.
var roomy = dag.Limits{Pending: 1 << 20, PerAuthor: 1 << 20, Parents: 1 << 24}

// reason is the short name of an error.
func reason(err error) string {
	for name, target := range map[string]error{
		"full": dag.ErrPendingFull, "genesis": dag.ErrGenesis, "parents": dag.ErrParents,
		"time": dag.ErrTime, "gap": dag.ErrGap, "reused": dag.ErrReused, "ancestor": dag.ErrAncestor,
	} {
		if errors.Is(err, target) {
			return name
		}
	}
	return err.Error()
}

// In the rows, "A: connected A" adds A and expects that.
func TestAdd(t *testing.T) {
	for name, row := range map[string]struct{ graph, steps, heads, order string }{
		"in order": {
			"G -> A -> B | C -> D",
			`G: connected G
			 A: connected A
			 B: connected B
			 C: connected C
			 D: connected D`,
			"D", "G A B C D",
		},
		"in reverse order": {
			"G -> A -> B | C -> D",
			`D: missing B C
			 C: missing A
			 B: missing A
			 A: missing G
			 G: connected G A B C D`,
			"D", "G A B C D",
		},
		"twice": {
			"G -> A",
			`A: missing G
			 A: duplicate
			 G: connected G A
			 G: duplicate
			 A: duplicate`,
			"A", "G A",
		},
		"what is missing is not pending": {
			"G -> A -> B -> C",
			`B: missing A
			 C:
			 G: connected G
			 A: connected A B C`,
			"C", "G A B C",
		},
		"two gaps": {
			"G -> A | B -> C",
			`C: missing A B
			 G: connected G
			 A: connected A
			 B: connected B C`,
			"C", "G A B C",
		},
		"late delta goes to its place": {
			"G -> A@5 -> B@9\nG -> L@3",
			`G: connected G
			 A: connected A
			 B: connected B
			 L: connected L`,
			"B L", "G L A B",
		},
		"equal times are ordered by id": {
			"G -> B@5 | A@5 | C@5",
			`G: connected G
			 C: connected C
			 A: connected A
			 B: connected B`,
			"A B C", "G A B C",
		},
		"a cascade is in canonical order": {
			"G -> A@9 | B@4 -> C@10\nB -> D@5",
			`C: missing A B
			 D: missing B
			 A: missing G
			 B: missing G
			 G: connected G B D A C`,
			"C D", "G B D A C",
		},
		"one writer": {
			"G:x1 -> A:x2 -> B:x3 -> C:x4",
			`G: connected G
			 A: connected A
			 B: connected B
			 C: connected C`,
			"C", "G A B C",
		},
		"gap in the numbers": {
			"G:x1 -> A:x3 -> B:x4",
			`G: connected G
			 A: gap
			 B: missing A`,
			"G", "G",
		},
		"first number is not 1": {
			"G -> A:x2",
			`G: connected G
			 A: gap`,
			"G", "G",
		},
		"number 0": {
			"G -> A:x0",
			`G: connected G
			 A: gap`,
			"G", "G",
		},
		"huge number": {
			"G:x1 -> A:x18446744073709551615",
			`G: connected G
			 A: gap`,
			"G", "G",
		},
		"previous number exists but is not an ancestor": {
			"G:x1 -> A:x2@2 | B@2\nB -> C:x3@9",
			`G: connected G
			 A: connected A
			 B: connected B
			 C: gap`,
			"A B", "G A B",
		},
		"previous number is a distant ancestor": {
			"G:x1 -> A -> B -> C | D -> E:x2",
			`G: connected G
			 A: connected A
			 B: connected B
			 C: connected C
			 D: connected D
			 E: connected E`,
			"E", "G A B C D E",
		},
		"number used again in its own future": {
			"G:x1 -> A:x2 -> B:x2",
			`G: connected G
			 A: connected A
			 B: reused`,
			"A", "G A",
		},
		"first number used again": {
			"G:x1 -> A -> B:x1",
			`G: connected G
			 A: connected A
			 B: reused`,
			"A", "G A",
		},
		"fork": {
			"G:x1 -> A:x2 -> B:x3\nG -> C:x2",
			`G: connected G
			 A: connected A
			 B: connected B
			 C: connected C`,
			"B C", "G A C B",
		},
		"both branches of a fork go on": {
			"G:x1 -> A:x2 -> B:x3\nG -> C:x2 -> D:x3 -> E:x4",
			`G: connected G
			 A: connected A
			 B: connected B
			 C: connected C
			 D: connected D
			 E: connected E`,
			"B E", "G A C B D E",
		},
		"branches merge and the number is taken": {
			"G:x1 -> A:x2 -> B:x3\nG -> C:x2\nB | C -> D:x3@9",
			`G: connected G
			 A: connected A
			 B: connected B
			 C: connected C
			 D: reused`,
			"B C", "G A C B",
		},
		"branches merge": {
			"G:x1 -> A:x2 -> B:x3\nG -> C:x2\nB | C -> D:x4@9",
			`G: connected G
			 A: connected A
			 B: connected B
			 C: connected C
			 D: connected D`,
			"D", "G A C B D",
		},
		"time not later than the parent": {
			"G -> A@5 -> B@5",
			`G: connected G
			 A: connected A
			 B: time`,
			"A", "G A",
		},
		"time before the parent, found in a cascade, takes what rests on it": {
			"G -> A@5 -> B@4 -> C@6 -> D@7\nA -> E@8",
			`D: missing C
			 C: missing B
			 E: missing A
			 B: missing A
			 A: missing G
			 G: connected G A E, refused B: time, refused C: ancestor, refused D: ancestor`,
			"E", "G A E",
		},
		"refused with what waits for it": {
			"G -> A -> X:y2 -> B -> C",
			`C: missing B
			 B: missing X
			 G: connected G
			 A: connected A
			 X: refused B: ancestor, refused C: ancestor, gap`,
			"A", "G A",
		},
		"another genesis": {
			"G -> A\nH -> B",
			`G: connected G
			 H: genesis
			 B: missing H`,
			"G", "G",
		},
	} {
		t.Run(name, func(t *testing.T) {
			text := parse(t, row.graph)
			g := dag.New(id("G"), roomy)
			for line := range strings.SplitSeq(row.steps, "\n") {
				name, want, _ := strings.Cut(strings.TrimSpace(line), ":")
				if got, want := text.step(g, name), strings.TrimSpace(want); got != want {
					t.Errorf("adding %s: got %q, want %q", name, got, want)
				}
			}
			if got := text.text(g.Heads()); got != row.heads {
				t.Errorf("heads: got %q, want %q", got, row.heads)
			}
			if got := text.text(slices.Collect(g.All())); got != row.order {
				t.Errorf("order: got %q, want %q", got, row.order)
			}
		})
	}
}

func load(t testing.TB, text string) (*graph, *dag.Graph) {
	t.Helper()
	parsed := parse(t, text)
	g := dag.New(id("G"), roomy)
	for _, name := range parsed.order {
		if _, err := g.Add(*parsed.nodes[name]); err != nil {
			t.Fatal(err)
		}
	}
	return parsed, g
}

func TestBadParents(t *testing.T) {
	good := dag.Node{ID: id("A"), Parents: []delta.ID{id("G"), id("H")}, Writer: writerOf("x"), Seq: 1, Time: delta.Tick}
	slices.SortFunc(good.Parents, delta.ID.Compare)
	million := make([]delta.ID, 1_000_000)
	for i := range million {
		million[i] = id(fmt.Sprintf("%07d", i))
	}
	for name, parents := range map[string][]delta.ID{
		"descending": {good.Parents[1], good.Parents[0]},
		"twice":      {good.Parents[0], good.Parents[0]},
		"itself":     {good.ID},
		"a million":  million,
		"257":        million[:257],
	} {
		g := dag.New(id("G"), roomy)
		n := good
		n.Parents = parents
		if added, err := g.Add(n); !errors.Is(err, dag.ErrParents) || g.Pending() != 0 {
			t.Errorf("%s: got %+v, %v with %d pending, want ErrParents", name, added, err, g.Pending())
		}
	}
	g := dag.New(good.ID, roomy)
	if _, err := g.Add(good); !errors.Is(err, dag.ErrGenesis) {
		t.Errorf("genesis with parents: got %v, want ErrGenesis", err)
	}
}

func TestVectorAndForks(t *testing.T) {
	text, g := load(t, `
		G:x1 -> A:x2 -> B:x3
		G -> C:x2 -> D:x3
		C -> E:x3
		G -> F:y1 -> H:y2`)
	show := func(tips []dag.Tip) string {
		var s []string
		for _, tip := range tips {
			s = append(s, fmt.Sprintf("%s:%s%d", text.names[tip.ID], string(tip.Writer.Author[:1]), tip.Seq))
		}
		return strings.Join(s, " ")
	}
	if got, want := show(g.Vector()), "B:x3 D:x3 E:x3 H:y2"; got != want {
		t.Errorf("vector: got %q, want %q", got, want)
	}
	if got, want := show(g.Tips(writerOf("y"))), "H:y2"; got != want {
		t.Errorf("tips: got %q, want %q", got, want)
	}
	if got := g.Tips(writerOf("z")); got != nil {
		t.Errorf("tips of an unknown writer: %v", got)
	}
	want := []dag.Fork{
		{Writer: writerOf("x"), Seq: 2, IDs: []delta.ID{id("A"), id("C")}},
		{Writer: writerOf("x"), Seq: 3, IDs: []delta.ID{id("B"), id("D"), id("E")}},
	}
	if diff := cmp.Diff(want, g.Forks()); diff != "" {
		t.Errorf("forks (-want +got):\n%s", diff)
	}
	if !g.IsForked(writerOf("x")) || g.IsForked(writerOf("y")) || g.IsForked(writerOf("z")) {
		t.Error("IsForked: want x alone")
	}
}

func TestIncarnationsAreWriters(t *testing.T) {
	g := dag.New(id("G"), roomy)
	a := delta.Writer{Author: author("x"), Incarnation: delta.Incarnation{1}}
	b := delta.Writer{Author: author("x"), Incarnation: delta.Incarnation{2}}
	for _, n := range []dag.Node{
		{ID: id("G"), Writer: a, Seq: 1, Time: delta.Tick},
		{ID: id("H"), Parents: []delta.ID{id("G")}, Writer: b, Seq: 1, Time: 2 * delta.Tick},
	} {
		if _, err := g.Add(n); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(g.Vector()); got != 2 || len(g.Forks()) != 0 {
		t.Errorf("%d writers, forks %v; want 2 and none", got, g.Forks())
	}
}

func TestAncestry(t *testing.T) {
	text, g := load(t, "G -> A -> B | C -> D -> F\nB -> E")
	past := map[string]string{
		"G": "", "A": "G", "B": "G A", "C": "G A", "D": "G A B C", "E": "G A B", "F": "G A B C D",
	}
	for _, b := range text.order {
		var got []string
		for _, a := range text.order {
			if g.IsAncestor(id(a), id(b)) {
				got = append(got, a)
			}
		}
		if got := strings.Join(got, " "); got != past[b] {
			t.Errorf("past of %s: got %q, want %q", b, got, past[b])
		}
	}
	if g.IsAncestor(id("nobody"), id("F")) || g.IsAncestor(id("G"), id("nobody")) {
		t.Error("an unknown delta has ancestors or descendants")
	}
	for of, want := range map[string]string{"A": "B C D E F", "B": "D E F", "B C": "D E F", "F": "", "nobody": "", "B D": "D E F"} {
		var ids []delta.ID
		for name := range strings.FieldsSeq(of) {
			ids = append(ids, id(name))
		}
		if got := text.text(g.Descendants(ids...)); got != want {
			t.Errorf("descendants of %s: got %q, want %q", of, got, want)
		}
	}
}

func TestHeadsWithout(t *testing.T) {
	text, g := load(t, "G -> A | B -> C -> D | E\nB -> F\nG -> H")
	for out, want := range map[string]string{
		"":                "D E F H",
		"D":               "E F H",
		"D E":             "C F H",
		"C D E":           "A F H",
		"F":               "D E H",
		"C D E F":         "A B H",
		"A C D E":         "F H",
		"A B C D E F":     "H",
		"A B C D E F H":   "G",
		"G A B C D E F H": "",
		"H unknown":       "D E F",
	} {
		set := map[delta.ID]struct{}{}
		for name := range strings.FieldsSeq(out) {
			set[id(name)] = struct{}{}
		}
		if got := text.text(g.HeadsWithout(set)); got != want {
			t.Errorf("without %q: got %q, want %q", out, got, want)
		}
	}
	if got := text.text(g.HeadsWithout(nil)); got != text.text(g.Heads()) {
		t.Errorf("without none: got %q", got)
	}
}

func TestOrderFromAPlace(t *testing.T) {
	text, g := load(t, "G@1 -> A@3 | B@3 -> C@7")
	for _, row := range []struct {
		time   delta.Time
		id     delta.ID
		before int
		rest   string
	}{
		{0, delta.ID{}, 0, "G A B C"},
		{2, delta.ID{}, 1, "A B C"},
		{3, delta.ID{}, 1, "A B C"},
		{3, id("A"), 1, "A B C"},
		{3, delta.ID{'A', 0xff, 0xff}, 2, "B C"},
		{3, id("B"), 2, "B C"},
		{7, id("C"), 3, "C"},
		{8, delta.ID{}, 4, ""},
	} {
		place := delta.Place{Time: row.time * delta.Tick, ID: row.id}
		got := text.text(slices.Collect(g.From(place)))
		if n := g.Before(place); got != row.rest || n != row.before {
			t.Errorf("from %d %s: got %q after %d, want %q after %d", row.time, row.id.Short(), got, n, row.rest, row.before)
		}
	}
	for range g.All() {
		break // stopping early must not panic
	}
	for i, name := range []string{"G", "A", "B", "C"} {
		place, ok := g.Place(id(name))
		if g.At(i) != id(name) || !ok || g.Before(place) != i {
			t.Errorf("%s: place %v, %v; at %d is %s", name, place, ok, i, g.At(i))
		}
	}
	if place, ok := g.Place(id("D")); ok {
		t.Errorf("an unknown delta has place %v", place)
	}
	if last, ok := g.Latest(); last != (delta.Place{Time: 7 * delta.Tick, ID: id("C")}) || !ok {
		t.Errorf("latest: got %v, %v", last, ok)
	}
	if _, ok := dag.New(id("G"), roomy).Latest(); ok {
		t.Error("an empty graph has a latest delta")
	}
}

func TestGet(t *testing.T) {
	text, g := load(t, "G:x1 -> A | B -> C:x2@9")
	for _, name := range text.order {
		got, ok := g.Get(id(name))
		if diff := cmp.Diff(*text.nodes[name], got); !ok || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", name, ok, diff)
		}
	}
	if _, ok := g.Get(id("nobody")); ok {
		t.Error("got a delta that is not there")
	}
}

func TestPendingIsBounded(t *testing.T) {
	orphan := func(n int, writer string, parents int) dag.Node {
		node := dag.Node{ID: id(fmt.Sprint("orphan", n)), Writer: writerOf(writer), Seq: 1, Time: delta.Tick}
		for i := range parents {
			node.Parents = append(node.Parents, id(fmt.Sprintf("parent %d %03d", n, i)))
		}
		slices.SortFunc(node.Parents, delta.ID.Compare)
		return node
	}
	for name, row := range map[string]struct {
		limits  dag.Limits
		writers int
		parents int
		want    int
	}{
		"in all":     {dag.Limits{Pending: 10, PerAuthor: 100, Parents: 1000}, 50, 1, 10},
		"per author": {dag.Limits{Pending: 100, PerAuthor: 3, Parents: 1000}, 4, 1, 12},
		"in parents": {dag.Limits{Pending: 100, PerAuthor: 100, Parents: 70}, 50, 8, 8},
	} {
		g := dag.New(id("G"), row.limits)
		for i := range 50 {
			_, err := g.Add(orphan(i, fmt.Sprint("w", i%row.writers), row.parents))
			if err != nil && !errors.Is(err, dag.ErrPendingFull) {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if g.Pending() != row.want {
			t.Errorf("%s: %d pending, want %d", name, g.Pending(), row.want)
		}
		// All of it can be forgotten, and leaves nothing behind.
		for i := range 50 {
			n := orphan(i, "", row.parents)
			if there := g.IsPending(n.ID); g.Forget(n.ID) != there {
				t.Errorf("%s: Forget says %v", name, !there)
			}
		}
		if g.Pending() != 0 || len(g.Missing()) != 0 {
			t.Errorf("%s: %d pending, %d missing after forgetting all", name, g.Pending(), len(g.Missing()))
		}
		if _, err := g.Add(orphan(99, "w0", 8)); err != nil {
			t.Errorf("%s: no room after forgetting all: %v", name, err)
		}
	}
}

// Each delta that goes makes room for one.
func TestRoomIsCounted(t *testing.T) {
	limits := dag.Limits{Pending: 100, PerAuthor: 3, Parents: 100}
	g := dag.New(id("G"), limits)
	add := func(i int) error {
		_, err := g.Add(dag.Node{
			ID: id(fmt.Sprint("orphan", i)), Parents: []delta.ID{id("absent")}, Writer: writerOf("w"), Seq: 1, Time: delta.Tick,
		})
		return err
	}
	for i := range 20 {
		if err := add(i); (err != nil) != (i >= 3) {
			t.Fatalf("orphan %d: %v", i, err)
		}
	}
	for i := range 3 {
		g.Forget(id(fmt.Sprint("orphan", i)))
		if err := add(10 + i); err != nil {
			t.Errorf("no room after one was forgotten: %v", err)
		}
		if err := add(20 + i); !errors.Is(err, dag.ErrPendingFull) {
			t.Errorf("room for two after one was forgotten: %v", err)
		}
	}
}

// What connects makes room, and does not need any itself.
func TestFullGraphStillConnects(t *testing.T) {
	text := parse(t, "G -> A -> B -> C -> D\nX -> Y")
	g := dag.New(id("G"), dag.Limits{Pending: 2, PerAuthor: 2, Parents: 9})
	var got []string
	for _, name := range []string{"Y", "D", "C", "G", "A", "B", "C", "C"} {
		got = append(got, text.step(g, name))
	}
	want := []string{"missing X", "missing C", "full", "connected G", "connected A", "connected B", "connected C D", "duplicate"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}

func TestMissing(t *testing.T) {
	text := parse(t, "G -> A -> B -> C\nA | M -> D\nN -> E")
	g := dag.New(id("G"), roomy)
	for _, name := range []string{"G", "C", "D", "E"} {
		text.step(g, name)
	}
	if got, want := text.text(g.Missing()), "A B M N"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	text.step(g, "B")
	if got, want := text.text(g.Missing()), "A M N"; got != want {
		t.Errorf("after B: got %q, want %q", got, want)
	}
	g.Forget(id("D"))
	if got, want := text.text(g.Missing()), "A N"; got != want {
		t.Errorf("without D: got %q, want %q", got, want)
	}
	g.Forget(id("B"))
	if got, want := text.text(g.Missing()), "B N"; got != want {
		t.Errorf("without B: got %q, want %q", got, want)
	}
}
