package replica

import (
	"context"
	"errors"
	"fmt"

	"mero/node/delta"
	"mero/node/fold"
	"mero/node/ident"
	"mero/node/layer"
	"mero/node/store"
)

// ErrNotGenesis says that what was to begin a context does not.
var ErrNotGenesis = errors.New("not the genesis of a context")

// Invitee is what a node needs to hold a context that another one made.
type Invitee struct {
	// Genesis is the envelope of the delta that began the context.
	Genesis []byte
	// Keys are epoch keys, that of the genesis among them.
	Keys []delta.EpochKey
	// Member is a key of this node that is not bound to a context yet.
	Member ident.PublicKey
}

// Join makes a replica of a context that was created elsewhere: of its genesis
// alone. All else comes by Receive; the application may be installed later. It
// returns the context's id. Errors: ErrNotGenesis, ErrContextExists,
// store.ErrNotFound for a member key that is not here, and those of the store.
func (s *Set) Join(ctx context.Context, in Invitee) (ident.ContextID, error) {
	d, err := delta.Open(in.Genesis)
	if err != nil {
		return ident.ContextID{}, fmt.Errorf("%w: %w", ErrNotGenesis, err)
	}
	h := d.Header()
	if h.Kind != delta.KindGenesis {
		return ident.ContextID{}, fmt.Errorf("%w: a %s delta", ErrNotGenesis, h.Kind)
	}
	genesis, err := openGenesis(d, in.Keys)
	if err != nil {
		return ident.ContextID{}, err
	}
	who, err := s.unbound(in.Member)
	if err != nil {
		return ident.ContextID{}, err
	}
	who.Context, who.Incarnation, who.Seq = h.Context, delta.NewIncarnation(), 0
	b := s.emptyBatch(store.Context{
		ID: h.Context, App: genesis.App, Created: s.deps.Wall().UTC(), Genesis: d.ID(), Creator: h.Author,
		Epoch: h.Epoch, StateQuota: genesis.StateQuota, Layouts: fold.AllLayouts,
	})
	b.writers[who.Public()] = &who
	for _, key := range in.Keys {
		b.step.EpochKeys = append(b.step.EpochKeys, store.EpochKey{Context: h.Context, Key: key})
	}
	b.begin(d)
	if err := s.write(b); errors.Is(err, store.ErrExists) {
		return ident.ContextID{}, ErrContextExists
	} else if err != nil {
		return ident.ContextID{}, err
	}
	s.deps.Log.Info().Stringer("context", h.Context).Stringer("member", in.Member).Msg("context joined")
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

func openGenesis(d *delta.Delta, keys []delta.EpochKey) (delta.Genesis, error) {
	for _, key := range keys {
		if key.ID() != d.Header().Epoch {
			continue
		}
		form, err := d.Payload(key)
		if err != nil {
			return delta.Genesis{}, fmt.Errorf("%w: %w", ErrNotGenesis, err)
		}
		genesis, err := delta.DecodeGenesis(form)
		if err != nil {
			return delta.Genesis{}, fmt.Errorf("%w: %w", ErrNotGenesis, err)
		}
		if genesis.Semantics > semantics {
			return delta.Genesis{}, fmt.Errorf("host semantics version %d: %w", genesis.Semantics, delta.ErrUpgrade)
		}
		return genesis, nil
	}
	return delta.Genesis{}, fmt.Errorf("%w: the key of epoch %s is not among those given", ErrNotGenesis, d.Header().Epoch)
}

// emptyBatch begins a batch for a context that is not here yet.
func (s *Set) emptyBatch(rec store.Context) *batch {
	b := &batch{
		set: s, private: layer.New(layer.Getter(layer.Nothing)),
		identities: make(map[ident.PublicKey]*store.Identity),
		writers:    make(map[ident.PublicKey]*store.Identity),
		keys:       make(map[delta.EpochID]delta.EpochKey),
		arrived:    make(map[delta.ID][]byte),
		records:    make(map[delta.ID]*store.DeltaRecord),
	}
	b.State = fold.Empty(rec, b.outside())
	b.step.Create = true
	return b
}

// begin folds the genesis, which has no effect on the state.
func (b *batch) begin(d *delta.Delta) {
	b.arrived[d.ID()] = d.Bytes()
	b.Begin(d)
	b.record(d, store.FateFolded, "")
}
