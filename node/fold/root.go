package fold

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"mero/node/hosted"
	"mero/node/ident"
	"mero/node/store"
)

// Rehash computes the root of the context from what was folded (R9).
func (s *State) Rehash() { s.Rec.Root = Root(&s.Rec, s.Members) }

// Root is the root of a context (R9): of its state, and of what it covers beside it.
func Root(rec *store.Context, members hosted.Members) [32]byte {
	return rec.Sum.Root(meta(rec, members))
}

// meta is what the root covers beside the state (R9): SHA-256 over
//
//	"mero/meta/v1" 00 | genesis id | application id | epoch | u32 count | members ascending
func meta(rec *store.Context, who hosted.Members) [32]byte {
	h := sha256.New()
	h.Write([]byte("mero/meta/v1\x00"))
	h.Write(rec.Genesis[:])
	h.Write(rec.App[:])
	h.Write(rec.Epoch[:])
	sorted := slices.Clone(who)
	slices.SortFunc(sorted, ident.PublicKey.Compare)
	var n [4]byte
	binary.BigEndian.PutUint32(n[:], uint32(len(sorted)))
	h.Write(n[:])
	for _, key := range sorted {
		h.Write(key[:])
	}
	return [32]byte(h.Sum(nil))
}

// MembersOf are the members as genesis made them: admissions are not built yet,
// and whoever seals under an epoch of the context was given its key.
func MembersOf(rec *store.Context) hosted.Members { return hosted.Members{rec.Creator} }
