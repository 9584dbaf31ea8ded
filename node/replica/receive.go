package replica

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"mero/node/delta"
	"mero/node/fold"
	"mero/node/history"
	"mero/node/ident"
	"mero/node/store"
)

// Received says what became of deltas that were handed in.
type Received struct {
	// New were not known before; Duplicate were.
	New, Duplicate int
	// Waiting are those of New that have no effect yet (R4).
	Waiting int
	// Missing are parents that nobody has brought, ascending.
	Missing []delta.ID
	// Refused were no deltas of this context, or may not wait here any more.
	Refused []Refusal
}

// Receive takes deltas of any authors in any order, each as its envelope. It
// returns once each of them is durable with its fate: folded at its place in the
// canonical order (R8), void, or waiting (R4). What is no delta of the context is
// refused, and remembered only by Refusals. The envelopes must not be changed
// afterwards.
//
// Errors: ErrContextNotFound, ErrBusy, *DamagedError of the store, and whatever
// keeps this node from working (disk, memory, ctx); then some of the deltas may
// have been taken, and handing all in again is harmless.
func (s *Set) Receive(ctx context.Context, id ident.ContextID, envelopes [][]byte) (*Received, error) {
	steps := history.InSteps(envelopes, func(envelope []byte) int { return len(envelope) })
	return s.receiveAll(ctx, id, len(steps), func(i int) (history.Lot, error) {
		view, err := s.view(id)
		if err != nil {
			return history.Lot{}, err
		}
		defer view.Close()
		return history.Unpack(view, steps[i]), nil
	})
}

// ReceiveOpened is Receive of what Open has verified for this context.
func (s *Set) ReceiveOpened(ctx context.Context, id ident.ContextID, parcels []Parcel) (*Received, error) {
	for i := range parcels {
		if parcels[i].Header.Context != id {
			return nil, fmt.Errorf("delta %s of context %s was opened for another than %s", parcels[i].ID, parcels[i].Header.Context, id)
		}
	}
	steps := history.InSteps(parcels, func(p Parcel) int { return len(p.Raw) })
	return s.receiveAll(ctx, id, len(steps), func(i int) (history.Lot, error) { return history.Lot{Parcels: steps[i]}, nil })
}

// receiveAll takes in steps, and prepares one while the one before it is folded.
func (s *Set) receiveAll(ctx context.Context, id ident.ContextID, steps int, prepare func(int) (history.Lot, error)) (*Received, error) {
	view, err := s.view(id) // no queue is made for an id that a stranger chose
	if err != nil {
		return nil, err
	}
	last := view.Context().Last.Time
	view.Close()
	all := &Received{}
	var next history.Lot
	for i := 0; i < steps; {
		now := next
		if i == 0 {
			now, err = prepare(0)
		}
		for i++; i < steps && err == nil && now.IsLate(last); i++ {
			var more history.Lot
			more, err = prepare(i)
			now.Add(more)
		}
		if err != nil {
			return all, err
		}
		var wg sync.WaitGroup
		if i < steps {
			wg.Go(func() { next, err = prepare(i) })
		}
		got, taken := s.receive(ctx, id, now)
		wg.Wait()
		if taken != nil {
			return all, taken
		}
		all.add(got)
	}
	slices.SortFunc(all.Missing, delta.ID.Compare)
	all.Missing = slices.Compact(all.Missing)
	return all, nil
}

func (r *Received) add(o *Received) {
	r.New += o.New
	r.Duplicate += o.Duplicate
	r.Waiting += o.Waiting
	r.Missing = append(r.Missing, o.Missing...)
	r.Refused = append(r.Refused, o.Refused...)
}

func (s *Set) receive(ctx context.Context, id ident.ContextID, lot history.Lot) (got *Received, err error) {
	var refused []Refusal
	for _, d := range lot.Dropped {
		refused = append(refused, s.refusal(d))
	}
	got = &Received{Refused: refused}
	for again := len(lot.Parcels) > 0; again; again = fold.IsCanceled(err) && ctx.Err() == nil {
		// Somebody else's patience may have ended, who took in what lay there.
		got, err = s.replica(id).deliver(ctx, lot.Parcels, refused)
	}
	got.Duplicate += lot.Known
	for _, refusal := range got.Refused {
		s.refused(id, refusal)
	}
	if err == nil {
		s.metrics.received(got)
	}
	return got, err
}

// receive takes what arrived into the graph and brings the state to where it
// belongs.
func (b *batch) receive(ctx context.Context, list []*arrival) error {
	if err := b.loadHistory(); err != nil {
		return err
	}
	var free []delta.Place
	room := b.history.Room(b.View)
	for _, a := range list {
		a.got = Received{Refused: a.refused} // it may be the second try
		for _, p := range a.parcels {
			places, err := b.admit(p, &a.got, room)
			if err != nil {
				return err
			}
			free = append(free, places...)
		}
	}
	if err := b.advance(ctx, free); err != nil {
		return err
	}
	counted := make(map[delta.ID]bool)
	for _, a := range list {
		a.waits = nil
		for _, p := range a.parcels {
			if r := b.records[p.ID]; r != nil && r.Fate == store.FateWaiting && b.arrived[p.ID] != nil && !counted[p.ID] {
				counted[p.ID] = true
				a.waits = append(a.waits, delta.Place{Time: p.Header.Time, ID: p.ID})
			}
		}
		a.got.Waiting = len(a.waits)
	}
	return nil
}

