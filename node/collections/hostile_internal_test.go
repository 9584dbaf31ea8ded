package collections

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
)

// attacker makes operations as no Tx would: of any code on anything, naming stamps, elements and
// keys that are there, or are not, or are of something else.
type attacker struct {
	rng    *rand.Rand
	stamps []Stamp
	kinds  []Kind
	levels []int
}

func (a *attacker) key(k Kind) []byte {
	if k == Members {
		key := make([]byte, memberKey)
		key[0] = byte(a.rng.IntN(3))
		return key
	}
	return []byte{byte('a' + a.rng.IntN(4))}
}

func (a *attacker) stamp() Stamp {
	if a.rng.IntN(10) == 0 || len(a.stamps) == 0 {
		return Stamp{Time: 1 + a.rng.Uint64N(1<<22), Tag: [8]byte{byte(a.rng.IntN(3))}}
	}
	return a.stamps[a.rng.IntN(len(a.stamps))]
}

func (a *attacker) element() element {
	off := uint32(a.rng.IntN(6))
	if a.rng.IntN(4) == 0 {
		off = uint32(a.rng.IntN(MaxInsert))
	}
	return element{run: a.stamp(), off: off}
}

func (a *attacker) kind() (Kind, Flags) {
	k := Kind(1 + a.rng.IntN(7))
	if (k == Register || k == Map) && a.rng.IntN(3) == 0 {
		return k, Once
	}
	return k, 0
}

func (a *attacker) seen(least, most int) []Stamp {
	var seen []Stamp
	for range least + a.rng.IntN(most-least+1) {
		seen = append(seen, a.stamp())
	}
	slices.SortFunc(seen, Stamp.Compare)
	return slices.Compact(seen)
}

func (a *attacker) anchor() anchor {
	if a.rng.IntN(4) == 0 {
		return anchor{}
	}
	return anchor{before: a.rng.IntN(2) == 0, element: a.element()}
}

// op makes an operation that decodes.
func (a *attacker) op() op {
	for {
		o := op{code: code(1 + a.rng.IntN(15)), object: a.rng.IntN(len(a.kinds))}
		if !o.code.operates(a.kinds[o.object]) || o.code.nests() && a.levels[o.object] >= MaxDepth {
			continue
		}
		in := a.kinds[o.object]
		o.kind, o.flags = a.kind()
		o.step = keyStep(a.key(in))
		if in == List {
			o.step = elementStep(a.element())
		}
		o.anchor, o.birth = a.anchor(), a.rng.Uint64N(1<<7)
		o.value = bytes.Repeat([]byte("x"), 1+a.rng.IntN(4))
		o.amount = int64(a.rng.Uint64() | 1)
		o.values = [][]byte{o.value, nil}
		o.seen = a.seen(1, 1)
		if o.code != opRemove {
			o.seen = a.seen(1, 4)
		}
		if o.code == opType && a.rng.IntN(20) == 0 {
			o.value = bytes.Repeat([]byte("ä"), 1+a.rng.IntN(3000))
		}
		for range 1 + a.rng.IntN(3) {
			e := a.element()
			o.spans = append(o.spans, span{element: e, n: 1 + uint32(a.rng.IntN(min(2000, int(MaxInsert-e.off))))})
		}
		if o.code == opOpen || o.code == opMake {
			a.kinds, a.levels = append(a.kinds, o.kind), append(a.levels, a.levels[o.object]+1)
		}
		return o
	}
}

func (a *attacker) ops(n int) []byte {
	a.kinds, a.levels = []Kind{root}, []int{0}
	ops := []byte{opsVersion}
	for range n {
		o := a.op()
		ops = o.append(ops)
	}
	return ops
}

// collect remembers the stamps that are in a state.
func (a *attacker) collect(writes []Write) {
	for _, w := range writes {
		if len(w.Key) >= 17+stampSize && (w.Key[16] == tagRun || w.Key[16] == tagElement) {
			a.stamps = append(a.stamps, stampOf(w.Key[17:]))
		}
		if w.Key[16] == tagMark && w.HasNew {
			a.stamps = append(a.stamps, stampsOf(w.New)...)
		}
		if e, err := decodeEntry(w.New); w.Key[16] == tagEntry && err == nil {
			a.stamps = append(append(a.stamps, e.stamp), e.births...)
		}
	}
}

