package collections_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"mero/node/collections"
)

// TestLargeText: a text of many leaves and three levels against a slice of code points.
func TestLargeText(t *testing.T) {
	rng := rand.New(rand.NewPCG(firstSeed(t), 0))
	w := newWorld(t, rng, 1)
	var want []rune
	for i := range 40 {
		w.call(w.sites[0], func(tx *collections.Tx, _ *event) {
			r := open(t, tx, "t", collections.Text, 0)
			for j := range 1 + rng.IntN(40) {
				at, length := rng.IntN(len(want)+1), 1+rng.IntN(3)
				if j == 0 && i%4 == 0 {
					length = 100_000 + rng.IntN(300_000)
				}
				if i > 0 && rng.IntN(3) == 0 {
					n := rng.IntN(min(length, len(want)-at) + 1)
					must(t, tx.RemoveText(r, int64(at), int64(n)))
					want = slices.Delete(want, at, at+n)
					continue
				}
				s := strings.Repeat(string(rune('a'+rng.IntN(26))), length)
				if rng.IntN(2) == 0 {
					s = strings.Repeat("aä語𝄞", length/4+1)
				}
				must(t, tx.InsertText(r, int64(at), s))
				want = slices.Insert(want, at, []rune(s)...)
			}
			if n := must1[int64](t)(tx.Len(r)); int(n) != len(want) {
				t.Fatalf("call %d: length %d, want %d", i, n, len(want))
			}
			from := rng.IntN(len(want) + 1)
			n := rng.IntN(min(5000, len(want)-from) + 1)
			if got := must1[string](t)(tx.Slice(r, int64(from), int64(n))); got != string(want[from:from+n]) {
				t.Fatalf("call %d: %d code points from %d are others", i, n, from)
			}
		})
	}
	if got := text(t, collections.BeginReadOnly(w.meet())); got != string(want) {
		t.Fatal("the texts differ")
	}
}

// TestLargeList: the same with a list of small runs, whose leaves have many pieces.
func TestLargeList(t *testing.T) {
	rng := rand.New(rand.NewPCG(firstSeed(t), 0))
	w := newWorld(t, rng, 1)
	var want []string
	for i := range 20 {
		w.call(w.sites[0], func(tx *collections.Tx, _ *event) {
			r := open(t, tx, "l", collections.List, 0)
			for range 600 {
				at := rng.IntN(len(want) + 1)
				switch what := rng.IntN(10); {
				case what == 0 && at < len(want):
					n := 1 + rng.IntN(min(4, len(want)-at))
					must(t, tx.RemoveAt(r, int64(at), int64(n)))
					want = slices.Delete(want, at, at+n)
				case what == 1 && at < len(want):
					want[at] = fmt.Sprint(i)
					must(t, tx.SetAt(r, int64(at), []byte(want[at])))
				default:
					if what < 5 { // often at one place
						at = len(want) / 2
					}
					v := fmt.Sprint(rng.IntN(1000))
					must(t, tx.Insert(r, int64(at), []byte(v), []byte(v)))
					want = slices.Insert(want, at, v, v)
				}
			}
		})
	}
	tx := collections.BeginReadOnly(w.meet())
	r := open(t, tx, "l", collections.List, 0)
	var got []string
	for len(got) < len(want) {
		items := must1[[]collections.Item](t)(tx.Items(r, int64(len(got)), int64(len(want)-len(got))))
		if len(items) == 0 || len(items) > collections.MaxItems {
			t.Fatalf("%d items", len(items))
		}
		for _, item := range items {
			got = append(got, string(item.Value))
		}
	}
	if !slices.Equal(got, want) {
		t.Fatal("the lists differ")
	}
	for range 200 {
		i := rng.IntN(len(want))
		if v := must1[[]byte](t)(tx.At(r, int64(i))); string(v) != want[i] {
			t.Fatalf("%d is %q, want %q", i, v, want[i])
		}
	}
}

