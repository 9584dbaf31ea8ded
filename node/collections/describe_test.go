package collections_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"mero/node/collections"
)

// told is a described operation in one line.
func told(o collections.Op) string {
	var b strings.Builder
	b.WriteString(o.Name)
	for _, l := range o.Path {
		key := string(l.Key)
		if l.Element != "" {
			key = "#" + l.Element
		}
		fmt.Fprintf(&b, " /%.8s", key)
	}
	fmt.Fprintf(&b, ": %v %d", o.Kind, o.Flags)
	for name, v := range map[string]string{"key": string(o.Key), "element": o.Element} {
		if v != "" {
			fmt.Fprintf(&b, " %s %s", name, v)
		}
	}
	if o.Where != "" {
		b.WriteString(" " + o.Where)
	}
	for _, v := range o.Values {
		fmt.Fprintf(&b, " %q", v)
	}
	for name, n := range map[string]int64{"amount": o.Amount, "count": int64(o.Count), "seen": int64(o.Seen)} {
		if n != 0 {
			fmt.Fprintf(&b, " %s %d", name, n)
		}
	}
	return b.String()
}

// TestDescribe: each kind of operation is told with what it says.
func TestDescribe(t *testing.T) {
	var m collections.Mem
	clock := uint64(0)
	for _, row := range []struct {
		do   func(tx *collections.Tx)
		want []string
	}{
		{func(tx *collections.Tx) {
			r := open(t, tx, "r", collections.Register, 0)
			must(t, tx.Store(r, []byte("v")))
			must(t, tx.Clear(r))
			must(t, tx.Store(open(t, tx, "o", collections.Register, collections.Once), nil))
		}, []string{
			"make /r: a register 0", `store /r: a register 0 "v"`, "clear /r: a register 0",
			"make /o: a register 1", `store /o: a register 1 ""`,
		}},
		{func(tx *collections.Tx) {
			r := open(t, tx, "m", collections.Map, 0)
			must(t, tx.Put(r, []byte("k"), []byte("v")))
			must(t, tx.Increase(must1[collections.Ref](t)(tx.Open(r, []byte("in"), collections.Counter, 0)), -3))
			must1[bool](t)(tx.Add(open(t, tx, "s", collections.Set, 0), []byte("e")))
		}, []string{
			"make /m: a map 0", `put /m: a map 0 key k "v"`, "make /m /in: a counter 0", "increase /m /in: a counter 0 amount -3",
			"make /s: a set 0", "add /s: a set 0 key e",
		}},
		{func(tx *collections.Tx) {
			r := open(t, tx, "m", collections.Map, 0)
			must1[bool](t)(tx.Remove(r, []byte("k")))
			must1[bool](t)(tx.Remove(r, []byte("in")))
			s := open(t, tx, "s", collections.Set, 0)
			must1[bool](t)(tx.Add(s, []byte("e")))
			must1[bool](t)(tx.Remove(s, []byte("e")))
		}, []string{
			"remove /m: a map 0 key k seen 1", "drop /m: a map 0 key in seen 1", "add /s: a set 0 key e seen 1", "discard /s: a set 0 key e seen 1",
		}},
		{func(tx *collections.Tx) {
			r := open(t, tx, "l", collections.List, 0)
			must(t, tx.Insert(r, 0, []byte("a"), []byte("b")))
			must(t, tx.Put(must1[collections.Ref](t)(tx.InsertOpen(r, 1, collections.Map, collections.Once)), []byte("k"), []byte("v")))
			must(t, tx.SetAt(r, 0, []byte("A")))
			must(t, tx.RemoveAt(r, 0, 2))
		}, []string{
			"make /l: a list 0", `insert /l: a list 0 at the beginning "a" "b"`,
			"insert open /l /#new: a map 1 before 262145/aabb000000000000+1", `put /l /#262146/: a map 1 key k "v"`,
			`set /l: a list 0 element 262145/aabb000000000000+0 "A"`, "erase /l: a list 0 count 2",
		}},
		{func(tx *collections.Tx) {
			r := open(t, tx, "t", collections.Text, 0)
			must(t, tx.InsertText(r, 0, "hällo"))
			must(t, tx.InsertText(r, 5, "!"))
			must(t, tx.RemoveText(r, 1, 2))
		}, []string{
			"make /t: a text 0", `type /t: a text 0 at the beginning "hällo"`, `type /t: a text 0 after 327681/aabb000000000000+4 "!"`, "erase /t: a text 0 count 2",
		}},
		{func(tx *collections.Tx) {
			key := [32]byte([]byte("author" + strings.Repeat("\x00", 26)))
			must(t, tx.Store(must1[collections.Ref](t)(tx.Open(open(t, tx, "b", collections.Members, 0), key[:], collections.Register, 0)), []byte("mine")))
		}, []string{
			"make /b: a collection by member 0", "make /b /author\x00\x00: a register 0", `store /b /author` + "\x00\x00" + `: a register 0 "mine"`,
		}},
	} {
		clock++
		o := collections.Origin{Time: clock << 16, Tag: [8]byte{0xaa, 0xbb}}
		copy(o.Author[:], "author")
		tx := collections.Begin(&m, o)
		row.do(tx)
		writes, err := collections.Fold(&m, tx.Ops(), o)
		must(t, err)
		m.Apply(writes)
		list, more, err := collections.Describe(tx.Ops(), 100)
		must(t, err)
		var got []string
		for _, o := range list {
			got = append(got, told(o))
		}
		if strings.Join(got, "\n") != strings.Join(row.want, "\n") || more != 0 {
			t.Errorf("got %d more and\n%s\nwant\n%s", more, strings.Join(got, "\n"), strings.Join(row.want, "\n"))
		}
		short, more, err := collections.Describe(tx.Ops(), 1)
		must(t, err)
		if len(short) != 1 || more != len(list)-1 {
			t.Errorf("of %d operations: %d and %d more", len(list), len(short), more)
		}
	}
	tx := collections.Begin(&collections.Mem{}, collections.Origin{Time: 1 << 16})
	must(t, tx.Insert(open(t, tx, "l", collections.List, 0), 0, make([][]byte, 1000)...))
	if list, _, err := collections.Describe(tx.Ops(), 10); err != nil || len(list[1].Values) != collections.MaxTold || list[1].More != 1000-collections.MaxTold {
		t.Errorf("many values: %+v, %v", list, err)
	}
	for name, ops := range map[string]string{
		"another version": "\x02", "none": "\x01", "an unknown code": "\x01\x63\x00", "cut short": "\x01\x05\x00", "not named": "\x01\x03\x07\x01a",
	} {
		if _, _, err := collections.Describe([]byte(ops), 10); !errors.Is(err, collections.ErrOps) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var limit *collections.LimitError
	if _, _, err := collections.Describe(make([]byte, collections.MaxOpBytes+1), 10); !errors.As(err, &limit) {
		t.Errorf("too many bytes: %v", err)
	}
	if list, more, err := collections.Describe(nil, 10); list != nil || more != 0 || err != nil {
		t.Errorf("no operations: %v, %d, %v", list, more, err)
	}
}

// TestItem: what is at a key, as Scan has it.
func TestItem(t *testing.T) {
	var m collections.Mem
	o := collections.Origin{Time: 7 << 16, Tag: [8]byte{1}}
	tx := collections.Begin(&m, o)
	r := open(t, tx, "m", collections.Map, collections.Once)
	must(t, tx.Put(r, []byte("k"), []byte("v")))
	must1[bool](t)(tx.Add(open(t, tx, "s", collections.Set, 0), []byte("e")))
	for _, row := range []struct {
		ref  collections.Ref
		key  string
		want string
	}{
		{0, "m", "a map 1 "},
		{r, "k", "a value 0 v"},
		{r, "none", ""},
		{open(t, tx, "s", collections.Set, 0), "e", "a value 0 "},
		{open(t, tx, "s", collections.Set, 0), "f", ""},
		{open(t, tx, "absent", collections.Map, 0), "k", ""},
	} {
		item, ok, err := tx.Item(row.ref, []byte(row.key))
		must(t, err)
		got := ""
		if ok {
			got = fmt.Sprintf("%v %d %s", item.Kind, item.Flags, item.Value)
			if string(item.Key) != row.key || item.Stamp.DeltaTime() != o.Time || item.Stamp.Tag != o.Tag {
				t.Errorf("%s: %+v", row.key, item)
			}
		}
		if got != row.want {
			t.Errorf("%s: %q, want %q", row.key, got, row.want)
		}
	}
	if _, _, err := tx.Item(r, nil); !errors.Is(err, collections.ErrKeySize) {
		t.Errorf("an empty key: %v", err)
	}
	if _, _, err := tx.Item(open(t, tx, "l", collections.List, 0), []byte("0")); !errors.Is(err, collections.ErrKind) {
		t.Errorf("a list: %v", err)
	}
}

// FuzzDescribe: what can be described can be folded, and the other way round.
func FuzzDescribe(f *testing.F) {
	var m collections.Mem
	o := collections.Origin{Time: 1 << 16}
	tx := collections.Begin(&m, o)
	l := open(f, tx, "l", collections.List, 0)
	must(f, tx.Insert(l, 0, []byte("a"), []byte("b")))
	must(f, tx.Put(must1[collections.Ref](f)(tx.InsertOpen(l, 1, collections.Map, 0)), []byte("k"), []byte("v")))
	must(f, tx.RemoveAt(l, 0, 2))
	must(f, tx.InsertText(open(f, tx, "t", collections.Text, 0), 0, "text"))
	f.Add(tx.Ops())
	f.Add([]byte{1, 2, 0, 0, 1, 'a', 2, 0})
	f.Fuzz(func(t *testing.T, ops []byte) {
		kept := bytes.Clone(ops)
		list, more, err := collections.Describe(ops, 3)
		_, folded := collections.Fold(&m, ops, collections.Origin{Time: 9 << 16})
		if errors.Is(err, collections.ErrOps) != errors.Is(folded, collections.ErrOps) {
			t.Errorf("described: %v; folded: %v", err, folded)
		}
		if len(list) > 3 || len(list) < 3 && more > 0 || err != nil && list != nil || !bytes.Equal(ops, kept) {
			t.Errorf("%d operations and %d more, %v", len(list), more, err)
		}
		for _, op := range list {
			if op.Name == "" || len(op.Path) > collections.MaxDepth+1 {
				t.Errorf("%+v", op)
			}
		}
	})
}
