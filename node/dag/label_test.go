package dag_test

import (
	"testing"

	"mero/node/delta"
)

func TestLabels(t *testing.T) {
	_, g := load(t, "G -> A -> B | C -> D")
	names := []string{"G", "A", "B", "C", "D"}
	for i, name := range names {
		if got := g.Label(id(name)); got != 0 {
			t.Errorf("%s begins with label %d", name, got)
		}
		g.SetLabel(id(name), uint32(10+i))
	}
	g.SetLabel(id("X"), 7)
	if got := g.Label(id("X")); got != 0 {
		t.Errorf("a delta that is not there has label %d", got)
	}
	rest, _ := g.Without(map[delta.ID]struct{}{id("C"): {}, id("D"): {}})
	for i, name := range names {
		want := uint32(10 + i)
		if got := g.Label(id(name)); got != want {
			t.Errorf("%s: label %d, want %d", name, got, want)
		}
		if name == "C" || name == "D" {
			want = 0
		}
		if got := rest.Label(id(name)); got != want {
			t.Errorf("%s without C: label %d, want %d", name, got, want)
		}
	}
}
