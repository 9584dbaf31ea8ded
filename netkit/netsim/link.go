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
	// Loss is the share of packets that are lost, 0 to 1. They are lost Burst in a
	// row on average; up to 1 each by itself.
	Loss, Burst float64
	Duplicate   float64 // the share of packets that arrive twice
	Rate        int     // bytes a second; 0 is no limit
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
	bad   bool // in a burst of loss
	queue pipe
	last  time.Time // when the latest packet arrives
}

// lost decides on one packet: two states, good and bad, and all packets of the
// bad one are lost (Gilbert). Burst is the mean stay in the bad state.
func (p *path) lost() bool {
	if p.link.Loss <= 0 {
		p.bad = false
		return false
	}
	if p.link.Loss >= 1 {
		return true
	}
	if p.link.Burst <= 1 {
		return p.rand.Float64() < p.link.Loss
	}
	leave := 1 / p.link.Burst
	if p.bad {
		p.bad = p.rand.Float64() >= leave
	} else {
		p.bad = p.rand.Float64() < leave*p.link.Loss/(1-p.link.Loss)
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
