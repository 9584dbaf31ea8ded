package collections_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mero/node/collections"
)

// TestForms: the bytes of operations and rows are final. testdata/forms.txt is what they were at
// the first release; doc.go says what they mean.
func TestForms(t *testing.T) {
	var m collections.Mem
	var b strings.Builder
	clock := uint64(0)
	step := func(name string, do func(tx *collections.Tx)) {
		clock++
		o := collections.Origin{Time: clock << 16, Tag: [8]byte{0xaa, 0xbb}}
		copy(o.Author[:], "author")
		tx := collections.Begin(&m, o)
		do(tx)
		writes, err := collections.Fold(&m, tx.Ops(), o)
		must(t, err)
		m.Apply(writes)
		fmt.Fprintf(&b, "%s\nops %x\n", name, tx.Ops())
		for _, w := range writes {
			if w.HasNew {
				fmt.Fprintf(&b, "put %x %x %x\n", w.Key[:16], w.Key[16:], w.New)
			} else {
				fmt.Fprintf(&b, "del %x %x\n", w.Key[:16], w.Key[16:])
			}
		}
	}
	step("register", func(tx *collections.Tx) {
		r := open(t, tx, "r", collections.Register, 0)
		must(t, tx.Store(r, []byte("v")))
		must(t, tx.Clear(r))
		must(t, tx.Store(open(t, tx, "o", collections.Register, collections.Once), nil))
	})
	step("map", func(tx *collections.Tx) {
		r := open(t, tx, "m", collections.Map, 0)
		must(t, tx.Put(r, []byte("k"), []byte("v")))
		must(t, tx.Put(r, []byte("l"), nil))
		deep := must1[collections.Ref](t)(tx.Open(r, []byte("in"), collections.Counter, 0))
		must(t, tx.Increase(deep, -3))
	})
	step("removed from a map", func(tx *collections.Tx) {
		r := open(t, tx, "m", collections.Map, 0)
		must1[bool](t)(tx.Remove(r, []byte("k")))
		must1[bool](t)(tx.Remove(r, []byte("in")))
	})
	step("set", func(tx *collections.Tx) {
		r := open(t, tx, "s", collections.Set, 0)
		must1[bool](t)(tx.Add(r, []byte("e")))
		must1[bool](t)(tx.Add(r, []byte("e")))
		must1[bool](t)(tx.Add(r, []byte("f")))
		must1[bool](t)(tx.Remove(r, []byte("f")))
	})
	step("list", func(tx *collections.Tx) {
		r := open(t, tx, "l", collections.List, 0)
		must(t, tx.Insert(r, 0, []byte("a"), []byte("b")))
		must(t, tx.Insert(r, 2, []byte("c")))
		inner := must1[collections.Ref](t)(tx.InsertOpen(r, 1, collections.Map, collections.Once))
		must(t, tx.Put(inner, []byte("k"), []byte("v")))
		must(t, tx.SetAt(r, 0, []byte("A")))
		must(t, tx.RemoveAt(r, 2, 1))
	})
	step("text", func(tx *collections.Tx) {
		r := open(t, tx, "t", collections.Text, 0)
		must(t, tx.InsertText(r, 0, "hällo"))
		must(t, tx.RemoveText(r, 1, 2))
		must(t, tx.InsertText(r, 1, "e"))
	})
	step("a text of two leaves", func(tx *collections.Tx) {
		must(t, tx.InsertText(open(t, tx, "t", collections.Text, 0), 1, strings.Repeat("x", 1200)))
	})
	step("members", func(tx *collections.Tx) {
		r := open(t, tx, "b", collections.Members, 0)
		key := [32]byte([]byte("author" + strings.Repeat("\x00", 26)))
		own := must1[collections.Ref](t)(tx.Open(r, key[:], collections.Register, 0))
		must(t, tx.Store(own, []byte("mine")))
	})
	if os.Getenv("MERO_FORMS") == "write" { // before the first release
		must(t, os.WriteFile("testdata/forms.txt", []byte(b.String()), 0o600))
	}
	want, err := os.ReadFile("testdata/forms.txt")
	must(t, err)
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("operations or rows have another form (-want +got):\n%s", diff)
	}
}
