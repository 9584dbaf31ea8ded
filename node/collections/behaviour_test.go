package collections_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"mero/node/collections"
)

// two gives a world of two sites with a call that both have seen.
func two(t *testing.T, seed uint64, do func(tx *collections.Tx)) (w *world, a, b *site) {
	t.Helper()
	w = newWorld(t, rand.New(rand.NewPCG(seed, 0)), 2)
	a, b = w.sites[0], w.sites[1]
	if do != nil {
		w.call(a, func(tx *collections.Tx, e *event) { do(tx) })
		w.pull(b, a)
	}
	return w, a, b
}

func text(t testing.TB, tx *collections.Tx) string {
	t.Helper()
	r := open(t, tx, "t", collections.Text, 0)
	return must1[string](t)(tx.Slice(r, 0, must1[int64](t)(tx.Len(r))))
}

// TestNoInterleaving: what two write at one place at one time does not mix, however each writes
// it: at once, letter by letter, or letter by letter from the end.
func TestNoInterleaving(t *testing.T) {
	type typing func(w *world, s *site, at int, word string)
	ways := map[string]typing{
		"at once": func(w *world, s *site, at int, word string) {
			w.call(s, func(tx *collections.Tx, _ *event) {
				must(t, tx.InsertText(open(t, tx, "t", collections.Text, 0), int64(at), word))
			})
		},
		"forward": func(w *world, s *site, at int, word string) {
			for i, c := range word {
				w.call(s, func(tx *collections.Tx, _ *event) {
					must(t, tx.InsertText(open(t, tx, "t", collections.Text, 0), int64(at+i), string(c)))
				})
			}
		},
		"backward": func(w *world, s *site, at int, word string) {
			for i := range word {
				w.call(s, func(tx *collections.Tx, _ *event) {
					must(t, tx.InsertText(open(t, tx, "t", collections.Text, 0), int64(at), string(word[len(word)-1-i])))
				})
			}
		},
		"with a mistake": func(w *world, s *site, at int, word string) {
			for i, c := range word {
				w.call(s, func(tx *collections.Tx, _ *event) {
					r := open(t, tx, "t", collections.Text, 0)
					must(t, tx.InsertText(r, int64(at+i), "#"))
					must(t, tx.RemoveText(r, int64(at+i), 1))
					must(t, tx.InsertText(r, int64(at+i), string(c)))
				})
			}
		},
	}
	for one, first := range ways {
		for other, second := range ways {
			t.Run(one+" and "+other, func(t *testing.T) {
				for seed := range uint64(20) {
					w, a, b := two(t, seed, func(tx *collections.Tx) {
						must(t, tx.InsertText(open(t, tx, "t", collections.Text, 0), 0, "<>"))
					})
					first(w, a, 1, "milk")
					second(w, b, 1, "eggs")
					got := text(t, collections.BeginReadOnly(w.meet()))
					if got != "<milkeggs>" && got != "<eggsmilk>" {
						t.Fatalf("seed %d: %s", seed, got)
					}
				}
			})
		}
	}
}

