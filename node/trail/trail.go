package trail

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"

	"mero/node/delta"
	"mero/node/store"
	"mero/node/undo"
)

const (
	// PerDelta is how many of the newest deltas keep an undo span each; behind
	// them spans lie at doubling distances (R8).
	PerDelta = 256
	// budgetLeast is what the spans of a context may take beside as much again as
	// its state, in bytes. They are a cache: behind the oldest span lies the fold
	// from genesis.
	budgetLeast = 1 << 20
	// budgetMost bounds that "as much again", since compacting reads and writes it.
	budgetMost = 64 << 20
)

var (
	// ErrMisfit says that the undo spans do not fit the state: only folding from
	// genesis helps.
	ErrMisfit = errors.New("an undo span does not fit the state")
	// ErrEnds says that the spans do not reach back far enough; folding from genesis
	// helps here too.
	ErrEnds = errors.New("the undo spans do not reach back that far")
)

// Span is an undo span, and Diff makes an entry of one, see node/undo.
type Span = undo.Span

// Diff is undo.Diff.
func Diff(key, before, after []byte, had, has bool) undo.Entry {
	return undo.Diff(key, before, after, had, has)
}

// Trail is the undo spans of a context as a batch of changes leaves them, oldest
// first. The ones in the store are looked up when they are first asked for. It is for
// one goroutine.
type Trail struct {
	view  *store.View // nil: nothing is in the store
	read  bool        // links begins with those of the store
	links []link
	drop  []store.UndoRef // of the store
	ended bool            // all that the store has is to be dropped
	short bool            // the oldest spans are lost
}

// Of is the trail of a context as a snapshot has it, which must stay open; of none,
// nil, the trail is empty.
func Of(view *store.View) Trail { return Trail{view: view} }

// link is one span; span and its form are nil while it is only in the store.
type link struct {
	ref  undo.Ref
	span *undo.Span
	form []byte
}

func newLink(s *undo.Span) link {
	form := seal(s.Encode())
	return link{ref: undo.Ref{From: s.From, To: s.To, Count: s.Count, Bytes: len(form)}, span: s, form: form}
}

// Push adds the span of the delta that was folded last. One that is too large to
// be kept (it replaced that much) ends the trail: behind it lies genesis.
func (t *Trail) Push(s *undo.Span) {
	l := newLink(s)
	if len(l.form) > undo.MaxBytes {
		t.links, t.read, t.ended, t.short = nil, true, true, true
		return
	}
	t.links = append(t.links, l)
}

// load finds out which spans the store has.
func (t *Trail) load() error {
	if t.read || t.view == nil {
		return nil
	}
	refs, err := t.view.UndoRefs()
	if err != nil {
		return err
	}
	links := make([]link, 0, len(refs)+len(t.links))
	for _, r := range refs {
		links = append(links, link{ref: undo.Ref(r)})
	}
	t.links, t.read = append(links, t.links...), true
	return nil
}

// forget notes that a link's place in the store is free.
func (t *Trail) forget(l link) {
	if l.span == nil {
		t.drop = append(t.drop, store.UndoRef(l.ref))
	}
}

// open gives a link's span.
func (t *Trail) open(l link) (*undo.Span, error) {
	if l.span != nil {
		return l.span, nil
	}
	data, err := t.view.Undo(store.UndoRef(l.ref))
	if err != nil {
		return nil, err
	}
	form, err := unseal(data)
	if err != nil {
		return nil, err
	}
	s, err := undo.Decode(form)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMisfit, err)
	}
	return s, nil
}

// sealSize is a CRC-32C, big endian, before a span at rest. What a span puts back
// cannot be compared with anything: without it one wrong bit would become state.
const sealSize = 4

func castagnoli(data []byte) uint32 {
	return crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))
}

func seal(form []byte) []byte {
	sealed := make([]byte, sealSize, sealSize+len(form))
	binary.BigEndian.PutUint32(sealed, castagnoli(form))
	return append(sealed, form...)
}

func unseal(data []byte) ([]byte, error) {
	if len(data) < sealSize || binary.BigEndian.Uint32(data) != castagnoli(data[sealSize:]) {
		return nil, fmt.Errorf("%w: its %d bytes are damaged", ErrMisfit, len(data))
	}
	return data[sealSize:], nil
}

