package syncer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"mero/node/delta"
	"mero/node/history"
	"mero/node/ident"
	"mero/node/replica"
	"mero/node/wire"
)

const (
	// window is how many batches may be on the way before one of them is folded.
	window = 4
	// maxRounds is how often vectors are compared in one session: while others write,
	// there is always something new, and gossip brings it.
	maxRounds = 8
	// stalled is for how many timeouts a peer may say that it works without anything
	// that shows it.
	stalled = 8
)

var (
	errStalled = errors.New("the other node has made no progress for too long")
	errWindow  = errors.New("more batches than were asked for")
)

// session is one exchange of one context with one peer, from either side: after both
// have opened, both do the same.
type session struct {
	*talk
	id ident.ContextID
	// pull: the peer gets nothing, since its member is not known here yet.
	pull bool

	// in is what the reader has read; credits are batches that may be sent.
	in      chan wire.Message
	credits chan struct{}
	// writing is a lock that a goroutine may be long in, since the stream may not take
	// anything: so it is no mutex, and does not hold up simulated time.
	writing chan struct{}
	readErr error // why in was closed

	sent, acked   atomic.Uint64 // batches to the peer
	folded        atomic.Uint64 // batches from the peer
	queued        atomic.Int64  // bytes of batches from the peer that are not folded
	progress      atomic.Int64  // when the peer last got on, in Unix nanoseconds
	sentDeltas    uint64        // of the producer
	gotDeltas     uint64
	refusedDeltas uint64

	mine, theirs wire.Known
	held         map[string]int
	missing      []delta.ID
}

func (t *talk) session(id ident.ContextID) *session {
	x := &session{talk: t, id: id, in: make(chan wire.Message, window+2), credits: make(chan struct{}, window), writing: make(chan struct{}, 1)}
	for range window {
		x.credits <- struct{}{}
	}
	x.progress.Store(time.Now().UnixNano())
	return x
}

// know looks at what this replica holds now.
func (x *session) know(ctx context.Context) error {
	defer x.worked(time.Now())
	k, err := x.s.deps.Contexts.Known(ctx, x.id)
	if err != nil {
		return err
	}
	x.mine, x.held, x.missing = toWire(k), k.Held, k.Missing
	return nil
}

// worked takes the time that this node took for itself off that without progress.
func (x *session) worked(began time.Time) { x.progress.Add(int64(time.Since(began))) }

// begin is the session of who opened the stream.
func (x *session) begin(ctx context.Context) error {
	if err := x.know(ctx); err != nil {
		return err
	}
	if err := x.write(&wire.Open{Version: wire.Version, Context: x.id, Known: x.mine}); err != nil {
		return err
	}
	theirs, err := expect[*wire.Open](x.talk)
	if err != nil {
		return err
	}
	if theirs.Context != x.id {
		return fmt.Errorf("%w: a session of another context", errOrder)
	}
	x.theirs = theirs.Known
	return nil
}

// run exchanges rounds until both replicas hold the same, and says how it ended.
func (x *session) run(ctx context.Context) (Outcome, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel() // before the wait
	wg.Go(x.reader)
	wg.Go(func() { x.keepAlive(ctx) })
	outcome, err := x.rounds(ctx)
	if err != nil {
		var refused *RefusedError
		if !errors.As(err, &refused) {
			x.say(err)
		}
		if !x.closed {
			x.stream.Reset()
		}
		return OutcomeFailed, err
	}
	x.writing <- struct{}{}
	x.closed = true
	err = x.stream.Close()
	<-x.writing
	if err != nil && !errors.Is(err, io.EOF) {
		x.s.log.Debug().Err(err).Str("peer", x.peer).Msg("a session did not close in order")
	}
	return outcome, nil
}

// say tells the peer why the session ends here, as well as it can be told.
func (x *session) say(err error) {
	code, _ := x.s.blame(x.peer, err)
	if code == 0 {
		return
	}
	x.s.metrics.refused.WithLabelValues(reasonOf(code)).Inc()
	_ = x.send(&wire.Refusal{Code: code, Words: clip(err.Error())})
	x.writing <- struct{}{}
	defer func() { <-x.writing }()
	x.closed = x.stream.Close() == nil
}

// send is write for several goroutines.
func (x *session) send(m wire.Message) error {
	x.writing <- struct{}{}
	defer func() { <-x.writing }()
	if x.closed {
		return io.ErrClosedPipe
	}
	return x.write(m)
}

