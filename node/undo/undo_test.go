package undo_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"mero/node/delta"
	"mero/node/undo"
)

// fill is a value whose pages are full of the given letters; the last is half full
// if it is a small letter.
func fill(letters string) []byte {
	value := []byte{}
	for _, c := range letters {
		n := undo.PageSize
		if c >= 'a' {
			n /= 2
		}
		value = append(value, bytes.Repeat([]byte{byte(c)}, n)...)
	}
	return value
}

// kept are the numbers and first letters of an entry's pages.
func kept(e undo.Entry) string {
	var b strings.Builder
	for _, p := range e.Pages {
		fmt.Fprintf(&b, "%d%c ", p.N, p.Data[0])
	}
	return strings.TrimSpace(b.String())
}

// Values are written in letters, see fill; "-" is none and "" the empty one.
func value(text string) ([]byte, bool) {
	if text == "-" {
		return nil, false
	}
	return fill(text), true
}

func TestDiff(t *testing.T) {
	for _, row := range []struct{ before, after, pages string }{
		{"-", "-", ""},
		{"-", "", ""},
		{"-", "AB", ""},
		{"", "-", ""},
		{"", "AB", ""},
		{"ABC", "-", "0A 1B 2C"},
		{"ABC", "", "0A 1B 2C"},
		{"ABC", "ABC", ""},
		{"ABC", "AXC", "1B"},
		{"ABC", "ABCD", ""},
		{"ABC", "AB", "2C"},
		{"ABC", "BC", "0A 1B 2C"},
		{"ABa", "ABA", "2a"}, // shorter, if of other bytes
		{"ABC", "ABc", "2C"},
		{"ABa", "ABaD", "2a"}, // half a page that became a whole one
	} {
		before, had := value(row.before)
		after, has := value(row.after)
		e := undo.Diff([]byte("key"), before, after, had, has)
		if e.Had != had || e.Length != len(before) || kept(e) != row.pages || string(e.Key) != "key" {
			t.Errorf("%s → %s: had %v, %d bytes, pages %q; want %q", row.before, row.after, e.Had, e.Length, kept(e), row.pages)
		}
		got, ok, err := e.Restore(after, has)
		if err != nil || ok != had || !bytes.Equal(got, before) {
			t.Errorf("%s → %s: back is %d bytes, %v, %v", row.before, row.after, len(got), ok, err)
		}
	}
}

// A short last page is not the beginning of a longer one.
func TestShortPageDiffersFromLonger(t *testing.T) {
	before, after := fill("Ab"), fill("A")
	after = append(after, before[undo.PageSize:]...)
	after = append(after, before[undo.PageSize:]...)
	e := undo.Diff(nil, before, after, true, true)
	if kept(e) != "1b" {
		t.Fatalf("pages %q", kept(e))
	}
	if got, _, err := e.Restore(after, true); err != nil || !bytes.Equal(got, before) {
		t.Fatalf("back is %d bytes, %v", len(got), err)
	}
}

