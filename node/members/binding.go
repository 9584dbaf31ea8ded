package members

import (
	"fmt"
	"time"

	"mero/node/ident"
)

const (
	bindingDomain = "binding/v1"
	// maxBinding bounds a binding, in bytes.
	maxBinding = 1 << 10
	// MaxBindingLife is the longest that a binding may be good (R14).
	MaxBindingLife = 24 * time.Hour
	// clockSkew is how much later than now a binding may have been made.
	clockSkew = 5 * time.Minute
)

// Binding says that a libp2p peer speaks for a member of a context (R14). That the
// connection is that peer's is proved by libp2p.
type Binding struct {
	Context ident.ContextID
	// Member is who signs.
	Member ident.PublicKey
	// Peer is the text of the libp2p id.
	Peer string
	// Role is what the member says it is; what counts is what the context says.
	Role Role
	// Time is when it was made and Expires when it ends, at most MaxBindingLife later;
	// both in whole seconds.
	Time, Expires time.Time
	Signature     ident.Signature
}

type bindingWire struct {
	Version   uint64 `cbor:"1,keyasint"`
	Context   []byte `cbor:"2,keyasint"`
	Member    []byte `cbor:"3,keyasint"`
	Peer      string `cbor:"4,keyasint"`
	Role      uint64 `cbor:"5,keyasint"`
	Time      uint64 `cbor:"6,keyasint"`
	Expires   uint64 `cbor:"7,keyasint"`
	Signature []byte `cbor:"8,keyasint,omitempty"`
}

func (b *Binding) wire(signed bool) bindingWire {
	at, _ := seconds(b.Time)
	expires, _ := seconds(b.Expires)
	w := bindingWire{
		Version: version, Context: b.Context[:], Member: b.Member[:], Peer: b.Peer, Role: uint64(b.Role), Time: at, Expires: expires,
	}
	if signed {
		w.Signature = b.Signature[:]
	}
	return w
}

func (b *Binding) unsigned() []byte { return encode(b.wire(false)) }

// Sign sets Member and Signature. Errors: ErrMalformed.
func (b *Binding) Sign(key ident.PrivateKey) error {
	b.Member = key.Public()
	if err := b.check(); err != nil {
		return fmt.Errorf("binding: %w", err)
	}
	b.Signature = key.Sign(bindingDomain, b.unsigned())
	return nil
}

// Encode is the binding's bytes, at most 1 KiB.
func (b *Binding) Encode() []byte { return encode(b.wire(true)) }

// Verify checks that the binding, its signature included, is good for a context on the
// connection of a peer. Who the member is, the context says. Errors: ErrMalformed,
// ErrOtherContext, ErrOtherPeer, ErrNotYet, ErrExpired, ErrSignature.
func (b *Binding) Verify(peer string, now time.Time, context ident.ContextID) error {
	err := b.check()
	switch {
	case err != nil:
	case b.Context != context:
		err = ErrOtherContext
	case b.Peer != peer:
		err = ErrOtherPeer
	case b.Time.After(now.Add(clockSkew)):
		err = fmt.Errorf("%w: %s", ErrNotYet, b.Time)
	case now.After(b.Expires):
		err = fmt.Errorf("%w: %s", ErrExpired, b.Expires)
	default:
		err = verify(b.Member, bindingDomain, b.unsigned(), b.Signature)
	}
	if err != nil {
		return fmt.Errorf("binding: %w", err)
	}
	return nil
}

// DecodeBinding reads a binding; Verify is still to be asked. Errors: ErrMalformed,
// ErrVersion, ErrTooLarge.
func DecodeBinding(raw []byte) (Binding, error) {
	b, err := decodeBinding(raw)
	if err == nil {
		err = b.check()
	}
	if err != nil {
		return Binding{}, fmt.Errorf("binding: %w", err)
	}
	return b, nil
}

func decodeBinding(raw []byte) (b Binding, err error) {
	var w bindingWire
	if err := decode(raw, maxBinding, &w); err != nil {
		return Binding{}, err
	}
	if w.Role > 255 {
		return Binding{}, fmt.Errorf("%w: role %d", ErrMalformed, w.Role)
	}
	b.Peer, b.Role = w.Peer, Role(w.Role)
	b.Time, err = fromSeconds(w.Time)
	expires, late := fromSeconds(w.Expires)
	b.Expires = expires
	return b, first(err, late, fixed("context", w.Context, b.Context[:]), fixed("member", w.Member, b.Member[:]),
		fixed("signature", w.Signature, b.Signature[:]))
}

func (b *Binding) check() error {
	_, err := seconds(b.Time)
	_, late := seconds(b.Expires)
	if err := first(err, late, checkPeer(b.Peer), checkKey("member", b.Member)); err != nil {
		return err
	}
	if b.Role < Creator || b.Role > ReadOnly {
		return fmt.Errorf("%w: %s", ErrMalformed, b.Role)
	}
	if life := b.Expires.Sub(b.Time); life <= 0 || life > MaxBindingLife {
		return fmt.Errorf("%w: good for %s, at most %s", ErrMalformed, life, MaxBindingLife)
	}
	return nil
}
