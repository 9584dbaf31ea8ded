package replica

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"mero/blobkit"
	"mero/node/admit"
	"mero/node/apps"
	"mero/node/delta"
	"mero/node/events"
	"mero/node/fold"
	"mero/node/history"
	"mero/node/ident"
	"mero/node/store"
)

// Config is section `state` of the node's configuration.
type Config struct {
	Scrub time.Duration `koanf:"scrub" comment:"How often the state of every context is hashed again and compared with its root, to find damage on the disk; what is damaged is folded again from the deltas. 0 switches it off."`
}

// DefaultConfig is what a node runs with.
func DefaultConfig() Config { return Config{Scrub: 30 * time.Minute} }

// Validate reports the first value that cannot work, with its key.
func (c Config) Validate() error {
	if c.Scrub < 0 {
		return fmt.Errorf("state.scrub: %s, want 0 or more", c.Scrub)
	}
	return nil
}

// Deps are what a Set is built from. All are required but OnCommit and Skew.
type Deps struct {
	Config  Config
	Store   *store.Store
	Apps    *apps.Library
	Blobs   *blobkit.Store
	Events  *events.Bus
	Log     zerolog.Logger
	Metrics prometheus.Registerer
	// Wall is the node's clock.
	Wall func() time.Time
	// OnCommit is told of each delta made here, in the order of commits per
	// context, after it is durable. It must not block.
	OnCommit func(*delta.Delta)
	// Skew tells how far the node's clock is ahead of the median of other nodes' clocks,
	// if that is known (R2). It must not block.
	Skew func() (ahead time.Duration, known bool)
}

// Set is all contexts of this node. Its methods are safe for concurrent use.
type Set struct {
	*admit.Rolls

	deps    Deps
	metrics *metrics
	writers *apps.Writers

	verdicts fold.Verdicts
	joined   *history.Memberships
	refusals history.Refusals
	pace     fold.Pace
	queued   chan struct{} // tells Run that cross-context calls wait
	late     chan struct{} // tells Run that deep is not empty

	mu       sync.Mutex
	replicas map[ident.ContextID]*replica
	deep     map[ident.ContextID]struct{} // contexts that a deep roll-back waits for
}

// NewSet makes the set over what the store holds. It does no I/O.
func NewSet(deps Deps) *Set {
	joined := &history.Memberships{}
	s := &Set{
		Rolls:    admit.NewRolls(deps.Store, joined),
		joined:   joined,
		deps:     deps,
		metrics:  newMetrics(deps.Metrics),
		writers:  apps.NewWriters(deps.Store),
		queued:   make(chan struct{}, 1),
		late:     make(chan struct{}, 1),
		replicas: make(map[ident.ContextID]*replica),
		deep:     make(map[ident.ContextID]struct{}),
	}
	if deps.OnCommit == nil {
		s.deps.OnCommit = func(*delta.Delta) {}
	}
	return s
}

// Info describes a context as it is on this node.
type Info struct {
	ID          ident.ContextID
	App         ident.AppID
	Root        [32]byte
	Heads       []delta.ID
	Members     int
	Created     time.Time
	Initialised bool
	StateBytes  uint64
	// Deltas are folded, Voids are void, and Waiting wait (R4).
	Deltas, Voids, Waiting uint64
}

// Get describes one context, or answers ErrContextNotFound.
func (s *Set) Get(id ident.ContextID) (Info, error) {
	view, err := s.view(id)
	if err != nil {
		return Info{}, err
	}
	defer view.Close()
	v, err := s.joined.Of(view)
	if err != nil {
		return Info{}, err
	}
	return describe(view.Context(), v.Len()), nil
}

// List describes all contexts, by id.
func (s *Set) List() ([]Info, error) {
	records, err := s.deps.Store.Contexts()
	if err != nil {
		return nil, err
	}
	out := make([]Info, 0, len(records))
	for _, rec := range records {
		info, err := s.Get(rec.ID)
		if errors.Is(err, ErrContextNotFound) {
			continue // deleted meanwhile
		}
		if err != nil {
			return nil, err
		}
		out = append(out, info)
	}
	return out, nil
}

func describe(rec store.Context, members int) Info {
	return Info{
		ID: rec.ID, App: rec.App, Root: rec.Root, Heads: rec.Heads, Members: members,
		Created: rec.Created, Initialised: rec.Initialised, StateBytes: rec.StateBytes,
		Deltas: rec.Deltas, Voids: rec.Voids, Waiting: rec.Waiting,
	}
}

// Owned are the members as whom this node can act in a context, oldest first.
func (s *Set) Owned(id ident.ContextID) ([]ident.PublicKey, error) {
	view, err := s.view(id)
	if err != nil {
		return nil, err
	}
	defer view.Close()
	owned, err := view.Identities()
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(owned, func(a, b store.Identity) int { return a.Created.Compare(b.Created) })
	keys := make([]ident.PublicKey, 0, len(owned))
	for _, identity := range owned {
		keys = append(keys, identity.Public())
	}
	return keys, nil
}

// NewIdentity draws a member key that belongs to no context yet.
func (s *Set) NewIdentity(ctx context.Context) (ident.PublicKey, error) {
	identity, err := store.NewIdentity(s.deps.Wall())
	if err != nil {
		return ident.PublicKey{}, err
	}
	if err := s.deps.Store.PutIdentity(ctx, identity); err != nil {
		return ident.PublicKey{}, fmt.Errorf("keep identity: %w", err)
	}
	return identity.Public(), nil
}

// Delete removes a context from this node only. It reports false when there is
// none.
func (s *Set) Delete(ctx context.Context, id ident.ContextID) (bool, error) {
	view, err := s.view(id)
	if errors.Is(err, ErrContextNotFound) {
		return false, nil // no queue is made for an id that a stranger chose
	}
	if err != nil {
		return false, err
	}
	view.Close()
	r := s.replica(id)
	if err := r.lock(ctx); err != nil {
		return false, err
	}
	defer r.unlock()
	err = s.deps.Store.DeleteContext(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("delete context: %w", err)
	}
	r.history, r.gone = nil, true
	s.mu.Lock()
	delete(s.replicas, id)
	delete(s.deep, id)
	s.mu.Unlock()
	s.refusals.Forget(id)
	s.joined.Drop(id)
	s.deps.Log.Info().Stringer("context", id).Msg("context deleted from this node")
	return true, nil
}

// replica is the queue of a context; it is made when first asked for, whether
// or not the context exists.
func (s *Set) replica(id ident.ContextID) *replica {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.replicas[id]
	if !ok {
		r = &replica{set: s, id: id}
		s.replicas[id] = r
	}
	return r
}

// view is a snapshot of a context, which the caller closes.
func (s *Set) view(id ident.ContextID) (*store.View, error) {
	view, err := s.deps.Store.View(id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("%w: %s", ErrContextNotFound, id)
	}
	return view, err
}
