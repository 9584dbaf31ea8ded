package delta

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"mero/node/ident"
)

type (
	idKind    struct{}
	epochKind struct{}
)

// Name implements ident.Kind.
func (idKind) Name() string { return "delta id" }

// Name implements ident.Kind.
func (epochKind) Name() string { return "epoch id" }

type (
	// ID names a delta: SHA-256 of its header (R1).
	ID = ident.ID[idKind]
	// EpochID names the key under which payloads are sealed (R13).
	EpochID = ident.ID[epochKind]
)

// ParseID reads a delta id from base58.
func ParseID(text string) (ID, error) { return ident.Parse[idKind](text) }

// ParseEpochID reads an epoch id from base58.
func ParseEpochID(text string) (EpochID, error) { return ident.Parse[epochKind](text) }

// epochDomain begins what an epoch id hashes and the HPKE info of a wrap.
const epochDomain = "mero/epoch/v1\x00"

// EpochKey seals the payloads of one epoch (R13). It never prints itself.
type EpochKey [32]byte

// NewEpochKey draws a key.
func NewEpochKey() EpochKey {
	var k EpochKey
	_, _ = rand.Read(k[:]) // never fails since Go 1.24
	return k
}

// ID is the name of the key's epoch, which gives nothing of the key away.
func (k EpochKey) ID() EpochID {
	return sha256.Sum256(append([]byte(epochDomain), k[:]...))
}

// String hides the secret.
func (k EpochKey) String() string { return "key of epoch " + k.ID().String() }

// GoString hides the secret from %#v.
func (k EpochKey) GoString() string { return k.String() }

// Incarnation tells the lives of a member's node apart (R3).
type Incarnation [8]byte

// NewIncarnation draws an incarnation.
func NewIncarnation() Incarnation {
	var i Incarnation
	_, _ = rand.Read(i[:])
	return i
}

// String is 16 hexadecimal digits.
func (i Incarnation) String() string { return hex.EncodeToString(i[:]) }

// Writer is who numbers deltas: a member key in one incarnation (R3).
type Writer struct {
	Author      ident.PublicKey
	Incarnation Incarnation
}

// Compare orders writers by author, then incarnation.
func (w Writer) Compare(other Writer) int {
	if c := w.Author.Compare(other.Author); c != 0 {
		return c
	}
	return bytes.Compare(w.Incarnation[:], other.Incarnation[:])
}

// String is the author's base58, a slash and the incarnation.
func (w Writer) String() string { return w.Author.String() + "/" + w.Incarnation.String() }

// Kind is what a delta does (R10). Its numbers are final.
type Kind uint8

// The kinds of delta.
const (
	KindGenesis    Kind = 1 // begins a context
	KindState      Kind = 2 // changes the application's state
	KindMember     Kind = 3 // changes the membership
	KindApp        Kind = 4 // updates the application
	KindVoid       Kind = 5 // annuls a waiting delta
	KindCheckpoint Kind = 6 // reserved (R8)
)

// Known reports whether this release can fold the kind. Open says ErrUpgrade for
// the others, and Seal refuses them.
func (k Kind) Known() bool { return KindGenesis <= k && k <= KindApp }

// String is the kind's name in R10, or its number.
func (k Kind) String() string {
	names := [...]string{"", "genesis", "state", "member", "app", "void", "checkpoint"}
	if k == 0 || int(k) >= len(names) {
		return fmt.Sprintf("kind %d", uint8(k))
	}
	return names[k]
}
