package vm

import (
	"context"
	"crypto/ed25519"
	"math/big"
)

// verify checks a signature. A key that is no point of the curve ends the call
// (wasm-abi 1.5); that is looked at only after a signature failed, since a key
// under which one holds is a point.
func verify(_ context.Context, g *guest) {
	signature := g.fixed(ed25519.SignatureSize)
	key := g.fixed(ed25519.PublicKeySize)
	message := g.buffer()
	g.charge(costVerify + costVerifyByte*uint64(len(message)))
	valid := ed25519.Verify(key, message, signature)
	if !valid && !onCurve(key) {
		stop(trap("incorrect ed25519 public key"))
	}
	g.resultBool(valid)
}

// onCurve reports whether 32 bytes decompress to a point of edwards25519: there
// is an x with x² = (y² − 1) / (d·y² + 1) modulo 2²⁵⁵ − 19 (RFC 8032, 5.1.3; as
// in the reference's library, y need not be reduced and the sign of x = 0 is
// not looked at).
func onCurve(key []byte) bool {
	one := big.NewInt(1)
	p := new(big.Int).Lsh(one, 255)
	p.Sub(p, big.NewInt(19))
	reversed := make([]byte, len(key))
	for i, b := range key {
		reversed[len(key)-1-i] = b
	}
	reversed[0] &= 0x7f
	y := new(big.Int).SetBytes(reversed)
	y2 := y.Mul(y, y)
	// d = −121665 / 121666
	d := new(big.Int).ModInverse(big.NewInt(121666), p)
	d.Mul(d, big.NewInt(-121665))
	u := new(big.Int).Sub(y2, one)
	v := d.Mul(d, y2)
	v.Add(v, one).Mod(v, p)
	// u/v is a square exactly when u·v is one; v is never 0, −1/d being no square.
	uv := u.Mul(u, v)
	uv.Mod(uv, p)
	return big.Jacobi(uv, p) >= 0
}