// TestLargeTextOfSeveral: several write in a text of many leaves.
func TestLargeTextOfSeveral(t *testing.T) {
	for range 4 {
		rng := rand.New(rand.NewPCG(firstSeed(t), 0))
		w := newWorld(t, rng, 3)
		for range 24 {
			s := w.sites[rng.IntN(3)]
			if rng.IntN(3) == 0 {
				w.pull(s, w.sites[rng.IntN(3)])
				continue
			}
			before := w.all(s)
			w.call(s, func(tx *collections.Tx, e *event) {
				past := append(slices.Clone(before), e)
				r := open(t, tx, "t", collections.Text, 0)
				tree := treeOf(past)
				size := len(tree.visible())
				if size > 0 && rng.IntN(3) == 0 {
					at := rng.IntN(size)
					n := rng.IntN(min(size-at, 1000)) + 1
					must(t, tx.RemoveText(r, int64(at), int64(n)))
					e.actions = append(e.actions, action{what: "erase", erased: tree.visible()[at : at+n]})
					return
				}
				at := rng.IntN(size + 1)
				values := make([]string, 1+rng.IntN(1000))
				for i := range values {
					values[i] = letter(rng, 26)
				}
				must(t, tx.InsertText(r, int64(at), strings.Join(values, "")))
				e.actions = append(e.actions, action{what: "insert", nodes: tree.insert(at, values)})
			})
		}
		got := text(t, collections.BeginReadOnly(w.meet()))
		if want := strings.ReplaceAll(wantSequence(w.all(nil)), "|", ""); got != want {
			t.Fatal("the texts differ")
		}
	}
}

// TestScanInCall: what a call has put and removed is in its scans, by pages and bounds of all
// sizes.
func TestScanInCall(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 0))
	w := newWorld(t, rng, 1)
	want := map[string]string{}
	for range 6 {
		w.call(w.sites[0], func(tx *collections.Tx, _ *event) {
			r := open(t, tx, "m", collections.Map, 0)
			for range 40 {
				key := fmt.Sprint(rng.IntN(150))
				if rng.IntN(3) == 0 {
					must1[bool](t)(tx.Remove(r, []byte(key)))
					delete(want, key)
				} else {
					want[key] = fmt.Sprint(rng.IntN(1000))
					must(t, tx.Put(r, []byte(key), []byte(want[key])))
				}
				var after, upTo []byte
				if rng.IntN(3) > 0 {
					after = fmt.Append(nil, rng.IntN(150))
				}
				if rng.IntN(3) > 0 {
					upTo = fmt.Append(nil, rng.IntN(150))
				}
				limit := rng.IntN(60)
				wantScan(t, tx, r, want, after, upTo, limit)
			}
		})
	}
}

func wantScan(t *testing.T, tx *collections.Tx, r collections.Ref, all map[string]string, after, upTo []byte, limit int) {
	t.Helper()
	var want, got []string
	for key, value := range all {
		if (after == nil || key > string(after)) && (upTo == nil || key < string(upTo)) {
			want = append(want, key+"="+value)
		}
	}
	slices.SortFunc(want, func(a, b string) int {
		return strings.Compare(strings.Split(a, "=")[0], strings.Split(b, "=")[0])
	})
	want = want[:min(limit, len(want))]
	for _, item := range must1[[]collections.Item](t)(tx.Scan(r, after, upTo, limit)) {
		got = append(got, string(item.Key)+"="+string(item.Value))
	}
	if !slices.Equal(got, want) {
		t.Fatalf("scan of (%s, %s), %d:\ngot  %v\nwant %v", after, upTo, limit, got, want)
	}
}

// TestScanOfLargeValues: an answer is not more than MaxItemBytes, unless one value is.
func TestScanOfLargeValues(t *testing.T) {
	var m collections.Mem
	tx := collections.Begin(&m, collections.Origin{Time: 1 << 16})
	r := open(t, tx, "m", collections.Map, 0)
	for i := range 3 {
		must(t, tx.Put(r, []byte{byte('a' + i)}, make([]byte, collections.MaxValue)))
	}
	writes, err := tx.Writes()
	must(t, err)
	m.Apply(writes)
	tx = collections.Begin(&m, collections.Origin{Time: 2 << 16})
	r = open(t, tx, "m", collections.Map, 0)
	for i := range 3 {
		must(t, tx.Put(r, []byte{byte('d' + i)}, make([]byte, collections.MaxValue)))
	}
	var after []byte
	var sizes []int
	for {
		items := must1[[]collections.Item](t)(tx.Scan(r, after, nil, 100))
		if len(items) == 0 {
			break
		}
		sizes = append(sizes, len(items))
		after = items[len(items)-1].Key
	}
	if !slices.Equal(sizes, []int{3, 3}) {
		t.Errorf("pages of %v", sizes)
	}
	tx = collections.BeginReadOnly(&m)
	must1[[]collections.Item](t)(tx.Scan(open(t, tx, "m", collections.Map, 0), nil, nil, 100))
	if tx.Work() < 3*collections.MaxValue/64 {
		t.Errorf("reading 3 MiB takes %d units of work", tx.Work())
	}
}

