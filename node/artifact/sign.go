package artifact

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"mero/node/ident"
)

var (
	// ErrAmbiguous says that an artifact fits several layouts which want different
	// signatures: the application's pinned layout has to decide, with SignAs.
	ErrAmbiguous = errors.New("artifact: several layouts want different signatures")
	// ErrLayout says that an artifact does not fit the layout it was to have.
	ErrLayout = errors.New("artifact: does not fit the layout")
)

// patch is bytes to be written over the artifact: a nonce and a signature.
type patch struct {
	sign, nonce int
	signature   ident.Signature
	stamp       [8]byte
}

// Sign gives the signatures that are the executor's to give (wasm-abi 6.5): on every
// entry that the executor owns, and, where the signature is still empty, on shared
// entries that the executor may write and on members of those. It first sets each
// nonce to the time of the update or deletion. n is their number; with none, or for
// bytes that fit no layout, the artifact comes back as it is, else a copy.
//
// Own entries are signed even if there is a signature: it is the one of an earlier
// write, which guests up to L5 carry over from the state with its old nonce, and which
// peers would refuse. (The reference never sees that, since there the author's own
// state keeps the empty signature; by R6 ours holds what was signed.)
func Sign(artifact []byte, executor ident.PrivateKey) (signed []byte, n int, err error) {
	var chosen []patch
	fits := false
	for _, layout := range Layouts(artifact) {
		patches, err := patchesOf(artifact, formOf(layout), executor)
		if err != nil {
			return artifact, 0, err
		}
		if fits && !slices.Equal(patches, chosen) {
			return artifact, 0, fmt.Errorf("%w: %v", ErrAmbiguous, Layouts(artifact))
		}
		chosen, fits = patches, true
	}
	return apply(artifact, chosen), len(chosen), nil
}

// SignAs is Sign for an application whose layout is known. The error wraps ErrLayout
// if the artifact has another one; an empty artifact fits.
func SignAs(artifact []byte, layout Layout, executor ident.PrivateKey) (signed []byte, n int, err error) {
	if len(artifact) == 0 {
		return artifact, 0, nil
	}
	f := formOf(layout)
	if f == nil {
		return artifact, 0, fmt.Errorf("%w %s", ErrLayout, layout)
	}
	patches, err := patchesOf(artifact, f, executor)
	if err != nil {
		return artifact, 0, err
	}
	return apply(artifact, patches), len(patches), nil
}

func patchesOf(artifact []byte, f *form, executor ident.PrivateKey) ([]patch, error) {
	var patches []patch
	me := executor.Public()
	fits := scan(artifact, f, func(a *action) {
		if f.signing == 0 || !a.wants(artifact, me) {
			return
		}
		p := patch{sign: a.meta.sign, nonce: a.meta.nonce}
		copy(p.stamp[:], a.time())
		var payload [32]byte
		if f.signing == 1 {
			payload = a.payloadV1(p.stamp[:])
		} else {
			payload = a.payloadV2(p.stamp[:])
		}
		p.signature = executor.SignRaw(payload[:])
		patches = append(patches, p)
	})
	if !fits {
		return nil, fmt.Errorf("%w %s", ErrLayout, f.layout)
	}
	return patches, nil
}

func apply(artifact []byte, patches []patch) []byte {
	if len(patches) == 0 {
		return artifact
	}
	signed := bytes.Clone(artifact)
	for i := range patches {
		p := &patches[i]
		copy(signed[p.sign:], p.signature[:])
		copy(signed[p.nonce:], p.stamp[:])
	}
	return signed
}

// wants reports whether the action has a signature that is me's to give. Members of
// shared entries do not name their writers: there the guest decided when it left the
// signature empty.
func (a *action) wants(artifact []byte, me ident.PublicKey) bool {
	m := &a.meta
	if m.sign == 0 {
		return false
	}
	empty := bytes.Equal(artifact[m.sign:m.sign+signatureSize], make([]byte, signatureSize))
	switch m.kind {
	case storageUser:
		return bytes.Equal(m.owner, me[:])
	case storageShared:
		return empty && slices.ContainsFunc(m.keys, func(key []byte) bool { return bytes.Equal(key, me[:]) })
	}
	return empty && m.kind == storageMember
}

// time is the u64 that becomes the nonce.
func (a *action) time() []byte {
	if a.tag == actionDelete {
		return a.deleted
	}
	return a.meta.times[8:]
}

// payloadV1 is what is signed up to 2026-05-18. The storage type goes in as it
// stands, with the signature empty and the nonce set.
func (a *action) payloadV1(nonce []byte) [32]byte {
	h := sha256.New()
	if a.tag == actionDelete {
		h.Write([]byte("v1_delete"))
		h.Write(a.id)
		h.Write(a.deleted)
	} else {
		h.Write([]byte("v1_upsert"))
		h.Write(a.id)
		h.Write(a.data)
		for _, link := range a.links {
			h.Write(link)
		}
	}
	h.Write(a.meta.times)
	storage := bytes.Clone(a.meta.storage)
	at := len(storage) - len(a.meta.signer) - len(nonce)
	clear(storage[at-signatureSize : at])
	copy(storage[at:], nonce)
	h.Write(storage)
	return [32]byte(h.Sum(nil))
}

// payloadV2 is what is signed since 2026-05-19. The storage types have numbers of
// their own here.
func (a *action) payloadV2(nonce []byte) [32]byte {
	h := sha256.New()
	if a.tag == actionDelete {
		h.Write([]byte("v2_delete"))
		h.Write(a.id)
		h.Write(a.deleted)
	} else {
		h.Write([]byte("v2_upsert"))
		h.Write(a.id)
		h.Write(a.data)
	}
	m := &a.meta
	signer := m.signer
	switch m.kind {
	case storageUser:
		h.Write([]byte{2})
		h.Write(m.owner)
		if len(signer) == 1 { // not named: not a part of the payload
			signer = nil
		}
	case storageShared:
		h.Write([]byte{3})
		h.Write(m.writers)
	case storageMember:
		h.Write([]byte{4})
		h.Write(m.anchor)
	}
	h.Write([]byte{1}) // there is a signature
	h.Write(nonce)
	h.Write(signer)
	return [32]byte(h.Sum(nil))
}
