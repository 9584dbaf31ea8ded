package syncer

import (
	"slices"
	"time"

	"mero/node/ident"
)

const (
	// clockFresh is how long what a peer said of its clock counts.
	clockFresh = 10 * time.Minute
	// minClocks is how many clocks, this node's among them, have a median worth
	// believing (R2).
	minClocks = 3
)

// ahead is how far this node's clock is ahead of where it would be had it run evenly
// since the start: the clocks of peers are compared with that, so that it is noticed at
// once when this one is set.
func (s *Syncer) ahead() time.Duration {
	even := s.began.Round(0).Add(time.Since(s.began))
	return s.deps.Wall().Round(0).Sub(even)
}

// hear notes a peer's clock. The caller holds the lock.
func (s *Syncer) hear(p *peer, clock uint64, at time.Time) {
	if clock >= 1<<53 {
		return // no time of this age
	}
	p.clock, p.clockAt = time.UnixMilli(int64(clock)).Sub(at.Round(0))+s.ahead(), time.Now()
}

// told notes the clock that a peer told in a hello.
func (s *Syncer) told(peer string, clock uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.peerOf(peer); p != nil && clock > 0 {
		s.hear(p, clock, s.deps.Wall())
	}
}

// clockOf is how far a peer's clock is ahead of this node's. The caller holds the lock.
func (s *Syncer) clockOf(p *peer) time.Duration {
	if p.clockAt.IsZero() {
		return 0
	}
	return p.clock - s.ahead()
}

// Skew is how far this node's clock is ahead of the median of the clocks of connected
// members' nodes and its own, negative when it is behind; known when there are at least
// three (R2). It costs what there are peers.
func (s *Syncer) Skew() (ahead time.Duration, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	own := s.ahead()
	clocks := []time.Duration{own}
	for _, clock := range s.clocks(own, now) {
		clocks = append(clocks, clock)
	}
	if len(clocks) < minClocks {
		return 0, false
	}
	slices.Sort(clocks)
	// Of an even number the one of the two middle ones counts that is nearer to this
	// node's: it takes a majority to be wrong.
	low, high := clocks[(len(clocks)-1)/2], clocks[len(clocks)/2]
	median := min(max(own, low), high)
	return own - median, true
}

// clocks are those of members, by connected nodes that are bound as them. A member can
// bind as many nodes as it likes, and has one clock all the same: the one that is nearest
// to this node's. The caller holds the lock.
func (s *Syncer) clocks(own time.Duration, now time.Time) map[ident.PublicKey]time.Duration {
	out := make(map[ident.PublicKey]time.Duration)
	for _, p := range s.peers {
		if !p.connected || p.speaks.IsZero() || p.clockAt.IsZero() || now.Sub(p.clockAt) >= clockFresh {
			continue
		}
		if before, known := out[p.speaks]; !known || (p.clock-own).Abs() < (before-own).Abs() {
			out[p.speaks] = p.clock
		}
	}
	return out
}

// clockNow is this node's clock on the wire.
func (s *Syncer) clockNow() uint64 { return uint64(max(s.deps.Wall().UnixMilli(), 0)) }
