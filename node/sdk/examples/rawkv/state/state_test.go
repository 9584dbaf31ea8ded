package state_test

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mero/node/sdk/examples/rawkv/state"
)

// mapStore is a store in memory.
type mapStore map[string]string

func (s mapStore) Read(key []byte) ([]byte, bool) {
	v, ok := s[string(key)]
	return []byte(v), ok
}

func (s mapStore) Write(key, value []byte) { s[string(key)] = string(value) }

func TestMap(t *testing.T) {
	m := state.Open(mapStore{})
	if m.Initialised() {
		t.Error("an empty store is initialised")
	}
	for i, op := range []state.Op{
		{Kind: state.Init},
		{Kind: state.Set, Key: "b", Value: "1", Time: 1},
		{Kind: state.Set, Key: "a", Value: "2", Time: 2},
		{Kind: state.Set, Key: "gone", Value: "3", Time: 3},
		{Kind: state.Remove, Key: "gone", Time: 4},
		{Kind: state.Set, Key: "gone", Value: "too late", Time: 3},
		{Kind: state.Remove, Key: "never there", Time: 5},
		{Kind: state.Set, Key: "b", Value: "9", Time: 6},
	} {
		m.Apply(op)
		if !m.Initialised() {
			t.Errorf("not initialised after operation %d", i)
		}
	}
	if diff := cmp.Diff([]string{"a", "b"}, m.Keys()); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	if m.Len() != 2 {
		t.Errorf("got length %d, want 2", m.Len())
	}
	if v, ok := m.Get("b"); v != "9" || !ok {
		t.Errorf("got b = %q, %v", v, ok)
	}
	if _, ok := m.Get("gone"); ok {
		t.Error("a removed key has a value")
	}
}

// TestTies fixes who wins at one time, and by that the state of contexts that
// exist.
func TestTies(t *testing.T) {
	low, high := [32]byte{0: 1}, [32]byte{0: 2}
	for _, tc := range []struct {
		name string
		win  state.Op
		lose state.Op
	}{
		{"time before author", state.Op{Kind: state.Set, Value: "w", Time: 2, Author: low}, state.Op{Kind: state.Set, Value: "l", Time: 1, Author: high}},
		{"author", state.Op{Kind: state.Set, Value: "w", Time: 1, Author: high}, state.Op{Kind: state.Set, Value: "z", Time: 1, Author: low}},
		{"removal", state.Op{Kind: state.Remove, Time: 1, Author: low}, state.Op{Kind: state.Set, Value: "l", Time: 1, Author: low}},
		{"value", state.Op{Kind: state.Set, Value: "w", Time: 1, Author: low}, state.Op{Kind: state.Set, Value: "l", Time: 1, Author: low}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, order := range [][]state.Op{{tc.win, tc.lose}, {tc.lose, tc.win}} {
				m := state.Open(mapStore{})
				m.Apply(order[0])
				m.Apply(order[1])
				if got, _ := m.Get(""); got != tc.win.Value {
					t.Errorf("got %q, want %q", got, tc.win.Value)
				}
			}
		})
	}
}

func TestMergeRefusesTheFuture(t *testing.T) {
	artifact := state.Encode([]state.Op{
		{Kind: state.Set, Key: "a", Value: "1", Time: 1000},
		{Kind: state.Set, Key: "b", Value: "1", Time: 1000 + 65_536},
	})
	store := mapStore{}
	if err := state.Open(store).Merge(artifact, 1000); !errors.Is(err, state.ErrFuture) {
		t.Errorf("got %v, want ErrFuture", err)
	}
	if len(store) != 0 {
		t.Errorf("a refused artifact left %d keys", len(store))
	}
	if err := state.Open(store).Merge(artifact, 1001); err != nil {
		t.Errorf("one nanosecond later: %v", err)
	}
}

// FuzzOrder applies operations drawn from the input in two orders, with some
// twice, and wants the same store.
func FuzzOrder(f *testing.F) {
	f.Add([]byte("some operations, more of them, and again"), uint64(1))
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		var ops []state.Op
		for ; len(data) >= 4; data = data[4:] {
			ops = append(ops, state.Op{
				Kind: state.Set + state.Kind(data[0]&1), Key: string(data[1] & 7), Time: uint64(data[2] & 15),
				Author: [32]byte{31: data[0] >> 6},
			})
			if op := &ops[len(ops)-1]; op.Kind == state.Set {
				op.Value = string(data[3:4])
			}
		}
		straight, shuffled := mapStore{}, mapStore{}
		for _, op := range ops {
			state.Open(straight).Apply(op)
		}
		rng := rand.New(rand.NewPCG(seed, 0))
		more := append([]state.Op{}, ops...)
		for i := range ops {
			if rng.IntN(4) == 0 {
				more = append(more, ops[i])
			}
		}
		rng.Shuffle(len(more), func(i, j int) { more[i], more[j] = more[j], more[i] })
		for _, op := range more {
			state.Open(shuffled).Apply(op)
		}
		if diff := cmp.Diff(straight, shuffled); diff != "" {
			t.Fatalf("another order gives another store:\n%s", diff)
		}
		m := state.Open(straight)
		if got := uint64(len(m.Keys())); got != m.Len() {
			t.Fatalf("%d keys, length %d", got, m.Len())
		}
	})
}

// FuzzDecode: what decodes is exactly what Encode writes.
func FuzzDecode(f *testing.F) {
	f.Add(state.Encode([]state.Op{{Kind: state.Init}, {Kind: state.Set, Key: "k", Value: "v", Time: 7}, {Kind: state.Remove, Key: "k"}}))
	f.Add([]byte("kv1"))
	f.Add(binary.LittleEndian.AppendUint32([]byte("kv1\x02"), 1<<31))
	f.Fuzz(func(t *testing.T, data []byte) {
		ops, err := state.Decode(data)
		if err != nil {
			if !errors.Is(err, state.ErrArtifact) {
				t.Fatalf("got %v", err)
			}
			return
		}
		if diff := cmp.Diff(data, state.Encode(ops)); diff != "" {
			t.Fatalf("decoded and encoded (-want +got):\n%s", diff)
		}
	})
}