// attack folds hostile deltas, whose writers use stamps again, and looks at the state after each.
func attack(t *testing.T, seed uint64) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 0))
	a := &attacker{rng: rng}
	var m Mem
	clock := uint64(1)
	for range 1 + rng.IntN(12) {
		ops := a.ops(1 + rng.IntN(40))
		clock += rng.Uint64N(3) // 0: the writer forks, and names things alike
		o := Origin{Time: clock << 16, Tag: [8]byte{byte(rng.IntN(2))}}
		o.Author[0] = byte(rng.IntN(3))
		writes, err := Fold(&m, ops, o)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		again, err := Fold(&m, ops, o)
		if err != nil || fmt.Sprint(again) != fmt.Sprint(writes) {
			t.Fatalf("seed %d: folded twice, other writes", seed)
		}
		before := m.Clone()
		m.Apply(writes)
		if err := Check(&m); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		undone := m.Clone()
		undone.Revert(writes)
		if !undone.Equal(before) {
			t.Fatalf("seed %d: taken back, other rows", seed)
		}
		a.collect(writes)
	}
}

// TestHostile: whatever operations say, the state stays whole.
func TestHostile(t *testing.T) {
	first := rand.Uint64()
	if text := os.Getenv("MERO_SEED"); text != "" {
		var err error
		if first, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("MERO_SEED=%d", first)
	n := 5000
	if testing.Short() {
		n = 500
	}
	for i := range n {
		attack(t, first+uint64(i))
	}
}

// FuzzHostile: the same from the fuzzer's seeds.
func FuzzHostile(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(attack)
}

// FuzzFold: bytes that say they are operations are folded or refused, and leave a whole state.
func FuzzFold(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 1))
	a := &attacker{rng: rng}
	var m Mem
	for i := range 6 {
		ops := a.ops(30)
		f.Add(ops)
		writes, err := Fold(&m, ops, Origin{Time: uint64(i+1) << 16})
		if err != nil {
			f.Fatal(err)
		}
		m.Apply(writes)
		a.collect(writes)
	}
	f.Add([]byte(nil))
	f.Add([]byte{opsVersion})
	f.Fuzz(func(t *testing.T, ops []byte) {
		writes, err := Fold(&m, ops, Origin{Time: 100 << 16})
		limit := (*LimitError)(nil)
		if err != nil && !errors.Is(err, ErrOps) && !errors.As(err, &limit) {
			t.Fatal(err)
		}
		after := m.Clone()
		after.Apply(writes)
		if err := Check(after); err != nil {
			t.Fatal(err)
		}
		if err == nil && len(ops) > 0 && !bytes.Equal(reencode(t, ops), ops) {
			t.Fatal("there is another form of these operations")
		}
	})
}

// reencode decodes operations and encodes them again.
func reencode(t *testing.T, ops []byte) []byte {
	t.Helper()
	d := decoder{rest: ops[1:]}
	kinds := []Kind{root}
	again := []byte{opsVersion}
	for len(d.rest) > 0 {
		var o op
		d.next(&o, func(n int) (Kind, bool) { return kinds[min(n, len(kinds)-1)], n < len(kinds) })
		if d.err != nil {
			t.Fatal(d.err)
		}
		if o.code == opOpen || o.code == opMake {
			kinds = append(kinds, o.kind)
		}
		again = o.append(again)
	}
	return again
}

// TestOneOperation: one operation that names very many elements ends soon after the limit.
func TestOneOperation(t *testing.T) {
	e := newEngine(&Mem{}, Origin{Time: 1 << 16})
	long := op{code: opType, object: 1, value: bytes.Repeat([]byte("x"), MaxInsert)}
	over := op{code: opErase, object: 1}
	for range 40_000 {
		over.spans = append(over.spans, span{element: element{run: Stamp{Time: 1<<16 + 1}}, n: MaxInsert})
	}
	for _, o := range []op{{code: opMake, step: keyStep([]byte("t")), kind: Text}, long} {
		if err := e.do(&o); err != nil {
			t.Fatal(err)
		}
	}
	limit := (*LimitError)(nil)
	if err := e.do(&over); !errors.As(err, &limit) || e.rows.work > MaxWork+MaxWork/8 {
		t.Errorf("%d units of work, %v", e.rows.work, err)
	}
}
