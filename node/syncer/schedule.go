package syncer

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"mero/node/history"
	"mero/node/ident"
	"mero/node/members"
	"mero/node/store"
	"mero/node/task"
)

// Most of each kind of work at a time; sessions are config.
const (
	maxHellos  = 16
	maxBeats   = 16
	maxFetches = 4
	maxFinds   = 4
)

const (
	// settleTime is how long heads have to be still before peers are asked whether
	// theirs are the same.
	settleTime = 500 * time.Millisecond
	// beatRest is the shortest time between two heartbeats with a peer.
	beatRest = 2 * time.Second
	// gapWait is how long parents that gossip has not brought are waited for: messages
	// overtake each other. gapRest is the shortest time between two sessions with a peer
	// because of them.
	gapWait = 50 * time.Millisecond
	gapRest = 250 * time.Millisecond
	// repairRest is how long after one check of a context for a divergence the next
	// one may begin.
	repairRest = 10 * time.Minute
)

// kinds of work that are bounded apart.
type kind int

const (
	kindHello kind = iota
	kindSession
	kindBeat
	kindFetch
	kindFind
	kinds
)

// loads counts what runs. The scheduler's alone, but for what ends.
type loads [kinds]int

func (s *Syncer) most(k kind) int {
	return [...]int{kindHello: maxHellos, kindSession: s.cfg.Sessions, kindBeat: maxBeats, kindFetch: maxFetches, kindFind: maxFinds}[k]
}

// schedule begins what is due, and finds out what there is to do, until ctx ends; it
// waits for all that it began.
func (s *Syncer) schedule(ctx context.Context, changes <-chan struct{}) error {
	var work errgroup.Group
	defer func() { _ = work.Wait() }() // work reports by itself
	check := time.NewTicker(s.cfg.Check)
	defer check.Stop()
	next := time.NewTimer(0)
	defer next.Stop()
	if err := s.look(ctx); err != nil {
		return err
	}
	s.connections()
	for {
		at := s.dispatch(ctx, &work)
		s.tellKeeping()
		next.Reset(min(max(time.Until(at), 0), s.cfg.Check))
		select {
		case <-ctx.Done():
			return nil
		case <-changes:
			s.connections()
		case <-check.C:
			s.connections()
			s.tend()
			if err := s.look(ctx); err != nil {
				return err
			}
		case <-s.wake:
			if s.stale() {
				if err := s.look(ctx); err != nil {
					return err
				}
			}
		case <-next.C:
		}
	}
}

// look finds contexts that came or went. What the store can not tell now is asked
// again.
func (s *Syncer) look(ctx context.Context) error {
	err := s.refresh(ctx)
	if errors.Is(err, store.ErrClosed) {
		return err
	}
	if err != nil && ctx.Err() == nil {
		s.log.Warn().Err(err).Msg("contexts can not be listed")
	}
	return nil
}

// stale reports whether somebody asked for a look at the contexts.
func (s *Syncer) stale() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.relook
	s.relook = false
	return was
}

// relookSoon asks the scheduler to look for contexts that came or went.
func (s *Syncer) relookSoon() {
	s.mu.Lock()
	s.relook = true
	s.mu.Unlock()
	s.poke()
}

// round is one look at what is due.
type round struct {
	s     *Syncer
	ctx   func() error // that of Run: what it ended is no failure
	now   time.Time
	next  time.Time // when the next thing is due
	begun []func()
}

// try begins a task if it is due and there is room; run reports whether it went well.
// The caller holds the lock.
func (r *round) try(t *task.Task, k kind, first, most time.Duration, run func() bool) {
	s := r.s
	at := t.Next()
	switch {
	case at.IsZero():
		return
	case at.After(r.now):
		if at.Before(r.next) {
			r.next = at
		}
		return
	case s.load[k] >= s.most(k) || !t.Begin(r.now):
		return // whoever ends wakes the scheduler
	}
	s.load[k]++
	r.begun = append(r.begun, func() {
		ok := run()
		s.mu.Lock()
		s.load[k]--
		t.End(time.Now(), ok || r.ctx() != nil, first, most)
		s.mu.Unlock()
		s.poke()
	})
}

