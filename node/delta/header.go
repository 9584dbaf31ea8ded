package delta

import (
	"bytes"
	"crypto/sha256"
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"mero/node/ident"
)

// version is the protocol version that this release writes and folds.
const version = 1

// Header is what a delta's id covers (R1): everything by which it is ordered and
// judged without opening its payload.
type Header struct {
	Version     uint64          // of the protocol: 1
	Context     ident.ContextID // the context it belongs to
	Kind        Kind            // what it does
	Parents     []ID            // the heads it builds on, strictly ascending
	Author      ident.PublicKey // the member who made and signed it
	Incarnation Incarnation     // with Author: the writer (R3)
	Seq         uint64          // the writer's number for it: 1, 2, 3 … (R3)
	Time        Time            // hybrid time, later than every parent's (R2)
	Epoch       EpochID         // whose key seals the payload (R13)
	Body        [32]byte        // SHA-256 of the body
}

// Writer is who numbered the delta.
func (h *Header) Writer() Writer { return Writer{Author: h.Author, Incarnation: h.Incarnation} }

// Known reports whether this release can fold what the header describes.
func (h *Header) Known() bool { return h.Version == version && h.Kind.Known() }

// append writes the first nine elements of the header without the head of the list.
func (h *Header) append(b []byte) []byte {
	b = appendUint(b, h.Version)
	b = appendBytes(b, h.Context[:])
	b = appendUint(b, uint64(h.Kind))
	b = appendArray(b, len(h.Parents))
	for i := range h.Parents {
		b = appendBytes(b, h.Parents[i][:])
	}
	b = appendBytes(b, h.Author[:])
	b = appendBytes(b, h.Incarnation[:])
	b = appendUint(b, h.Seq)
	b = appendUint(b, uint64(h.Time))
	return appendBytes(b, h.Epoch[:])
}

// encode is the header's bytes.
func (h *Header) encode() []byte {
	b := h.append(appendArray(make([]byte, 0, 224+34*len(h.Parents)), headerElements))
	return appendBytes(b, h.Body[:])
}

// associated is what the payload's seal covers besides the payload: the header
// without the body's hash, which depends on the sealed payload.
func (h *Header) associated() []byte {
	return h.append(appendArray(make([]byte, 0, 192+34*len(h.Parents)), headerElements-1))
}

// check applies the rules of every version.
func (h *Header) check() error {
	if h.Kind == 0 {
		return fmt.Errorf("kind: %w: 0", ErrMalformed)
	}
	if h.Kind == KindGenesis {
		if len(h.Parents) > 0 {
			return fmt.Errorf("%w: a genesis has %d", ErrParents, len(h.Parents))
		}
		if h.Seq != 1 {
			return fmt.Errorf("%w: a genesis with %d", ErrSeq, h.Seq)
		}
	} else if len(h.Parents) == 0 {
		return fmt.Errorf("%w: none", ErrParents)
	}
	if len(h.Parents) > MaxParents {
		return fmt.Errorf("%w: %d, limit %d", ErrTooManyParents, len(h.Parents), MaxParents)
	}
	for i := 1; i < len(h.Parents); i++ {
		if h.Parents[i-1].Compare(h.Parents[i]) >= 0 {
			return fmt.Errorf("%w: not strictly ascending", ErrParents)
		}
	}
	if h.Seq == 0 {
		return fmt.Errorf("%w: 0", ErrSeq)
	}
	return h.Time.check()
}

// decodeHeader reads and checks the header of any version.
func decodeHeader(raw []byte) (Header, error) {
	var h Header
	if len(raw) > MaxHeader {
		return h, fmt.Errorf("header: %w: %d bytes, limit %d", ErrTooLarge, len(raw), MaxHeader)
	}
	r := &reader{rest: raw}
	n := r.array("header", maxElements, ErrMalformed)
	if r.err == nil && n < headerElements {
		r.fail("header", fmt.Errorf("%w: %d elements, want at least %d", ErrMalformed, n, headerElements))
	}
	h.Version = r.uint("version")
	r.fixed("context", h.Context[:])
	kind := r.uint("kind")
	h.Parents = readParents(r)
	r.fixed("author", h.Author[:])
	r.fixed("incarnation", h.Incarnation[:])
	h.Seq = r.uint("seq")
	h.Time = Time(r.uint("time"))
	r.fixed("epoch", h.Epoch[:])
	r.fixed("body hash", h.Body[:])
	if r.err != nil {
		return h, r.err
	}
	if h.Version == 0 {
		return h, fmt.Errorf("version: %w: 0", ErrMalformed)
	}
	if kind > 255 {
		return h, fmt.Errorf("kind: %w: %d", ErrMalformed, kind)
	}
	h.Kind = Kind(kind)
	if h.Version == version && n != headerElements {
		return h, fmt.Errorf("header: %w: %d elements, want %d", ErrMalformed, n, headerElements)
	}
	skip(r, n-headerElements)
	if err := r.end("header"); err != nil {
		return h, err
	}
	return h, h.check()
}

func readParents(r *reader) []ID {
	n := r.array("parents", MaxParents, ErrTooManyParents)
	if n == 0 {
		return nil
	}
	parents := make([]ID, n)
	for i := range parents {
		r.fixed("parents", parents[i][:])
	}
	return parents
}

// skip passes over elements that only a newer release understands.
func skip(r *reader, n int) {
	for range n {
		if r.err != nil {
			return
		}
		var item cbor.RawMessage
		rest, err := decMode.UnmarshalFirst(r.rest, &item)
		if err != nil {
			r.fail("header", libraryError(err))
			return
		}
		r.rest = rest
	}
}

// envelope is a delta's bytes taken apart; all parts lie in raw.
type envelope struct {
	header     Header
	id         ID
	signatures []ident.Signature
	body       []byte
}

// split checks everything that can be told from the bytes without verifying a
// signature.
func split(raw []byte) (*envelope, error) {
	if len(raw) > MaxEnvelope {
		return nil, fmt.Errorf("%w: %d bytes, limit %d", ErrTooLarge, len(raw), MaxEnvelope)
	}
	e := &envelope{}
	r := &reader{rest: raw}
	r.tuple("envelope", 3)
	header := r.bytes("header")
	n := r.array("signatures", maxSignatures, ErrTooLarge)
	for range n {
		var sig ident.Signature
		r.fixed("signatures", sig[:])
		e.signatures = append(e.signatures, sig)
	}
	e.body = r.bytes("body")
	if err := r.end("envelope"); err != nil {
		return nil, err
	}
	var err error
	if e.header, err = decodeHeader(header); err != nil {
		return nil, err
	}
	e.id = sha256.Sum256(header)
	if want := sha256.Sum256(e.body); !bytes.Equal(want[:], e.header.Body[:]) {
		return nil, ErrBody
	}
	return e, e.countSignatures()
}

// countSignatures checks how many there are; what they sign is Open's.
func (e *envelope) countSignatures() error {
	least, most := 1, 1
	switch {
	case e.header.Version != version:
		most = maxSignatures
	case e.header.Kind == KindGenesis:
		least, most = 2, 2
	}
	if n := len(e.signatures); n < least || n > most {
		return fmt.Errorf("signatures: %w: %d, want %d", ErrMalformed, n, least)
	}
	return nil
}
