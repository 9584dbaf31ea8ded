package root_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"golang.org/x/crypto/blake2b"

	"mero/node/root"
)

// naive is the sum of a state, written down once more from the form in doc.go:
// element by element, lane by lane, from nothing.
func naive(t *testing.T, state map[string][]byte) root.Sum {
	t.Helper()
	var lanes [1024]uint16
	add := func(parts ...[]byte) {
		xof, err := blake2b.NewXOF(2048, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := xof.Write(bytes.Join(parts, nil)); err != nil {
			t.Fatal(err)
		}
		var out [2048]byte
		if n, err := xof.Read(out[:]); err != nil || n != len(out) {
			t.Fatalf("read %d, %v", n, err)
		}
		for i := range lanes {
			lanes[i] += binary.LittleEndian.Uint16(out[2*i:])
		}
	}
	for key, value := range state {
		head := func(kind byte) []byte {
			b := append([]byte("mero/state/v1\x00"), kind)
			b = binary.BigEndian.AppendUint64(b, uint64(len(key)))
			return append(b, key...)
		}
		if len(value) <= 4096 {
			add(head(0), value)
			continue
		}
		add(head(1), binary.BigEndian.AppendUint64(nil, uint64(len(value))))
		for n := 0; n*4096 < len(value); n++ {
			add(head(2), binary.BigEndian.AppendUint32(nil, uint32(n)), value[n*4096:min(len(value), n*4096+4096)])
		}
	}
	var sum root.Sum
	for i, lane := range lanes {
		binary.LittleEndian.PutUint16(sum[2*i:], lane)
	}
	return sum
}

// randomValue prefers lengths around the border between small and paged values.
func randomValue(r *rand.Rand) []byte {
	lengths := []int{0, 1, 40, 4095, 4096, 4097, 8191, 8192, 8193, 20000}
	v := make([]byte, lengths[r.IntN(len(lengths))])
	for i := range v {
		v[i] = byte(r.IntN(2))
	}
	return v
}

// change is one call of Replace.
type change struct {
	key      string
	old, new []byte
	had, has bool
}

func apply(s *root.Sum, c change) { s.Replace([]byte(c.key), c.old, c.new, c.had, c.has) }

func (c change) back() change { return change{c.key, c.new, c.old, c.has, c.had} }

// randomHistory changes few keys often, mutating large values in place so that
// only some of their pages differ.
func randomHistory(r *rand.Rand, steps int) ([]change, map[string][]byte) {
	state := map[string][]byte{}
	var history []change
	for range steps {
		key := []string{"", "a", "ab", "b", "a-long-key-of-a-map-entry"}[r.IntN(5)]
		old, had := state[key]
		c := change{key: key, old: old, had: had}
		switch r.IntN(5) {
		case 0: // remove, also what is not there
		case 1, 2:
			c.new, c.has = bytes.Clone(old), had
			if len(c.new) > 0 {
				c.new[r.IntN(len(c.new))] ^= 1
			}
		default:
			c.new, c.has = randomValue(r), true
		}
		if c.has {
			state[key] = c.new
		} else {
			delete(state, key)
		}
		history = append(history, c)
	}
	return history, state
}

func TestSumIsAFunctionOfTheState(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		history, state := randomHistory(r, 25)
		var sum root.Sum
		trail := []root.Sum{sum}
		for _, c := range history {
			apply(&sum, c)
			trail = append(trail, sum)
		}
		if sum != naive(t, state) {
			t.Fatalf("seed %d: the sum after the history is not the sum of the state", seed)
		}
		for i, c := range slices.Backward(history) {
			apply(&sum, c.back())
			if sum != trail[i] {
				t.Fatalf("seed %d: rolling back change %d did not restore the sum", seed, i)
			}
		}
	}
}

