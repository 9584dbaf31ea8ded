package undo_test

import (
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"mero/node/undo"
)

// chain is contiguous refs of some counts, oldest first, of 10 bytes each.
func chain(counts ...int) []undo.Ref {
	var refs []undo.Ref
	at := 0
	for _, n := range counts {
		refs = append(refs, undo.Ref{From: place(at), To: place(at + n), Count: uint64(n), Bytes: 10})
		at += n
	}
	return refs
}

func TestNext(t *testing.T) {
	const plenty = 1 << 20
	for name, row := range map[string]struct {
		refs   []undo.Ref
		recent uint64
		budget int
		act    undo.Action
		i      int
	}{
		"none":                        {nil, 0, 0, undo.Keep, 0},
		"one":                         {chain(1), 0, plenty, undo.Keep, 0},
		"recent":                      {chain(1, 1, 1, 1, 1), 4, plenty, undo.Keep, 0},
		"one behind":                  {chain(1, 1, 1, 1, 1, 1), 4, plenty, undo.Join, 0},
		"longer than the distance":    {chain(1, 1, 1), 1, plenty, undo.Keep, 0},
		"as long as the distance":     {chain(1, 1, 1, 1), 1, plenty, undo.Join, 0},
		"the oldest pair first":       {chain(2, 2, 1, 1, 1, 1), 1, plenty, undo.Join, 0},
		"not much longer":             {chain(3, 2, 1, 1, 1, 1, 1), 1, plenty, undo.Join, 0},
		"twice as long":               {chain(4, 2, 1, 1, 1, 1, 1, 1), 2, plenty, undo.Join, 2},
		"at the budget":               {chain(1, 1, 1), 9, 30, undo.Keep, 0},
		"over it, the recent":         {chain(1, 1, 1, 1, 1), 9, 49, undo.Join, 0},
		"over it, nothing lies there": {chain(1, 1), 0, 19, undo.Drop, 0},
		"over it, the shortest":       {chain(8, 8, 3, 1, 1, 1, 1), 9, 19, undo.Join, 3},
		"over it, too long":           {chain(5, 1), 0, 19, undo.Drop, 0},
		"over it, too long together":  {chain(4, 1, 1), 0, 19, undo.Drop, 0},
		"over it, just short enough":  {chain(3, 1, 1), 0, 19, undo.Join, 0},
		"over it, a much longer one":  {chain(6, 1, 4), 0, 29, undo.Drop, 0},
		"the last":                    {chain(1), 0, 9, undo.Drop, 0},
	} {
		if act, i := undo.Next(row.refs, row.recent, row.budget); act != row.act || i != row.i {
			t.Errorf("%s: got %d, %d, want %d, %d", name, act, i, row.act, row.i)
		}
	}
	large := chain(1, 1, 1, 1)
	large[0].Bytes = undo.MaxBytes - 10
	if act, i := undo.Next(large, 1, undo.MaxBytes+30); act != undo.Join || i != 0 {
		t.Errorf("of MaxBytes: got %d, %d", act, i)
	}
	large[0].Bytes++
	if act, _ := undo.Next(large, 1, undo.MaxBytes+30); act != undo.Keep {
		t.Errorf("beyond MaxBytes: got %d", act)
	}
}

// policy keeps spans as Next says, in counts and bytes alone.
type policy struct {
	refs    []undo.Ref
	recent  uint64
	budget  int
	overlap float64 // what merging saves of the smaller one
	moved   int     // deltas whose share was written again
}

func (p *policy) push(count, size int) {
	at := 0
	if n := len(p.refs); n > 0 {
		at = int(p.refs[n-1].To.Time) / 65536
	}
	p.refs = append(p.refs, undo.Ref{From: place(at), To: place(at + count), Count: uint64(count), Bytes: size})
}

func (p *policy) settle(t *testing.T) {
	t.Helper()
	for left := 2 * len(p.refs); ; left-- {
		if left < 0 {
			t.Fatal("it does not end")
		}
		act, i := undo.Next(p.refs, p.recent, p.budget)
		switch act {
		case undo.Keep:
			return
		case undo.Drop:
			p.refs = p.refs[1:]
		case undo.Join:
			a, b := p.refs[i], p.refs[i+1]
			p.moved += int(a.Count + b.Count)
			size := a.Bytes + b.Bytes - int(p.overlap*float64(min(a.Bytes, b.Bytes)))
			p.refs = slices.Replace(p.refs, i, i+2, undo.Ref{From: a.From, To: b.To, Count: a.Count + b.Count, Bytes: size})
		}
	}
}

// cost is the greatest number of deltas that a roll-back of some depth takes back,
// relative to twice the depth; and how deep the spans reach.
func (p *policy) cost(t *testing.T) (worst float64, reach int) {
	t.Helper()
	for _, ref := range slices.Backward(p.refs) {
		depth := reach + 1 // to the newest delta of the span
		reach += int(ref.Count)
		worst = max(worst, float64(reach)/float64(depth))
	}
	return worst, reach
}