func TestRestoreRefusesOtherValues(t *testing.T) {
	for _, row := range []struct{ before, after, other string }{
		{"ABC", "AXC", "-"},
		{"ABC", "AXC", ""},
		{"ABC", "AXC", "AX"},
		{"ABC", "AXC", "AXc"},
		{"ABc", "AXc", "AXC"},
		{"ABC", "ABC", "-"},
	} {
		before, had := value(row.before)
		after, has := value(row.after)
		other, there := value(row.other)
		e := undo.Diff([]byte{1}, before, after, had, has)
		if _, _, err := e.Restore(other, there); !errors.Is(err, undo.ErrMismatch) {
			t.Errorf("%s → %s, given %s: %v", row.before, row.after, row.other, err)
		}
	}
	page := undo.Page{N: 7, Data: fill("A")}
	for name, e := range map[string]undo.Entry{
		"page beyond the end": {Had: true, Length: 3 * undo.PageSize, Pages: []undo.Page{page}},
		"page out of order":   {Had: true, Length: 8 * undo.PageSize, Pages: []undo.Page{page, {N: 1, Data: fill("A")}}},
		"long page":           {Had: true, Length: 10, Pages: []undo.Page{{Data: fill("A")}}},
		"of a terabyte":       {Had: true, Length: 1 << 40},
	} {
		if _, _, err := e.Restore(fill("ABCDEFGH"), true); !errors.Is(err, undo.ErrMismatch) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is handed in with an absent value does not count.
func TestAbsentIsAbsent(t *testing.T) {
	e := undo.Diff(nil, fill("AB"), fill("AB"), true, false)
	if kept(e) != "0A 1B" {
		t.Errorf("pages %q", kept(e))
	}
	if e := undo.Diff(nil, fill("AB"), fill("AB"), false, true); e.Had || e.Length != 0 || len(e.Pages) > 0 {
		t.Errorf("of none: %v", e)
	}
	if _, _, err := undo.Diff(nil, fill("AB"), fill("AB"), true, true).Restore(fill("AB"), false); !errors.Is(err, undo.ErrMismatch) {
		t.Errorf("restored from none: %v", err)
	}
}

func TestRestoreHasMemoryOfItsOwn(t *testing.T) {
	before, after := fill("ABC"), fill("AXC")
	got, _, _ := undo.Diff(nil, before, after, true, true).Restore(after, true)
	got[0], got[undo.PageSize] = 1, 1
	if !bytes.Equal(before, fill("ABC")) || !bytes.Equal(after, fill("AXC")) {
		t.Fatal("changed what it was made of")
	}
}

func place(n int) delta.Place {
	if n == 0 {
		return delta.Place{}
	}
	return delta.Place{Time: delta.Time(n) * delta.Tick, ID: delta.ID{byte(n), byte(n >> 8), 7}}
}

func spanOf(from, to int, entries ...undo.Entry) *undo.Span {
	return &undo.Span{From: place(from), To: place(to), Count: uint64(to - from), Mark: []byte{byte(from)}, Entries: entries}
}

func TestMergeOfOneKey(t *testing.T) {
	for _, row := range []struct{ a, b, c, pages string }{
		{"-", "AB", "-", ""},
		{"-", "AB", "XB", ""},
		{"ABC", "-", "XYZ", "0A 1B 2C"},
		{"ABC", "AXC", "AXZ", "1B 2C"},
		{"ABC", "AXC", "AYC", "1B"},
		{"ABC", "AXC", "ABC", "1B"}, // what came back stays
		{"AB", "ABCD", "ABXD", ""},  // beyond the end of A
		{"AB", "ABCD", "-", "0A 1B"},
		{"AB", "ABCD", "AXCY", "1B"},
		{"ABC", "A", "ABC", "1B 2C"},
		{"ABc", "ABC", "XBC", "0A 2c"},
		{"", "ABC", "AB", ""},
		{"", "-", "AB", ""},
		{"", "", "AB", ""},
		{"ABCD", "XBCY", "AZCY", "0A 1B 3D"},
		{"AB", "XB", "XBC", "0A"},
		{"ABc", "XBCD", "XBCD", "0A 2c"},
	} {
		var values [3][]byte
		var there [3]bool
		for i, text := range []string{row.a, row.b, row.c} {
			values[i], there[i] = value(text)
		}
		older := undo.Diff([]byte{1}, values[0], values[1], there[0], there[1])
		newer := undo.Diff([]byte{1}, values[1], values[2], there[1], there[2])
		s, err := undo.Merge(spanOf(0, 1, older), spanOf(1, 3, newer))
		if err != nil || len(s.Entries) != 1 {
			t.Errorf("%s → %s → %s: %v", row.a, row.b, row.c, err)
			continue
		}
		got, had, err := s.Entries[0].Restore(values[2], there[2])
		if kept(s.Entries[0]) != row.pages || err != nil || had != there[0] || !bytes.Equal(got, values[0]) {
			t.Errorf("%s → %s → %s: pages %q, want %q; back is %d bytes, %v, %v",
				row.a, row.b, row.c, kept(s.Entries[0]), row.pages, len(got), had, err)
		}
		if s.From != place(0) || s.To != place(3) || s.Count != 3 || !bytes.Equal(s.Mark, []byte{0}) {
			t.Errorf("the span is %v", s)
		}
	}
}

func TestMergeRefuses(t *testing.T) {
	if _, err := undo.Merge(spanOf(0, 1), spanOf(2, 3)); !errors.Is(err, undo.ErrGap) {
		t.Errorf("a gap: %v", err)
	}
	if _, err := undo.Merge(spanOf(1, 2), spanOf(0, 1)); !errors.Is(err, undo.ErrGap) {
		t.Errorf("the wrong way round: %v", err)
	}
	change := func(before, after string) undo.Entry {
		a, had := value(before)
		b, has := value(after)
		return undo.Diff([]byte{1}, a, b, had, has)
	}
	short := undo.Diff([]byte{1}, fill("A")[1:], nil, true, false)
	for name, row := range map[string][2]undo.Entry{
		"a byte short":    {change("AB", "AX"), short},
		"from nothing":    {change("ABC", "AXC"), change("-", "A")},
		"from a shorter":  {change("ABC", "AXC"), change("AX", "AY")},
		"from a longer":   {change("ABc", "AXc"), change("ABCD", "AYCD")},
		"one in between":  {change("ABC", "ABX"), change("A", "AY")},
		"from a half":     {change("ABC", "AXC"), change("AXc", "AYc")},
		"half from whole": {change("ABc", "AXc"), change("AXC", "AYC")},
	} {
		if _, err := undo.Merge(spanOf(0, 1, row[0]), spanOf(1, 2, row[1])); !errors.Is(err, undo.ErrMismatch) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// history is a random history of changes, with the state before each step.
type history struct {
	states []map[string][]byte
	spans  []*undo.Span
}

func randomHistory(r *rand.Rand, steps int) history {
	state := map[string][]byte{}
	h := history{states: []map[string][]byte{maps.Clone(state)}}
	for n := range steps {
		s := spanOf(n, n+1)
		for _, key := range []string{"", "a", "ab", "b", "c"} {
			if r.IntN(2) == 0 {
				continue
			}
			before, had := state[key]
			after, has := randomChange(r, before, had)
			s.Entries = append(s.Entries, undo.Diff([]byte(key), before, after, had, has))
			if delete(state, key); has {
				state[key] = after
			}
		}
		h.states = append(h.states, maps.Clone(state))
		h.spans = append(h.spans, s)
	}
	return h
}

func randomChange(r *rand.Rand, before []byte, had bool) ([]byte, bool) {
	switch r.IntN(6) {
	case 0: // remove, also what is not there
		return nil, false
	case 1: // nothing
		return before, had
	case 2: // shrink, perhaps to nothing
		return bytes.Clone(before[:r.IntN(len(before)+1)]), true
	case 3: // grow
		return append(bytes.Clone(before), bytes.Repeat([]byte{byte(r.IntN(2))}, r.IntN(2*undo.PageSize+2))...), true
	case 4: // a new one, often of whole pages
		return bytes.Repeat([]byte{byte(r.IntN(2))}, r.IntN(4)*undo.PageSize+r.IntN(3)*r.IntN(100)), true
	}
	after := bytes.Clone(before)
	for range 2 {
		if len(after) > 0 {
			after[r.IntN(len(after))] ^= 1
		}
	}
	return after, true
}

// takeBack undoes a span in place.
func takeBack(t *testing.T, state map[string][]byte, s *undo.Span) {
	t.Helper()
	for _, e := range s.Entries {
		now, has := state[string(e.Key)]
		before, had, err := e.Restore(now, has)
		if err != nil {
			t.Fatal(err)
		}
		if delete(state, string(e.Key)); had {
			state[string(e.Key)] = before
		}
	}
}

// Whatever neighbours are merged, in whatever order, and whether they went through
// their form: undoing gives the very states from before.
func TestAnyPartitionRollsBack(t *testing.T) {
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 1))
		h := randomHistory(r, 1+r.IntN(20))
		spans := slices.Clone(h.spans)
		for range r.IntN(len(spans)) {
			i := r.IntN(len(spans) - 1)
			merged, err := undo.Merge(spans[i], spans[i+1])
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if a, b, both := len(spans[i].Encode()), len(spans[i+1].Encode()), len(merged.Encode()); both > a+b {
				t.Fatalf("seed %d: %d and %d bytes merged to %d", seed, a, b, both)
			}
			spans = slices.Replace(spans, i, i+2, merged)
		}
		state := maps.Clone(h.states[len(h.states)-1])
		at := len(h.spans)
		for _, s := range slices.Backward(spans) {
			s = throughForm(t, s)
			checkContent(t, s, h.states[at-int(s.Count)], h.states[at])
			takeBack(t, state, s)
			at -= int(s.Count)
			if s.From != place(at) || !bytes.Equal(s.Mark, []byte{byte(at)}) {
				t.Fatalf("seed %d: span from %v with mark %x, want %d", seed, s.From, s.Mark, at)
			}
			if !maps.EqualFunc(h.states[at], state, bytes.Equal) {
				t.Fatalf("seed %d: not state %d", seed, at)
			}
		}
		if at != 0 {
			t.Fatalf("seed %d: ended at %d", seed, at)
		}
	}
}

func throughForm(t *testing.T, s *undo.Span) *undo.Span {
	t.Helper()
	form := s.Encode()
	back, err := undo.Decode(form)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(back.Encode(), form) {
		t.Fatal("encodes to another form")
	}
	return back
}

// checkContent compares a merged span with the difference of its ends: it has that,
// and beyond it only pages of the older state.
func checkContent(t *testing.T, s *undo.Span, before, after map[string][]byte) {
	t.Helper()
	for _, e := range s.Entries {
		a, had := before[string(e.Key)]
		c, has := after[string(e.Key)]
		want := undo.Diff(e.Key, a, c, had, has)
		if e.Had != want.Had || e.Length != want.Length {
			t.Fatalf("key %q: %v, %d bytes, want %v, %d", e.Key, e.Had, e.Length, want.Had, want.Length)
		}
		got := map[uint32][]byte{}
		for _, p := range e.Pages {
			if from := int(p.N) * undo.PageSize; !bytes.Equal(p.Data, a[from:min(from+undo.PageSize, len(a))]) {
				t.Fatalf("key %q: page %d is not the old value's", e.Key, p.N)
			}
			got[p.N] = p.Data
		}
		for _, p := range want.Pages {
			if got[p.N] == nil {
				t.Fatalf("key %q: page %d is missing", e.Key, p.N)
			}
		}
	}
}