// TestNoRevival: what was removed does not come back when somebody comes who was away, and what
// was made in its place has nothing of it.
func TestNoRevival(t *testing.T) {
	for seed := range uint64(50) {
		w, a, b := two(t, seed, func(tx *collections.Tx) {
			boards := open(t, tx, "boards", collections.Map, 0)
			board := must1[collections.Ref](t)(tx.Open(boards, []byte("b"), collections.Map, 0))
			must(t, tx.Put(board, []byte("title"), []byte("old")))
			must(t, tx.Put(open(t, tx, "m", collections.Map, 0), []byte("k"), []byte("old")))
		})
		w.call(b, func(tx *collections.Tx, _ *event) { // b is away and writes in what it sees
			boards := open(t, tx, "boards", collections.Map, 0)
			board := must1[collections.Ref](t)(tx.Open(boards, []byte("b"), collections.Map, 0))
			must(t, tx.Put(board, []byte("more"), []byte("of the old")))
		})
		for range w.rng.IntN(3) {
			w.call(b, func(tx *collections.Tx, _ *event) {
				must(t, tx.Increase(open(t, tx, "n", collections.Counter, 0), 1))
			})
		}
		w.call(a, func(tx *collections.Tx, _ *event) {
			boards := open(t, tx, "boards", collections.Map, 0)
			must1[bool](t)(tx.Remove(boards, []byte("b")))
			must1[bool](t)(tx.Remove(open(t, tx, "m", collections.Map, 0), []byte("k")))
			board := must1[collections.Ref](t)(tx.Open(boards, []byte("b"), collections.Map, 0))
			must(t, tx.Put(board, []byte("title"), []byte("new")))
		})
		tx := collections.BeginReadOnly(w.meet())
		boards := open(t, tx, "boards", collections.Map, 0)
		board := must1[collections.Ref](t)(tx.Open(boards, []byte("b"), collections.Map, 0))
		if got, want := printed(scanned(t, tx, board)), "map[title:new]"; got != want {
			t.Fatalf("seed %d: got %s, want %s", seed, got, want)
		}
		if got := printed(scanned(t, tx, open(t, tx, "m", collections.Map, 0))); got != "map[]" {
			t.Fatalf("seed %d: got %s", seed, got)
		}
	}
}

