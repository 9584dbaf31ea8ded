package syncer

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"time"

	"mero/node/ident"
	"mero/node/replica"
	"mero/node/wire"
)

// states are where the contexts stand that are shared with a peer, ascending by id.
func (s *Syncer) states(peer string) ([]wire.State, error) {
	s.mu.Lock()
	var ids []ident.ContextID
	if p := s.peers[peer]; p != nil {
		now := s.deps.Wall()
		for id, l := range p.links {
			if l.isBound(now) {
				ids = append(ids, id)
			}
		}
	}
	s.mu.Unlock()
	slices.SortFunc(ids, ident.ContextID.Compare)
	out := make([]wire.State, 0, len(ids))
	for _, id := range ids[:min(len(ids), wire.MaxShared)] {
		info, err := s.deps.Contexts.Get(id)
		if errors.Is(err, replica.ErrContextNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, wire.State{Context: id, Heads: wire.Sum(info.Heads), Root: info.Root, Deltas: info.Deltas + info.Voids + info.Waiting})
	}
	return out, nil
}

// digest is one hash over where contexts stand.
func digest(states []wire.State) [32]byte {
	h := sha256.New()
	h.Write([]byte("mero/heartbeat/v1"))
	for i := range states {
		h.Write(states[i].Context[:])
		h.Write(states[i].Heads[:])
		h.Write(states[i].Root[:])
	}
	return [32]byte(h.Sum(nil))
}

// sayBeat is one heartbeat that this node begins.
func (s *Syncer) sayBeat(ctx context.Context, p *peer) bool {
	if s.isUnsettled(p) {
		return true
	}
	err := s.beat(ctx, p.id)
	s.metrics.exchanges.WithLabelValues(withHeartbeat, outcomeOf(err)).Inc()
	if err != nil {
		s.log.Debug().Err(err).Str("peer", p.id).Msg("a heartbeat failed")
	}
	return err == nil
}

// isUnsettled reports whether deltas of a context that is shared with a peer are on
// their way just now, so that a comparison would find what gossip brings anyway; it is
// put off then, but not for long.
func (s *Syncer) isUnsettled(p *peer) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if now.Sub(p.beatAt) > s.cfg.Interval+settleTime {
		return false
	}
	for _, l := range p.links {
		if now.Sub(l.context.moved) < settleTime {
			p.beat.Want(now.Add(settleTime))
			return true
		}
	}
	return false
}

// beat compares all shared contexts with a peer.
func (s *Syncer) beat(ctx context.Context, peer string) (err error) {
	mine, err := s.states(peer)
	if err != nil || len(mine) == 0 {
		return err
	}
	t, done, err := s.open(ctx, peer, s.protocols.heartbeat)
	if err != nil {
		return err
	}
	defer done()
	defer func() { err = t.close(err) }()
	began := s.deps.Wall()
	if err := t.write(&wire.Beat{Version: wire.Version, Shared: uint64(len(mine)), Digest: digest(mine), Clock: s.clockNow()}); err != nil {
		return err
	}
	m, err := t.read()
	if err != nil {
		return err
	}
	half := s.deps.Wall().Sub(began) / 2
	switch m := m.(type) {
	case *wire.Equal:
		s.heard(peer, m.Clock, began.Add(half))
		s.allEqual(peer, mine)
	case *wire.Detail:
		s.heard(peer, m.Clock, began.Add(half))
		s.different(peer, m.States)
	default:
		return errOrder
	}
	return nil
}

// serveHeartbeat answers a heartbeat. Whoever asked acts on differences.
func (s *Syncer) serveHeartbeat(_ context.Context, t *talk) error {
	if !s.sharesAny(t.peer) {
		return refusal(wire.CodeUnbound, errUnbound)
	}
	beat, err := expect[*wire.Beat](t)
	if err != nil {
		return err
	}
	mine, err := s.states(t.peer)
	if err != nil {
		return err
	}
	s.heard(t.peer, beat.Clock, s.deps.Wall())
	if beat.Shared == uint64(len(mine)) && beat.Digest == digest(mine) {
		s.allEqual(t.peer, mine)
		return t.write(&wire.Equal{Clock: s.clockNow()})
	}
	return t.write(&wire.Detail{Clock: s.clockNow(), States: mine})
}

// heard notes a heartbeat, from either side: the next one is due after the interval,
// begun by the one of the two with the lesser id.
func (s *Syncer) heard(peer string, clock uint64, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.peers[peer]
	if p == nil {
		return
	}
	now := time.Now()
	p.beatAt = now
	s.hear(p, clock, at)
	next := now.Add(s.cfg.Heartbeat)
	if peer < s.deps.Net.PeerID() {
		next = next.Add(s.cfg.Heartbeat) // in case the other does not
	}
	p.beat.Due = time.Time{}
	p.beat.Want(next)
}

// allEqual notes that all contexts shared with a peer are equal.
func (s *Syncer) allEqual(peer string, states []wire.State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range states {
		if l := s.boundLink(states[i].Context, peer); l != nil {
			s.compared(l, true)
			l.context.exchanged = true
		}
	}
	s.tell()
}

// different acts on where a peer's contexts stand: a session for each that differs.
func (s *Syncer) different(peer string, theirs []wire.State) {
	mine, err := s.states(peer) // they may have moved meanwhile
	if err != nil {
		return
	}
	at := make(map[ident.ContextID]*wire.State, len(theirs))
	for i := range theirs {
		at[theirs[i].Context] = &theirs[i]
	}
	for i := range mine {
		m := &mine[i]
		t := at[m.Context]
		if t == nil {
			continue
		}
		delete(at, m.Context)
		if s.weigh(peer, m, t) {
			s.wantSession(m.Context, peer, false)
		}
	}
	if len(at) > 0 { // it shares what we do not know that it does
		s.greetSoon(peer)
	}
}

// weigh compares where a context stands on both sides, and reports whether a session is
// wanted.
func (s *Syncer) weigh(peer string, mine, theirs *wire.State) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.boundLink(mine.Context, peer)
	if l == nil {
		return false
	}
	same := mine.Heads == theirs.Heads
	now := time.Now()
	// What gossip is bringing needs no session, unless that goes on for too long.
	moving := now.Sub(l.context.moved) < settleTime && (l.differs.IsZero() || now.Sub(l.differs) < s.cfg.Interval)
	if moving {
		l.peer.beat.Want(now.Add(settleTime))
	}
	s.compared(l, same && mine.Root == theirs.Root)
	if same && mine.Root != theirs.Root {
		s.diverged(l.context, l)
	}
	s.tell()
	return !same && !moving
}
