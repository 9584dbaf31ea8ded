package api

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/mr-tron/base58"

	"mero/node/ident"
)

// Protocol is what stands where invitations of the reference name a blockchain and
// its network. Clients carry it as it is (http-api 10).
const Protocol = "mero"

// ErrForeignInvitation says that an invitation is not one that this program made:
// of a node that is not mero, or not an invitation at all.
var ErrForeignInvitation = errors.New("this is no invitation of mero")

const (
	// maxInvitation bounds the text of an invitation in any form, in bytes: its word
	// has at most 11 200, and JSON may spell byte strings as numbers.
	maxInvitation = 64 << 10
	// maxPayload bounds a directed one: a word in base58 once more. Decoding takes the
	// square of its length.
	maxPayload = 16 << 10
)

// DirectedPayload is an invitation for one key as clients of the reference carry
// it: a word of base58 over borsh (http-api 4.5). Word is our own invitation; its
// place was the name of a contract on a chain.
type DirectedPayload struct {
	Context ident.ContextID
	Invitee ident.PublicKey
	Word    string
}

// Encode writes the payload.
func (p *DirectedPayload) Encode() string {
	return base58.Encode(p.borsh(Protocol, Protocol))
}

func (p *DirectedPayload) borsh(protocol, network string) []byte {
	b := append(append([]byte{}, p.Context[:]...), p.Invitee[:]...)
	for _, text := range []string{protocol, network, p.Word} {
		b = appendBorsh(b, text)
	}
	return b
}

func appendBorsh(b []byte, text string) []byte {
	return append(binary.LittleEndian.AppendUint32(b, uint32(len(text))), text...)
}

// ParseDirectedPayload reads what Encode wrote. The error is ErrForeignInvitation.
func ParseDirectedPayload(text string) (DirectedPayload, error) {
	if len(text) > maxPayload {
		return DirectedPayload{}, ErrForeignInvitation
	}
	raw, err := base58.Decode(text)
	var p DirectedPayload
	if err != nil || len(raw) < len(p.Context)+len(p.Invitee) {
		return DirectedPayload{}, ErrForeignInvitation
	}
	rest := raw[copy(p.Context[:], raw):]
	rest = rest[copy(p.Invitee[:], rest):]
	var texts [3]string
	for i := range texts {
		if len(rest) < 4 || uint64(binary.LittleEndian.Uint32(rest)) > uint64(len(rest)-4) {
			return DirectedPayload{}, ErrForeignInvitation
		}
		n := int(binary.LittleEndian.Uint32(rest))
		texts[i], rest = string(rest[4:4+n]), rest[4+n:]
	}
	if len(rest) > 0 || texts[0] != Protocol {
		return DirectedPayload{}, ErrForeignInvitation
	}
	p.Word = texts[2]
	return p, nil
}

// OpenInvitation is an invitation for whoever has it, as clients of the reference
// carry it (http-api 4.5): snake_case, byte strings as numbers.
type OpenInvitation struct {
	Invitation OpenTerms `json:"invitation"`
	// InviterSignature is Ed25519 over SHA-256 of the borsh form of the terms, in
	// hexadecimal digits.
	InviterSignature string `json:"inviter_signature"`
}

// OpenTerms is what the inviter signs.
type OpenTerms struct {
	InviterIdentity Bytes `json:"inviter_identity"`
	ContextID       Bytes `json:"context_id"`
	// ExpirationHeight is a placeholder in the reference: a fixed height and as much
	// more as the invitation is good for, here in seconds.
	ExpirationHeight uint64 `json:"expiration_height"`
	SecretSalt       Bytes  `json:"secret_salt"`
	Protocol         string `json:"protocol"`
	Network          string `json:"network"`
	// ContractID is our own invitation as a word.
	ContractID string `json:"contract_id"`
}

// baseHeight is the height that the reference counts from.
const baseHeight = 999_999_999

// NewOpenInvitation makes the form of an invitation that inviter signs.
func NewOpenInvitation(context ident.ContextID, inviter ident.PrivateKey, salt [32]byte, validFor time.Duration, word string) OpenInvitation {
	key := inviter.Public()
	terms := OpenTerms{
		InviterIdentity: key[:], ContextID: context[:], ExpirationHeight: baseHeight + uint64(max(validFor/time.Second, 0)),
		SecretSalt: salt[:], Protocol: Protocol, Network: Protocol, ContractID: word,
	}
	sum := terms.hash()
	sig := inviter.SignRaw(sum[:])
	return OpenInvitation{Invitation: terms, InviterSignature: hex.EncodeToString(sig[:])}
}

func (t *OpenTerms) hash() [32]byte {
	b := append(append([]byte{}, t.InviterIdentity...), t.ContextID...)
	b = binary.LittleEndian.AppendUint64(b, t.ExpirationHeight)
	b = append(b, t.SecretSalt...)
	for _, text := range []string{t.Protocol, t.Network, t.ContractID} {
		b = appendBorsh(b, text)
	}
	return sha256.Sum256(b)
}

// invitationForms are what an invitation may be in JSON.
type invitationForms struct {
	Invitation json.RawMessage `json:"invitation"`
}

// InvitationWord takes our own invitation, one word, out of any of the forms in which
// people and clients carry it: the word itself, the payload of a directed invitation,
// a signed open invitation, and whatever of our API holds one of these in a field
// `invitation`. It does not look into the word. The error is ErrForeignInvitation.
func InvitationWord(text string) (string, error) {
	if len(text) > maxInvitation {
		return "", fmt.Errorf("%w: it is longer than %d bytes", ErrForeignInvitation, maxInvitation)
	}
	return invitationWord(text, 0)
}

// maxWraps is how deep an invitation may lie in JSON: as `data` or `invitation` of
// an answer, in an invitation.
const maxWraps = 3

func invitationWord(text string, depth int) (string, error) {
	if depth > maxWraps {
		return "", ErrForeignInvitation
	}
	var (
		word string
		open OpenInvitation
		form invitationForms
		doc  = []byte(text)
	)
	switch {
	case json.Unmarshal(doc, &word) == nil:
		return invitationWord(word, depth+1)
	case json.Unmarshal(doc, &open) == nil && open.Invitation.ContractID != "":
		if open.Invitation.Protocol != Protocol {
			return "", ErrForeignInvitation
		}
		return open.Invitation.ContractID, nil
	case json.Unmarshal(doc, &form) == nil && form.Invitation != nil:
		return invitationWord(string(form.Invitation), depth+1)
	case json.Valid(doc):
		return "", ErrForeignInvitation
	}
	if payload, err := ParseDirectedPayload(text); err == nil {
		return payload.Word, nil
	}
	return text, nil // the word, or what package members says of it
}
