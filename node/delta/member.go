package delta

import (
	"errors"
	"fmt"

	"mero/node/ident"
)

// Member is the payload of a member delta: a change of the membership, judged by the
// membership in its own past (R10, R11). Exactly one field is set.
type Member struct {
	// Admit takes a member in.
	Admit *Admit
	// Revoke names an invitation that is good no more.
	Revoke *[32]byte
}

// Admit takes a member in, by an invitation (R15).
type Admit struct {
	// Key is the member, Seal its key for wrapped epoch keys (R13).
	Key  ident.PublicKey
	Seal ident.SealPublicKey
	// Role is what it may do, by the numbers of node/members; not 0.
	Role uint8
	// Invitation and Request are the signed bytes that it rests on, as node/members
	// writes them; at most MaxInvitation and MaxRequest bytes.
	Invitation, Request []byte
}

type memberWire struct {
	Admit  *admitWire `cbor:"1,keyasint,omitempty"`
	Revoke []byte     `cbor:"2,keyasint,omitempty"`
}

type admitWire struct {
	Key        []byte `cbor:"1,keyasint"`
	Seal       []byte `cbor:"2,keyasint"`
	Role       uint64 `cbor:"3,keyasint"`
	Invitation []byte `cbor:"4,keyasint"`
	Request    []byte `cbor:"5,keyasint"`
}

// EncodeMember writes the payload of a member delta. The error wraps ErrPayload and,
// when a limit is the reason, ErrTooLarge.
func EncodeMember(m Member) ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("member: %w: %w", ErrPayload, err)
	}
	return encode("member", m.wire())
}

// DecodeMember reads the payload of a member delta. Errors wrap ErrPayload, or
// ErrUpgrade for a change that this release does not know.
func DecodeMember(payload []byte) (Member, error) {
	var w memberWire
	if err := decode(payload, &w); err != nil {
		return Member{}, payloadError("member", err)
	}
	var (
		m   Member
		err error
	)
	if w.Revoke != nil {
		m.Revoke = new([32]byte)
		err = fixed("invitation", w.Revoke, m.Revoke[:])
	}
	if a := w.Admit; a != nil {
		m.Admit = &Admit{Role: uint8(min(a.Role, 255)), Invitation: a.Invitation, Request: a.Request}
		err = errors.Join(err, fixed("member key", a.Key, m.Admit.Key[:]), fixed("sealing key", a.Seal, m.Admit.Seal[:]))
	}
	if err == nil {
		err = m.check()
	}
	if err == nil {
		err = canonical(payload, m.wire())
	}
	if err != nil {
		return Member{}, payloadError("member", err)
	}
	return m, nil
}

func (m *Member) wire() memberWire {
	var w memberWire
	if m.Revoke != nil {
		w.Revoke = m.Revoke[:]
	}
	if a := m.Admit; a != nil {
		w.Admit = &admitWire{Key: a.Key[:], Seal: a.Seal[:], Role: uint64(a.Role), Invitation: a.Invitation, Request: a.Request}
	}
	return w
}

func (m *Member) check() error {
	if (m.Admit == nil) == (m.Revoke == nil) {
		return fmt.Errorf("%w: want exactly one change", ErrMalformed)
	}
	if m.Admit == nil {
		return nil
	}
	if m.Admit.Role == 0 {
		return fmt.Errorf("role: %w: 0", ErrMalformed)
	}
	return errors.Join(
		size("invitation", len(m.Admit.Invitation), MaxInvitation), size("request", len(m.Admit.Request), MaxRequest))
}