func (b *batch) loadHistory() error {
	if b.history != nil {
		return nil
	}
	h, err := history.Load(b.view, b.set.deps.Wall())
	if err != nil {
		return err
	}
	h.Remember(b.lead.Tried(), b.set.deps.Wall())
	b.history = h
	b.dropMisfits()
	return nil
}

// dropMisfits drops what the graph was found to have no place for when it was loaded,
// by whomever.
func (b *batch) dropMisfits() {
	if h := b.history; h != nil && len(h.Misfits) > 0 {
		b.step.DeltaDrop = append(b.step.DeltaDrop, h.Misfits...)
		b.Rec.Waiting = h.Waiting()
	}
}

// What is refused because it would have to wait comes again by its vector.
var (
	errFull  = errors.New("too many deltas wait already")
	errAhead = errors.New("its time is more than a day ahead of this node's clock")
)

// admit takes one delta into the graph and gives the places of those that can be
// folded because of it.
func (b *batch) admit(p history.Parcel, got *Received, room *history.Room) ([]delta.Place, error) {
	h := b.history
	if h.Knows(p.ID) {
		got.Duplicate++
		return nil, nil
	}
	refuse := func(id delta.ID, author ident.PublicKey, err error) {
		got.Refused = append(got.Refused, Refusal{At: b.set.deps.Wall(), Delta: id, Author: author, Reason: fold.Words(err)})
	}
	if ahead := p.Header.Time.Wall().Sub(b.set.deps.Wall()); ahead > maxWait {
		refuse(p.ID, p.Header.Author, fmt.Errorf("%w: %s", errAhead, ahead.Round(time.Minute)))
		return nil, nil
	}
	if err := b.unsealNow(&p); err != nil {
		return nil, err
	}
	if p.Stranger != nil {
		refuse(p.ID, p.Header.Author, p.Stranger)
		for _, r := range h.Graph.Refuse(p.ID) {
			refuse(r.ID, ident.PublicKey{}, r.Err)
			b.discard(r.ID)
		}
		return nil, nil
	}
	b.notice(p.Header)
	own, err := b.mustWait(p.Header, p.Newer)
	if err != nil {
		return nil, err
	}
	if waits := own != nil || slices.ContainsFunc(p.Header.Parents, func(id delta.ID) bool {
		return !h.Graph.Has(id) || room.IsStuck(id)
	}); waits && !room.Take(p.ID, p.Header.Author) {
		refuse(p.ID, p.Header.Author, errFull)
		return nil, nil
	}
	added, err := h.Add(p.ID, p.Header)
	for _, r := range added.Refused {
		refuse(r.ID, ident.PublicKey{}, r.Err)
		b.discard(r.ID)
	}
	if err != nil {
		refuse(p.ID, p.Header.Author, err)
		b.tellForks(added.Connected)
		return b.connect(added.Connected)
	}
	got.New++
	b.arrived[p.ID] = p.Raw
	// It may have been discarded by this very batch, and have come again.
	b.step.DeltaDrop = slices.DeleteFunc(b.step.DeltaDrop, func(d delta.Place) bool { return d.ID == p.ID })
	b.tellForks(added.Connected)
	if len(added.Connected) == 0 {
		got.Missing = append(got.Missing, added.Missing...)
		b.waits(p.ID, p.Header.Time, &history.Wait{Kind: history.Parents, Words: missing(added.Missing), Since: b.set.deps.Wall()})
		return nil, nil
	}
	return b.connect(added.Connected)
}

// tellForks reports deltas whose writer gave their number to others too (R3). All of
// them count.
func (b *batch) tellForks(connected []delta.ID) {
	for _, id := range connected {
		if !b.history.Graph.IsTwin(id) {
			continue
		}
		n, _ := b.history.Graph.Get(id)
		b.set.metrics.forked.Inc()
		b.set.deps.Log.Warn().Stringer("context", b.Rec.ID).Stringer("delta", id).Stringer("writer", n.Writer).Uint64("number", n.Seq).
			Msg("a writer gave one number to several deltas: its node was copied or restored, or it cheats")
	}
}

func missing(ids []delta.ID) string {
	switch len(ids) {
	case 0:
		return "its parents wait too"
	case 1:
		return fmt.Sprintf("%s is missing", ids[0])
	}
	return fmt.Sprintf("%d are missing, %s first", len(ids), ids[0])
}

