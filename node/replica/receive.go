package replica

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"mero/node/dag"
	"mero/node/delta"
	"mero/node/ident"
	"mero/node/store"
	"mero/node/vm"
)

// maxParcels is how many deltas from elsewhere share a step.
const maxParcels = 256

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

// parcel is one delta as it came.
type parcel struct {
	id     delta.ID
	header delta.Header
	raw    []byte
	newer  bool // only a newer release knows what it is
}

// arrival is what one caller of Receive handed in.
type arrival struct {
	parcels []parcel
	refused []Refusal // what was no delta at all
	got     Received
	err     error
	lead    chan struct{} // closed when this caller is to take in what lies in the inbox
	done    chan struct{} // closed when got and err are set
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
	view, err := s.view(id) // no queue is made for an id that a stranger chose
	if err != nil {
		return nil, err
	}
	view.Close()
	all := &Received{}
	for some := range slices.Chunk(envelopes, maxParcels) {
		got, err := s.receive(ctx, id, some)
		if err != nil {
			return all, err
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

func (s *Set) receive(ctx context.Context, id ident.ContextID, envelopes [][]byte) (*Received, error) {
	parcels, refused := s.unpack(id, envelopes)
	got, err := &Received{Refused: refused}, error(nil)
	for again := len(parcels) > 0; again; again = isCanceled(err) && ctx.Err() == nil {
		// Somebody else's patience may have ended, who took in what lay there.
		got, err = s.replica(id).deliver(ctx, parcels, refused)
	}
	for _, refusal := range got.Refused {
		s.refused(id, refusal)
	}
	if err == nil {
		s.metrics.received(got)
	}
	return got, err
}

// unpack opens envelopes on all cores: verifying signatures is most of the work.
func (s *Set) unpack(id ident.ContextID, envelopes [][]byte) ([]parcel, []Refusal) {
	parcels := make([]parcel, len(envelopes))
	errs := make([]error, len(envelopes))
	var (
		wg   sync.WaitGroup
		next = make(chan int, len(envelopes))
	)
	for i := range envelopes {
		next <- i
	}
	close(next)
	for range min(runtime.GOMAXPROCS(0), len(envelopes)) {
		wg.Go(func() {
			for i := range next {
				parcels[i], errs[i] = open(id, envelopes[i])
			}
		})
	}
	wg.Wait()
	var refused []Refusal
	good := parcels[:0]
	for i, p := range parcels {
		if errs[i] != nil {
			refused = append(refused, Refusal{At: s.deps.Wall(), Delta: p.id, Author: p.header.Author, Reason: words(errs[i])})
			continue
		}
		good = append(good, p)
	}
	return good, refused
}

// errOtherContext refuses a delta that was handed to the wrong context.
var errOtherContext = errors.New("it belongs to another context")

// open verifies one envelope.
func open(id ident.ContextID, raw []byte) (parcel, error) {
	d, err := delta.Open(raw)
	var newer *delta.UpgradeError
	p := parcel{raw: raw}
	switch {
	case errors.As(err, &newer):
		p.id, p.header, p.newer = newer.ID, newer.Header, true
	case err != nil:
		return parcel{}, err
	default:
		p.id, p.header = d.ID(), d.Header()
	}
	if p.header.Context != id {
		return p, fmt.Errorf("%w: %s", errOtherContext, p.header.Context)
	}
	return p, nil
}

// The time for which late deltas are gathered, so that they share a roll-back (R8).
const (
	minGather = 2 * time.Millisecond
	maxGather = 250 * time.Millisecond
)

// deliver puts an arrival into the inbox and returns when it was taken in, or ctx
// ends. One caller at a time takes in all that lies there.
func (r *replica) deliver(ctx context.Context, parcels []parcel, refused []Refusal) (*Received, error) {
	a := &arrival{parcels: parcels, refused: refused, lead: make(chan struct{}), done: make(chan struct{})}
	r.mu.Lock()
	r.inbox = append(r.inbox, a)
	leads := !r.collecting
	r.collecting = true
	r.mu.Unlock()
	if !leads {
		select {
		case <-a.done:
			return &a.got, a.err
		case <-a.lead:
		case <-ctx.Done():
			if r.leave(a) {
				return &Received{Refused: refused}, fmt.Errorf("waiting for the context: %w", ctx.Err())
			}
		}
	}
	r.gather(ctx)
	r.takeIn(ctx)
	return &a.got, a.err
}

// leave takes back an arrival whose caller gives up, or leaves it to whoever takes
// it in just now. It reports false for one that was told to lead.
func (r *replica) leave(a *arrival) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-a.lead:
		return false
	default:
	}
	r.inbox = slices.DeleteFunc(r.inbox, func(other *arrival) bool { return other == a })
	return true
}

// gather waits for more, if what came makes a roll-back necessary.
func (r *replica) gather(ctx context.Context) {
	last := delta.Time(r.last.Load())
	r.mu.Lock()
	late := slices.ContainsFunc(r.inbox, func(a *arrival) bool {
		return slices.ContainsFunc(a.parcels, func(p parcel) bool { return p.header.Time <= last })
	})
	r.mu.Unlock()
	if !late {
		return
	}
	timer := time.NewTimer(min(max(time.Duration(r.cost.Load()), minGather), maxGather))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// takeIn folds what lies in the inbox as one step, and hands the rest on.
func (r *replica) takeIn(ctx context.Context) {
	r.mu.Lock()
	n, parcels := 0, 0
	for n < len(r.inbox) && (n == 0 || parcels+len(r.inbox[n].parcels) <= maxParcels) {
		parcels += len(r.inbox[n].parcels)
		n++
	}
	list := slices.Clone(r.inbox[:n])
	r.inbox = slices.Delete(r.inbox, 0, n)
	r.mu.Unlock()

	err := errAborted
	defer func() { // after a panic too: others wait
		r.mu.Lock()
		if r.collecting = len(r.inbox) > 0; r.collecting {
			close(r.inbox[0].lead)
		}
		r.mu.Unlock()
		for _, a := range list {
			a.err = err
			close(a.done)
		}
	}()
	err = r.trusting(ctx, func(b *batch) error { return b.receive(ctx, list) })
}

// trusting is alone, and once more without the undo spans when they do not fit.
func (r *replica) trusting(ctx context.Context, work func(*batch) error) error {
	err := r.alone(ctx, work)
	if !isTrailFault(err) {
		return err
	}
	r.set.metrics.damage.Inc()
	r.set.deps.Log.Error().Err(err).Stringer("context", r.id).Msg("undo spans are damaged; the state will be folded again from genesis")
	return r.alone(ctx, func(b *batch) error {
		b.distrust = true
		return work(b)
	})
}

// alone runs work that is a batch of its own.
func (r *replica) alone(ctx context.Context, work func(*batch) error) error {
	t := newTicket("", func(b *batch) (*Result, error) { return nil, work(b) })
	t.alone, t.own = true, true
	_, err := r.submit(context.WithoutCancel(ctx), t)
	return err
}

// receive takes what arrived into the graph and brings the state to where it
// belongs.
func (b *batch) receive(ctx context.Context, list []*arrival) error {
	if err := b.loadHistory(); err != nil {
		return err
	}
	var free []delta.Place
	room := b.history.room()
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
		for _, p := range a.parcels {
			if r := b.records[p.id]; r != nil && r.Fate == store.FateWaiting && b.arrived[p.id] != nil && !counted[p.id] {
				counted[p.id] = true
				a.got.Waiting++
			}
		}
	}
	return nil
}

func (b *batch) loadHistory() error {
	if b.history != nil {
		return nil
	}
	h, err := b.set.loadHistory(b.view)
	if err != nil {
		return err
	}
	b.history = h
	if len(h.misfits) > 0 {
		b.step.DeltaDrop = append(b.step.DeltaDrop, h.misfits...)
		b.rec.Waiting = h.waiting()
	}
	return nil
}

// errFull refuses a delta that would have to wait: it comes again by its vector.
var errFull = errors.New("too many deltas wait already")

// admit takes one delta into the graph and gives the places of those that can be
// folded because of it.
func (b *batch) admit(p parcel, got *Received, room *room) ([]delta.Place, error) {
	h := b.history
	if h.knows(p.id) {
		got.Duplicate++
		return nil, nil
	}
	b.notice(p.header)
	refuse := func(id delta.ID, author ident.PublicKey, err error) {
		got.Refused = append(got.Refused, Refusal{At: b.set.deps.Wall(), Delta: id, Author: author, Reason: words(err)})
	}
	own, err := b.mustWait(p.header, p.newer)
	if err != nil {
		return nil, err
	}
	if waits := own != nil || slices.ContainsFunc(p.header.Parents, func(id delta.ID) bool {
		return !h.graph.Has(id) || room.isStuck(id)
	}); waits && !room.take(p.id, p.header.Author) {
		refuse(p.id, p.header.Author, errFull)
		return nil, nil
	}
	added, err := h.graph.Add(dag.NodeOf(p.id, p.header))
	for _, r := range added.Refused {
		refuse(r.ID, ident.PublicKey{}, r.Err)
		b.discard(r)
	}
	if err != nil {
		refuse(p.id, p.header.Author, err)
		return b.connect(added.Connected)
	}
	got.New++
	b.arrived[p.id] = p.raw
	// It may have been discarded by this very batch, and have come again.
	b.step.DeltaDrop = slices.DeleteFunc(b.step.DeltaDrop, func(d delta.Place) bool { return d.ID == p.id })
	b.tellForks(&p.header, added.Connected)
	if len(added.Connected) == 0 {
		got.Missing = append(got.Missing, added.Missing...)
		b.waits(p.id, p.header.Time, &wait{kind: waitParents, words: missing(added.Missing), since: b.set.deps.Wall()})
		return nil, nil
	}
	return b.connect(added.Connected)
}

// tellForks reports a writer that gave one number to two deltas (R3). Both count.
func (b *batch) tellForks(h *delta.Header, connected []delta.ID) {
	if len(connected) == 0 || !b.history.graph.IsForked(h.Writer()) {
		return
	}
	b.set.metrics.forked.Inc()
	b.set.deps.Log.Warn().Stringer("context", b.rec.ID).Stringer("writer", h.Writer()).Uint64("number", h.Seq).
		Msg("a writer gave one number to several deltas: its node was copied or restored, or it cheats")
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
		place := b.history.place(id)
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
			b.hold(id, place.Time, w.kind, w.words)
			continue
		}
		if b.history.rests(id) {
			b.rests(id, place.Time)
			continue
		}
		free = append(free, place)
	}
	return free, nil
}