// reader reads what the peer sends until the stream ends. Acknowledgements are for the
// producer; the rest goes to the one that folds, who has room for what it asked for.
func (x *session) reader() {
	defer close(x.in)
	for {
		m, err := x.read()
		if err != nil {
			x.readErr = err
			var refused *RefusedError
			if errors.As(err, &refused) {
				x.stream.Reset() // the producer may be writing to somebody who does not read any more
			}
			return
		}
		if ack, ok := m.(*wire.Ack); ok {
			if err := x.acknowledge(ack.Batches); err != nil {
				x.readErr = err
				return
			}
			continue
		}
		batch, ok := m.(*wire.Batch)
		if !ok { // what is in it, shows whether the peer gets on: fold
			x.progress.Store(time.Now().UnixNano())
		} else if size := int64(sizeOf(batch.Envelopes)); x.queued.Add(size) > max(size, window*wire.MaxBatchBytes) {
			x.readErr = fmt.Errorf("%w: %w", errOrder, errWindow)
			return
		}
		select {
		case x.in <- m:
		default:
			x.readErr = fmt.Errorf("%w: %w", errOrder, errWindow)
			return
		}
	}
}

func (x *session) acknowledge(batches uint64) error {
	before := x.acked.Load()
	if batches < before || batches > x.sent.Load() {
		return fmt.Errorf("%w: %d batches acknowledged of %d", errOrder, batches, x.sent.Load())
	}
	for range batches - before {
		x.progress.Store(time.Now().UnixNano())
		x.credits <- struct{}{} // there is room: it was taken for the batch
	}
	x.acked.Store(batches)
	return nil
}

// keepAlive tells the peer now and then that this side is there, whatever it works at:
// so the timeout is for a peer that is not, and folding may take as long as it takes.
func (x *session) keepAlive(ctx context.Context) {
	tick := time.NewTicker(x.s.cfg.Timeout / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if x.send(&wire.Ack{Batches: x.folded.Load()}) != nil {
			return
		}
	}
}

// next is the next message that is not an acknowledgement.
func (x *session) next(ctx context.Context) (wire.Message, error) {
	m, ok, err := await(ctx, x, x.in)
	if err == nil && !ok {
		err = x.readErr
	}
	return m, err
}

// await is what comes from a channel that the peer has to do with, unless the peer has not
// got on for too long.
func await[T any](ctx context.Context, x *session, from <-chan T) (got T, open bool, err error) {
	limit := stalled * x.s.cfg.Timeout
	for {
		idle := time.Since(time.Unix(0, x.progress.Load()))
		if idle >= limit {
			return got, false, errStalled
		}
		timer := time.NewTimer(limit - idle)
		select {
		case got, open = <-from:
		case <-ctx.Done():
			err = ctx.Err()
		case <-x.s.stopped:
			err = ErrStopped
		case <-timer.C:
			continue
		}
		timer.Stop()
		return got, open, err
	}
}

// rounds compares and exchanges until nothing is lacking. Both sides decide by the same
// two vectors, so they agree on whether there is another round.
func (x *session) rounds(ctx context.Context) (Outcome, error) {
	for round := 1; ; round++ {
		if isSame(&x.mine, &x.theirs) {
			return x.verdict(OutcomeWaiting), nil
		}
		if round > maxRounds {
			return x.verdict(OutcomeMoving), nil
		}
		if err := x.round(ctx); err != nil {
			return OutcomeFailed, err
		}
		mine, theirs := x.mine, x.theirs
		if err := x.know(ctx); err != nil {
			return OutcomeFailed, err
		}
		if err := x.send(&x.mine); err != nil {
			return OutcomeFailed, err
		}
		m, err := x.next(ctx)
		if err != nil {
			return OutcomeFailed, err
		}
		known, ok := m.(*wire.Known)
		if !ok {
			return OutcomeFailed, fmt.Errorf("%w: kind %d, want what the other node holds", errOrder, m.Kind())
		}
		x.theirs = *known
		if !isSame(&x.mine, &x.theirs) && !moved(&mine, &x.mine) && !moved(&theirs, &x.theirs) {
			return x.verdict(OutcomeStuck), nil
		}
	}
}

// verdict is how the session ended: by the state that both have, else for a reason.
func (x *session) verdict(otherwise Outcome) Outcome {
	switch {
	case isDiverged(&x.mine, &x.theirs):
		return OutcomeDiverged
	case isEqual(&x.mine, &x.theirs):
		return OutcomeEqual
	}
	return otherwise
}

