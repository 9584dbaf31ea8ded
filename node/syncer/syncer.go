package syncer

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"mero/blobkit"
	"mero/netkit"
	"mero/node/apps"
	"mero/node/delta"
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
	cfg  Config
	deps Deps
}

// New makes a Syncer. It starts nothing.
func New(cfg Config, deps Deps) *Syncer { return &Syncer{cfg: cfg, deps: deps} }

// Run takes part in the exchange between nodes until ctx ends. It can be called once.
func (s *Syncer) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Announce publishes a delta that was committed here: replica's OnCommit. It never
// blocks. The order of a context's deltas is kept; what is lost on the way is made
// good by sessions.
func (s *Syncer) Announce(*delta.Delta) {}

// WaitUsable returns when a context can be worked with: its application is here, and
// all that a connected member's node has is folded. A context that was used before is
// usable at once. Errors: ErrContextNotFound of replica, and ctx's, which names
// what is missing.
func (s *Syncer) WaitUsable(ctx context.Context, id ident.ContextID) error {
	<-ctx.Done()
	return ctx.Err()
}

// Now runs a session with a peer, or with the best one ("") and if that fails with
// others, and tells what it did: also when replicas are not equal at its end, which is
// no error. Errors: ErrNoPeer, ErrStranger, ErrContextNotFound of replica, ctx's.
func (s *Syncer) Now(ctx context.Context, id ident.ContextID, peer string) (Report, error) {
	return Report{}, ErrNoPeer
}

// Status is how all contexts stand, by id.
func (s *Syncer) Status() []ContextStatus { return nil }

// Peers is how all peers stand with which this node shares contexts, or did, by id.
func (s *Syncer) Peers() []PeerStatus { return nil }

// Diff asks a peer, or the best one (""), what it holds, and compares; nothing is
// exchanged. Errors as of Now.
func (s *Syncer) Diff(ctx context.Context, id ident.ContextID, peer string) (Difference, error) {
	return Difference{}, ErrNoPeer
}
