package syncer

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"mero/netkit"
	"mero/node/ident"
	"mero/node/members"
	"mero/node/task"
	"mero/node/wire"
)

const (
	// helloAgain is how long after one hello the next one is due, long before the
	// bindings end (24 h at most).
	helloAgain = 6 * time.Hour
	// helloYield is how long the peer with the greater id leaves the hello, and the
	// first session, to the other, so that only one of the two begins.
	helloYield = 2 * time.Second
	// bindingLife is how old a binding of ours gets before it is made anew.
	bindingLife = time.Hour
	// helloBytes bounds the bindings of one hello, below wire.MaxHelloFrame.
	helloBytes = 900 << 10
)

// greetAll asks all connected peers again which contexts they share. The caller holds
// the lock.
func (s *Syncer) greetAll() {
	for _, p := range s.peers {
		if p.connected && !p.foreign {
			p.hello.Fresh()
			p.hello.Want(time.Now())
		}
	}
	s.poke()
}

// greetAgain asks for a hello with a peer that has forgotten our bindings, or never took
// them: it may have been restarted.
func (s *Syncer) greetAgain(peer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.peers[peer]
	if p == nil {
		return
	}
	for _, l := range p.links {
		l.accepted = false
	}
	p.hello.Want(time.Now().Add(s.cfg.Interval))
}

// greetSoon asks for a hello with a peer.
func (s *Syncer) greetSoon(peer string) {
	s.mu.Lock()
	if p := s.peers[peer]; p != nil {
		p.hello.Want(time.Now().Add(s.cfg.Interval))
	}
	s.mu.Unlock()
	s.poke()
}

// tend sees to it that nobody is forgotten who is connected: bindings end, and clocks
// are set.
func (s *Syncer) tend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, wall := time.Now(), s.deps.Wall()
	for _, p := range s.peers {
		if !p.connected || len(p.links) == 0 {
			continue
		}
		if p.beat.Due.IsZero() && !p.beat.Running {
			p.beat.Want(now.Add(s.cfg.Heartbeat))
		}
		for _, l := range p.links {
			if !l.mayPull(wall) {
				p.hello.Want(now.Add(s.cfg.Interval))
			}
		}
	}
}

// connections brings what is known of peers up to date with who is connected.
func (s *Syncer) connections() {
	now := time.Now()
	here := make(map[string]bool)
	for _, p := range s.deps.Net.Peers() {
		here[p.ID] = true
	}
	var renew []*netkit.Topic
	s.mu.Lock()
	for id := range here {
		p := s.peerOf(id)
		if p == nil || p.connected {
			continue
		}
		p.connected, p.foreign = true, false
		p.hello.Fresh()
		p.beat.Fresh()
		for _, l := range p.links {
			l.session.Fresh()
		}
		at := now
		if id < s.deps.Net.PeerID() {
			at = now.Add(helloYield)
		}
		p.hello.Want(at)
	}
	for id, p := range s.peers {
		if p.connected && !here[id] {
			renew = append(renew, s.disconnected(p, now)...)
		}
		if p.connected {
			p.seen = now
		}
	}
	s.mu.Unlock()
	for _, t := range renew {
		t.Renew()
	}
}

// disconnected notes that a peer is gone. The caller holds the lock, and renews the
// topics.
func (s *Syncer) disconnected(p *peer, now time.Time) []*netkit.Topic {
	var topics []*netkit.Topic
	p.connected, p.seen, p.speaks = false, now, ident.PublicKey{}
	p.hello.Due, p.beat.Due = time.Time{}, time.Time{}
	for _, l := range p.links {
		if !l.bound.IsZero() && l.context.topic != nil {
			topics = append(topics, l.context.topic)
		}
		l.bound = time.Time{}
		l.session.Due = time.Time{}
		if len(l.context.links) > 0 && s.connected(l.context) == 0 {
			l.context.find.Want(now.Add(s.cfg.Discovery))
		}
	}
	s.tell()
	return topics
}

// connected is how many members' nodes of a context are. The caller holds the lock.
func (s *Syncer) connected(c *shared) int {
	n, now := 0, s.deps.Wall()
	for _, l := range c.links {
		if l.isBound(now) {
			n++
		}
	}
	return n
}

