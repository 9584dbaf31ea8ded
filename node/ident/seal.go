package ident

import (
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/rand"
	"errors"
	"fmt"
)

// ErrNotForUs says that a wrapped secret was made for another key, for another
// purpose, or was changed on the way.
var ErrNotForUs = errors.New("wrapped secret does not open with this key")

// SealPublicKey is the X25519 key under which secrets are wrapped for a member.
type SealPublicKey [Size]byte

// SealKey opens what was wrapped for a member. The zero value is not a key.
type SealKey struct {
	key hpke.PrivateKey
}

// suite is the one HPKE suite (RFC 9180) that mero uses:
// DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20Poly1305.
func suite() (hpke.KEM, hpke.KDF, hpke.AEAD) {
	return hpke.DHKEM(ecdh.X25519()), hpke.HKDFSHA256(), hpke.ChaCha20Poly1305()
}

// NewSealKey draws a key from the operating system's random source.
func NewSealKey() (SealKey, error) {
	var seed [Size]byte
	_, _ = rand.Read(seed[:])
	return SealKeyFromSeed(seed)
}

// SealKeyFromSeed derives a key from a 32-byte secret (RFC 9180, DeriveKeyPair).
func SealKeyFromSeed(seed [Size]byte) (SealKey, error) {
	kem, _, _ := suite()
	key, err := kem.DeriveKeyPair(seed[:])
	if err != nil {
		return SealKey{}, fmt.Errorf("derive sealing key: %w", err)
	}
	return SealKey{key: key}, nil
}

// Public is what others wrap secrets for.
func (k SealKey) Public() SealPublicKey {
	var p SealPublicKey
	copy(p[:], k.key.PublicKey().Bytes())
	return p
}

// String hides the secret.
func (k SealKey) String() string { return "sealing key" }

// GoString hides the secret from %#v.
func (k SealKey) GoString() string { return k.String() }

// Wrap encrypts a secret for the holder of p's private key (HPKE, base mode).
// info names the purpose and must be given to Unwrap unchanged.
func (p SealPublicKey) Wrap(info, secret []byte) ([]byte, error) {
	kem, kdf, aead := suite()
	pub, err := kem.NewPublicKey(p[:])
	if err != nil {
		return nil, fmt.Errorf("sealing key: %w", err)
	}
	wrapped, err := hpke.Seal(pub, kdf, aead, info, secret)
	if err != nil {
		return nil, fmt.Errorf("wrap secret: %w", err)
	}
	return wrapped, nil
}

// Unwrap opens what Wrap made. The error wraps ErrNotForUs.
func (k SealKey) Unwrap(info, wrapped []byte) ([]byte, error) {
	_, kdf, aead := suite()
	secret, err := hpke.Open(k.key, kdf, aead, info, wrapped)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotForUs, err)
	}
	return secret, nil
}
