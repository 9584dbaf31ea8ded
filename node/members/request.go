package members

import (
	"fmt"
	"time"

	"mero/node/delta"
	"mero/node/ident"
)

const (
	requestDomain = "join/v1"
	bearerDomain  = "bearer/v1"
)

// JoinRequest asks to be admitted by an invitation (R15), and brings the key under
// which secrets are wrapped for the new member (R13).
type JoinRequest struct {
	// Invitation is the id of the one that it answers.
	Invitation [32]byte
	// Member is the key that is to become a member, and signs.
	Member ident.PublicKey
	Seal   ident.SealPublicKey
	// Peer is the libp2p id of the member's node.
	Peer string
	// Time is when it was made, in whole seconds.
	Time      time.Time
	Signature ident.Signature
	// Proof is the same signed by the invitation's bearer key.
	Proof ident.Signature
}

type requestWire struct {
	Version    uint64 `cbor:"1,keyasint"`
	Invitation []byte `cbor:"2,keyasint"`
	Member     []byte `cbor:"3,keyasint"`
	Seal       []byte `cbor:"4,keyasint"`
	Peer       string `cbor:"5,keyasint"`
	Time       uint64 `cbor:"6,keyasint"`
	Signature  []byte `cbor:"7,keyasint,omitempty"`
	Proof      []byte `cbor:"8,keyasint,omitempty"`
}

func (r *JoinRequest) wire(signed bool) requestWire {
	at, _ := seconds(r.Time)
	w := requestWire{Version: version, Invitation: r.Invitation[:], Member: r.Member[:], Seal: r.Seal[:], Peer: r.Peer, Time: at}
	if signed {
		w.Signature, w.Proof = r.Signature[:], r.Proof[:]
	}
	return w
}

func (r *JoinRequest) unsigned() []byte { return encode(r.wire(false)) }

// Sign sets Invitation, Member, Signature and Proof. Errors are those of Verify, and
// ErrTicket for an invitation without its ticket.
func (r *JoinRequest) Sign(key ident.PrivateKey, inv *Invitation) error {
	bearer := ident.PrivateKeyFromSeed(inv.Ticket)
	if bearer.Public() != inv.Bearer {
		return fmt.Errorf("join request: %w", ErrTicket)
	}
	r.Member, r.Invitation = key.Public(), inv.ID()
	if err := r.check(); err != nil {
		return fmt.Errorf("join request: %w", err)
	}
	r.Signature, r.Proof = key.Sign(requestDomain, r.unsigned()), bearer.Sign(bearerDomain, r.unsigned())
	return nil
}

// Answers checks that the request is by somebody who was handed the word of an
// invitation. Errors: ErrMismatch, ErrTicket.
func (r *JoinRequest) Answers(inv *Invitation) error {
	if r.Invitation != inv.ID() {
		return ErrMismatch
	}
	if err := ident.Verify(inv.Bearer, bearerDomain, r.unsigned(), r.Proof); err != nil {
		return fmt.Errorf("%w: %w", ErrTicket, err)
	}
	return nil
}

// Encode is the request's bytes, at most delta.MaxRequest.
func (r *JoinRequest) Encode() []byte { return encode(r.wire(true)) }

// Verify checks the fields and the signature. Errors: ErrMalformed, ErrSignature.
func (r *JoinRequest) Verify() error {
	err := r.check()
	if err == nil {
		err = verify(r.Member, requestDomain, r.unsigned(), r.Signature)
	}
	if err != nil {
		return fmt.Errorf("join request: %w", err)
	}
	return nil
}

// DecodeJoinRequest reads and verifies a request. Errors: those of Verify, ErrVersion,
// ErrTooLarge.
func DecodeJoinRequest(raw []byte) (JoinRequest, error) {
	r, err := decodeRequest(raw)
	if err != nil {
		return JoinRequest{}, fmt.Errorf("join request: %w", err)
	}
	return r, r.Verify()
}

func decodeRequest(raw []byte) (r JoinRequest, err error) {
	var w requestWire
	if err := decode(raw, delta.MaxRequest, &w); err != nil {
		return JoinRequest{}, err
	}
	r.Peer = w.Peer
	r.Time, err = fromSeconds(w.Time)
	return r, first(err, fixed("invitation", w.Invitation, r.Invitation[:]), fixed("member", w.Member, r.Member[:]),
		fixed("sealing key", w.Seal, r.Seal[:]), fixed("signature", w.Signature, r.Signature[:]), fixed("proof", w.Proof, r.Proof[:]))
}

func (r *JoinRequest) check() error {
	if _, err := seconds(r.Time); err != nil {
		return err
	}
	if err := r.Seal.Check(); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return first(checkPeer(r.Peer), checkKey("member", r.Member))
}