func TestOrderDoesNotMatter(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	var changes []change
	for i := range 40 {
		c := change{key: fmt.Sprint("key ", i), has: i%3 != 0, had: i%4 != 0, old: randomValue(r), new: randomValue(r)}
		changes = append(changes, c)
	}
	var want root.Sum
	for _, c := range changes {
		apply(&want, c)
	}
	for range 5 {
		r.Shuffle(len(changes), func(i, j int) { changes[i], changes[j] = changes[j], changes[i] })
		var got root.Sum
		for _, c := range changes {
			apply(&got, c)
		}
		if got != want {
			t.Fatal("another order of the same changes gave another sum")
		}
	}
}

func TestPathDoesNotMatter(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 9))
	key := []byte("k")
	for range 200 {
		a, b, c := randomValue(r), randomValue(r), randomValue(r)
		had, mid, has := r.IntN(3) > 0, r.IntN(3) > 0, r.IntN(3) > 0
		var direct, detour root.Sum
		direct.Replace(key, a, c, had, has)
		detour.Replace(key, a, b, had, mid)
		detour.Replace(key, b, c, mid, has)
		if direct != detour {
			t.Fatalf("%d→%d→%d bytes (%v %v %v): the way round gave another sum", len(a), len(b), len(c), had, mid, has)
		}
	}
}

// What looks alike must not sum alike.
func TestDifferentStatesDiffer(t *testing.T) {
	page := bytes.Repeat([]byte{1}, 4096)
	states := map[string]map[string][]byte{
		"empty":             {},
		"empty value":       {"k": {}},
		"empty key":         {"": []byte("k")},
		"split earlier":     {"a": []byte("bc")},
		"split later":       {"ab": []byte("c")},
		"one page":          {"k": page},
		"two equal pages":   {"k": append(bytes.Clone(page), page...)},
		"three equal pages": {"k": bytes.Repeat(page, 3)},
		"page and a zero":   {"k": append(bytes.Clone(page), 0)},
		"page and two":      {"k": append(bytes.Clone(page), 0, 0)},
		"other key":         {"l": page},
		"both keys":         {"k": page, "l": page},
		"kind in the key":   {"\x00k": page},
	}
	seen := map[root.Sum]string{}
	for name, state := range states {
		var sum root.Sum
		for k, v := range state {
			sum.Replace([]byte(k), nil, v, false, true)
		}
		if other, twice := seen[sum]; twice {
			t.Errorf("%q and %q have one sum", name, other)
		}
		seen[sum] = name
	}
}

// lanes does to numbers what Add and Sub do to words.
func lanes(a, b root.Sum, f func(x, y uint16) uint16) root.Sum {
	var out root.Sum
	for i := 0; i < len(a); i += 2 {
		binary.LittleEndian.PutUint16(out[i:], f(binary.LittleEndian.Uint16(a[i:]), binary.LittleEndian.Uint16(b[i:])))
	}
	return out
}

func TestLanesDoNotCarry(t *testing.T) {
	edge := []uint16{0, 1, 0x7fff, 0x8000, 0x8001, 0xfffe, 0xffff}
	r := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		var a, b root.Sum
		for i := 0; i < len(a); i += 2 {
			binary.LittleEndian.PutUint16(a[i:], edge[r.IntN(len(edge))])
			binary.LittleEndian.PutUint16(b[i:], edge[r.IntN(len(edge))])
		}
		plus, minus := a, a
		plus.Add(&b)
		minus.Sub(&b)
		if plus != lanes(a, b, func(x, y uint16) uint16 { return x + y }) {
			t.Fatal("Add carries between lanes")
		}
		if minus != lanes(a, b, func(x, y uint16) uint16 { return x - y }) {
			t.Fatal("Sub borrows between lanes")
		}
	}
}

// Sums over disjoint ranges of keys add up to the whole: that is how a first
// differing key is found.
func TestRangesAddUp(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	var whole, left, right root.Sum
	for i := range 30 {
		key, value := []byte{byte(i)}, randomValue(r)
		whole.Replace(key, nil, value, false, true)
		part := &left
		if i >= 15 {
			part = &right
		}
		part.Replace(key, nil, value, false, true)
	}
	sum := left
	sum.Add(&right)
	if sum != whole {
		t.Error("left + right is not the whole")
	}
	whole.Sub(&left)
	if whole != right {
		t.Error("whole - left is not right")
	}
}