// round streams what each side lacks to it, both at once.
func (x *session) round(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return x.produce(ctx, fromWire(x.theirs.Tips), x.theirs.Missing) })
	group.Go(func() error { return x.consume(ctx) })
	return group.Wait()
}

// produce sends what the peer lacks.
func (x *session) produce(ctx context.Context, theirs []history.Tip, missing []delta.ID) error {
	before := x.sentDeltas
	var after delta.Place
	for more := !x.pull; more; {
		var (
			page [][]byte
			err  error
		)
		began := time.Now()
		page, after, more, err = x.s.deps.Contexts.Lacking(ctx, x.id, theirs, after, wire.MaxBatchBytes)
		x.worked(began)
		if err != nil {
			return err
		}
		if err := x.batches(ctx, page); err != nil {
			return err
		}
	}
	if !x.pull {
		if err := x.wanted(ctx, missing); err != nil {
			return err
		}
	}
	return x.send(&wire.Sent{Deltas: x.sentDeltas - before})
}

// wanted sends what the peer wants by name, as far as it is here.
func (x *session) wanted(ctx context.Context, ids []delta.ID) error {
	for len(ids) > 0 {
		page, err := x.s.deps.Contexts.Envelopes(ctx, x.id, ids, wire.MaxBatchBytes)
		if err != nil || len(page) == 0 {
			return err
		}
		if err := x.batches(ctx, page); err != nil {
			return err
		}
		_, last, err := delta.Inspect(page[len(page)-1])
		if err != nil {
			return err
		}
		ids = ids[slices.Index(ids, last)+1:]
	}
	return nil
}

// batches sends envelopes, each batch when the peer has room for it.
func (x *session) batches(ctx context.Context, page [][]byte) error {
	for some := range slices.Chunk(page, wire.MaxBatch) {
		// A large one goes alone: it is what one delta may be, and the peer keeps it all.
		credits := 1
		if sizeOf(some) > wire.MaxBatchBytes {
			credits = window
		}
		if err := x.take(ctx, credits); err != nil {
			return err
		}
		x.sent.Add(1)
		if err := x.send(&wire.Batch{Envelopes: some}); err != nil {
			return err
		}
		x.sentDeltas += uint64(len(some))
		if credits == 1 {
			continue
		}
		if err := x.take(ctx, 1); err != nil { // it is folded
			return err
		}
		for range credits {
			x.credits <- struct{}{}
		}
	}
	return nil
}

// take waits until the peer has room for so many batches.
func (x *session) take(ctx context.Context, credits int) error {
	for range credits {
		if _, _, err := await(ctx, x, x.credits); err != nil {
			return err
		}
	}
	return nil
}

func sizeOf(envelopes [][]byte) (n int) {
	for _, e := range envelopes {
		n += len(e)
	}
	return n
}

// consume folds what the peer sends, until it has sent all of the round.
func (x *session) consume(ctx context.Context) error {
	for {
		m, err := x.next(ctx)
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case *wire.Batch:
			if err := x.fold(ctx, m); err != nil {
				return err
			}
		case *wire.Sent:
			return nil
		default:
			return fmt.Errorf("%w: kind %d within a round", errOrder, m.Kind())
		}
	}
}

// penaltyRefused is for each envelope that is no delta: honest nodes verify what they
// pass on.
const penaltyRefused = 5

func (x *session) fold(ctx context.Context, batch *wire.Batch) error {
	began := time.Now()
	got, err := x.s.deps.Contexts.Receive(ctx, x.id, batch.Envelopes)
	if err != nil {
		return err
	}
	if got.New > 0 {
		x.progress.Store(time.Now().UnixNano())
	} else { // what is here already can be sent for ever; but the time that this took is not the peer's
		x.worked(began)
	}
	x.queued.Add(-int64(sizeOf(batch.Envelopes)))
	x.gotDeltas += uint64(len(batch.Envelopes))
	x.refusedDeltas += uint64(len(got.Refused))
	for _, r := range got.Refused {
		if r.Delta.IsZero() {
			x.s.deps.Net.Penalize(x.peer, penaltyRefused, "delta")
		}
	}
	return x.send(&wire.Ack{Batches: x.folded.Add(1)})
}