// TestMemberNames: what is said to people names members as they know them.
func TestMemberNames(t *testing.T) {
	var full [32]byte
	for i := range full {
		full[i] = 0xff
	}
	for _, test := range []struct {
		member [32]byte
		want   string
	}{
		{[32]byte{}, "11111111111111111111111111111111"}, {full, "JEKNVnkbo3jma5nREBBJCDoXFVeKkD56V3xKrvRmWxFG"}, {[32]byte{0, 0, 1, 0xc2, 0xda, 'k', '\\'}, "11MU7J96Ps2ehzpFiFqcPrdJNAGART2YJYjwSoTkT1"},
	} {
		tx := collections.Begin(&collections.Mem{}, collections.Origin{Author: [32]byte{7}, Time: 1 << 40})
		m := must1[collections.Ref](t)(tx.Open(open(t, tx, "m", collections.Map, 0), test.member[:], collections.Members, 0))
		own := must1[collections.Ref](t)(tx.Open(m, test.member[:], collections.Map, 0))
		deep := must1[collections.Ref](t)(tx.Open(own, []byte("k"), collections.Register, 0))
		key := strings.Trim(strconv.Quote(string(test.member[:])), `"`) // in a map it may be anything
		want := "not the owner: 'm/" + key + "/" + test.want + "/k' belongs to another member"
		if err := tx.Store(deep, nil); err == nil || err.Error() != want {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
}

// TestOwner: only a member writes in what is the member's, also below, and whatever operations
// say.
func TestOwner(t *testing.T) {
	w, a, b := two(t, 1, nil)
	write := func(tx *collections.Tx, owner [32]byte, value string) error {
		votes := open(t, tx, "votes", collections.Members, 0)
		own, err := tx.Open(votes, owner[:], collections.Map, 0)
		must(t, err)
		deep, err := tx.Open(own, []byte("deep"), collections.Register, 0)
		must(t, err)
		return tx.Store(deep, []byte(value))
	}
	w.call(a, func(tx *collections.Tx, _ *event) {
		must(t, write(tx, a.author, "mine"))
		wantError(t, write(tx, b.author, "forged"), true, collections.ErrOwner)
	})
	w.pull(b, a)
	w.call(b, func(tx *collections.Tx, _ *event) {
		wantError(t, write(tx, a.author, "forged"), true, collections.ErrOwner)
		votes := open(t, tx, "votes", collections.Members, 0)
		_, err := tx.Remove(votes, a.author[:])
		wantError(t, err, true, collections.ErrOwner)
		_, err = tx.Remove(0, []byte("votes"))
		wantError(t, err, true, collections.ErrOnce)
	})
	var none collections.Mem
	tx := collections.Begin(&none, collections.Origin{Author: a.author, Tag: b.tag, Time: 1 << 40})
	must(t, write(tx, a.author, "forged"))
	writes, err := collections.Fold(&none, tx.Ops(), collections.Origin{Author: b.author, Tag: b.tag, Time: 1 << 40})
	must(t, err)
	none.Apply(writes)
	if has := must1[bool](t)(collections.BeginReadOnly(&none).Has(0, []byte("votes"))); !has || none.Len() != 2 {
		t.Errorf("another member's collection is made: %q", writes[len(writes)-1].Key)
	}
	// The operations that a makes, in a delta of b.
	for name, do := range map[string]func(tx *collections.Tx){
		"store": func(tx *collections.Tx) { must(t, write(tx, a.author, "forged")) },
		"remove": func(tx *collections.Tx) {
			must1[bool](t)(tx.Remove(open(t, tx, "votes", collections.Members, 0), a.author[:]))
		},
	} {
		tx := collections.Begin(&b.state, collections.Origin{Author: a.author, Tag: b.tag, Time: 1 << 40})
		do(tx)
		writes, err := collections.Fold(&b.state, tx.Ops(), collections.Origin{Author: b.author, Tag: b.tag, Time: 1 << 40})
		if err != nil || len(writes) > 0 {
			t.Errorf("%s: %d writes, %v", name, len(writes), err)
		}
		if own, err := tx.Writes(); err != nil || len(own) == 0 {
			t.Errorf("%s: the owner's are %d writes, %v", name, len(own), err)
		}
	}
}

// TestOnceForged: operations of somebody who did not see what was written once, or who says that it
// is something else.
func TestOnceForged(t *testing.T) {
	_, a, _ := two(t, 1, func(tx *collections.Tx) {
		must(t, tx.Store(open(t, tx, "r", collections.Register, collections.Once), []byte("first")))
		m := open(t, tx, "m", collections.Map, collections.Once)
		must(t, tx.Put(m, []byte("k"), []byte("first")))
	})
	var none collections.Mem
	o := collections.Origin{Tag: [8]byte{9}, Time: 1 << 40}
	for _, flags := range []collections.Flags{0, collections.Once} {
		tx := collections.Begin(&none, o)
		must(t, tx.Store(open(t, tx, "r", collections.Register, flags), []byte("forged")))
		must(t, tx.Put(open(t, tx, "m", collections.Map, flags), []byte("k"), []byte("forged")))
		writes, err := collections.Fold(&a.state, tx.Ops(), o)
		must(t, err)
		for _, w := range writes {
			if strings.Contains(string(w.New), "forged") {
				t.Errorf("flags %d: %x is %q", flags, w.Key, w.New)
			}
		}
	}
	for _, name := range []string{"r", "m"} {
		tx := collections.BeginReadOnly(&a.state)
		items := must1[[]collections.Item](t)(tx.Scan(0, nil, nil, 9))
		stamp := items[strings.Index("mr", name)].Stamp
		drop := binary.BigEndian.AppendUint64([]byte{1, 7, 0, 1, name[0], 1}, stamp.Time)
		drop = append(drop, stamp.Tag[:]...)
		if writes, err := collections.Fold(&a.state, drop, o); err != nil || len(writes) > 0 {
			t.Errorf("dropping %s: %d writes, %v", name, len(writes), err)
		}
	}
}

// TestListOfCollections: they are opened by index, stay what they are when it changes, and are
// gone with their element.
func TestListOfCollections(t *testing.T) {
	w, a, b := two(t, 3, func(tx *collections.Tx) {
		l := open(t, tx, "l", collections.List, 0)
		must(t, tx.Insert(l, 0, []byte("x"), []byte("y")))
		c := must1[collections.Ref](t)(tx.InsertOpen(l, 1, collections.Counter, 0))
		must(t, tx.Insert(l, 0, []byte("w")))
		must(t, tx.Increase(c, 5))
		if again := must1[collections.Ref](t)(tx.OpenAt(l, 2, collections.Counter, 0)); again != c {
			t.Errorf("another handle")
		}
		_, err := tx.At(l, 2)
		wantError(t, err, true, collections.ErrKind)
		wantError(t, tx.SetAt(l, 2, nil), true, collections.ErrKind)
		_, err = tx.OpenAt(l, 2, collections.Set, 0)
		wantError(t, err, true, collections.ErrKind)
		if k := must1[collections.Kind](t)(tx.KindAt(l, 2)); k != collections.Counter {
			t.Errorf("KindAt gives %v", k)
		}
	})
	w.call(a, func(tx *collections.Tx, _ *event) {
		l := open(t, tx, "l", collections.List, 0)
		c := must1[collections.Ref](t)(tx.OpenAt(l, 2, collections.Counter, 0))
		must(t, tx.RemoveAt(l, 0, 2))
		must(t, tx.Increase(c, 2))
		if n := must1[int64](t)(tx.Count(c)); n != 7 {
			t.Errorf("the counter has %d", n)
		}
	})
	w.call(b, func(tx *collections.Tx, _ *event) {
		l := open(t, tx, "l", collections.List, 0)
		c := must1[collections.Ref](t)(tx.OpenAt(l, 2, collections.Counter, 0))
		must(t, tx.RemoveAt(l, 2, 1))
		wantError(t, tx.Increase(c, 1), true, collections.ErrIndex)
		if n := must1[int64](t)(tx.Count(c)); n != 0 {
			t.Errorf("a removed counter has %d", n)
		}
	})
	tx := collections.BeginReadOnly(w.meet())
	l := open(t, tx, "l", collections.List, 0)
	items := must1[[]collections.Item](t)(tx.Items(l, 0, 1))
	if n := must1[int64](t)(tx.Len(l)); n != 1 || string(items[0].Value) != "y" {
		t.Errorf("%d items: %v", n, items)
	}
}

// TestRemovedRowsGo: the rows of what was removed go with the deltas that follow, some with each,
// and removing costs the same however much there is.
func TestRemovedRowsGo(t *testing.T) {
	w, a, _ := two(t, 1, func(tx *collections.Tx) { must(t, tx.Increase(open(t, tx, "n", collections.Counter, 0), 1)) })
	rows := a.state.Len()
	for range 4 {
		w.call(a, func(tx *collections.Tx, _ *event) {
			m := open(t, tx, "m", collections.Map, 0)
			for range 250 {
				key := []byte(fmt.Sprint(w.rng.Uint64()))
				switch w.rng.IntN(4) {
				case 0:
					s := must1[collections.Ref](t)(tx.Open(m, key, collections.Set, 0))
					must1[bool](t)(tx.Add(s, key))
				case 1:
					l := must1[collections.Ref](t)(tx.Open(m, key, collections.List, 0))
					c := must1[collections.Ref](t)(tx.InsertOpen(l, 0, collections.Text, 0))
					must(t, tx.InsertText(c, 0, "text"))
				default:
					must(t, tx.Put(m, key, key))
				}
			}
		})
	}
	steps := 0
	for full := a.state.Len(); a.state.Len() > rows; steps++ {
		w.call(a, func(tx *collections.Tx, _ *event) {
			if steps == 0 {
				must1[bool](t)(tx.Remove(0, []byte("m")))
				if tx.Work() > 20 {
					t.Errorf("removing %d rows takes %d units of work", full, tx.Work())
				}
			}
			must(t, tx.Increase(open(t, tx, "n", collections.Counter, 0), 1))
		})
		if n := len(a.writes[len(a.writes)-1]); n > 2*256+8 {
			t.Fatalf("a delta changes %d rows", n)
		}
		if _, err := collections.BeginReadOnly(&a.state).Open(0, []byte("m"), collections.List, 0); err != nil {
			t.Fatal(err)
		}
		if err := collections.Check(&a.state); err != nil {
			t.Fatal(err)
		}
		if steps > 100 {
			t.Fatalf("%d of %d rows are left", a.state.Len()-rows, full)
		}
	}
	if steps < 5 {
		t.Errorf("all is gone after %d deltas: nothing was tried", steps)
	}
	w.meet()
}

// TestCounterBeyond: a sum beyond 64 bits is not wrong later.
func TestCounterBeyond(t *testing.T) {
	two(t, 1, func(tx *collections.Tx) {
		c := open(t, tx, "c", collections.Counter, 0)
		for _, step := range []struct{ n, want int64 }{
			{math.MaxInt64, math.MaxInt64},
			{math.MaxInt64, math.MaxInt64},
			{math.MinInt64, math.MaxInt64 - 1},
			{math.MinInt64, -2},
			{math.MinInt64, math.MinInt64},
			{math.MaxInt64, -3},
			{3, 0},
		} {
			must(t, tx.Increase(c, step.n))
			if got := must1[int64](t)(tx.Count(c)); got != step.want {
				t.Errorf("after %d: got %d, want %d", step.n, got, step.want)
			}
		}
	})
}

// TestAddAgain: who adds what is there already wins over who removes it meanwhile.
func TestAddAgain(t *testing.T) {
	for seed := range uint64(20) {
		w, a, b := two(t, seed, func(tx *collections.Tx) {
			must1[bool](t)(tx.Add(open(t, tx, "s", collections.Set, 0), []byte("x")))
		})
		w.call(a, func(tx *collections.Tx, _ *event) {
			must1[bool](t)(tx.Add(open(t, tx, "s", collections.Set, 0), []byte("x")))
		})
		w.call(b, func(tx *collections.Tx, _ *event) {
			must1[bool](t)(tx.Remove(open(t, tx, "s", collections.Set, 0), []byte("x")))
		})
		tx := collections.BeginReadOnly(w.meet())
		if !must1[bool](t)(tx.Has(open(t, tx, "s", collections.Set, 0), []byte("x"))) {
			t.Fatalf("seed %d: removed", seed)
		}
	}
}

// TestStampsAreBounded: of one writer who never looks an element has one stamp, and of many who do
// not there are MaxSeen.
func TestStampsAreBounded(t *testing.T) {
	var m collections.Mem
	add := []byte{1, 2, 0, 0, 1, 's', byte(collections.Set), 0}
	for range 100 {
		add = append(add, 8, 1, 1, 'x', 0)
	}
	longest := func() (n int) {
		for _, e := range must1[[]collections.Entry](t)(m.Range(nil, nil, m.Len())) {
			n = max(n, len(e.Value))
		}
		return n
	}
	for i := range 2 * collections.MaxSeen {
		writes, err := collections.Fold(&m, add, collections.Origin{Time: uint64(i+1) << 16, Tag: [8]byte{byte(i), byte(i >> 8)}})
		must(t, err)
		m.Apply(writes)
		if i == 0 && longest() > 18+16 {
			t.Errorf("one writer has a row of %d bytes", longest())
		}
	}
	if got, want := longest(), 18+16*collections.MaxSeen; got != want {
		t.Errorf("many writers have a row of %d bytes, want %d", got, want)
	}
}

// TestMuchInOneCall: rows that are written again and again count once.
func TestMuchInOneCall(t *testing.T) {
	two(t, 1, func(tx *collections.Tx) {
		r := open(t, tx, "t", collections.Text, 0)
		for i := range 25_000 {
			must(t, tx.InsertText(r, int64(i), "x"))
		}
	})
}

// TestStampsUsedTwice: a writer who makes two deltas of one time names things alike. What comes
// second finds what is there, or is still there of what was removed, and leaves it.
func TestStampsUsedTwice(t *testing.T) {
	var m collections.Mem
	o := collections.Origin{Time: 1 << 40, Tag: [8]byte{1}}
	record := func(do func(tx *collections.Tx)) []byte {
		var none collections.Mem
		tx := collections.Begin(&none, o)
		do(tx)
		return tx.Ops()
	}
	fold := func(ops []byte) int {
		writes, err := collections.Fold(&m, ops, o)
		must(t, err)
		m.Apply(writes)
		must(t, collections.Check(&m))
		return len(writes)
	}
	remove := func(name string) {
		tx := collections.Begin(&m, o)
		must1[bool](t)(tx.Remove(0, []byte(name)))
		writes, err := tx.Writes()
		must(t, err)
		m.Apply(writes)
		must(t, collections.Check(&m))
	}

	one := record(func(tx *collections.Tx) { must(t, tx.Insert(open(t, tx, "l", collections.List, 0), 0, []byte("one"))) })
	other := record(func(tx *collections.Tx) {
		must(t, tx.Insert(open(t, tx, "l", collections.List, 0), 0, []byte("other")))
	})
	fold(one)
	if n := fold(other); n != 0 {
		t.Errorf("an element of the same name: %d writes", n)
	}

	large := record(func(tx *collections.Tx) {
		r := open(t, tx, "m", collections.Map, 0)
		for i := range 1000 {
			must(t, tx.Put(r, fmt.Append(nil, i), nil))
		}
	})
	fold(large)
	remove("m")
	fold(large)
	if has := must1[bool](t)(collections.BeginReadOnly(&m).Has(0, []byte("m"))); has {
		t.Error("what is being taken away is made again")
	}

	inList := record(func(tx *collections.Tx) {
		l := open(t, tx, "n", collections.List, 0)
		r := must1[collections.Ref](t)(tx.InsertOpen(l, 0, collections.Map, 0))
		for i := range 1000 {
			must(t, tx.Put(r, fmt.Append(nil, i), nil))
		}
	})
	for range 5 { // nothing is left of the map
		fold(one)
	}
	fold(inList)
	remove("n")
	fold(inList)
	tx := collections.BeginReadOnly(&m)
	if n := must1[int64](t)(tx.Len(open(t, tx, "n", collections.List, 0))); n != 0 {
		t.Error("what is being taken away is inserted again")
	}
}

// TestSetOverCollection: a value set by somebody who says that there is one.
func TestSetOverCollection(t *testing.T) {
	_, a, _ := two(t, 1, func(tx *collections.Tx) {
		must1[collections.Ref](t)(tx.InsertOpen(open(t, tx, "l", collections.List, 0), 0, collections.Set, 0))
	})
	tx := collections.BeginReadOnly(&a.state)
	stamp := must1[[]collections.Item](t)(tx.Items(open(t, tx, "l", collections.List, 0), 0, 1))[0].Stamp
	forged := []byte{1, 1, 0, 0, 1, 'l', byte(collections.List), 0}
	forged = binary.AppendUvarint(forged, stamp.Time>>16)
	forged = append(binary.BigEndian.AppendUint64(append(forged, 13, 1), stamp.Time), stamp.Tag[:]...)
	forged = append(forged, 0, 1, 'x')
	if writes, err := collections.Fold(&a.state, forged, collections.Origin{Time: 1 << 40}); err != nil || len(writes) > 0 {
		t.Errorf("%d writes, %v", len(writes), err)
	}
}

// TestLargeRowsGo: of large values few go with a delta.
func TestLargeRowsGo(t *testing.T) {
	w, a, _ := two(t, 1, nil)
	for i := range 6 {
		w.call(a, func(tx *collections.Tx, _ *event) {
			must(t, tx.Put(open(t, tx, "m", collections.Map, 0), []byte{byte('a' + i)}, make([]byte, collections.MaxValue)))
		})
	}
	rows := a.state.Len()
	w.call(a, func(tx *collections.Tx, _ *event) { must1[bool](t)(tx.Remove(0, []byte("m"))) })
	if left := a.state.Len(); left < rows-4 {
		t.Errorf("%d of %d rows are left", left, rows)
	}
	w.meet()
}

// TestCallIsOver: after its writes a call cannot write, and they stay the same.
func TestCallIsOver(t *testing.T) {
	var m collections.Mem
	tx := collections.Begin(&m, collections.Origin{Time: 1 << 16})
	r := open(t, tx, "m", collections.Map, 0)
	for i := range 600 { // more than a call takes away
		must(t, tx.Put(r, fmt.Append(nil, i), nil))
	}
	must1[bool](t)(tx.Remove(0, []byte("m")))
	must1[bool](t)(tx.Add(open(t, tx, "s", collections.Set, 0), []byte("x")))
	ops := tx.Ops()
	first := must1[[]collections.Write](t)(tx.Writes())
	wantError(t, tx.Put(r, []byte("l"), nil), true, collections.ErrReadOnly)
	if again := must1[[]collections.Write](t)(tx.Writes()); !equalWrites(first, again) || len(ops) != len(tx.Ops()) {
		t.Errorf("%d writes, and then %d", len(first), len(again))
	}
}
