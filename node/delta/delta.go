package delta

import (
	"crypto/sha256"
	"fmt"
	"slices"

	"golang.org/x/crypto/chacha20poly1305"

	"mero/node/ident"
)

// The domains of a delta's signatures; ident puts "mero" before them.
const (
	authorDomain  = "delta/v1/author"
	genesisDomain = "delta/v1/genesis"
)

// Delta is a verified delta. It is immutable and may be shared; the zero value
// is not a delta.
type Delta struct {
	raw    []byte
	id     ID
	header Header
	wraps  []Wrap
	sealed []byte // nonce and ciphertext, a part of raw
}

// Wrap is an epoch key wrapped for one member (R13).
type Wrap struct {
	Member  ident.PublicKey
	Wrapped []byte // 80 bytes of HPKE
}

// ID is the delta's name: SHA-256 of its header.
func (d *Delta) ID() ID { return d.id }

// Header is what the id covers. The parents are a copy.
func (d *Delta) Header() Header {
	h := d.header
	h.Parents = slices.Clone(h.Parents)
	return h
}

// Bytes is the envelope: what travels and what is stored. It is the delta's own
// memory and must not be changed.
func (d *Delta) Bytes() []byte { return d.raw }

// Wraps is the epoch keys that the delta carries, ascending by member. It is the
// delta's own memory and must not be changed.
func (d *Delta) Wraps() []Wrap { return d.wraps }

// Payload opens the seal. The result is a fresh slice. Errors: ErrWrongEpoch when
// the key is another epoch's, ErrSealed when the right key does not open it, which
// no honest author makes.
func (d *Delta) Payload(key EpochKey) ([]byte, error) {
	if key.ID() != d.header.Epoch {
		return nil, fmt.Errorf("delta %s: %w %s", d.id, ErrWrongEpoch, d.header.Epoch)
	}
	aead, err := chacha20poly1305.NewX(key[:])
	if err != nil {
		return nil, fmt.Errorf("delta %s: %w", d.id, err)
	}
	nonce, box := d.sealed[:nonceSize], d.sealed[nonceSize:]
	payload, err := aead.Open(nil, nonce, box, d.header.associated())
	if err != nil {
		return nil, fmt.Errorf("delta %s: %w", d.id, ErrSealed)
	}
	return payload, nil
}

// Open reads and verifies an envelope: size, canonical form, the rules of the
// header, the hash of the body, and all signatures. It is the one door for bytes
// from outside. The delta keeps raw, which must not be changed afterwards.
//
// A delta of an unknown version or kind whose id and author's signature are in
// order gives *UpgradeError. All other errors wrap one of the sentinels in this
// package and mean that the bytes are no delta and never will be.
func Open(raw []byte) (*Delta, error) { return open(raw, true) }

// Reopen is Open for bytes that Open took before, without verifying the
// signatures again, which is most of its cost.
func Reopen(raw []byte) (*Delta, error) { return open(raw, false) }

func open(raw []byte, verify bool) (*Delta, error) {
	e, err := split(raw)
	if err != nil {
		return nil, fmt.Errorf("delta: %w", err)
	}
	d := &Delta{raw: raw, id: e.id, header: e.header}
	if e.header.Version == version {
		if d.wraps, d.sealed, err = decodeBody(e.body); err != nil {
			return nil, fmt.Errorf("delta %s: %w", e.id, err)
		}
	}
	if verify {
		if err := e.verify(); err != nil {
			return nil, fmt.Errorf("delta %s: %w", e.id, err)
		}
	}
	if !e.header.Known() {
		return nil, &UpgradeError{ID: e.id, Header: e.header}
	}
	return d, nil
}

// verify checks the signatures that every release knows. Those that a newer
// version may have added are checked by a newer release, when the delta is opened
// again.
func (e *envelope) verify() error {
	if err := ident.Verify(e.header.Author, authorDomain, e.id[:], e.signatures[0]); err != nil {
		return fmt.Errorf("%w: %w", ErrAuthor, err)
	}
	if e.header.Version != version || e.header.Kind != KindGenesis {
		return nil
	}
	key := ident.PublicKey(e.header.Context)
	if err := ident.Verify(key, genesisDomain, e.id[:], e.signatures[1]); err != nil {
		return fmt.Errorf("%w: %w", ErrContextKey, err)
	}
	return nil
}

// Inspect reads header and id of an envelope without verifying its signatures: for
// bytes that were verified before, and for people. Unknown versions and kinds are
// no error. Other errors are those of Open, but for the signatures and the body's
// inner form.
func Inspect(raw []byte) (Header, ID, error) {
	e, err := split(raw)
	if err != nil {
		return Header{}, ID{}, fmt.Errorf("delta: %w", err)
	}
	return e.header, e.id, nil
}

// HeaderOf reads header and id of the beginning of an envelope, which reaches at
// least to the end of its header: of bytes that were verified before and of which
// the rest was not read. Errors are those of Inspect.
func HeaderOf(beginning []byte) (Header, ID, error) {
	r := &reader{rest: beginning}
	r.tuple("envelope", 3)
	raw := r.bytes("header")
	if r.err != nil {
		return Header{}, ID{}, fmt.Errorf("delta: %w", r.err)
	}
	h, err := decodeHeader(raw)
	if err != nil {
		return Header{}, ID{}, fmt.Errorf("delta: %w", err)
	}
	return h, sha256.Sum256(raw), nil
}

// decodeBody reads a body of version 1. Its parts lie in raw.
func decodeBody(raw []byte) ([]Wrap, []byte, error) {
	r := &reader{rest: raw}
	r.tuple("body", 2)
	n := r.array("wraps", MaxWraps, ErrTooLarge)
	var wraps []Wrap
	for range n {
		var w Wrap
		r.tuple("wraps", 2)
		r.fixed("wraps", w.Member[:])
		if w.Wrapped = r.bytes("wraps"); r.err != nil {
			break
		}
		wraps = append(wraps, w)
	}
	sealed := r.bytes("sealed")
	if err := r.end("body"); err != nil {
		return nil, nil, err
	}
	if len(sealed) < nonceSize+tagSize {
		return nil, nil, fmt.Errorf("sealed: %w: %d bytes", ErrMalformed, len(sealed))
	}
	return wraps, sealed, checkWraps(wraps)
}

func checkWraps(wraps []Wrap) error {
	if len(wraps) > MaxWraps {
		return fmt.Errorf("wraps: %w: %d, limit %d", ErrTooLarge, len(wraps), MaxWraps)
	}
	for i, w := range wraps {
		if len(w.Wrapped) != wrappedSize {
			return fmt.Errorf("%w: %d bytes for %s, want %d", ErrWraps, len(w.Wrapped), w.Member, wrappedSize)
		}
		if i > 0 && wraps[i-1].Member.Compare(w.Member) >= 0 {
			return fmt.Errorf("%w: not strictly ascending by member", ErrWraps)
		}
	}
	return nil
}