// report is what the session did.
func (x *session) report(started time.Time, outcome Outcome, err error) *Report {
	r := &Report{
		Context: x.id, Peer: x.peer, Started: started, Took: time.Since(started), Outcome: outcome, Equal: outcome == OutcomeEqual,
		Sent: x.sentDeltas, Received: x.gotDeltas, BytesSent: x.stream.BytesOut(), BytesReceived: x.stream.BytesIn(),
		Root: x.mine.Root, Deltas: x.mine.Deltas, Waiting: x.mine.Waiting, Held: x.held,
		Missing: x.missing[:min(len(x.missing), wire.MaxIDs)],
	}
	var refused *RefusedError
	switch {
	case errors.As(err, &refused):
		r.Outcome = OutcomeRefused
		r.Reason = err.Error()
	case err != nil:
		r.Reason = err.Error()
	default:
		r.Reason = x.reason(outcome)
	}
	return r
}

// reason says in words why the replicas are not equal.
func (x *session) reason(outcome Outcome) string {
	switch outcome {
	case OutcomeEqual, OutcomeRefused, OutcomeFailed:
		return ""
	case OutcomeDiverged:
		return "the same deltas are folded on both nodes and give different roots: this node checks its state"
	case OutcomeMoving:
		return fmt.Sprintf("new deltas came in each of %d rounds: the context is being written to", maxRounds)
	case OutcomeStuck:
		_, ours, theirs := compareVectors(x.mine.Tips, x.theirs.Tips, 0)
		words := fmt.Sprintf("%d deltas are still lacking here, and %d there", theirs, ours)
		if len(x.mine.Missing) > 0 {
			words += fmt.Sprintf("; %d are missing that neither node has", len(x.mine.Missing))
		}
		if x.refusedDeltas > 0 {
			words += fmt.Sprintf("; this node refused %d (dag refusals)", x.refusedDeltas)
		}
		return words
	case OutcomeWaiting:
		return fmt.Sprintf("both nodes hold the same deltas, of which %d wait here and %d there", x.mine.Waiting, x.theirs.Waiting)
	}
	return ""
}

// serveSession answers a session.
func (s *Syncer) serveSession(ctx context.Context, t *talk) error {
	if !s.sharesAny(t.peer) {
		return refusal(wire.CodeUnbound, errUnbound) // nothing of a stranger is read
	}
	open, err := expect[*wire.Open](t)
	if err != nil {
		return err
	}
	if err := s.mayServe(open.Context, t.peer); err != nil {
		return err
	}
	leave, err := s.takePlace(open.Context, t.peer, s.protocols.sync)
	if err != nil {
		return err
	}
	defer leave()
	started := time.Now()
	x := t.session(open.Context)
	x.theirs = open.Known
	if err := x.know(ctx); err != nil {
		return err
	}
	if err := x.write(&wire.Open{Version: wire.Version, Context: x.id, Known: x.mine}); err != nil {
		return err
	}
	s.metrics.running.Inc()
	outcome, err := x.run(ctx)
	s.metrics.running.Dec()
	s.settle(x, x.report(started, outcome, err), false)
	return nil // what went wrong was said
}

// mayServe refuses a peer that is not bound to a context.
func (s *Syncer) mayServe(id ident.ContextID, peer string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.boundLink(id, peer) != nil {
		return nil
	}
	if c := s.contexts[id]; c != nil && c.links[peer] != nil && c.links[peer].unknown {
		return refusal(wire.CodeBusy, errors.New("your admission has not arrived here yet: this node asks you for it"))
	}
	return refusal(wire.CodeUnbound, errUnbound)
}

// exchange runs a session that this node begins.
func (s *Syncer) exchange(ctx context.Context, id ident.ContextID, peer string, pull bool) (*Report, error) {
	started := time.Now()
	t, done, err := s.open(ctx, peer, s.protocols.sync)
	if err != nil {
		r := &Report{Context: id, Peer: peer, Started: started, Took: time.Since(started), Outcome: OutcomeFailed, Reason: err.Error()}
		return r, err
	}
	defer done()
	x := t.session(id)
	x.pull = pull
	s.metrics.running.Inc()
	defer s.metrics.running.Dec()
	outcome := OutcomeFailed
	if err = x.begin(ctx); err == nil {
		outcome, err = x.run(ctx)
	} else {
		err = t.close(err)
	}
	r := x.report(started, outcome, err)
	s.settle(x, r, true)
	if errors.Is(err, replica.ErrContextNotFound) {
		s.relookSoon()
	}
	return r, err
}
