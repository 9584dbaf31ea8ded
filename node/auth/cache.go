package auth

import (
	"crypto/sha256"
	"sync"
)

// maxSeen bounds the cache of verified tokens; when it is full it is emptied,
// which costs each caller one more verification.
const maxSeen = 1024

type digest [sha256.Size]byte

func digestOf(token string) digest { return sha256.Sum256([]byte(token)) }

// cache remembers tokens that verified, by their hash: a signature check and
// a store read a request would cost more than many calls do (P26). A hash as
// the key also keeps a map's timing from saying anything about a token.
// Expiry is checked at each use, and a revocation empties it.
type cache struct {
	mu    sync.RWMutex
	epoch uint64 // +1 at each clear
	known map[digest]Identity
}

// get also returns the epoch that a later put must name.
func (c *cache) get(d digest) (Identity, bool, uint64) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	id, ok := c.known[d]
	return id, ok, c.epoch
}

// put adds what was verified since epoch was read; if a key was revoked
// meanwhile the result may be stale and is not kept.
func (c *cache) put(d digest, id Identity, epoch uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.epoch != epoch {
		return
	}
	if c.known == nil || len(c.known) >= maxSeen {
		c.known = make(map[digest]Identity)
	}
	c.known[d] = id
}

func (c *cache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch++
	c.known = nil
}
