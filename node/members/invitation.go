package members

import (
	"crypto/sha256"
	"fmt"
	"time"
	"unicode/utf8"

	"mero/node/delta"
	"mero/node/ident"
)

// Limits of an invitation.
const (
	// MaxAddrs bounds its addresses, and MaxAddr the bytes of each.
	MaxAddrs = 16
	MaxAddr  = 256
)

const invitationDomain = "invitation/v1"

// Invitation lets somebody in (R15). Its word is a secret: who has it finds the members,
// and may join if it is open.
type Invitation struct {
	Context ident.ContextID
	Genesis delta.ID
	// Secret is what names of topics and DHT keys derive from (R14).
	Secret [32]byte
	// Role is what who joins becomes: Admin, Plain or ReadOnly.
	Role Role
	// To is the key that it is for; zero: it is open.
	To ident.PublicKey
	// Uses is how many may join by it; 0: as many as like, until it expires.
	Uses uint32
	// Expires is the last moment at which it is good, in whole seconds.
	Expires time.Time
	// Ticket is the seed of a key that only those have who were handed the word. It is no
	// part of the bytes that a join shows and that an admission keeps for all members to
	// read: nobody gets in by these. Zero: not known here.
	Ticket [32]byte
	// Bearer is the public half of that key. Sign sets it.
	Bearer ident.PublicKey
	// Addrs are where members may be found: multiaddrs with /p2p/ at the end.
	Addrs []string
	// Issuer is the member that invites, and signs.
	Issuer    ident.PublicKey
	Signature ident.Signature
}

type invitationWire struct {
	Version   uint64   `cbor:"1,keyasint"`
	Context   []byte   `cbor:"2,keyasint"`
	Genesis   []byte   `cbor:"3,keyasint"`
	Secret    []byte   `cbor:"4,keyasint"`
	Role      uint64   `cbor:"5,keyasint"`
	To        []byte   `cbor:"6,keyasint,omitempty"`
	Uses      uint64   `cbor:"7,keyasint,omitempty"`
	Expires   uint64   `cbor:"8,keyasint"`
	Bearer    []byte   `cbor:"9,keyasint"`
	Addrs     []string `cbor:"10,keyasint,omitempty"`
	Issuer    []byte   `cbor:"11,keyasint"`
	Signature []byte   `cbor:"12,keyasint,omitempty"`
}

func (i *Invitation) wire(signed bool) invitationWire {
	expires, _ := seconds(i.Expires)
	w := invitationWire{
		Version: version, Context: i.Context[:], Genesis: i.Genesis[:], Secret: i.Secret[:], Role: uint64(i.Role),
		Uses: uint64(i.Uses), Expires: expires, Bearer: i.Bearer[:], Addrs: i.Addrs, Issuer: i.Issuer[:],
	}
	if !i.To.IsZero() {
		w.To = i.To[:]
	}
	if signed {
		w.Signature = i.Signature[:]
	}
	return w
}

func (i *Invitation) unsigned() []byte { return encode(i.wire(false)) }

// Sign sets Bearer by the ticket, which must be drawn for this invitation, Issuer and
// Signature, after the rules of the other fields were checked: the errors are those of
// Verify, and ErrTooLarge.
func (i *Invitation) Sign(key ident.PrivateKey) error {
	i.Issuer, i.Bearer = key.Public(), ident.PrivateKeyFromSeed(i.Ticket).Public()
	if err := i.check(); err != nil {
		return fmt.Errorf("invitation: %w", err)
	}
	i.Signature = key.Sign(invitationDomain, i.unsigned())
	if n := len(i.Encode()); n > delta.MaxInvitation {
		return fmt.Errorf("invitation: %w: %d bytes, limit %d", ErrTooLarge, n, delta.MaxInvitation)
	}
	return nil
}

// Encode is the invitation's bytes without the ticket, at most delta.MaxInvitation.
func (i *Invitation) Encode() []byte { return encode(i.wire(true)) }

// ID names the invitation, whatever its signature.
func (i *Invitation) ID() [32]byte { return sha256.Sum256(i.unsigned()) }

// Verify checks the fields and the signature. It says nothing of who the issuer is, or
// whether the invitation has expired. Errors: ErrMalformed, ErrTooLarge, ErrSignature.
func (i *Invitation) Verify() error {
	err := i.check()
	if err == nil {
		err = verify(i.Issuer, invitationDomain, i.unsigned(), i.Signature)
	}
	if err != nil {
		return fmt.Errorf("invitation: %w", err)
	}
	return nil
}

// IsExpired reports whether its time is over.
func (i *Invitation) IsExpired(now time.Time) bool { return now.After(i.Expires) }

// String names the invitation without its secret.
func (i *Invitation) String() string {
	return fmt.Sprintf("invitation %s to context %s", delta.ID(i.ID()).Short(), i.Context)
}

// GoString hides the secret from %#v.
func (i *Invitation) GoString() string { return i.String() }

// DecodeInvitation reads and verifies an invitation. Errors: those of Verify, and
// ErrVersion.
func DecodeInvitation(raw []byte) (Invitation, error) {
	i, err := decodeInvitation(raw)
	if err != nil {
		return Invitation{}, fmt.Errorf("invitation: %w", err)
	}
	return i, i.Verify()
}

func decodeInvitation(raw []byte) (i Invitation, err error) {
	var w invitationWire
	if err := decode(raw, delta.MaxInvitation, &w); err != nil {
		return Invitation{}, err
	}
	if w.Role > 255 || w.Uses > 1<<32-1 {
		return Invitation{}, fmt.Errorf("%w: role %d, uses %d", ErrMalformed, w.Role, w.Uses)
	}
	i = Invitation{Role: Role(w.Role), Uses: uint32(w.Uses), Addrs: w.Addrs}
	i.Expires, err = fromSeconds(w.Expires)
	err = first(err, fixed("context", w.Context, i.Context[:]), fixed("genesis", w.Genesis, i.Genesis[:]),
		fixed("secret", w.Secret, i.Secret[:]), fixed("bearer key", w.Bearer, i.Bearer[:]),
		fixed("issuer", w.Issuer, i.Issuer[:]), fixed("signature", w.Signature, i.Signature[:]))
	if err == nil && w.To != nil {
		if err = fixed("member", w.To, i.To[:]); err == nil && i.To.IsZero() {
			err = fmt.Errorf("%w: it is for nobody", ErrMalformed)
		}
	}
	return i, err
}

func (i *Invitation) check() error {
	if !i.Role.isInvited() {
		return fmt.Errorf("%w: nobody can be invited as %s", ErrMalformed, i.Role)
	}
	if _, err := seconds(i.Expires); err != nil {
		return err
	}
	if len(i.Addrs) > MaxAddrs {
		return fmt.Errorf("%w: %d addresses, limit %d", ErrTooLarge, len(i.Addrs), MaxAddrs)
	}
	for _, a := range i.Addrs {
		if len(a) > MaxAddr {
			return fmt.Errorf("%w: address of %d bytes, limit %d", ErrTooLarge, len(a), MaxAddr)
		}
		if a == "" || !utf8.ValidString(a) {
			return fmt.Errorf("%w: address %q", ErrMalformed, a)
		}
	}
	if !i.To.IsZero() {
		if err := checkKey("member", i.To); err != nil {
			return err
		}
	}
	return first(checkKey("bearer", i.Bearer), checkKey("issuer", i.Issuer))
}
