package ident

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/mr-tron/base58"
)

// Size is the length of every identifier in bytes.
const Size = 32

// maxText bounds what Parse looks at: 32 bytes are at most 44 base58 digits.
const maxText = 64

// ErrMalformed is wrapped by every error of Parse and UnmarshalText.
var ErrMalformed = errors.New("malformed id")

// Kind tells identifiers of different things apart; Name is used in errors.
type Kind interface{ Name() string }

// ID is a 32-byte identifier of one kind of thing. The zero value means "none"
// and is written as 32 ones.
type ID[K Kind] [Size]byte

type (
	contextKind   struct{}
	appKind       struct{}
	publicKeyKind struct{}
)

// Name implements Kind.
func (contextKind) Name() string { return "context id" }

// Name implements Kind.
func (appKind) Name() string { return "application id" }

// Name implements Kind.
func (publicKeyKind) Name() string { return "public key" }

type (
	// ContextID names a context. It is the Ed25519 public key of the context
	// key, which signs the genesis delta and is then destroyed.
	ContextID = ID[contextKind]
	// AppID names an application: the hash of its code, package and version.
	AppID = ID[appKind]
	// PublicKey is the Ed25519 key by which a member is known.
	PublicKey = ID[publicKeyKind]
)

// Parse reads an identifier from its base58 text.
func Parse[K Kind](text string) (ID[K], error) {
	var id ID[K]
	err := id.UnmarshalText([]byte(text))
	return id, err
}

// ParseContextID reads a context id from base58.
func ParseContextID(text string) (ContextID, error) { return Parse[contextKind](text) }

// ParseAppID reads an application id from base58.
func ParseAppID(text string) (AppID, error) { return Parse[appKind](text) }

// ParsePublicKey reads a member key from base58.
func ParsePublicKey(text string) (PublicKey, error) { return Parse[publicKeyKind](text) }

// SetBytes makes id the identifier of exactly 32 bytes.
func (id *ID[K]) SetBytes(b []byte) error {
	if len(b) != Size {
		return fmt.Errorf("%s: %w: %d bytes, want %d", id.kind(), ErrMalformed, len(b), Size)
	}
	copy(id[:], b)
	return nil
}

// String is the base58 text.
func (id ID[K]) String() string { return base58.Encode(id[:]) }

// Short is the first eight base58 digits, for people.
func (id ID[K]) Short() string { return id.String()[:8] }

// IsZero reports whether id names nothing.
func (id ID[K]) IsZero() bool { return id == ID[K]{} }

// Compare orders identifiers by their bytes.
func (id ID[K]) Compare(other ID[K]) int { return bytes.Compare(id[:], other[:]) }

// MarshalText writes base58.
func (id ID[K]) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads base58 of exactly 32 bytes.
func (id *ID[K]) UnmarshalText(text []byte) error {
	if len(text) > maxText {
		return fmt.Errorf("%s: %w: %d characters, want at most 44", id.kind(), ErrMalformed, len(text))
	}
	raw, err := base58.Decode(string(text))
	if err != nil {
		return fmt.Errorf("%s %q: %w: %w", id.kind(), text, ErrMalformed, err)
	}
	if len(raw) != Size {
		return fmt.Errorf("%s %q: %w: %d bytes, want %d", id.kind(), text, ErrMalformed, len(raw), Size)
	}
	copy(id[:], raw)
	return nil
}

func (id ID[K]) kind() string {
	var k K
	return k.Name()
}
