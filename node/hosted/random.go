package hosted

import (
	"crypto/sha256"
	"io"

	"golang.org/x/crypto/chacha20"
)

// Random is the stream of random bytes that a guest sees while a delta is
// applied (R7): ChaCha20 with key SHA-256("mero/random/v1" ‖ 0 ‖ seed) and a
// zero nonce. It is the same on every replica. The seed is the delta's id, or
// the payload's seed where the call itself is replicated. ChaCha20 ends after
// 256 GiB, far beyond what any budget lets a guest draw.
func Random(seed [32]byte) io.Reader {
	key := sha256.Sum256(append([]byte("mero/random/v1\x00"), seed[:]...))
	stream, err := chacha20.NewUnauthenticatedCipher(key[:], make([]byte, chacha20.NonceSize))
	if err != nil {
		panic("chacha20: " + err.Error()) //nolint:forbidigo // only for another size of key or nonce, and they are constants
	}
	return &keystream{stream}
}

type keystream struct{ cipher *chacha20.Cipher }

// Read never fails.
func (k *keystream) Read(p []byte) (int, error) {
	clear(p)
	k.cipher.XORKeyStream(p, p)
	return len(p), nil
}
