package fold

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"mero/node/delta"
	"mero/node/ident"
	"mero/node/layer"
	"mero/node/members"
	"mero/node/store"
	"mero/node/trail"
	"mero/node/undo"
	"mero/node/vm"
)

// Outside is what folding needs besides the state.
type Outside struct {
	// Module lends the code of an application until the function that it returns is
	// called. Its errors are this node's trouble.
	Module func(ctx context.Context, app ident.AppID) (*vm.Module, func(), error)
	// Key is the key of an epoch, or store.ErrNotFound.
	Key func(epoch delta.EpochID) (delta.EpochKey, error)
	// Took is told how long each apply took.
	Took func(time.Duration)
	// Verdicts are what is remembered of applies that were long for nothing.
	Verdicts *Verdicts
}

// State is a context at a place in the canonical order: what has been folded so far,
// and how to take it back. It is for one goroutine. What is given to it, or read from
// it, must not be changed by others.
type State struct {
	// Rec is the record of the context. Folding moves all of it but Heads, Waiting and
	// Root.
	Rec store.Context
	// Values are the replicated keys, and Local the node-local ones (R6).
	Values, Local *layer.Overlay
	// Trail has the undo spans of what was folded.
	Trail trail.Trail
	// View is the membership at the heads, whose digest is in Rec; nil where nobody asks
	// for it.
	View *members.View
	// Rolled says that state was taken back, and Lowest to where, at the furthest.
	Rolled bool
	Lowest delta.Place

	outside Outside
}

// Of is the state that a snapshot of the store has. The snapshot must stay open.
func Of(view *store.View, outside Outside) State {
	return State{
		Rec: view.Context(), Values: layer.New(view), Local: layer.New(layer.Getter(view.Local)), Trail: trail.Of(view),
		outside: outside,
	}
}

// Empty is the state of a context that is to begin: Begin comes next. Who founds it is
// its only member.
func Empty(rec store.Context, founder members.Founder, outside Outside) State {
	empty := layer.Getter(layer.Nothing)
	s := State{Rec: rec, Values: layer.New(empty), Local: layer.New(empty), outside: outside}
	s.Join(members.Found(founder))
	return s
}

// same is the effect of a delta that changes nothing.
func (s *State) same() Effect {
	return Effect{Out: &vm.Outcome{Root: s.Rec.GuestRoot}, Layouts: s.Rec.Layouts}
}

// Begin folds the genesis, which has no effect on the keys.
func (s *State) Begin(d *delta.Delta) {
	s.Fold(d, s.same(), "")
	s.Rec.Heads = []delta.ID{d.ID()}
	s.Rehash()
}

// Fold moves the state over a delta and leaves a span that takes it back. With a
// reason the delta is void: it has its place, and no effect. The fate is what to note
// of it.
func (s *State) Fold(d *delta.Delta, done Effect, void string) store.Fate {
	span := &undo.Span{From: s.Rec.Last, To: d.Place(), Count: 1, Mark: mark(&s.Rec)}
	fate := store.FateFolded
	if void != "" {
		fate = store.FateVoid
		s.Rec.Voids++
	} else {
		for _, w := range done.Out.Writes {
			span.Entries = append(span.Entries, undo.Diff(w.Key, w.Old, w.Value, w.HadOld, !w.Delete))
			s.replace(w.Key, w.Old, w.Value, w.HadOld, !w.Delete)
		}
		s.Rec.GuestRoot, s.Rec.Layouts = done.Out.Root, done.Layouts
		if !done.App.IsZero() {
			s.Former(s.Rec.App)
			s.Rec.App = done.App
		}
		s.Rec.Deltas++
	}
	s.Trail.Push(span)
	s.Rec.Last, s.Rec.Clock = span.To, span.To.Time
	// What the application's init made rests on the genesis, and all else on that, whether
	// it wrote anything or not.
	s.Rec.Initialised = s.Rec.Initialised || fate == store.FateFolded && d.Header().Kind != delta.KindGenesis
	return fate
}