// hello finds out which contexts a peer shares, and shows and gets bindings for them.
func (s *Syncer) hello(ctx context.Context, peer string) (err error) {
	t, done, err := s.open(ctx, peer, s.protocols.hello)
	if err != nil {
		return err
	}
	defer done()
	defer func() { err = t.close(err) }()
	hello := wire.Hello{Version: wire.Version, Clock: s.clockNow()}
	_, _ = rand.Read(hello.Nonce[:]) // never fails since Go 1.24
	mine := s.deps.Net.PeerID()
	expected := make(map[wire.Tag]ident.ContextID)
	for id, secret := range s.secrets() {
		hello.Tags = append(hello.Tags, secret.Tag(mine, peer, hello.Nonce))
		expected[secret.Tag(peer, mine, hello.Nonce)] = id
	}
	slices.SortFunc(hello.Tags, compareTags)
	if err := t.write(&hello); err != nil {
		return err
	}
	tags, err := expect[*wire.Tags](t)
	if err != nil {
		return err
	}
	s.told(peer, tags.Clock)
	var common []ident.ContextID
	for _, tag := range tags.Tags {
		if id, ok := expected[tag]; ok {
			common = append(common, id)
			delete(expected, tag)
		}
	}
	if err := t.write(&wire.Bindings{Bound: s.bindings(peer, common)}); err != nil {
		return err
	}
	theirs, err := expect[*wire.Bindings](t)
	if err != nil {
		return err
	}
	s.accept(ctx, peer, theirs.Bound, true)
	return nil
}

// serveHello answers a hello.
func (s *Syncer) serveHello(ctx context.Context, t *talk) error {
	hello, err := expect[*wire.Hello](t)
	if err != nil {
		return err
	}
	mine := s.deps.Net.PeerID()
	s.told(t.peer, hello.Clock)
	answer := wire.Tags{Clock: s.clockNow()}
	for _, secret := range s.secrets() {
		if _, ok := slices.BinarySearchFunc(hello.Tags, secret.Tag(t.peer, mine, hello.Nonce), compareTags); ok {
			answer.Tags = append(answer.Tags, secret.Tag(mine, t.peer, hello.Nonce))
		}
	}
	slices.SortFunc(answer.Tags, compareTags)
	if err := t.write(&answer); err != nil {
		return err
	}
	theirs, err := expect[*wire.Bindings](t)
	if err != nil {
		return err
	}
	accepted := s.accept(ctx, t.peer, theirs.Bound, false)
	return t.write(&wire.Bindings{Bound: s.bindings(t.peer, accepted)})
}

func compareTags(a, b wire.Tag) int { return slices.Compare(a[:], b[:]) }

// secrets are those of all contexts that take part.
func (s *Syncer) secrets() map[ident.ContextID]wire.Secret {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[ident.ContextID]wire.Secret, min(len(s.contexts), wire.MaxTags))
	for id, c := range s.contexts {
		if len(out) < wire.MaxTags {
			out[id] = c.secret
		}
	}
	return out
}

// bindings are ours in some contexts, for a peer. Those that it has not seen come
// first, with what shows our admission; what does not fit is for the next hello.
func (s *Syncer) bindings(peer string, ids []ident.ContextID) []wire.Bound {
	knows := make(map[ident.ContextID]bool)
	s.mu.Lock()
	for _, id := range ids {
		l := s.boundLink(id, peer)
		knows[id] = l != nil && l.accepted
	}
	s.mu.Unlock()
	isKnown := func(id ident.ContextID) int {
		if knows[id] {
			return 1
		}
		return 0
	}
	slices.SortFunc(ids, func(a, b ident.ContextID) int {
		return cmp.Or(cmp.Compare(isKnown(a), isKnown(b)), a.Compare(b))
	})
	var out []wire.Bound
	size := 0
	for _, id := range ids {
		b, err := s.binding(id)
		if err != nil {
			s.log.Debug().Err(err).Stringer("context", id).Msg("no binding to show")
			continue
		}
		bound := wire.Bound{Binding: b.Encode()}
		if isKnown(id) == 0 {
			bound.Admissions = s.admissions(id, b.Member)
		}
		size += len(bound.Binding) + 16
		for _, a := range bound.Admissions {
			size += len(a) + 8
		}
		if len(out) == wire.MaxShared || size > helloBytes {
			s.metrics.dropped.WithLabelValues(dropBinding).Inc()
			break
		}
		out = append(out, bound)
	}
	return out
}

