package netkit

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

const (
	// maxStandings is how many peers with penalties are remembered. Ids cost
	// nothing, so a crowd of strangers must not fill the memory.
	maxStandings = 4096
	// maxReasons is how many different words for penalties are counted apart.
	maxReasons      = 32
	maxReasonLength = 32
	otherReasons    = "other"
	// gossipPenalty is what a message that Check rejects costs.
	gossipPenalty = 10
	whyGossip     = "gossip"
	// topicPenalty is what a message of a topic that this node does not take part in
	// costs: nothing to who has not heard yet that it left, much to a flood.
	topicPenalty = 0.01
	whyTopic     = "topic"
)

// standings are the penalties of peers, and who is refused because of them.
type standings struct {
	limit    float64
	halfLife time.Duration
	refuse   time.Duration

	mu    sync.Mutex
	peers map[peer.ID]*standing
}

type standing struct {
	points  float64
	as      time.Time // of when points are; they decay from then on
	refused time.Time // until when the peer is refused
}

func newStandings(cfg Config) *standings {
	return &standings{
		limit: float64(cfg.PenaltyLimit), halfLife: cfg.PenaltyHalfLife, refuse: cfg.RefuseFor,
		peers: make(map[peer.ID]*standing),
	}
}

// now is what is left of the points.
func (s *standing) now(t time.Time, halfLife time.Duration) float64 {
	return s.points * math.Exp2(-float64(t.Sub(s.as))/float64(halfLife))
}

// add adds points, and reports whether the peer is refused from now on.
func (s *standings) add(id peer.ID, points float64) (total float64, refused bool) {
	if !(points > 0) || math.IsInf(points, 0) { // nor NaN
		return s.points(id), false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := time.Now()
	p := s.peers[id]
	if p == nil {
		if len(s.peers) >= maxStandings {
			s.forget(t)
		}
		p = &standing{}
		s.peers[id] = p
	}
	p.points, p.as = p.now(t, s.halfLife)+points, t
	if p.points < s.limit || t.Before(p.refused) {
		return p.points, false
	}
	p.refused = t.Add(s.refuse)
	return p.points, true
}

// forget makes room: what has decayed goes, else the one with the least.
func (s *standings) forget(t time.Time) {
	var least peer.ID
	lowest := math.Inf(1)
	for id, p := range s.peers {
		left := p.now(t, s.halfLife)
		if t.Before(p.refused) {
			left += s.limit // rather somebody who is not refused
		}
		if left < 0.5 {
			delete(s.peers, id)
		} else if left < lowest {
			least, lowest = id, left
		}
	}
	if len(s.peers) >= maxStandings {
		delete(s.peers, least)
	}
}

func (s *standings) points(id peer.ID) float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.peers[id]; p != nil {
		return p.now(time.Now(), s.halfLife)
	}
	return 0
}

// refuses reports whether a peer is refused now.
func (s *standings) refuses(id peer.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.peers[id]
	return p != nil && time.Now().Before(p.refused)
}

// refused counts who is refused now.
func (s *standings) refused() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.peers {
		if time.Now().Before(p.refused) {
			n++
		}
	}
	return n
}

// score is the router's score of a peer: zero while it has little against it,
// since a negative one takes it out of all meshes at once; at the limit, far
// enough down for the router to have nothing to do with it.
func (s *standings) score(id peer.ID) float64 {
	return min(0, -100*(s.points(id)/s.limit-forgiven))
}

// forgiven is the part of the limit that does not touch the router's score.
const forgiven = 0.25

// Penalize counts points against a peer that broke a rule; why is one word for
// which, of a small fixed set. Points halve every network.penalty_half_life. From
// a quarter of network.penalty_limit on, gossip has less and less to do with the
// peer; at the limit it is disconnected, and refused for network.refuse_for.
func (n *Net) Penalize(id string, points float64, why string) {
	if to, err := peer.Decode(id); err == nil {
		n.penalize(to, points, why)
	}
}

func (n *Net) penalize(id peer.ID, points float64, why string) {
	if id == n.host.ID() {
		return
	}
	n.metrics.penalty(why).Add(max(0, points))
	total, refused := n.standings.add(id, points)
	if !refused {
		return
	}
	n.log.Warn().Stringer("peer", id).Float64("points", math.Round(total)).Str("last", why).
		Dur("for_ms", n.cfg.RefuseFor).Msg("peer is refused")
	n.start(func(context.Context) { _ = n.host.Network().ClosePeer(id) }) // or everything is being closed
}

// turnAway disconnects a peer that is refused and has come in all the same, on a
// host that has no gate.
func (n *Net) turnAway(c network.Conn) {
	if n.standings.refuses(c.RemotePeer()) {
		n.start(func(context.Context) { _ = c.Close() })
	}
}

// gate keeps out who is refused. It implements connmgr.ConnectionGater.
type gate struct{ *standings }

// InterceptPeerDial implements connmgr.ConnectionGater.
func (g gate) InterceptPeerDial(id peer.ID) bool { return !g.refuses(id) }

// InterceptAddrDial implements connmgr.ConnectionGater.
func (gate) InterceptAddrDial(peer.ID, ma.Multiaddr) bool { return true }

// InterceptAccept implements connmgr.ConnectionGater: who it is, is not known yet.
func (gate) InterceptAccept(network.ConnMultiaddrs) bool { return true }

// InterceptSecured implements connmgr.ConnectionGater.
func (g gate) InterceptSecured(_ network.Direction, id peer.ID, _ network.ConnMultiaddrs) bool {
	return !g.refuses(id)
}

// InterceptUpgraded implements connmgr.ConnectionGater.
func (gate) InterceptUpgraded(network.Conn) (bool, control.DisconnectReason) { return true, 0 }
