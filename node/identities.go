package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mero/node/ident"
	"mero/node/store"
)

// Secret is a member key with its private parts: what an export carries. It is
// never printed and never leaves by the API.
type Secret struct {
	Context ident.ContextID // zero while it is bound to none
	Key     [32]byte        // seed of the signing key
	Seal    [32]byte        // seed of the sealing key
	Created time.Time
}

// Public is the member.
func (s Secret) Public() ident.PublicKey { return ident.PrivateKeyFromSeed(s.Key).Public() }

// String names the member, without a secret.
func (s Secret) String() string { return s.Public().String() }

// GoString hides the secrets from %#v.
func (s Secret) GoString() string { return s.String() }

// ErrNoIdentity says that a home has no such member key.
var ErrNoIdentity = errors.New("no such identity on this node")

// ErrNotCreator says that a key can not act in a context that is on the node,
// since another one created it.
var ErrNotCreator = errors.New("the context on this node was created by another identity")

// ExportIdentity reads a member key of a node that is stopped.
func ExportIdentity(ctx context.Context, home Home, cfg Config, key ident.PublicKey) (out Secret, err error) {
	err = withStore(ctx, home, cfg, func(db *store.Store) error {
		found, err := findIdentity(db, key)
		if err != nil {
			return err
		}
		out = Secret{Context: found.Context, Key: found.Key, Seal: found.Seal, Created: found.Created}
		return nil
	})
	return out, err
}

// ImportIdentity gives a member key to a node that is stopped. It is bound to
// its context when that is on the node and the key created it, else it waits for
// the node to join; ErrNotCreator when it is of another one's context, which
// happens when a context was deleted and created again from the same seed: no
// delta makes the key a member there, so replicas would not agree on the root.
// The node writes with an incarnation of its own (R3). changed is false when it
// had the key already.
func ImportIdentity(ctx context.Context, home Home, cfg Config, secret Secret) (changed bool, err error) {
	err = withStore(ctx, home, cfg, func(db *store.Store) error {
		_, err := findIdentity(db, secret.Public())
		if err == nil || !errors.Is(err, ErrNoIdentity) {
			return err
		}
		identity := store.Identity{Key: secret.Key, Seal: secret.Seal, Created: secret.Created}
		identity.Renew()
		contexts, err := db.Contexts()
		if err != nil {
			return fmt.Errorf("list contexts: %w", err)
		}
		for _, c := range contexts {
			if c.ID != secret.Context {
				continue
			}
			if c.Creator != secret.Public() {
				return fmt.Errorf("%w: context %s is of %s; it was created again since %s was exported, or elsewhere from the same seed",
					ErrNotCreator, c.ID, c.Creator, secret.Public())
			}
			identity.Context = c.ID
		}
		changed = true
		return db.PutIdentity(ctx, identity)
	})
	return changed, err
}

func findIdentity(db *store.Store, key ident.PublicKey) (store.Identity, error) {
	contexts, err := db.Contexts()
	if err != nil {
		return store.Identity{}, fmt.Errorf("list contexts: %w", err)
	}
	ids := []ident.ContextID{{}} // those that are not bound
	for _, c := range contexts {
		ids = append(ids, c.ID)
	}
	for _, id := range ids {
		identities, err := db.Identities(id)
		if err != nil {
			return store.Identity{}, fmt.Errorf("list identities: %w", err)
		}
		for _, identity := range identities {
			if identity.Public() == key {
				return identity, nil
			}
		}
	}
	return store.Identity{}, fmt.Errorf("%w: %s", ErrNoIdentity, key)
}