// binding is ours in a context; it is made once an hour.
func (s *Syncer) binding(id ident.ContextID) (members.Binding, error) {
	now := s.deps.Wall()
	if c := s.sharedOf(id); c != nil {
		s.mu.Lock()
		b, made := c.binding, c.made
		s.mu.Unlock()
		if age := now.Sub(made); age >= 0 && age < bindingLife {
			return b, nil
		}
	}
	b, err := s.deps.Contexts.Binding(id, s.deps.Net.PeerID(), now)
	if err != nil {
		return b, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.contexts[id]; c != nil {
		c.binding, c.made = b, now
	}
	return b, nil
}

// admissions are the deltas that made a member one; none when they are too large to be
// shown.
func (s *Syncer) admissions(id ident.ContextID, key ident.PublicKey) [][]byte {
	chain, err := s.deps.Contexts.Admissions(id, key, wire.MaxAdmissions)
	if err != nil || slices.ContainsFunc(chain, func(e []byte) bool { return len(e) > wire.MaxAdmission }) {
		return nil
	}
	return chain
}

// accept looks at the bindings of a peer and gives the contexts in which it is bound
// now, or may be asked. caller tells which side of the hello this is: it begins the
// sessions.
func (s *Syncer) accept(ctx context.Context, peer string, list []wire.Bound, caller bool) []ident.ContextID {
	now := s.deps.Wall()
	var good []ident.ContextID
	for _, bound := range list {
		b, err := members.DecodeBinding(bound.Binding)
		if err == nil {
			err = s.check(ctx, peer, b, bound.Admissions, now)
		}
		unknown := errors.Is(err, members.ErrNotMember)
		if err != nil && !unknown {
			s.log.Info().Err(err).Str("peer", peer).Stringer("context", b.Context).Msg("a binding was refused")
			s.deps.Net.Penalize(peer, penaltyUnbound, "binding")
			continue
		}
		if s.bind(peer, b, unknown, caller) {
			good = append(good, b.Context)
		}
	}
	return good
}

// check says whether a binding is good: nil, ErrNotMember for a member that may be one
// although it is not known here yet, or what is wrong.
func (s *Syncer) check(ctx context.Context, peer string, b members.Binding, admissions [][]byte, now time.Time) error {
	if s.sharedOf(b.Context) == nil {
		return errUnbound
	}
	err := s.deps.Contexts.CheckBinding(b, peer, now)
	if !errors.Is(err, members.ErrNotMember) {
		return err
	}
	if s.isNovice(b.Context) {
		return err // whoever holds the context may be asked for how we came into it
	}
	// It proves itself: members admitted it whom a known member admitted. Where the past
	// of that is here already, taking it in makes the member known; otherwise the peer
	// may be asked for it.
	if err := s.deps.Contexts.Vouched(b.Context, b.Member, admissions); err != nil {
		return fmt.Errorf("%w: %s", errUnbound, err.Error()) // without ErrNotMember: there is nothing to wait for
	}
	if _, err := s.deps.Contexts.Receive(ctx, b.Context, admissions); err != nil {
		return err
	}
	return s.deps.Contexts.CheckBinding(b, peer, now)
}

// isNovice reports whether this node does not know yet that it is a member itself: what
// its admission rests on has not come.
func (s *Syncer) isNovice(id ident.ContextID) bool {
	owned, err := s.deps.Contexts.Owned(id)
	if err != nil {
		return false
	}
	list, err := s.deps.Contexts.Membership(id)
	return err == nil && !slices.ContainsFunc(list, func(m members.Member) bool { return slices.Contains(owned, m.Key) })
}

// bind notes an accepted binding, and what follows from it.
func (s *Syncer) bind(peer string, b members.Binding, unknown, caller bool) bool {
	now := time.Now()
	s.mu.Lock()
	c, p := s.contexts[b.Context], s.peerOf(peer)
	if c == nil || p == nil {
		s.mu.Unlock()
		return false
	}
	l := s.linkOf(c, p)
	before := l.isBound(s.deps.Wall())
	p.connected, p.seen = true, now // it talks to us
	l.bound, l.binding, l.unknown = b.Expires, b, unknown
	if !unknown && p.speaks.IsZero() {
		p.speaks = b.Member
	}
	if !before {
		l.session.Fresh()
		at := now
		if !caller && !unknown || c.lacking {
			at = now.Add(helloYield)
		}
		l.session.Want(at)
		p.beat.Want(now.Add(settleTime))                      // which tells the clock, too
		for _, t := range [...]*task.Task{&c.code, &c.keys} { // there is somebody new to be asked
			t.Fresh()
			t.Want(now)
		}
	}
	if s.keptOf(b.Member) < maxKeptPerMember {
		s.keep(p, p.kept || c.keptOf(b.Member) < maxKeptOf)
	}
	topic := c.topic
	s.tell()
	s.mu.Unlock()
	s.poke()
	if topic != nil && !before && !unknown {
		topic.Renew()
		s.log.Info().Str("peer", peer).Stringer("context", b.Context).Stringer("member", b.Member).Msg("a member's node is connected")
	}
	return true
}

// know looks again at peers of a context whose member was not known: its admission may
// have come.
func (s *Syncer) know(id ident.ContextID) {
	s.mu.Lock()
	var unknown []members.Binding
	if c := s.contexts[id]; c != nil {
		for _, l := range c.links {
			if l.unknown && l.mayPull(s.deps.Wall()) {
				unknown = append(unknown, l.binding)
			}
		}
	}
	s.mu.Unlock()
	for _, b := range unknown {
		if s.deps.Contexts.CheckBinding(b, b.Peer, s.deps.Wall()) == nil {
			s.bind(b.Peer, b, false, true)
		}
	}
}
