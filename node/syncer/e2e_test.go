package syncer_test

import (
	"testing"
)

// TestJoinAndWrite: a node joins by an invitation alone, gets application and state,
// and from then on what either writes is on both.
func TestJoinAndWrite(t *testing.T) {
	a, b := newNode(t, "a", options{}), newNode(t, "b", options{})
	ours := a.create()
	ours.set("before", "1")
	theirs := b.join(ours.invite(nil))
	theirs.sees("before", "1")
	equal(t, ours, theirs)
	ours.set("x", "from a")
	theirs.sees("x", "from a")
	theirs.set("y", "from b")
	ours.sees("y", "from b")
	equal(t, ours, theirs)
	for _, n := range []*node{a, b} {
		if n.metric("mero_syncer_refused_total") > 0 {
			t.Errorf("%s refused something", n.name)
		}
	}
}