// dispatch begins what is due and has room, and gives when the next thing is.
func (s *Syncer) dispatch(ctx context.Context, work *errgroup.Group) time.Time {
	now := time.Now()
	r := &round{s: s, ctx: ctx.Err, now: now, next: now.Add(s.cfg.Check)}
	s.mu.Lock()
	for _, p := range s.peers {
		s.tryPeer(ctx, r, p)
	}
	for _, c := range s.contexts {
		s.tryContext(ctx, r, c)
	}
	s.mu.Unlock()
	for _, f := range r.begun {
		work.Go(func() error { f(); return nil })
	}
	return r.next
}

func (s *Syncer) tryPeer(ctx context.Context, r *round, p *peer) {
	if !p.connected {
		return
	}
	if len(s.contexts) > 0 && !p.foreign {
		r.try(&p.hello, kindHello, s.cfg.Interval, s.cfg.RetryMax, func() bool { return s.sayHello(ctx, p) })
	}
	r.try(&p.beat, kindBeat, s.cfg.Heartbeat, s.cfg.RetryMax, func() bool { return s.sayBeat(ctx, p) })
}

func (s *Syncer) tryContext(ctx context.Context, r *round, c *shared) {
	wall := s.deps.Wall()
	for _, l := range c.links {
		if l.mayPull(wall) && s.hasRoom(l, r.now) {
			r.try(&l.session, kindSession, s.cfg.Interval, s.cfg.RetryMax, func() bool { return s.sayOpen(ctx, l) })
		}
	}
	if s.canAsk(c, wall) {
		r.try(&c.code, kindFetch, time.Second, s.cfg.RetryMax, func() bool { return s.fetchCode(ctx, c) })
		r.try(&c.keys, kindFetch, time.Second, s.cfg.RetryMax, func() bool { return s.pullKeys(ctx, c) })
	}
	r.try(&c.gap, kindFetch, gapWait, gapRest, func() bool { return s.fillGap(ctx, c) })
	r.try(&c.repair, kindFetch, repairRest, repairRest, func() bool { return s.repair(ctx, c) })
	r.try(&c.find, kindFind, s.cfg.Discovery, maxFindRest, func() bool { return s.findMembers(ctx, c) })
	r.try(&c.provide, kindFind, s.cfg.Discovery, maxFindRest, func() bool { return s.provide(ctx, c) })
}

// canAsk reports whether a member's node is connected, known here or not. The caller
// holds the lock.
func (s *Syncer) canAsk(c *shared, wall time.Time) bool {
	for _, l := range c.links {
		if l.mayPull(wall) {
			return true
		}
	}
	return false
}

// hasRoom reports whether a session with a peer may begin: one of a context at a time, so
// that several peers do not send the same, unless the one that runs takes long: it may be
// with the wrong peer. Then not with that one's member, which may have many nodes. Those
// whose member is not known here do not take the places of others.
func (s *Syncer) hasRoom(to *link, now time.Time) bool {
	running := 0
	for _, l := range to.context.links {
		if !l.session.Running || l.unknown && !to.unknown {
			continue
		}
		if running++; now.Sub(l.begun) < s.cfg.Timeout || to.unknown && l.unknown || l.binding.Member == to.binding.Member {
			return false
		}
	}
	return running < 3
}

// sayHello is one hello that this node begins.
func (s *Syncer) sayHello(ctx context.Context, p *peer) bool {
	err := s.hello(ctx, p.id)
	s.metrics.exchanges.WithLabelValues(withHello, outcomeOf(err)).Inc()
	s.mu.Lock()
	defer s.mu.Unlock()
	p.trouble = ""
	switch {
	case err == nil:
		p.hello.Want(time.Now().Add(helloAgain))
	case isForeign(err):
		p.foreign, p.trouble = true, "it does not speak mero's protocols"
		return true
	default:
		p.trouble = err.Error()
		s.log.Debug().Err(err).Str("peer", p.id).Msg("a hello failed")
	}
	return err == nil
}

