package syncer

import (
	"context"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// firstFind is how long a context waits for peers to come by themselves (the peer
	// book, entry points, a join) before the DHT is asked.
	firstFind = 2 * time.Second
	// enough is with how many connected members' nodes a context is not lonely.
	enough = 3
	// maxFindRest is the longest wait after the DHT failed.
	maxFindRest = 5 * time.Minute
	// calmFind is how often members are looked for while some are connected, but fewer
	// than enough.
	calmFind = 10 * time.Minute
	// provideEvery is how often this node tells the DHT again that it holds a context;
	// others forget it after a day.
	provideEvery = 6 * time.Hour
	// maxFound is how many nodes one search follows.
	maxFound = 16
	// maxGreets is how many of them are greeted at a time.
	maxGreets = 8
)

// findMembers looks for members' nodes of a context in the DHT, unless enough are
// connected, and greets those that it finds.
func (s *Syncer) findMembers(ctx context.Context, c *shared) bool {
	s.mu.Lock()
	connected := s.connected(c)
	s.mu.Unlock()
	again := s.cfg.Discovery
	if connected > 0 {
		again = calmFind
	}
	defer func() {
		s.mu.Lock()
		c.find.Want(time.Now().Add(again - rand.N(again/4+1))) //nolint:gosec // spreads load, hides nothing
		s.mu.Unlock()
	}()
	if connected >= enough {
		return true
	}
	// Each has its own time: who does not answer costs the others nothing.
	var all errgroup.Group
	defer func() { _ = all.Wait() }() // each tells by itself
	all.SetLimit(maxGreets)
	if connected == 0 {
		all.Go(func() error { s.goBack(ctx, c); return nil })
	}
	step, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	found, err := s.deps.Net.FindProviders(step, c.secret.Rendezvous(), maxFound)
	if err != nil {
		s.log.Debug().Err(err).Stringer("context", c.id).Msg("no members were found")
		return false
	}
	s.mu.Lock()
	c.found = time.Now()
	s.mu.Unlock()
	for _, id := range found {
		s.mu.Lock()
		p := s.peers[id]
		known := p != nil && p.connected
		s.mu.Unlock()
		if known {
			continue
		}
		all.Go(func() error { s.greetFound(ctx, id); return nil })
	}
	return true
}

// greetFound says hello to somebody whom the DHT names. The hello dials it; anybody can
// claim to hold a context, so it is not kept before it has shown a binding.
func (s *Syncer) greetFound(ctx context.Context, id string) {
	step, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	if err := s.hello(step, id); err != nil {
		s.log.Debug().Err(err).Str("peer", id).Msg("somebody whom the DHT names did not answer")
	}
}

// goBack connects to where this node came into a context: the addresses in its own
// invitation. The hello is said when the connection is noticed.
func (s *Syncer) goBack(ctx context.Context, c *shared) {
	step, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	addrs, err := s.deps.Contexts.Ways(c.id)
	if err != nil || len(addrs) == 0 {
		return
	}
	peer, err := s.deps.Net.Connect(step, addrs)
	if err != nil {
		s.log.Debug().Err(err).Stringer("context", c.id).Msg("nobody is where the invitation leads")
		return
	}
	s.greetSoon(peer)
}

// provide tells the DHT that this node holds a context.
func (s *Syncer) provide(ctx context.Context, c *shared) bool {
	step, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	if err := s.deps.Net.Provide(step, c.secret.Rendezvous()); err != nil {
		s.log.Debug().Err(err).Stringer("context", c.id).Msg("a context is not provided yet")
		return false
	}
	s.mu.Lock()
	c.provide.Want(time.Now().Add(provideEvery - rand.N(provideEvery/4))) //nolint:gosec // spreads load, hides nothing
	s.mu.Unlock()
	return true
}
