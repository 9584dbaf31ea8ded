package wire

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"

	"github.com/mr-tron/base58"

	"mero/node/delta"
)

// Secret is the topic secret of a context, from which everything derives by which
// its members find each other (R14), so that nobody else learns the context's id.
type Secret [32]byte

// String hides the secret.
func (s Secret) String() string { return "topic secret" }

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return s.String() }

func (s Secret) derive(domain string, parts ...[]byte) [32]byte {
	mac := hmac.New(sha256.New, s[:])
	mac.Write([]byte(domain))
	for _, p := range parts {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		mac.Write(n[:])
		mac.Write(p)
	}
	return [32]byte(mac.Sum(nil))
}

// Topic is the name of the context's gossip topic.
func (s Secret) Topic() string {
	name := s.derive("mero/topic/v1")
	return base58.Encode(name[:])
}

// Rendezvous is the key under which members provide themselves in the DHT.
func (s Secret) Rendezvous() [32]byte { return s.derive("mero/dht/v1") }

// Tag says that the peer from holds the context, to the peer to, in the hello with
// that nonce.
func (s Secret) Tag(from, to string, nonce [16]byte) Tag {
	sum := s.derive("mero/hello/v1", []byte(from), []byte(to), nonce[:])
	return Tag(sum[:16])
}

// Sum is one hash over a set of heads, which are ascending.
func Sum(heads []delta.ID) [32]byte {
	h := sha256.New()
	h.Write([]byte("mero/heads/v1"))
	for _, id := range heads {
		h.Write(id[:])
	}
	return [32]byte(h.Sum(nil))
}
