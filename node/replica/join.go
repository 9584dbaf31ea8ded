package replica

import (
	"context"
	"errors"
	"fmt"

	"mero/node/admit"
	"mero/node/delta"
	"mero/node/fold"
	"mero/node/ident"
	"mero/node/layer"
	"mero/node/members"
	"mero/node/store"
)

// ErrNotGenesis says that what was to begin a context does not.
var ErrNotGenesis = admit.ErrNotGenesis

// JoinWith makes a replica of a context that a member key of this node was admitted
// to: of its genesis and the admission. All else comes by Receive; the application may
// be installed later. Whoever joins by an invitation compares first: Admission.Answers.
// Errors: those of Admission.Enter, ErrContextExists, store.ErrNotFound for a key that
// is not here or belongs to a context, and those of the store.
func (s *Set) JoinWith(ctx context.Context, a Admission, member ident.PublicKey) (ident.ContextID, error) {
	who, err := s.unbound(member)
	if err != nil {
		return ident.ContextID{}, err
	}
	in, err := a.Enter(&who, admit.Semantics)
	if err != nil {
		return ident.ContextID{}, err
	}
	h := in.Genesis.Header()
	who.Context, who.Incarnation, who.Seq = h.Context, delta.NewIncarnation(), 0
	b := s.emptyBatch(store.Context{
		ID: h.Context, App: in.Payload.App, Created: s.deps.Wall().UTC(), Genesis: in.Genesis.ID(), Creator: h.Author,
		Epoch: h.Epoch, StateQuota: in.Payload.StateQuota, Layouts: fold.AllLayouts,
	}, in.Founder)
	b.writers[who.Public()] = &who
	b.step.EpochKeys = []store.EpochKey{{Context: h.Context, Key: in.Key}}
	b.begin(in.Genesis)
	if err := s.write(b); errors.Is(err, store.ErrExists) {
		return ident.ContextID{}, ErrContextExists
	} else if err != nil {
		return ident.ContextID{}, err
	}
	s.deps.Log.Info().Stringer("context", h.Context).Stringer("member", member).Msg("context joined")
	// What the admission rests on comes later; a node that stops here gets it again by
	// its author's vector.
	if _, err := s.Receive(ctx, h.Context, [][]byte{a.Delta}); err != nil {
		s.deps.Log.Warn().Err(err).Stringer("context", h.Context).Msg("the admission will come with the others")
	}
	return h.Context, nil
}

// unbound finds a member key of this node that belongs to no context yet.
func (s *Set) unbound(member ident.PublicKey) (store.Identity, error) {
	all, err := s.deps.Store.Identities(ident.ContextID{})
	if err != nil {
		return store.Identity{}, err
	}
	for _, who := range all {
		if who.Public() == member {
			return who, nil
		}
	}
	return store.Identity{}, fmt.Errorf("unbound member key %s: %w", member, store.ErrNotFound)
}

// emptyBatch begins a batch for a context that is not here yet.
func (s *Set) emptyBatch(rec store.Context, founder members.Founder) *batch {
	b := &batch{
		set: s, private: layer.New(layer.Getter(layer.Nothing)),
		identities: make(map[ident.PublicKey]*store.Identity),
		writers:    make(map[ident.PublicKey]*store.Identity),
		keys:       make(map[delta.EpochID]delta.EpochKey),
		arrived:    make(map[delta.ID][]byte),
		records:    make(map[delta.ID]*store.DeltaRecord),
	}
	b.State = fold.Empty(rec, founder, b.outside())
	b.step.Create, b.step.Members = true, b.View.Encode()
	return b
}

// begin folds the genesis, which has no effect on the state.
func (b *batch) begin(d *delta.Delta) {
	b.arrived[d.ID()] = d.Bytes()
	b.Begin(d)
	b.record(d, store.FateFolded, "")
}