// R8: doubling distances. What is written again, per delta, is logarithmic too.
func TestDistancesDouble(t *testing.T) {
	const recent = 64
	p := &policy{recent: recent, budget: 1 << 40}
	for n := 1; n <= 60_000; n++ {
		p.push(1, 100)
		p.settle(t)
		if n%997 != 0 && n > 400 {
			continue
		}
		if most := recent + 3*bits.Len(uint(n)); len(p.refs) > most {
			t.Fatalf("%d deltas: %d spans, more than %d", n, len(p.refs), most)
		}
		worst, reach := p.cost(t)
		if worst >= 2 || reach != n {
			t.Fatalf("%d deltas: a roll-back takes back %.2f times its depth, and reaches back %d", n, worst, reach)
		}
		for i, ref := range slices.Backward(p.refs) {
			if len(p.refs)-i <= min(n, recent) && ref.Count != 1 {
				t.Fatalf("%d deltas: a recent span has %d", n, ref.Count)
			}
		}
	}
	if per := float64(p.moved) / 60_000; per > 16 {
		t.Errorf("each delta's share was written %.1f times", per)
	}
}

// Roll-backs take the newest spans away and many deltas come at once: still few
// spans, within the budget, and never further apart than four times the distance
// where merging was for room.
func TestBudget(t *testing.T) {
	for _, overlap := range []float64{0, 0.1, 0.9, 1} {
		r := rand.New(rand.NewPCG(uint64(overlap*10), 5))
		p := &policy{recent: 32, budget: 20_000, overlap: overlap}
		deltas := 0
		for range 3000 {
			if r.IntN(4) == 0 {
				p.refs = p.refs[:r.IntN(len(p.refs)+1)]
			}
			for range 1 + r.IntN(20) {
				p.push(1, 50+r.IntN(300))
				deltas++
			}
			p.settle(t)
			size := 0
			for i, ref := range p.refs {
				size += ref.Bytes
				if i > 0 && p.refs[i-1].To != ref.From {
					t.Fatal("the spans are not contiguous")
				}
			}
			if size > p.budget {
				t.Fatalf("%d bytes", size)
			}
			if len(p.refs) == 0 {
				t.Fatal("nothing is kept although it would fit")
			}
		}
		if per := float64(p.moved) / float64(deltas); per > 30 {
			t.Errorf("overlap %.1f: each delta's share was written %.1f times", overlap, per)
		}
	}
}

// Over budget, what overlaps reaches back in larger steps, and what does not loses
// its oldest part; either way a roll-back within reach takes back less than 5 times its
// depth.
func TestBudgetReach(t *testing.T) {
	for _, row := range []struct {
		size, least int
		overlap     float64
	}{
		{300, 6000, 1},  // the same page again and again: room for 66
		{5000, 10, 1},   // room for 4
		{300, 15, 0},    // new keys only: room for 66 deltas
		{20_001, 0, 1},  // for none
		{20_000, 1, 1},  // for one
		{10_000, 2, 1},  // for two
		{300, 100, 0.5}, // half of it is new
	} {
		p := &policy{recent: 32, budget: 20_000, overlap: row.overlap}
		least := 1 << 30
		for n := range 10_000 {
			p.push(1, row.size)
			p.settle(t)
			worst, reach := p.cost(t)
			if worst >= 5 {
				t.Fatalf("%d bytes each: a roll-back takes back %.2f times its depth", row.size, worst)
			}
			if n > 6000 {
				least = min(least, reach)
			}
		}
		if least < row.least {
			t.Errorf("%d bytes each, overlap %.1f: reached back only %d", row.size, row.overlap, least)
		}
	}
}

func TestCovers(t *testing.T) {
	refs := chain(4, 2, 1, 1) // places 0..4..6..7..8
	refs[0].From = place(1)   // what was before is gone
	refs[0].Count = 3
	for _, row := range []struct {
		to, n int
		ok    bool
	}{
		{9, 0, true},
		{8, 1, true},
		{7, 2, true},
		{6, 3, true},
		{5, 3, true},
		{4, 4, true},
		{3, 4, true},
		{2, 4, true},
		{1, 0, false},
		{0, 0, false},
	} {
		if n, ok := undo.Covers(refs, place(row.to)); n != row.n || ok != row.ok {
			t.Errorf("to %d: got %d, %v, want %d, %v", row.to, n, ok, row.n, row.ok)
		}
	}
	if n, ok := undo.Covers(nil, place(3)); n != 0 || ok {
		t.Errorf("without spans: %d, %v", n, ok)
	}
	if n, ok := undo.Covers(chain(2), place(1)); n != 1 || !ok {
		t.Errorf("to the genesis: %d, %v", n, ok)
	}
}
