package fold

import (
	"sync"
	"time"

	"mero/node/delta"
	"mero/node/history"
)

// A roll-back of at most shallowDepth deltas, or of what should take no longer than
// shallowCost, is done at once; a deeper one beside the live state (R8). After one that
// took too long none as deep is done at once for giveUpFor.
const (
	shallowDepth = 200
	shallowCost  = 100 * time.Millisecond
	giveUpFor    = time.Minute
)

// Cost is what is known of folding a context on this node. It outlives the graph in
// memory, and is for one goroutine. A nil one learns nothing from Spent.
type Cost struct {
	// Mean is what folding one delta takes, a moving mean.
	Mean time.Duration

	tooDeep uint64 // a roll-back over so many deltas took too long; that holds until
	until   time.Time
	tried   map[delta.ID]*history.Wait
}

// Tried are the deltas that this node could not fold, and when that is tried again.
func (c *Cost) Tried() map[delta.ID]*history.Wait {
	if c.tried == nil {
		c.tried = make(map[delta.ID]*history.Wait)
	}
	return c.tried
}

// Spent notes how long folding one delta took.
func (c *Cost) Spent(took time.Duration) {
	if c != nil {
		c.Mean = (7*c.Mean + took) / 8
	}
}

// IsShallow reports whether a roll-back over so many deltas is one to be done at once.
func (c *Cost) IsShallow(depth uint64) bool {
	if c.tooDeep > 0 && depth >= c.tooDeep && time.Now().Before(c.until) {
		return false
	}
	return depth <= shallowDepth || time.Duration(depth)*c.Mean <= shallowCost
}

// GaveUp notes that a roll-back took too long.
func (c *Cost) GaveUp(depth uint64) {
	c.tooDeep, c.until = max(depth, 1), time.Now().Add(giveUpFor)
}

// share is how much longer than it works a paced job waits, so that all of them take at
// most a quarter of a core while the rest goes on (R8).
const share = 3

// Pace is the share of a core that all paced jobs have together. It is safe for
// concurrent use.
type Pace struct {
	mu   sync.Mutex
	free time.Time // when all that was worked has been rested for
}

// After gives how long a job that has worked so long waits.
func (p *Pace) After(worked time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.free.Before(now) {
		p.free = now.Add(-worked)
	}
	p.free = p.free.Add((1 + share) * worked)
	return p.free.Sub(now)
}
