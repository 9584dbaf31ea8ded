package ident

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
)

// SignatureSize is the length of an Ed25519 signature in bytes.
const SignatureSize = ed25519.SignatureSize

// Signature is an Ed25519 signature.
type Signature [SignatureSize]byte

// ErrBadSignature says that a signature does not fit its key and message.
var ErrBadSignature = errors.New("signature does not verify")

// PrivateKey signs for a member, a context or a node. The zero value is not a
// key; it never prints its secret.
type PrivateKey struct {
	key ed25519.PrivateKey
}

// NewPrivateKey draws a key from the operating system's random source.
func NewPrivateKey() PrivateKey {
	var seed [ed25519.SeedSize]byte
	_, _ = rand.Read(seed[:]) // never fails since Go 1.24; it aborts the process instead
	return PrivateKeyFromSeed(seed)
}

// PrivateKeyFromSeed derives the key that RFC 8032 defines for a 32-byte seed.
func PrivateKeyFromSeed(seed [ed25519.SeedSize]byte) PrivateKey {
	return PrivateKey{key: ed25519.NewKeyFromSeed(seed[:])}
}

// IsZero reports whether k holds no key.
func (k PrivateKey) IsZero() bool { return len(k.key) == 0 }

// Seed is the 32-byte secret from which the key can be made again.
func (k PrivateKey) Seed() [ed25519.SeedSize]byte {
	var seed [ed25519.SeedSize]byte
	copy(seed[:], k.key.Seed())
	return seed
}

// Public is the name by which others know the key.
func (k PrivateKey) Public() PublicKey {
	var p PublicKey
	copy(p[:], k.key[ed25519.SeedSize:])
	return p
}

// Sign signs msg under a domain. A domain names protocol, version and purpose
// ("delta/v1/author"), so that a signature made for one purpose is worthless
// for any other.
func (k PrivateKey) Sign(domain string, msg []byte) Signature {
	return k.SignRaw(inDomain(domain, msg))
}

// SignRaw signs bytes whose form somebody else's protocol fixes, and which
// therefore carry their own domain. Nothing of mero's own is signed this way.
func (k PrivateKey) SignRaw(msg []byte) Signature {
	var sig Signature
	copy(sig[:], ed25519.Sign(k.key, msg))
	return sig
}

// String hides the secret.
func (k PrivateKey) String() string {
	if k.IsZero() {
		return "no key"
	}
	return "private key of " + k.Public().String()
}

// GoString hides the secret from %#v.
func (k PrivateKey) GoString() string { return k.String() }

// Verify checks a signature made by Sign. The error wraps ErrBadSignature.
func Verify(p PublicKey, domain string, msg []byte, sig Signature) error {
	if !ed25519.Verify(p[:], inDomain(domain, msg), sig[:]) {
		return fmt.Errorf("%w: key %s, domain %s", ErrBadSignature, p, domain)
	}
	return nil
}

// inDomain is the message that is really signed: "mero", the domain and the
// message, each ended by a zero byte that no domain contains.
func inDomain(domain string, msg []byte) []byte {
	out := make([]byte, 0, len("mero")+1+len(domain)+1+len(msg))
	out = append(out, "mero\x00"...)
	out = append(out, domain...)
	out = append(out, 0)
	return append(out, msg...)
}
