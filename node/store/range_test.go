package store_test

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"mero/node/store"
)

// naiveRange is Range over sorted keys.
func naiveRange(state map[string][]byte, prefix, after []byte, limit int) (keys []string) {
	for _, key := range slices.Sorted(maps.Keys(state)) {
		if len(keys) == limit {
			break
		}
		if len(key) <= 512 && strings.HasPrefix(key, string(prefix)) && (after == nil || key > string(after)) {
			keys = append(keys, key)
		}
	}
	return keys
}

// TestRange reads ranges of a state, and of a scratch over it, around keys with
// zero bytes, keys of the longest plain length, and longer ones.
func TestRange(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	key := func() string {
		b := make([]byte, 1+rng.IntN(4))
		for i := range b {
			b[i] = []byte{0, 1, 'a', 0xff}[rng.IntN(4)]
		}
		return string(b) + strings.Repeat("x", []int{0, 0, 0, 509, 600}[rng.IntN(5)])
	}
	s := newStore(t)
	r := newReplica(t, s, 1)
	for range 300 {
		changes := []store.Change{r.set(key(), pattern(rng.IntN(5000), rng.Uint64()))}
		if old := key(); r.state[old] != nil && !bytes.Equal(changes[0].Key, []byte(old)) {
			changes = append(changes, r.set(old, nil))
		}
		r.commit(t, s, 0, changes...)
	}
	sc := newScratch(t, s, r)
	m := scratchModel{}
	for range 100 {
		m.put(t, sc, put(key(), [][]byte{nil, pattern(5000, 1)}[rng.IntN(2)]))
	}
	view, err := s.View(r.id)
	must(t, err)
	defer view.Close()
	for n := range 2000 {
		prefix, after, limit := []byte(key())[:rng.IntN(2)], []byte(key()), rng.IntN(20)
		if n%4 == 0 {
			after = nil
		}
		if n%7 == 0 {
			after = []byte{}
		}
		got, err := view.Range(prefix, after, limit)
		must(t, err)
		want := naiveRange(r.state, prefix, after, limit)
		if len(got) != len(want) {
			t.Fatalf("Range(%q, %.20q, %d): %d entries, want %d", prefix, after, limit, len(got), len(want))
		}
		for i, kv := range got {
			if string(kv.Key) != want[i] || !bytes.Equal(kv.Value, r.state[want[i]]) {
				t.Fatalf("Range(%q, %.20q, %d): entry %d is %.20q, want %.20q", prefix, after, limit, i, kv.Key, want[i])
			}
		}
		own, err := sc.Range(prefix, after, limit)
		must(t, err)
		want = naiveRange(m, prefix, after, limit)
		if len(own) != len(want) {
			t.Fatalf("scratch: Range(%q, %.20q, %d): %d entries, want %d", prefix, after, limit, len(own), len(want))
		}
		for i, e := range own {
			if string(e.Key) != want[i] || e.Present != (m[want[i]] != nil) || !bytes.Equal(e.Value, m[want[i]]) {
				t.Fatalf("scratch: Range(%q, %.20q, %d): entry %d is %.20q", prefix, after, limit, i, e.Key)
			}
		}
	}
}
