package store

import (
	"fmt"
	"time"

	"mero/node/delta"
	"mero/node/ident"
	"mero/node/root"
)

const (
	// MaxName bounds names: of aliases, methods, tokens, packages, versions; in bytes.
	MaxName = 1024
	// MaxMetadata bounds App.Metadata and App.Source, in bytes.
	MaxMetadata = 16 << 10
	// MaxXCallParams bounds XCall.Params, in bytes (wasm-abi 2 allows 16 KiB).
	MaxXCallParams = 48 << 10
	// MaxHeads bounds Context.Heads: a delta that merges them has at most as many
	// parents.
	MaxHeads = 1024
	// maxRecord is what no record may exceed, in bytes.
	maxRecord = 64 << 10
)

// App is an installed application.
type App struct {
	ID ident.AppID
	// Blob holds the code.
	Blob [32]byte
	// Size is the code's length in bytes.
	Size uint64
	// Source is the URL it came from; at most MaxMetadata bytes.
	Source string
	// Metadata is whatever its installer said; at most MaxMetadata bytes.
	Metadata []byte
	// Package and Version name the release; at most MaxName bytes each.
	Package, Version string
	Installed        time.Time
	// Writers are the methods that have committed (R6), sorted. PutApp adds them;
	// Step.Writers adds to them; nothing but DeleteApp removes one.
	Writers []string
}

// Context is the record of one context on this node.
type Context struct {
	ID  ident.ContextID
	App ident.AppID
	// Created is when this node got it.
	Created time.Time
	// Genesis is the delta that began it.
	Genesis delta.ID
	// Heads are the folded deltas without a folded child, ascending; at most MaxHeads.
	Heads []delta.ID
	// Clock is the greatest folded time.
	Clock delta.Time
	// Sum is the accumulator behind Root (R9).
	Sum root.Sum
	// Root is the host's root at Heads.
	Root [32]byte
	// GuestRoot is what the application said last; for inspection.
	GuestRoot [32]byte
	// Epoch names the key for new payloads.
	Epoch delta.EpochID
	// Deltas counts what is folded.
	Deltas uint64
	// StateBytes is the size of all keys and values of the state.
	StateBytes uint64
	// StateQuota is the limit of StateBytes that genesis set.
	StateQuota uint64
	// Initialised is false until state can be called.
	Initialised bool
	// Last is the place of the last delta that is folded or void; zero for none (R8).
	Last delta.Place
	// Voids and Waiting count the deltas of these fates (R4).
	Voids, Waiting uint64
	// Creator is the member that began the context.
	Creator ident.PublicKey
	// Layouts are the pinned artifact layouts of the application (R7).
	Layouts uint16
	// Former are applications that deltas of the context were folded by before App,
	// and may have to be again (R8, R10).
	Former []ident.AppID
	// Members is the digest of the membership at Heads, which the root covers (R9).
	Members [32]byte
	// Step counts the steps. In Step.Context it must be what the View said from
	// which the step was made; Commit adds one.
	Step uint64
}

// Identity is a member key of this node, in one context or not bound yet. It
// never prints its secrets.
type Identity struct {
	// Context is zero while the key is not bound.
	Context ident.ContextID
	// Key is the seed of the signing key.
	Key [32]byte
	// Seal is the seed of the sealing key (R13).
	Seal [32]byte
	// Incarnation and Seq are the writer of R3 and its last number.
	Incarnation delta.Incarnation
	Seq         uint64
	Created     time.Time

	public ident.PublicKey // of Key, when known: deriving it costs 20 µs
}

// NewIdentity draws keys and an incarnation.
func NewIdentity(now time.Time) (Identity, error) {
	i := Identity{
		Key: ident.NewPrivateKey().Seed(), Seal: ident.NewPrivateKey().Seed(),
		Incarnation: delta.NewIncarnation(), Created: now.UTC(),
	}
	i.public = i.PrivateKey().Public()
	_, err := i.SealKey()
	return i, err
}

// Renew makes the identity another writer (R3): numbers of the one that it was may be
// known to others, and are not given again.
func (i *Identity) Renew() { i.Incarnation, i.Seq = delta.NewIncarnation(), 0 }

// PrivateKey signs for the member.
func (i Identity) PrivateKey() ident.PrivateKey { return ident.PrivateKeyFromSeed(i.Key) }

// Public is the member.
func (i Identity) Public() ident.PublicKey {
	if i.public.IsZero() {
		return i.PrivateKey().Public()
	}
	return i.public
}

// Equal reports whether both are the same in every field.
func (i Identity) Equal(other Identity) bool {
	i.public, other.public = ident.PublicKey{}, ident.PublicKey{}
	same := i.Created.Equal(other.Created)
	i.Created, other.Created = time.Time{}, time.Time{}
	return same && i == other
}

// SealKey opens what is wrapped for the member.
func (i Identity) SealKey() (ident.SealKey, error) { return ident.SealKeyFromSeed(i.Seal) }

// String names the member, without a secret.
func (i Identity) String() string {
	return fmt.Sprintf("identity %s in context %s, number %d", i.Public(), i.Context, i.Seq)
}

// GoString hides the secrets from %#v.
func (i Identity) GoString() string { return i.String() }

// EpochKey is the key of one epoch of a context (R13).
type EpochKey struct {
	Context ident.ContextID
	Key     delta.EpochKey
}

// Fate is what became of a delta (R4).
type Fate uint8

// The fates. Their numbers are at rest and final.
const (
	FateFolded  Fate = 1
	FateVoid    Fate = 2
	FateWaiting Fate = 3
)

// String is the fate's name in R4.
func (f Fate) String() string {
	switch f {
	case FateFolded:
		return "folded"
	case FateVoid:
		return "void"
	case FateWaiting:
		return "waiting"
	}
	return fmt.Sprintf("fate %d", uint8(f))
}

// DeltaRecord is a delta with its fate.
type DeltaRecord struct {
	ID   delta.ID
	Time delta.Time
	// Bytes is the envelope; at most delta.MaxEnvelope. In a Step nil leaves the
	// stored bytes and changes the fate only.
	Bytes []byte
	Fate  Fate
	// Reason explains void and waiting; at most MaxName bytes.
	Reason string
}

// Change is one key of state, before and after. Old must be what the View said:
// only pages that differ between Old and New are written.
type Change struct {
	Key            []byte
	Old, New       []byte
	HadOld, HasNew bool
}

// Writer is a method of an application that has committed (R6).
type Writer struct {
	App    ident.AppID
	Method string
}

// XCall is a queued call from one context to another (wasm-abi 5.8).
type XCall struct {
	// Seq numbers the queue; Commit gives it.
	Seq            uint64
	Source, Target ident.ContextID
	Function       string
	Params         []byte
	// Depth is the length of the chain of calls that led here.
	Depth uint8
}

// AliasKind is what an alias names. Its numbers are at rest and final.
type AliasKind uint8

// The kinds of alias.
const (
	AliasContext     AliasKind = 1
	AliasIdentity    AliasKind = 2
	AliasApplication AliasKind = 3
)

// Invitation is one that a member of this node issued (R15).
type Invitation struct {
	Context ident.ContextID
	ID      [32]byte
	// Bytes are the invitation; at most delta.MaxInvitation.
	Bytes []byte
	// Left is how many may still join by it, if it has a number of uses.
	Left uint32
}

// Alias is a name for a 32-byte id.
type Alias struct {
	Kind AliasKind
	// Scope is the context in which the name holds; zero: on this node.
	Scope  ident.ContextID
	Name   string
	Target [32]byte
}
