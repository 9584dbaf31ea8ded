package syncer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"mero/blobkit"
	"mero/netkit"
	"mero/node/apps"
	"mero/node/ident"
	"mero/node/replica"
)

// Deps are what a Syncer is built from. All are required.
type Deps struct {
	Net      *netkit.Net
	Contexts *replica.Set
	Apps     *apps.Library
	Blobs    *blobkit.Store
	Log      zerolog.Logger
	Metrics  prometheus.Registerer
	// Wall is the node's clock.
	Wall func() time.Time
}

// Syncer keeps this node's replicas equal to those of other nodes. Its methods are
// safe for concurrent use.
type Syncer struct {
	cfg       Config
	deps      Deps
	log       zerolog.Logger
	metrics   *metrics
	protocols protocols

	began time.Time // when it was made, to tell when the clock is set

	wake    chan struct{} // the scheduler has something to look at
	publish chan struct{} // an outbox is not empty
	ready   chan *shared  // contexts whose inbox is not empty
	stopped chan struct{} // closed when Run ends

	// mu guards what follows, and is held briefly: never while netkit, the store or
	// another goroutine is waited for.
	mu       sync.Mutex
	contexts map[ident.ContextID]*shared
	peers    map[string]*peer
	keeping  map[string]bool // what netkit is to be told
	load     loads           // what runs, by kind
	relook   bool            // contexts may have come or gone
	runs     bool            // Run runs
	served   int             // streams of others under way
	idle     *sync.Cond      // served has changed
	changed  chan struct{}   // closed and renewed when something changed that somebody may wait for
}

// New makes a Syncer. It starts nothing.
func New(cfg Config, deps Deps) *Syncer {
	s := &Syncer{
		cfg: cfg, deps: deps, log: deps.Log, protocols: newProtocols(cfg),
		wake: make(chan struct{}, 1), publish: make(chan struct{}, 1), ready: make(chan *shared, maxContexts),
		stopped: make(chan struct{}), began: time.Now(),
		contexts: make(map[ident.ContextID]*shared), peers: make(map[string]*peer),
		keeping: make(map[string]bool), changed: make(chan struct{}),
	}
	s.idle = sync.NewCond(&s.mu)
	s.metrics = newMetrics(deps.Metrics, s)
	return s
}

// receivers is how many contexts take in gossip at a time: verifying is done by the
// router's validators, folding is bounded by cores.
const receivers = 4

// Run takes part in the exchange between nodes until ctx ends, and returns when all
// that it began has ended. It can be called once.
func (s *Syncer) Run(ctx context.Context) error {
	defer s.stop()
	changes, unwatch := s.deps.Net.Changes()
	defer unwatch()
	s.mu.Lock()
	s.runs = true
	s.mu.Unlock()
	s.handle()

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.schedule(ctx, changes) })
	group.Go(func() error { return s.publisher(ctx) })
	for range receivers {
		group.Go(func() error { return s.receiver(ctx) })
	}
	err := group.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// stop ends what Run began: streams of others are refused, and those under way are
// waited for; they end with netkit's context or by their deadlines.
func (s *Syncer) stop() {
	s.mu.Lock()
	s.runs = false
	topics := s.topics()
	clear(s.contexts)
	s.mu.Unlock()
	for _, t := range topics {
		t.Leave()
	}
	close(s.stopped)
}

// enter counts a stream of another node in, unless Run has ended.
func (s *Syncer) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.runs {
		s.served++
	}
	return s.runs
}

func (s *Syncer) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.served--
	s.idle.Broadcast()
}

// topics are those of all contexts. The caller holds the lock.
func (s *Syncer) topics() []*netkit.Topic {
	var out []*netkit.Topic
	for _, c := range s.contexts {
		if c.topic != nil {
			out = append(out, c.topic)
		}
	}
	return out
}

// tell wakes whoever waits for a change. The caller holds the lock.
func (s *Syncer) tell() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// refresh makes the contexts that take part those that the node holds.
func (s *Syncer) refresh(ctx context.Context) error {
	secrets, err := s.deps.Contexts.Shared()
	if err != nil {
		return fmt.Errorf("list contexts: %w", err)
	}
	s.mu.Lock()
	var gone []*netkit.Topic
	for id, c := range s.contexts {
		if _, here := secrets[id]; !here {
			s.forget(c)
			if c.topic != nil {
				gone = append(gone, c.topic)
			}
		}
	}
	var fresh []*shared
	for id, secret := range secrets {
		if s.contexts[id] != nil {
			continue
		}
		if len(s.contexts) >= maxContexts {
			s.metrics.dropped.WithLabelValues(dropContext).Inc()
			continue
		}
		c := &shared{id: id, secret: secret, links: make(map[string]*link), served: make(map[holder]int)}
		c.find.Want(time.Now().Add(firstFind))
		c.provide.Want(time.Now())
		c.code.Want(time.Now())
		s.contexts[id] = c
		fresh = append(fresh, c)
	}
	if len(fresh) > 0 {
		s.greetAll()
	}
	s.mu.Unlock()
	for _, t := range gone {
		t.Leave()
	}
	for _, c := range fresh {
		s.joinTopic(ctx, c)
	}
	return nil
}

// forget ends what is known of a context that is no longer here. The caller holds the
// lock.
func (s *Syncer) forget(c *shared) {
	delete(s.contexts, c.id)
	for id, l := range c.links {
		delete(l.peer.links, c.id)
		if len(l.peer.links) == 0 {
			s.keep(l.peer, false)
		}
		delete(c.links, id)
	}
	s.tell()
}