// TestItemsOfLargeValues: the same of a list.
func TestItemsOfLargeValues(t *testing.T) {
	var m collections.Mem
	for i := range 6 {
		tx := collections.Begin(&m, collections.Origin{Time: uint64(i+1) << 16})
		must(t, tx.Insert(open(t, tx, "l", collections.List, 0), 0, make([]byte, collections.MaxValue)))
		writes, err := tx.Writes()
		must(t, err)
		m.Apply(writes)
	}
	tx := collections.BeginReadOnly(&m)
	l := open(t, tx, "l", collections.List, 0)
	if n := len(must1[[]collections.Item](t)(tx.Items(l, 0, 6))); n != 4 {
		t.Errorf("%d items", n)
	}
	if n := len(must1[[]collections.Item](t)(tx.Items(l, 4, 2))); n != 2 {
		t.Errorf("then %d items", n)
	}
}

// TestStamps: items and registers say which operation wrote them.
func TestStamps(t *testing.T) {
	var m collections.Mem
	tag := [8]byte{1, 2}
	tx := collections.Begin(&m, collections.Origin{Time: 5 << 16, Tag: tag})
	r := open(t, tx, "m", collections.Map, 0)
	must(t, tx.Put(r, []byte("a"), nil)) // 0 makes the map, 1 puts
	must(t, tx.Put(r, []byte("b"), nil))
	body := open(t, tx, "t", collections.Text, 0)
	must(t, tx.InsertText(body, 0, "x")) // 3 makes the text, 4 inserts
	set := open(t, tx, "s", collections.Set, 0)
	must1[bool](t)(tx.Add(set, []byte("e"))) // 5, 6
	for _, row := range []struct {
		got  collections.Stamp
		want uint64
	}{
		{must1[[]collections.Item](t)(tx.Scan(r, nil, nil, 9))[1].Stamp, 2},
		{must1[collections.Stamp](t)(tx.StampOf(body)), 4},
		{must1[[]collections.Item](t)(tx.Scan(set, nil, nil, 9))[0].Stamp, 6},
		{must1[[]collections.Item](t)(tx.Scan(0, nil, nil, 9))[2].Stamp, 3},
	} {
		if want := (collections.Stamp{Time: 5<<16 + row.want, Tag: tag}); row.got != want || row.got.DeltaTime() != 5<<16 {
			t.Errorf("got %v, want %v", row.got, want)
		}
	}
	if got := (collections.Stamp{Time: 10, Tag: tag}).String(); got != "10/0102000000000000" {
		t.Errorf("a stamp prints %s", got)
	}
	empty := must1[collections.Stamp](t)(tx.StampOf(open(t, tx, "none", collections.Counter, 0)))
	if !empty.IsZero() {
		t.Errorf("nothing was written at %v", empty)
	}
}

// TestMem: the state in memory against a plain map, and ranges against sorting it.
func TestMem(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 0))
	var m collections.Mem
	want := map[string]string{}
	key := func() []byte { return fmt.Append(nil, []string{"a", "ab", "b", ""}[rng.IntN(4)], rng.IntN(1500)) }
	for i := range 20_000 {
		k, v := key(), fmt.Append(nil, i)
		if i > 10_000 && rng.IntN(3) > 0 {
			m.Delete(k)
			delete(want, string(k))
			continue
		}
		m.Put(k, v)
		want[string(k)] = string(v)
	}
	clone := m.Clone()
	for range 500 {
		prefix := []byte([]string{"", "a", "ab", "c", "1"}[rng.IntN(5)])
		var after []byte
		if rng.IntN(2) == 0 {
			after = key()
		}
		limit := rng.IntN(2000)
		var keys []string
		for k := range want {
			if strings.HasPrefix(k, string(prefix)) && (after == nil || k > string(after)) {
				keys = append(keys, k)
			}
		}
		slices.Sort(keys)
		keys = keys[:min(limit, len(keys))]
		got := must1[[]collections.Entry](t)(m.Range(prefix, after, limit))
		if !slices.EqualFunc(got, keys, func(e collections.Entry, k string) bool {
			return string(e.Key) == k && string(e.Value) == want[k]
		}) {
			t.Fatalf("range of %q after %q: %d entries, want %d", prefix, after, len(got), len(keys))
		}
	}
	for k := range want {
		m.Delete([]byte(k))
	}
	if m.Len() != 0 || clone.Len() != len(want) || clone.Equal(&m) {
		t.Errorf("%d and %d rows, want 0 and %d", m.Len(), clone.Len(), len(want))
	}
	if v, ok, _ := clone.Get([]byte("a1")); ok != (want["a1"] != "") || !bytes.Equal(v, []byte(want["a1"])) {
		t.Errorf("the clone has %q", v)
	}
}