// header reads the header of a delta of this batch or of the store.
func (b *batch) header(id delta.ID) (delta.Header, bool, error) {
	raw, arrived := b.arrived[id]
	if !arrived {
		rec, err := b.view.Head(b.history.place(id))
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
func (b *batch) mustWait(h delta.Header, newer bool) (*wait, error) {
	now := b.set.deps.Wall()
	if ahead := h.Time.Wall().Sub(now); ahead > maxAhead {
		return &wait{kind: waitClock, words: fmt.Sprintf("its time is %s ahead of this node's clock", ahead.Round(time.Second)), since: now}, nil
	}
	if newer {
		return &wait{kind: waitUpgrade, words: fmt.Sprintf("version %d, kind %d: %v", h.Version, h.Kind, delta.ErrUpgrade), since: now}, nil
	}
	_, err := b.key(h.Epoch)
	if errors.Is(err, store.ErrNotFound) {
		return &wait{kind: waitKey, words: fmt.Sprintf("the key of epoch %s is not here", h.Epoch), since: now}, nil
	}
	return nil, err
}

// waits records that a delta waits.
func (b *batch) waits(id delta.ID, t delta.Time, w *wait) {
	b.records[id] = &store.DeltaRecord{
		ID: id, Time: t, Bytes: b.arrived[id], Fate: store.FateWaiting, Reason: clip(w.reason(), store.MaxName),
	}
}

// hold makes a connected delta wait for something of its own.
func (b *batch) hold(id delta.ID, t delta.Time, kind, words string) {
	b.history.hold(id, kind, words, b.set.deps.Wall())
	b.waits(id, t, b.history.held[id])
	b.set.metrics.waits.WithLabelValues(kind).Inc()
}

// rests records that a delta waits for one that it rests on.
func (b *batch) rests(id delta.ID, t delta.Time) {
	w := &wait{kind: waitParents, words: "it rests on a delta that waits", since: b.set.deps.Wall()}
	if ancestor, cause := b.history.ancestorOf(id); cause != nil {
		w.words = fmt.Sprintf("it rests on %s, which waits (%s)", ancestor, cause.kind)
	}
	b.waits(id, t, w)
}

// discard forgets a delta that waited for its parents and turned out to break a
// rule, or to rest on one that does.
func (b *batch) discard(r dag.Refusal) {
	delete(b.arrived, r.ID)
	delete(b.records, r.ID)
	if rec, err := b.view.Delta(r.ID); err == nil {
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
	b.set.deps.Log.Warn().Stringer("context", b.rec.ID).Stringer("member", h.Author).
		Uint64("number", h.Seq).Uint64("ours", who.Seq).
		Msg("another copy of this node writes as the same member, or this one was restored: it goes on as a new writer")
	who.Incarnation, who.Seq = delta.NewIncarnation(), 0
	b.writers[h.Author] = who
}

// room is how many more deltas may wait, in all and per author.
type room struct {
	all   int
	each  map[ident.PublicKey]int
	stuck map[delta.ID]struct{} // what waits for something that may never come
}

// room counts what waits for something that may never come, with what rests on it.
// What waits for a deep roll-back is delayed and never refused (R8).
func (h *history) room() *room {
	r := &room{all: maxHeld - h.graph.Pending(), each: make(map[ident.PublicKey]int), stuck: make(map[delta.ID]struct{})}
	var roots []delta.ID
	for id, w := range h.held {
		if w.kind != waitOrder {
			roots = append(roots, id)
		}
	}
	for _, id := range append(h.graph.Descendants(roots...), roots...) {
		if r.isStuck(id) {
			continue // a root that rests on another
		}
		n, _ := h.graph.Get(id)
		r.all--
		r.each[n.Writer.Author]++
		r.stuck[id] = struct{}{}
	}
	return r
}

func (r *room) isStuck(id delta.ID) bool {
	_, is := r.stuck[id]
	return is
}

func (r *room) take(id delta.ID, author ident.PublicKey) bool {
	if r.all <= 0 || r.each[author] >= maxHeldPerAuthor {
		return false
	}
	r.all--
	r.each[author]++
	r.stuck[id] = struct{}{}
	return true
}

// shortage tells what an error of judge makes a delta wait for; empty: the error
// concerns the whole step.
func shortage(err error) (kind, words string) {
	var (
		guest   *vm.Error
		missing *AppMissingError
	)
	switch {
	case errors.As(err, &missing):
		return waitCode, missing.Error()
	case errors.Is(err, delta.ErrUpgrade):
		return waitUpgrade, delta.ErrUpgrade.Error()
	case errors.As(err, &guest) && guest.Kind == vm.KindTimeout:
		return waitWatchdog, fmt.Sprintf("applying it took longer than %s on this node", applyWatchdog)
	}
	return "", ""
}

// isCanceled tells work that was given up from work that failed.
func isCanceled(err error) bool {
	var guest *vm.Error
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
		errors.As(err, &guest) && guest.Kind == vm.KindCanceled
}