// connect looks at deltas that have all their ancestors now, parents first, and
// gives the places of those that need not wait.
func (b *batch) connect(ids []delta.ID) ([]delta.Place, error) {
	var free []delta.Place
	for _, id := range ids {
		place := b.history.Place(id)
		header, newer, err := b.header(id)
		if err != nil {
			return nil, err
		}
		// What it waits for itself comes first: that is still so when what it rests
		// on need not wait any more.
		w, err := b.mustWait(header, newer)
		if err != nil {
			return nil, err
		}
		if w != nil {
			b.hold(id, place.Time, w.Kind, w.Words)
			continue
		}
		if b.history.Rests(id) {
			b.rests(id, place.Time)
			continue
		}
		free = append(free, place)
		b.orphans[id] = struct{}{}
	}
	return free, nil
}

// header reads the header of a delta of this batch or of the store.
func (b *batch) header(id delta.ID) (delta.Header, bool, error) {
	raw, arrived := b.arrived[id]
	if !arrived {
		rec, err := b.view.Head(b.history.Place(id))
		if err != nil {
			return delta.Header{}, false, fmt.Errorf("read delta %s: %w", id, err)
		}
		raw = rec.Bytes
	}
	h, _, err := delta.HeaderOf(raw)
	if err != nil {
		return delta.Header{}, false, fmt.Errorf("%w: delta %s: %w", ErrDamagedLog, id, err)
	}
	return h, !h.Known(), nil
}

// bytes gives an envelope and the fate it has in the store, zero if it is new.
func (b *batch) bytes(id delta.ID) ([]byte, store.DeltaRecord, error) {
	if raw, ok := b.arrived[id]; ok {
		return raw, store.DeltaRecord{ID: id}, nil
	}
	rec, err := b.view.Delta(id)
	if err != nil {
		return nil, rec, fmt.Errorf("read delta %s: %w", id, err)
	}
	return rec.Bytes, rec, nil
}

// mustWait says what a delta waits for whatever its parents are; nil for nothing.
func (b *batch) mustWait(h delta.Header, newer bool) (*history.Wait, error) {
	now := b.set.deps.Wall()
	if ahead := h.Time.Wall().Sub(now); ahead > maxAhead {
		return &history.Wait{Kind: history.Clock, Words: fmt.Sprintf("its time is %s ahead of this node's clock", ahead.Round(time.Second)), Since: now}, nil
	}
	if newer {
		return &history.Wait{Kind: history.Upgrade, Words: fmt.Sprintf("version %d, kind %d: %v", h.Version, h.Kind, delta.ErrUpgrade), Since: now}, nil
	}
	_, err := b.key(h.Epoch)
	if errors.Is(err, store.ErrNotFound) {
		return &history.Wait{Kind: history.Key, Words: fmt.Sprintf("the key of epoch %s is not here", h.Epoch), Since: now}, nil
	}
	return nil, err
}

// waits records that a delta waits.
func (b *batch) waits(id delta.ID, t delta.Time, w *history.Wait) {
	b.records[id] = &store.DeltaRecord{
		ID: id, Time: t, Bytes: b.arrived[id], Fate: store.FateWaiting, Reason: fold.Clip(w.Reason(), store.MaxName),
	}
}

// hold makes a connected delta wait for something of its own.
func (b *batch) hold(id delta.ID, t delta.Time, kind, words string) {
	w := &history.Wait{Kind: kind, Words: words, Since: b.set.deps.Wall()}
	b.history.Hold(id, w)
	b.waits(id, t, w)
	b.set.metrics.waits.WithLabelValues(kind).Inc()
}

// rests records that a delta waits for one that it rests on.
func (b *batch) rests(id delta.ID, t delta.Time) {
	w := &history.Wait{Kind: history.Parents, Words: "it rests on a delta that waits", Since: b.set.deps.Wall()}
	if ancestor, cause := b.history.AncestorOf(id); cause != nil {
		w.Words = fmt.Sprintf("it rests on %s, which waits (%s)", ancestor, cause.Kind)
	}
	b.waits(id, t, w)
}

// discard forgets a delta that waited for its parents and turned out to break a
// rule, or to rest on one that does.
func (b *batch) discard(id delta.ID) {
	delete(b.arrived, id)
	delete(b.records, id)
	if rec, err := b.view.Delta(id); err == nil {
		b.step.DeltaDrop = append(b.step.DeltaDrop, delta.Place{Time: rec.Time, ID: rec.ID})
	}
}

// notice draws a new incarnation for a member of this node when a delta of its
// writer turns up that this node does not have: the home was restored or copied
// (R3).
func (b *batch) notice(h delta.Header) {
	who, ok := b.identities[h.Author]
	if !ok || h.Incarnation != who.Incarnation {
		return
	}
	b.set.deps.Log.Warn().Stringer("context", b.Rec.ID).Stringer("member", h.Author).
		Uint64("number", h.Seq).Uint64("ours", who.Seq).
		Msg("another copy of this node writes as the same member, or this one was restored: it goes on as a new writer")
	who.Incarnation, who.Seq = delta.NewIncarnation(), 0
	b.writers[h.Author] = who
}