// fillGap asks who sent the last deltas for the parents that are still missing.
func (s *Syncer) fillGap(ctx context.Context, c *shared) bool {
	known, err := s.deps.Contexts.Known(ctx, c.id)
	if err != nil || len(known.Missing) == 0 {
		return true
	}
	s.mu.Lock()
	from := c.gapFrom
	s.mu.Unlock()
	s.wantSession(c.id, from, true)
	return true
}

// sayOpen is one session that this node begins.
func (s *Syncer) sayOpen(ctx context.Context, l *link) bool {
	s.mu.Lock()
	l.begun = time.Now()
	pull := l.unknown
	s.mu.Unlock()
	r, _ := s.exchange(ctx, l.context.id, l.peer.id, pull)
	if pull {
		s.know(l.context.id)
	}
	return s.follow(l, r)
}

// follow draws the conclusions of a session for the next one. It reports whether the
// peer may be asked again without a back-off.
func (s *Syncer) follow(l *link, r *Report) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	switch r.Outcome {
	case OutcomeEqual, OutcomeWaiting: // what waits here changes heads when it comes
		return true
	case OutcomeMoving, OutcomeDiverged:
		l.session.Want(now.Add(s.cfg.Interval))
		return true
	case OutcomeStuck:
		return l.unknown && r.Received > 0 // it was asked for what made it known
	case OutcomeRefused, OutcomeFailed:
	}
	return false
}

// settle notes what a session did, whoever began it.
func (s *Syncer) settle(x *session, r *Report, ours bool) {
	s.metrics.session(r, ours)
	ev := s.log.Debug()
	if r.Outcome != OutcomeEqual || r.Sent+r.Received > 0 {
		ev = s.log.Info()
	}
	ev.Stringer("context", r.Context).Str("peer", r.Peer).Str("outcome", string(r.Outcome)).Str("reason", r.Reason).
		Uint64("sent", r.Sent).Uint64("received", r.Received).Bool("ours", ours).Dur("took", r.Took).Msg("session ended")
	s.mu.Lock()
	c := s.contexts[r.Context]
	if c == nil {
		s.mu.Unlock()
		return
	}
	l := c.links[r.Peer]
	if l != nil {
		l.last, l.ended = r, time.Now()
		l.accepted = l.accepted || ours && r.Outcome != OutcomeRefused && r.Outcome != OutcomeFailed
		s.compared(l, r.Outcome == OutcomeEqual)
		if (r.Outcome == OutcomeEqual || r.Outcome == OutcomeWaiting) && !ours {
			l.session.Due = time.Time{} // the other side was first
		}
	}
	switch r.Outcome {
	case OutcomeEqual, OutcomeWaiting, OutcomeMoving:
		c.exchanged = true
	case OutcomeStuck, OutcomeDiverged, OutcomeRefused, OutcomeFailed:
	}
	if r.Outcome == OutcomeDiverged {
		s.diverged(c, l)
	}
	s.need(c, x.held)
	s.tell()
	s.mu.Unlock()
	if r.Received > 0 {
		s.headsMoved(r.Context, r.Peer)
		s.know(r.Context)
	}
	s.poke()
}

// need asks for what deltas of a context wait for. The caller holds the lock.
func (s *Syncer) need(c *shared, held map[string]int) {
	if held[history.Code] > 0 {
		c.code.Want(time.Now())
	}
	if held[history.Key] > 0 {
		c.keys.Want(time.Now())
	}
}

// compared notes that a peer is, or is not, equal to this node. The caller holds the
// lock.
func (s *Syncer) compared(l *link, equal bool) {
	now := time.Now()
	if !equal {
		if l.differs.IsZero() {
			l.differs = now
		}
		return
	}
	if !l.differs.IsZero() {
		s.metrics.lag.Observe(now.Sub(l.differs).Seconds())
	}
	l.differs, l.equal = time.Time{}, now
}

