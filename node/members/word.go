package members

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/mr-tron/base58"

	"mero/node/delta"
	"mero/node/ident"
)

const (
	wordStart    = "mero"
	wordVersion  = '1'
	ticketSize   = 32
	checksumSize = 4
	// maxWord is the longest word: base58 has 1.3658 digits a byte.
	maxWord = len(wordStart) + 1 + (delta.MaxInvitation+ticketSize+checksumSize)*1366/1000 + 1
)

// Word is the invitation with its ticket as one word, for people to hand on.
func (i *Invitation) Word() string {
	raw := append(i.Encode(), i.Ticket[:]...)
	return wordStart + string(wordVersion) + base58.Encode(append(raw, checksum(raw)...))
}

// ParseWord reads and verifies what Word wrote. White space, also inside of it, is
// passed over: mail breaks long words. Errors: ErrNotInvitation, ErrVersion, ErrGarbled,
// ErrTooLarge, and those of DecodeInvitation,
// and ErrTicket.
func ParseWord(text string) (Invitation, error) {
	if len(text) > 2*maxWord {
		return Invitation{}, fmt.Errorf("invitation: %w: %d bytes, limit %d", ErrTooLarge, len(text), maxWord)
	}
	word := strings.Join(strings.Fields(text), "")
	rest, ok := strings.CutPrefix(word, wordStart)
	if !ok || rest == "" {
		return Invitation{}, ErrNotInvitation
	}
	if v := rest[0]; v != wordVersion {
		if v >= '0' && v <= '9' {
			return Invitation{}, fmt.Errorf("invitation: %w: version %c, this release knows %c", ErrVersion, v, wordVersion)
		}
		return Invitation{}, ErrNotInvitation
	}
	if len(word) > maxWord {
		return Invitation{}, fmt.Errorf("invitation: %w: %d characters, limit %d", ErrTooLarge, len(word), maxWord)
	}
	raw, err := base58.Decode(rest[1:])
	if err != nil || len(raw) <= ticketSize+checksumSize {
		return Invitation{}, fmt.Errorf("invitation: %w", ErrGarbled)
	}
	raw, sum := raw[:len(raw)-checksumSize], raw[len(raw)-checksumSize:]
	if !bytes.Equal(sum, checksum(raw)) {
		return Invitation{}, fmt.Errorf("invitation: %w", ErrGarbled)
	}
	raw, ticket := raw[:len(raw)-ticketSize], raw[len(raw)-ticketSize:]
	i, err := DecodeInvitation(raw)
	if err != nil {
		return Invitation{}, err
	}
	i.Ticket = [ticketSize]byte(ticket)
	if ident.PrivateKeyFromSeed(i.Ticket).Public() != i.Bearer {
		return Invitation{}, fmt.Errorf("invitation: %w", ErrTicket)
	}
	return i, nil
}

func checksum(raw []byte) []byte {
	sum := sha256.Sum256(append([]byte("mero/word/v1\x00"), raw...))
	return sum[:checksumSize]
}
