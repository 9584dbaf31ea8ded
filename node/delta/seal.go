package delta

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"slices"

	"golang.org/x/crypto/chacha20poly1305"

	"mero/node/ident"
)

// Seal makes a delta: it sorts parents and wraps, sets the version, the epoch (of
// key) and the body's hash, seals the payload under a fresh nonce, and signs.
//
// The caller sets context, kind, parents, author, incarnation, seq and time.
// contextKey is given for a genesis and for nothing else; the caller destroys it
// afterwards. wraps are the recipients of a new epoch, or none.
//
// Errors wrap the sentinels of Open; they are faults of the caller, except
// ErrTooLarge, which says that the payload does not fit into MaxEnvelope.
func Seal(h Header, payload []byte, key EpochKey, wraps []Wrap, author ident.PrivateKey, contextKey *ident.PrivateKey) (*Delta, error) {
	var nonce [nonceSize]byte
	_, _ = rand.Read(nonce[:]) // never fails since Go 1.24
	d, err := seal(h, payload, key, wraps, signers{author, contextKey}, nonce)
	if err != nil {
		return nil, fmt.Errorf("seal delta: %w", err)
	}
	return d, nil
}

type signers struct {
	author  ident.PrivateKey
	context *ident.PrivateKey // of a genesis
}

func (s signers) check(h *Header) error {
	if s.author.IsZero() || s.author.Public() != h.Author {
		return fmt.Errorf("%w: another key", ErrAuthor)
	}
	if h.Kind != KindGenesis {
		if s.context != nil {
			return fmt.Errorf("%w: key given for a %s delta", ErrContextKey, h.Kind)
		}
		return nil
	}
	if s.context == nil || s.context.IsZero() || ident.PublicKey(h.Context) != s.context.Public() {
		return fmt.Errorf("%w: another key", ErrContextKey)
	}
	return nil
}

// seal is Seal with a given nonce, so that tests can pin bytes.
func seal(h Header, payload []byte, key EpochKey, wraps []Wrap, by signers, nonce [nonceSize]byte) (*Delta, error) {
	h.Version, h.Epoch = version, key.ID()
	h.Parents = slices.SortedFunc(slices.Values(h.Parents), ID.Compare)
	wraps = slices.SortedFunc(slices.Values(wraps), func(a, b Wrap) int { return a.Member.Compare(b.Member) })
	if !h.Kind.Known() {
		return nil, fmt.Errorf("%s: %w", h.Kind, ErrUpgrade)
	}
	if err := h.check(); err != nil {
		return nil, err
	}
	if err := checkWraps(wraps); err != nil {
		return nil, err
	}
	if err := by.check(&h); err != nil {
		return nil, err
	}
	aead, err := chacha20poly1305.NewX(key[:])
	if err != nil {
		return nil, err
	}
	d := &Delta{wraps: wraps}
	d.sealed = append(make([]byte, 0, nonceSize+len(payload)+tagSize), nonce[:]...)
	d.sealed = aead.Seal(d.sealed, nonce[:], payload, h.associated())
	body := encodeBody(wraps, d.sealed)
	h.Body = sha256.Sum256(body)
	header := h.encode()
	d.header, d.id = h, sha256.Sum256(header)

	signatures := []ident.Signature{by.author.Sign(authorDomain, d.id[:])}
	if h.Kind == KindGenesis {
		signatures = append(signatures, by.context.Sign(genesisDomain, d.id[:]))
	}
	d.raw = encodeEnvelope(header, signatures, body)
	if len(d.raw) > MaxEnvelope {
		return nil, fmt.Errorf("%w: %d bytes, limit %d", ErrTooLarge, len(d.raw), MaxEnvelope)
	}
	return d, nil
}

func encodeBody(wraps []Wrap, sealed []byte) []byte {
	b := make([]byte, 0, 16+len(wraps)*(3+ident.Size+wrappedSize+2)+len(sealed))
	b = appendArray(b, 2)
	b = appendArray(b, len(wraps))
	for _, w := range wraps {
		b = appendArray(b, 2)
		b = appendBytes(b, w.Member[:])
		b = appendBytes(b, w.Wrapped)
	}
	return appendBytes(b, sealed)
}

func encodeEnvelope(header []byte, signatures []ident.Signature, body []byte) []byte {
	b := make([]byte, 0, 24+len(header)+len(signatures)*(2+ident.SignatureSize)+len(body))
	b = appendArray(b, 3)
	b = appendBytes(b, header)
	b = appendArray(b, len(signatures))
	for i := range signatures {
		b = appendBytes(b, signatures[i][:])
	}
	return appendBytes(b, body)
}

// WrapEpoch wraps an epoch key for a member of a context (R13).
func WrapEpoch(context ident.ContextID, key EpochKey, member ident.PublicKey, to ident.SealPublicKey) (Wrap, error) {
	wrapped, err := to.Wrap(wrapInfo(context), key[:])
	if err != nil {
		return Wrap{}, fmt.Errorf("wrap epoch key for %s: %w", member, err)
	}
	return Wrap{Member: member, Wrapped: wrapped}, nil
}

// UnwrapEpoch takes the epoch key out of a delta that carries it for member, and
// checks that it is the key of the delta's epoch. Errors: ErrNoWrap,
// ident.ErrNotForUs, ErrWrongEpoch.
func UnwrapEpoch(d *Delta, member ident.PublicKey, key ident.SealKey) (EpochKey, error) {
	i, found := slices.BinarySearchFunc(d.wraps, member, func(w Wrap, m ident.PublicKey) int { return w.Member.Compare(m) })
	if !found {
		return EpochKey{}, fmt.Errorf("delta %s: %w: %s", d.id, ErrNoWrap, member)
	}
	secret, err := key.Unwrap(wrapInfo(d.header.Context), d.wraps[i].Wrapped)
	if err != nil {
		return EpochKey{}, fmt.Errorf("delta %s: epoch key for %s: %w", d.id, member, err)
	}
	var epoch EpochKey
	if copy(epoch[:], secret); len(secret) != len(epoch) || epoch.ID() != d.header.Epoch {
		return EpochKey{}, fmt.Errorf("delta %s: epoch key for %s: %w %s", d.id, member, ErrWrongEpoch, d.header.Epoch)
	}
	return epoch, nil
}

// wrapInfo is the purpose that an epoch key is wrapped for.
func wrapInfo(context ident.ContextID) []byte { return append([]byte(epochDomain), context[:]...) }
