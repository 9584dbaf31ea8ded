package syncer

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"mero/netkit"
	"mero/node/ident"
	"mero/node/wire"
)

// Now runs a session with a peer, or with the best one ("") and if that fails with
// others, and tells what it did: also when replicas are not equal at its end, which is
// no error. Errors: ErrNoPeer, ErrStranger, ErrContextNotFound of replica, ctx's.
func (s *Syncer) Now(ctx context.Context, id ident.ContextID, peer string) (Report, error) {
	peers, err := s.choose(id, peer)
	if err != nil {
		return Report{}, err
	}
	var last *Report
	for _, p := range peers {
		r, err := s.exchange(ctx, id, p, false)
		if ctx.Err() != nil {
			return *r, ctx.Err()
		}
		last = r
		if err == nil {
			break
		}
	}
	s.mu.Lock()
	if l := s.boundLink(id, last.Peer); l != nil {
		if last.Outcome != OutcomeEqual && last.Outcome != OutcomeWaiting {
			l.session.Want(time.Now().Add(s.cfg.Interval))
		}
		last.NextTry = l.session.Next()
	}
	s.mu.Unlock()
	s.poke()
	return *last, nil
}

// choose gives who can be asked: the peer, or the connected ones, the best first.
func (s *Syncer) choose(id ident.ContextID, peer string) ([]string, error) {
	if !s.isHere(id) {
		if _, err := s.deps.Contexts.Get(id); err != nil {
			return nil, err
		}
		s.relookSoon() // it was made just now
	}
	if peer == "" {
		if peers := s.bestPeers(id); len(peers) > 0 {
			return peers, nil
		}
		return nil, ErrNoPeer
	}
	if !s.isBound(id, peer) {
		return nil, fmt.Errorf("%w: %s", ErrStranger, printable(peer))
	}
	return []string{peer}, nil
}

// Diff asks a peer, or the best one (""), what it holds, and compares; nothing is
// exchanged. Errors as of Now, and those of the connection.
func (s *Syncer) Diff(ctx context.Context, id ident.ContextID, peer string) (Difference, error) {
	peers, err := s.choose(id, peer)
	if err != nil {
		return Difference{}, err
	}
	var failed error
	for _, p := range peers {
		d, err := s.diff(ctx, id, p)
		if err == nil || ctx.Err() != nil {
			return d, err
		}
		failed = err
	}
	return Difference{}, failed
}

// maxWriters bounds the writers that Diff names.
const maxWriters = 1024

func (s *Syncer) diff(ctx context.Context, id ident.ContextID, peer string) (Difference, error) {
	t, done, err := s.open(ctx, peer, s.protocols.sync)
	if err != nil {
		return Difference{}, err
	}
	defer done()
	x := t.session(id)
	if err := x.begin(ctx); err != nil {
		return Difference{}, t.close(err)
	}
	d := Difference{
		Context: id, Peer: peer, Equal: isEqual(&x.mine, &x.theirs), SameHeads: x.mine.Heads == x.theirs.Heads,
		OurDeltas: x.mine.Deltas, TheirDeltas: x.theirs.Deltas, OurWaiting: x.mine.Waiting, TheirWaiting: x.theirs.Waiting,
		OurRoot: x.mine.Root, TheirRoot: x.theirs.Root,
	}
	d.Writers, d.OursOnly, d.TheirsOnly = compareVectors(x.mine.Tips, x.theirs.Tips, maxWriters)
	// All that was wanted is here: how the stream ends is of no matter.
	_ = t.close(t.write(&wire.Refusal{Code: wire.CodeFailed, Words: "only a comparison was wanted"}))
	return d, nil
}

// WaitUsable returns when a context can be worked with: its application is here, and
// all that a connected member's node has is folded. A context that was used before is
// usable at once. Errors: ErrContextNotFound of replica, ErrStopped, and ctx's, which
// names what is missing.
func (s *Syncer) WaitUsable(ctx context.Context, id ident.ContextID) error {
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		missing, err := s.unusable(id)
		if err != nil || missing == "" {
			return err
		}
		select {
		case <-changed:
		case <-s.stopped:
			return ErrStopped
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", missing, ctx.Err())
		}
	}
}

// unusable says what is missing of a context before it can be worked with.
func (s *Syncer) unusable(id ident.ContextID) (string, error) {
	info, err := s.deps.Contexts.Get(id)
	if err != nil {
		return "", err
	}
	_, absent := s.deps.Apps.App(info.App)
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.contexts[id]
	if c == nil {
		return "", nil // it was made here, or is on its way out
	}
	switch {
	case absent != nil:
		return fmt.Sprintf("the application %s is not here yet", info.App), nil
	case len(c.wanted) > 0:
		return c.wanted[0] + " is not here yet", nil
	case !c.fresh && info.Initialised:
		return "", nil
	case !c.exchanged && s.connected(c) == 0:
		return "no member's node is connected", nil
	case !c.exchanged:
		return "what the others have has not been received yet", nil
	case info.Waiting > 0:
		return fmt.Sprintf("%d deltas wait", info.Waiting), nil
	}
	c.fresh = false
	return "", nil
}

// Status is how all contexts stand, by id.
func (s *Syncer) Status() []ContextStatus {
	s.mu.Lock()
	now := s.deps.Wall()
	var (
		out    []ContextStatus
		topics []*netkit.Topic
	)
	for _, c := range s.all() {
		st := ContextStatus{Context: c.id, Discovery: c.found, Fetching: slices.Clone(c.wanted), Equal: true}
		for _, l := range c.sorted() {
			view := l.view(now)
			if view.Connected {
				st.Connected++
				st.Equal = st.Equal && view.Behind.IsZero() && !view.EqualAt.IsZero()
			}
			st.Links = append(st.Links, view)
		}
		st.Equal = st.Equal && st.Connected > 0
		out, topics = append(out, st), append(topics, c.topic)
	}
	s.mu.Unlock()
	for i, t := range topics { // without the lock: netkit asks us who is allowed
		if t != nil {
			out[i].Mesh = len(t.Peers())
		}
	}
	return out
}

// view is a link as operators see it.
func (l *link) view(now time.Time) Link {
	v := Link{
		Context: l.context.id, Peer: l.peer.id, Member: l.binding.Member, Role: l.binding.Role.String(), Connected: l.isBound(now),
		Behind: l.differs, EqualAt: l.equal, Syncing: l.session.Running, Failures: l.session.Failures, NextTry: l.session.Next(),
	}
	if l.last != nil {
		last := *l.last
		last.NextTry = v.NextTry
		v.Last = &last
	}
	return v
}

// Peers is how all peers stand with which this node shares contexts, or did, by id.
func (s *Syncer) Peers() []PeerStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.deps.Wall()
	var out []PeerStatus
	for _, p := range s.peers {
		st := PeerStatus{Peer: p.id, Connected: p.connected, Clock: s.clockOf(p), ClockAt: p.clockAt, Hello: p.trouble}
		for _, l := range p.links {
			st.Links = append(st.Links, l.view(now))
		}
		slices.SortFunc(st.Links, func(a, b Link) int { return a.Context.Compare(b.Context) })
		out = append(out, st)
	}
	slices.SortFunc(out, func(a, b PeerStatus) int { return cmp.Compare(a.Peer, b.Peer) })
	return out
}
