package syncer

import (
	"cmp"
	"slices"
	"time"

	"mero/netkit"
	"mero/node/ident"
	"mero/node/members"
	"mero/node/task"
	"mero/node/wire"
)

// Bounds of what is remembered. What does not fit is counted as dropped.
const (
	// maxPeers is how many nodes are remembered, connected or not.
	maxPeers = 2048
	// maxContexts is how many contexts take part; netkit and the store have room for
	// more than one machine can work with.
	maxContexts = 4096
)

// peer is what is known of another node.
type peer struct {
	id        string
	connected bool
	seen      time.Time // last time it was connected
	links     map[ident.ContextID]*link
	// speaks is the first member as whom it was bound on this connection.
	speaks  ident.PublicKey
	hello   task.Task
	foreign bool   // it does not speak our protocols
	trouble string // what went wrong with the last hello
	beat    task.Task
	beatAt  time.Time     // last heartbeat that was answered
	clock   time.Duration // how far its clock is ahead of where ours would be: see ahead
	clockAt time.Time
	kept    bool // netkit was told to keep it
}

// link is a peer in a context.
type link struct {
	peer    *peer
	context *shared
	// bound until then: its binding was accepted (R14).
	bound   time.Time
	binding members.Binding
	// unknown: the binding is in order, but its member is not known here yet. We may ask
	// it for what makes it known; it gets nothing.
	unknown bool
	// accepted: the peer has served us, so it has accepted our binding, and knows our
	// member.
	accepted bool
	session  task.Task
	begun    time.Time // the session that runs, or ran last, if it is ours
	ended    time.Time // the last session, whoever began it
	last     *Report
	differs  time.Time // since when it is known to be different
	equal    time.Time // when it was last known to be equal
}

// shared is a context that this node takes part in.
type shared struct {
	id     ident.ContextID
	secret wire.Secret
	links  map[string]*link
	topic  *netkit.Topic
	in     inbox
	out    outbox

	code, keys, gap, find, provide, repair task.Task

	served map[holder]int // what nodes of a member have begun

	gapFrom string    // who sent the last deltas whose parents were missing
	moved   time.Time // when heads last changed here

	// fresh: it was joined in this run and could not be used yet; exchanged: all that a
	// member's node had was received since.
	fresh, exchanged bool
	// lacking: it has no application yet. Sessions are put off for a moment, so that
	// deltas are folded when they come instead of waiting first.
	lacking bool

	binding members.Binding // ours, made at bindingAt
	made    time.Time
	found   time.Time // members were last looked for
	wanted  []string  // what is being fetched, for operators
	partial partial
}

// isBound reports whether a link's binding is good.
func (l *link) isBound(now time.Time) bool {
	return l.peer.connected && !l.unknown && now.Before(l.bound)
}

// mayPull reports whether this node may ask the peer for deltas.
func (l *link) mayPull(now time.Time) bool { return l.peer.connected && now.Before(l.bound) }

// boundLink finds a link that is good now. The caller holds the lock.
func (s *Syncer) boundLink(id ident.ContextID, peer string) *link {
	c := s.contexts[id]
	if c == nil {
		return nil
	}
	if l := c.links[peer]; l != nil && l.isBound(s.deps.Wall()) {
		return l
	}
	return nil
}

// isBound reports whether a peer may have what is of a context.
func (s *Syncer) isBound(id ident.ContextID, peer string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.boundLink(id, peer) != nil
}

// sharesAny reports whether a peer is bound to any context: who is not gets nothing
// read.
func (s *Syncer) sharesAny(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.peers[id]
	if p == nil {
		return false
	}
	now := s.deps.Wall()
	for _, l := range p.links {
		if l.isBound(now) {
			return true
		}
	}
	return false
}

// peerOf finds a peer, or begins one. The caller holds the lock. It is nil when there
// is no room: every one that is remembered is connected.
func (s *Syncer) peerOf(id string) *peer {
	if p := s.peers[id]; p != nil {
		return p
	}
	if len(s.peers) >= maxPeers && !s.forgetPeer() {
		s.metrics.dropped.WithLabelValues(dropPeer).Inc()
		return nil
	}
	p := &peer{id: id, links: make(map[ident.ContextID]*link)}
	s.peers[id] = p
	return p
}

// forgetPeer makes room for another: the one that was not seen for longest goes.
func (s *Syncer) forgetPeer() bool {
	var oldest *peer
	for _, p := range s.peers {
		if !p.connected && (oldest == nil || p.seen.Before(oldest.seen)) {
			oldest = p
		}
	}
	if oldest == nil {
		return false
	}
	for _, l := range oldest.links {
		delete(l.context.links, oldest.id)
	}
	s.keep(oldest, false)
	delete(s.peers, oldest.id)
	return true
}

// linkOf finds a link, or begins one. The caller holds the lock.
func (s *Syncer) linkOf(c *shared, p *peer) *link {
	l := c.links[p.id]
	if l == nil {
		l = &link{peer: p, context: c}
		c.links[p.id], p.links[c.id] = l, l
	}
	return l
}

// keep notes whether this node wants to stay connected to a peer. The caller holds
// the lock; netkit is told without it, since it asks us under locks of its own.
func (s *Syncer) keep(p *peer, want bool) {
	if p.kept != want {
		p.kept = want
		s.keeping[p.id] = want
	}
}

// maxKeptPerMember is to how many nodes of one member this node stays connected: a
// member may have as many peer ids as it likes, and must not take the places of others.
const maxKeptPerMember = 4

// keptOf is how many nodes of a member this node stays connected to. The caller holds
// the lock.
func (s *Syncer) keptOf(member ident.PublicKey) int {
	n := 0
	for _, p := range s.peers {
		if !p.kept {
			continue
		}
		for _, l := range p.links {
			if l.binding.Member == member {
				n++
				break
			}
		}
	}
	return n
}

// maxKeptOf is how many nodes of one member this node stays connected to for a context.
// A member can bind as many as it likes, and network.max_kept is for all.
const maxKeptOf = 8

// keptOf is how many nodes of a member are kept.
func (c *shared) keptOf(member ident.PublicKey) int {
	n := 0
	for _, l := range c.links {
		if l.peer.kept && l.binding.Member == member {
			n++
		}
	}
	return n
}

// tellKeeping tells netkit whom to stay connected to.
func (s *Syncer) tellKeeping() {
	s.mu.Lock()
	todo := s.keeping
	s.keeping = make(map[string]bool)
	s.mu.Unlock()
	for id, want := range todo {
		if !want {
			s.deps.Net.Unkeep(id)
		} else if !s.deps.Net.Keep(id, nil) {
			s.metrics.dropped.WithLabelValues(dropKept).Inc() // network.max_kept are kept
		}
	}
}

// sharedOf finds a context that takes part.
func (s *Syncer) sharedOf(id ident.ContextID) *shared {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.contexts[id]
}

// all are the contexts that take part, by id. The caller holds the lock.
func (s *Syncer) all() []*shared {
	out := make([]*shared, 0, len(s.contexts))
	for _, c := range s.contexts {
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b *shared) int { return a.id.Compare(b.id) })
	return out
}

// sorted are the links of a context by peer. The caller holds the lock.
func (c *shared) sorted() []*link {
	out := make([]*link, 0, len(c.links))
	for _, l := range c.links {
		out = append(out, l)
	}
	slices.SortFunc(out, func(a, b *link) int { return cmp.Compare(a.peer.id, b.peer.id) })
	return out
}

// poke wakes the scheduler. It never blocks.
func (s *Syncer) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
