package ident

import (
	"bytes"
	"crypto/ecdh"
	"errors"
	"fmt"
)

// ErrWeakKey says that a public key is one of the few for which there is no secret:
// anybody can make signatures that fit it, or open what is wrapped for it.
var ErrWeakKey = errors.New("the key is weak: it is a point of small order")

// weakKeys are the encodings of Ed25519 points of small order, without the sign: those
// of order 1, 2, 4 and 8, and 0 and 1 written as p and p+1.
func weakKeys() [7][Size]byte {
	keys := [7][Size]byte{
		{},
		{1},
		{
			0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
			0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
		},
		{
			0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
			0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
		},
	}
	high := keys[4:]
	for i, low := range []byte{0xec, 0xed, 0xee} { // p-1, p, p+1
		copy(high[i][:], bytes.Repeat([]byte{0xff}, Size))
		high[i][0], high[i][Size-1] = low, 0x7f
	}
	return keys
}

// CheckPublicKey refuses a key of small order, with ErrWeakKey.
func CheckPublicKey(p PublicKey) error {
	q := [Size]byte(p)
	q[Size-1] &= 0x7f
	for _, weak := range weakKeys() {
		if q == weak {
			return fmt.Errorf("public key %s: %w", p, ErrWeakKey)
		}
	}
	return nil
}

// Check refuses a key of small order, with ErrWeakKey.
func (p SealPublicKey) Check() error {
	var scalar [Size]byte
	scalar[0] = 1 // any scalar will do: X25519 clears the cofactor, and refuses the result 0
	private, err := ecdh.X25519().NewPrivateKey(scalar[:])
	if err != nil {
		return fmt.Errorf("sealing key: %w", err)
	}
	public, err := ecdh.X25519().NewPublicKey(p[:])
	if err != nil {
		return fmt.Errorf("sealing key: %w", err)
	}
	if _, err := private.ECDH(public); err != nil {
		return fmt.Errorf("sealing key: %w", ErrWeakKey)
	}
	return nil
}
