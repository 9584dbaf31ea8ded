package fold

import (
	"crypto/sha256"

	"mero/node/members"
	"mero/node/store"
)

// Rehash computes the root of the context from what was folded (R9).
func (s *State) Rehash() { s.Rec.Root = Root(&s.Rec) }

// Root is the root of a context (R9): of its state, and of what it covers beside it.
func Root(rec *store.Context) [32]byte { return rec.Sum.Root(meta(rec)) }

// Join makes it the membership at the heads.
func (s *State) Join(v *members.View) { s.View, s.Rec.Members = v, v.Digest() }

// meta is what the root covers beside the state (R9): SHA-256 over
//
//	"mero/meta/v1" 00 | genesis id | application id | epoch | digest of the membership
func meta(rec *store.Context) [32]byte {
	h := sha256.New()
	h.Write([]byte("mero/meta/v1\x00"))
	h.Write(rec.Genesis[:])
	h.Write(rec.App[:])
	h.Write(rec.Epoch[:])
	h.Write(rec.Members[:])
	return [32]byte(h.Sum(nil))
}
