package admit

import (
	"errors"
	"fmt"

	"mero/node/delta"
	"mero/node/ident"
	"mero/node/members"
	"mero/node/store"
)

// ErrNotGenesis says that what was to begin a context does not.
var ErrNotGenesis = errors.New("not the genesis of a context")

// Admission is what a node needs that was let in.
type Admission struct {
	// Genesis is the envelope that began the context, Delta that of the member delta
	// which admits, with the key of its epoch wrapped for the new member.
	Genesis, Delta []byte
	// App is the application that the context runs now, Code the blob of its WASM; zero
	// when who admits does not know it.
	App  ident.AppID
	Code [32]byte
	// Package and Version name it for people.
	Package, Version string
}

// Answers checks that the admission is to the context of an invitation: a replica
// accepts the genesis that its invitation names, and no other (R10). Errors:
// ErrNotGenesis, members.ErrOtherContext.
func (a *Admission) Answers(inv *members.Invitation) error {
	h, id, err := delta.HeaderOf(a.Genesis)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotGenesis, err)
	}
	if h.Context != inv.Context || id != inv.Genesis {
		return fmt.Errorf("admission: %w", members.ErrOtherContext)
	}
	return nil
}

// Entry is what an admission opens for the member that it is for.
type Entry struct {
	Genesis *delta.Delta
	Payload delta.Genesis
	Key     delta.EpochKey
	Founder members.Founder
}

// Enter opens an admission for a member of this node: it verifies both deltas, and that
// this member is who is admitted, and takes out the key. That the delta counts, is seen
// when it is folded. Errors: ErrNotGenesis, members.ErrMismatch, delta.ErrNoWrap,
// ident.ErrNotForUs, delta.ErrUpgrade.
func (a *Admission) Enter(who *store.Identity, semantics uint64) (Entry, error) {
	genesis, err := delta.Open(a.Genesis)
	if err != nil {
		return Entry{}, fmt.Errorf("%w: %w", ErrNotGenesis, err)
	}
	if genesis.Header().Kind != delta.KindGenesis {
		return Entry{}, fmt.Errorf("%w: a %s delta", ErrNotGenesis, genesis.Header().Kind)
	}
	d, err := delta.Open(a.Delta)
	if err != nil {
		return Entry{}, fmt.Errorf("admission: %w", err)
	}
	if d.Header().Context != genesis.Header().Context {
		return Entry{}, fmt.Errorf("admission: %w", members.ErrOtherContext)
	}
	seal, err := who.SealKey()
	if err != nil {
		return Entry{}, err
	}
	key, err := delta.UnwrapEpoch(d, who.Public(), seal)
	if err != nil {
		return Entry{}, fmt.Errorf("admission: %w", err)
	}
	if err := admits(d, key, who.Public()); err != nil {
		return Entry{}, fmt.Errorf("admission: %w", err)
	}
	return Found(genesis, key, semantics)
}

// Found reads a genesis by the key of its epoch.
func Found(genesis *delta.Delta, key delta.EpochKey, semantics uint64) (Entry, error) {
	form, err := genesis.Payload(key)
	if err != nil {
		return Entry{}, fmt.Errorf("%w: %w", ErrNotGenesis, err)
	}
	g, err := delta.DecodeGenesis(form)
	if err != nil {
		return Entry{}, fmt.Errorf("%w: %w", ErrNotGenesis, err)
	}
	if g.Semantics > semantics {
		return Entry{}, fmt.Errorf("host semantics version %d: %w", g.Semantics, delta.ErrUpgrade)
	}
	return Entry{Genesis: genesis, Payload: g, Key: key, Founder: members.FounderOf(genesis, &g)}, nil
}

// admits checks that a delta admits a key. The genesis admits its author.
func admits(d *delta.Delta, key delta.EpochKey, who ident.PublicKey) error {
	h := d.Header()
	if h.Kind == delta.KindGenesis && h.Author == who {
		return nil
	}
	if h.Kind != delta.KindMember {
		return members.ErrMismatch
	}
	form, err := d.Payload(key)
	if err != nil {
		return err
	}
	m, err := delta.DecodeMember(form)
	if err != nil {
		return err
	}
	if m.Admit == nil || m.Admit.Key != who {
		return members.ErrMismatch
	}
	return nil
}
