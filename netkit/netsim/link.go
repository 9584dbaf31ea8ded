package netsim

import (
	"math/rand/v2"
	"time"
)

// Link is what happens to packets on their way from one spot to another. The
// zero Link delivers everything at once.
type Link struct {
	Latency time.Duration // of every packet, one way
	Jitter  time.Duration // up to this is added, evenly spread
	Reorder bool          // packets overtake each other by their jitter; otherwise they keep their order
	// Loss is the share of packets that are lost, 0 to 1: each by itself, or, with
	// Burst, all that are sent in bad times of that mean length. (Bursts of a number
	// of packets would not end on a link that is quiet.)
	Loss      float64
	Burst     time.Duration
	Duplicate float64 // the share of packets that arrive twice
	Rate      int     // bytes a second; 0 is no limit
	// Queue is how many bytes wait for Rate before packets are dropped; 0 is
	// DefaultQueue.
	Queue int
}

// Access is the line of one spot: all its links share it.
type Access struct {
	Up, Down int // bytes a second; 0 is no limit
	Queue    int // bytes that wait for each, as Link.Queue
}

// DefaultQueue is what waits for a limited rate, in bytes: 32 packets.
const DefaultQueue = 32 * maxPacket

// maxPacket is the longest packet in bytes, without the headers of UDP and IP:
// what IPv6 carries everywhere. QUIC finds out by itself.
const maxPacket = 1452

// path is one direction of a link while it runs.
type path struct {
	link  Link
	rand  *rand.Rand
	bad   bool      // in a bad time
	until time.Time // which lasts until then, or the good time does
	queue pipe
	last  time.Time // when the latest packet arrives
}

func (p *path) set(l Link) { p.link, p.queue, p.bad, p.until = l, pipe{}, true, time.Time{} }

// lost decides on a packet that is sent now. Good and bad times follow each other;
// how long each lasts is exponentially distributed (Gilbert), and does not depend
// on what is sent.
func (p *path) lost(now time.Time) bool {
	switch {
	case p.link.Loss <= 0:
		return false
	case p.link.Loss >= 1:
		return true
	case p.link.Burst <= 0:
		return p.rand.Float64() < p.link.Loss
	case p.until.IsZero():
		p.until = now // ends a bad time that was none
	}
	for !now.Before(p.until) {
		p.bad = !p.bad
		mean := float64(p.link.Burst)
		if !p.bad {
			mean *= (1 - p.link.Loss) / p.link.Loss
		}
		p.until = p.until.Add(time.Duration(mean * p.rand.ExpFloat64()))
	}
	return p.bad
}

// arrival is when a packet that left at the given time is there.
func (p *path) arrival(left time.Time) time.Time {
	at := left.Add(p.link.Latency)
	if p.link.Jitter > 0 {
		at = at.Add(time.Duration(p.rand.Int64N(int64(p.link.Jitter) + 1)))
	}
	if !p.link.Reorder && at.Before(p.last) {
		at = p.last
	}
	if at.After(p.last) {
		p.last = at
	}
	return at
}

// pipe lets bytes through at a rate and keeps what waits.
type pipe struct{ free time.Time } // when everything that waits is through

// through is when a packet that comes at the given time has left, or false when
// the queue is full.
func (p *pipe) through(at time.Time, size, rate, queue int) (time.Time, bool) {
	if rate <= 0 {
		return at, true
	}
	if queue <= 0 {
		queue = DefaultQueue
	}
	start := at
	if p.free.After(at) {
		start = p.free
		waiting := start.Sub(at).Seconds() * float64(rate)
		if int(waiting)+size > queue {
			return time.Time{}, false
		}
	}
	p.free = start.Add(time.Duration(float64(size) / float64(rate) * float64(time.Second)))
	return p.free, true
}