// Pop takes the newest span away.
func (t *Trail) Pop() (*undo.Span, error) {
	if len(t.links) == 0 {
		if err := t.load(); err != nil {
			return nil, err
		}
	}
	n := len(t.links)
	if n == 0 {
		return nil, ErrEnds
	}
	l := t.links[n-1]
	s, err := t.open(l)
	if err != nil {
		return nil, err
	}
	t.links = t.links[:n-1]
	t.forget(l)
	return s, nil
}

// Depth is how many deltas have to be undone until none at or after a place is
// left in the state; false when the spans do not reach back that far.
func (t *Trail) Depth(to delta.Place) (n uint64, ok bool, err error) {
	if err := t.load(); err != nil {
		return 0, false, err
	}
	for _, l := range slices.Backward(t.links) {
		if l.ref.To.Compare(to) < 0 {
			return n, true, nil
		}
		n += l.ref.Count
		if l.ref.From.Compare(to) < 0 {
			return n, true, nil
		}
	}
	return n, false, nil
}

// Compact brings the spans to doubling distances and into the budget that goes with
// a state of so many bytes. It reads what it merges.
func (t *Trail) Compact(state uint64) error {
	return t.CompactTo(budgetLeast + int(min(state, budgetMost)))
}

// CompactTo is Compact with a budget in bytes.
func (t *Trail) CompactTo(budget int) error {
	if err := t.load(); err != nil {
		return err
	}
	refs := make([]undo.Ref, len(t.links))
	for i, l := range t.links {
		refs[i] = l.ref
	}
	for {
		act, i := undo.Next(refs, PerDelta, budget)
		switch act {
		case undo.Keep:
			return nil
		case undo.Drop:
			t.forget(t.links[0])
			t.links, refs, t.short = t.links[1:], refs[1:], true
		case undo.Join:
			joined, err := t.join(i)
			if err != nil {
				return err
			}
			t.links = slices.Replace(t.links, i, i+2, joined)
			refs = slices.Replace(refs, i, i+2, joined.ref)
		}
	}
}

// join makes one span of two neighbours.
func (t *Trail) join(i int) (link, error) {
	older, err := t.open(t.links[i])
	if err != nil {
		return link{}, err
	}
	newer, err := t.open(t.links[i+1])
	if err != nil {
		return link{}, err
	}
	s, err := undo.Merge(older, newer)
	if err != nil {
		return link{}, fmt.Errorf("%w: %w", ErrMisfit, err)
	}
	t.forget(t.links[i])
	t.forget(t.links[i+1])
	return newLink(s), nil
}

// Changes adds what became of the spans to a step.
func (t *Trail) Changes(step *store.Step) error {
	if t.ended && t.view != nil {
		refs, err := t.view.UndoRefs()
		if err != nil {
			return err
		}
		t.drop = refs
	}
	step.UndoDrop = append(step.UndoDrop, t.drop...)
	for _, l := range t.links {
		if l.span == nil {
			continue
		}
		step.Undo = append(step.Undo, store.Undo{UndoRef: store.UndoRef(l.ref), Data: l.form})
	}
	return nil
}

// Len is how many spans the batch has made, and those of the store as far as they
// were looked up.
func (t *Trail) Len() int { return len(t.links) }

// Detach leaves what there is in the store as it is: from here on the trail has what
// is pushed.
func (t *Trail) Detach() { t.links, t.drop, t.read, t.view = nil, nil, true, nil }

// Replace puts the spans of another trail in the place of those after a place; of
// all, for the zero place, and when the other one has lost its oldest: what is before
// these could not be reached any more.
func (t *Trail) Replace(after delta.Place, by *Trail) error {
	if err := t.load(); err != nil {
		return err
	}
	keep := 0
	for keep < len(t.links) && !by.short && after != (delta.Place{}) && t.links[keep].ref.To.Compare(after) <= 0 {
		keep++
	}
	for _, l := range t.links[keep:] {
		t.forget(l)
	}
	t.links = append(slices.Clone(t.links[:keep]), by.links...)
	return nil
}