// Former remembers applications that are needed to fold the context again.
func (s *State) Former(ids ...ident.AppID) {
	for _, id := range ids {
		if !id.IsZero() && !slices.Contains(s.Rec.Former, id) {
			s.Rec.Former = append(slices.Clone(s.Rec.Former), id)
		}
	}
}

// replace changes one key of the state, and all that is computed over it.
func (s *State) replace(key, before, after []byte, had, has bool) {
	s.Rec.StateBytes += EntrySize(key, after, has) - EntrySize(key, before, had)
	s.Rec.Sum.Replace(key, before, after, had, has)
	s.Values.Put(key, before, after, had, has)
}

// markSize is a guest root, the pinned layouts, the application, and a hash of the
// sum of the state: what a span puts back can be told right by nothing else.
const markSize = 32 + 2 + ident.Size + sumSize

// mark is what else the state was before a delta, for its span.
func mark(rec *store.Context) []byte {
	m := append(make([]byte, 0, markSize), rec.GuestRoot[:]...)
	m = append(m, byte(rec.Layouts>>8), byte(rec.Layouts))
	sum := sumOf(rec)
	return append(append(m, rec.App[:]...), sum[:]...)
}

// sumSize is the length of sumOf.
const sumSize = sha256.Size

// sumOf is a hash of the sum over the state.
func sumOf(rec *store.Context) [sumSize]byte { return sha256.Sum256(rec.Sum[:]) }

// TakeBack undoes the newest span. Errors: trail.ErrMisfit for one that is not of this
// state, those of the trail, and those of reading.
func (s *State) TakeBack() error {
	span, err := s.Trail.Pop()
	if err != nil {
		return err
	}
	if span.To != s.Rec.Last || len(span.Mark) != markSize {
		return fmt.Errorf("%w: it ends at %s, the state at %s", trail.ErrMisfit, span.To.ID, s.Rec.Last.ID)
	}
	for _, e := range span.Entries {
		now, has, err := s.Values.Get(e.Key)
		if err != nil {
			return err
		}
		before, had, err := e.Restore(now, has)
		if err != nil {
			return fmt.Errorf("%w: %w", trail.ErrMisfit, err)
		}
		s.replace(e.Key, now, before, has, had)
	}
	s.Rec.Last, s.Rec.Clock = span.From, span.From.Time
	copy(s.Rec.GuestRoot[:], span.Mark)
	s.Rec.Layouts = uint16(span.Mark[32])<<8 | uint16(span.Mark[33])
	copy(s.Rec.App[:], span.Mark[34:])
	if sumOf(&s.Rec) != [sumSize]byte(span.Mark[34+ident.Size:]) {
		return fmt.Errorf("%w: the state at %s was another one", trail.ErrMisfit, span.From.ID)
	}
	if !s.Rolled || s.Rec.Last.Compare(s.Lowest) < 0 {
		s.Lowest = s.Rec.Last
	}
	s.Rolled = true
	return nil
}

// CheckSize holds a delta to the protocol's limits (R5) and to the context's
// state quota (R10). It answers a *LimitError.
func (s *State) CheckSize(out *vm.Outcome) error {
	var changed uint64
	after := s.Rec.StateBytes
	for _, w := range out.Writes {
		changed += uint64(len(w.Key) + len(w.Value))
		after += EntrySize(w.Key, w.Value, !w.Delete) - EntrySize(w.Key, w.Old, w.HadOld)
	}
	if changed > delta.MaxChanged {
		return &LimitError{
			What: "change of state", Size: changed, Max: delta.MaxChanged,
			Suggestion: "change less in one call",
		}
	}
	if after > s.Rec.StateQuota && after > s.Rec.StateBytes {
		return &LimitError{
			What: "state of the context", Size: after, Max: s.Rec.StateQuota,
			Suggestion: "remove what is not needed: the quota was fixed when the context was created",
		}
	}
	return nil
}

// EntrySize is what one key counts in Rec.StateBytes; 0 for one that is not there.
func EntrySize(key, value []byte, there bool) uint64 {
	if !there {
		return 0
	}
	return uint64(len(key) + len(value))
}