// The form is final: if this fails, replicas of two releases disagree. The values
// agree with a second implementation (BLAKE2X from its paper, in Python).
func TestGolden(t *testing.T) {
	var sum root.Sum
	if got, want := hexRoot(sum, [32]byte{}), "a18c84f454277b5d98910e31320c9ee55f3ff5617e63ed5cb5af8c30b72ab483"; got != want {
		t.Errorf("root of the empty state: got %s, want %s", got, want)
	}
	sum.Replace([]byte("key"), nil, []byte("value"), false, true)
	if got, want := hex.EncodeToString(sum[:32]), "eb6561100129cef9f567e076c97289dfe3f27f7c80718bca21c07c4fe485530b"; got != want {
		t.Errorf("first lanes: got %s, want %s", got, want)
	}
	large := bytes.Repeat([]byte("0123456789abcdef"), 513) // two pages and 16 bytes
	sum.Replace([]byte("large"), nil, large, false, true)
	if got, want := hexRoot(sum, [32]byte{1, 2, 3}), "c7233e214f164c25731d6205d8c8723767501e4235b7ed34dd84256ed1cec6a5"; got != want {
		t.Errorf("root of the state: got %s, want %s", got, want)
	}
}

func hexRoot(s root.Sum, meta [32]byte) string {
	r := s.Root(meta)
	return hex.EncodeToString(r[:])
}

func TestRootCoversSumAndMeta(t *testing.T) {
	var a, b root.Sum
	b.Replace([]byte("k"), nil, nil, false, true)
	roots := map[string]string{
		hexRoot(a, [32]byte{}):  "",
		hexRoot(b, [32]byte{}):  "",
		hexRoot(a, [32]byte{1}): "",
		hexRoot(b, [32]byte{1}): "",
	}
	if len(roots) != 4 {
		t.Errorf("4 inputs gave %d roots", len(roots))
	}
}

func TestBinary(t *testing.T) {
	var sum, back root.Sum
	sum.Replace([]byte("k"), nil, []byte("v"), false, true)
	data, err := sum.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if err := back.UnmarshalBinary(data); err != nil || back != sum {
		t.Errorf("read back differs, %v", err)
	}
	for _, n := range []int{0, 2047, 2049} {
		before := back
		if err := back.UnmarshalBinary(make([]byte, n)); !errors.Is(err, root.ErrSize) {
			t.Errorf("%d bytes: got %v, want ErrSize", n, err)
		}
		if back != before {
			t.Errorf("%d bytes: a refused value changed the sum", n)
		}
	}
}

func BenchmarkReplaceSmall(b *testing.B) {
	var sum root.Sum
	key, before, after := bytes.Repeat([]byte{7}, 32), bytes.Repeat([]byte{1}, 100), bytes.Repeat([]byte{2}, 100)
	b.ReportAllocs()
	for b.Loop() {
		sum.Replace(key, before, after, true, true)
		before, after = after, before
	}
}

func BenchmarkReplaceOnePageOf800KiB(b *testing.B) {
	var sum root.Sum
	key, before := bytes.Repeat([]byte{7}, 32), bytes.Repeat([]byte{1}, 800<<10)
	after := bytes.Clone(before)
	after[400<<10]++
	b.ReportAllocs()
	for b.Loop() {
		sum.Replace(key, before, after, true, true)
		before, after = after, before
	}
}

func BenchmarkInsert1MiB(b *testing.B) {
	var sum root.Sum
	value := bytes.Repeat([]byte{1}, 1<<20)
	b.SetBytes(int64(len(value)))
	for b.Loop() {
		sum.Replace([]byte("k"), nil, value, false, true)
	}
}

func BenchmarkAdd(b *testing.B) {
	var sum, other root.Sum
	other[5] = 9
	for b.Loop() {
		sum.Add(&other)
	}
}

func BenchmarkRoot(b *testing.B) {
	var sum root.Sum
	for b.Loop() {
		sum.Root([32]byte{})
	}
}
