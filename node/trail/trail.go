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
	made  int             // bytes of the spans that the store does not have yet
}

// Of is the trail of a context as a snapshot has it, which must stay open; of none,
// nil, the trail is empty.
func Of(view *store.View) Trail { return Trail{view: view} }

// link is one span; its form is nil while it is only in the store. A large span is
// kept as its form alone.
type link struct {
	ref  undo.Ref
	span *undo.Span
	form []byte
}

// largeSpan is from how many bytes on a span is not kept in both ways.
const largeSpan = 64 << 10

func newLink(s *undo.Span) link {
	form := seal(s.Encode())
	l := link{ref: undo.Ref{From: s.From, To: s.To, Count: s.Count, Bytes: len(form)}, form: form}
	if len(form) < largeSpan {
		l.span = s
	}
	return l
}

// Push adds the span of the delta that was folded last. One that is too large to
// be kept (it replaced that much) ends the trail: behind it lies genesis.
func (t *Trail) Push(s *undo.Span) {
	l := newLink(s)
	if len(l.form) > undo.MaxBytes {
		t.links, t.read, t.ended, t.short, t.made = nil, true, true, true, 0
		return
	}
	t.links = append(t.links, l)
	t.made += len(l.form)
}

// Made is how many bytes the spans have that the store does not have yet.
func (t *Trail) Made() int { return t.made }

// heavyLeast is how many bytes of spans are worth compacting within a batch.
const heavyLeast = 8 << 20

// IsHeavy reports that so much was pushed that the trail is to be compacted before
// more is: what is dropped then anyway shall not take memory and disk before.
func (t *Trail) IsHeavy(state uint64) bool { return t.made > heavyLeast+2*Budget(state) }

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
	if l.form == nil {
		t.drop = append(t.drop, store.UndoRef(l.ref))
	}
	t.made -= len(l.form)
}

// open gives a link's span.
func (t *Trail) open(l link) (*undo.Span, error) {
	if l.span != nil {
		return l.span, nil
	}
	data := l.form
	if data == nil {
		var err error
		if data, err = t.fetch(l.ref); err != nil {
			return nil, err
		}
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

// fetch reads a span of the store. One that is not there, or not whole, is none that
// fits: spans are a cache.
func (t *Trail) fetch(ref undo.Ref) ([]byte, error) {
	data, err := t.view.Undo(store.UndoRef(ref))
	var damaged *store.DamagedError
	if errors.Is(err, store.ErrNotFound) || errors.As(err, &damaged) {
		return nil, fmt.Errorf("%w: %w", ErrMisfit, err)
	}
	return data, err
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
func (t *Trail) Compact(state uint64) error { return t.CompactTo(Budget(state)) }

// Budget is how many bytes the spans may have that go with a state of so many.
func Budget(state uint64) int { return budgetLeast + int(min(state, budgetMost)) }

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
	l := newLink(s)
	t.made += len(l.form)
	return l, nil
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
		if l.form == nil {
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
func (t *Trail) Detach() { t.links, t.drop, t.read, t.view, t.made = nil, nil, true, nil, 0 }

// Replace puts the spans of another trail in the place of those after a place; of
// all, for the zero place, when the other one has lost its oldest, and when no span
// ends at the place: what is before these could not be reached any more.
func (t *Trail) Replace(after delta.Place, by *Trail) error {
	if err := t.load(); err != nil {
		return err
	}
	keep := 0
	if !by.short && after != (delta.Place{}) {
		keep = 1 + slices.IndexFunc(t.links, func(l link) bool { return l.ref.To == after })
	}
	for _, l := range t.links[keep:] {
		t.forget(l)
	}
	t.links = append(slices.Clone(t.links[:keep]), by.links...)
	t.made += by.made
	return nil
}