// headsMoved asks the peers of a context soon whether they are there too, but for the
// one that brought what moved the heads. Of each pair, the one with the greater id
// leaves it to the other for a while.
func (s *Syncer) headsMoved(id ident.ContextID, from string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.contexts[id]
	if c == nil {
		return
	}
	now, wall := time.Now(), s.deps.Wall()
	c.moved = now
	sooner := false
	for _, l := range c.links {
		if l.peer.id == from || !l.isBound(wall) {
			continue
		}
		at := now.Add(settleTime)
		if l.peer.id < s.deps.Net.PeerID() {
			at = at.Add(helloYield)
		}
		if rest := l.peer.beatAt.Add(beatRest); at.Before(rest) {
			at = rest
		}
		if due := l.peer.beat.Due; due.IsZero() || at.Before(due) {
			l.peer.beat.Want(at)
			sooner = true
		}
	}
	if sooner {
		s.poke()
	}
}

// wantSession asks for a session with a peer. urgent ones do not wait for the interval.
func (s *Syncer) wantSession(id ident.ContextID, peer string, urgent bool) {
	s.mu.Lock()
	l := s.boundLink(id, peer)
	if l != nil {
		rest := s.cfg.Interval
		if urgent {
			rest = min(gapRest, rest)
		}
		at := time.Now()
		if next := l.ended.Add(rest); at.Before(next) {
			at = next
		}
		l.session.Want(at)
	}
	s.mu.Unlock()
	if l != nil {
		s.poke()
	}
}

// diverged notes replicas with the same heads and different roots (R9). The caller
// holds the lock.
func (s *Syncer) diverged(c *shared, l *link) {
	s.metrics.diverged.Inc()
	ev := s.log.Error().Stringer("context", c.id)
	if l != nil {
		ev = ev.Str("peer", l.peer.id).Stringer("member", l.binding.Member)
	}
	ev.Msg("another node has folded the same deltas and has another root: one of the two is damaged; this one is checked")
	c.repair.Want(time.Now())
}

// repair checks the state of a context, and folds it again if it is not right. If it is
// right, the damage is the other node's, which does the same.
func (s *Syncer) repair(ctx context.Context, c *shared) bool {
	rep, err := s.deps.Contexts.Repair(ctx, c.id)
	ev := s.log.Warn()
	if err != nil {
		ev = s.log.Error().Err(err)
	}
	for _, p := range rep.Problems {
		ev = ev.Str("problem", p.What).Hex("key", p.Key)
	}
	ev.Stringer("context", c.id).Bool("repaired", rep.Repaired).Int("problems", len(rep.Problems)).Dur("took", rep.Took).
		Msg("state checked because of a divergence")
	if err == nil && rep.Repaired {
		s.metrics.repaired.Inc()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c.repair.Blocked = time.Now().Add(repairRest)
	for _, l := range c.links {
		if !l.differs.IsZero() {
			l.session.Want(time.Now())
		}
	}
	s.tell()
	return err == nil
}

// newest is the link that promises most for a context: bound, then equal last, then
// with the fewest failures. The caller holds the lock.
func (s *Syncer) best(c *shared) []*link {
	wall := s.deps.Wall()
	var out []*link
	for _, l := range c.sorted() {
		if l.isBound(wall) {
			out = append(out, l)
		}
	}
	slices.SortStableFunc(out, func(a, b *link) int {
		switch {
		case a.session.Failures != b.session.Failures:
			return a.session.Failures - b.session.Failures
		case (a.binding.Role == members.ReadOnly) != (b.binding.Role == members.ReadOnly):
			if a.binding.Role == members.ReadOnly {
				return 1
			}
			return -1
		}
		return b.equal.Compare(a.equal)
	})
	return out
}
