package api

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mr-tron/base58"

	"mero/node/ident"
)

// TestDirectedPayload holds the form against the test vector of the reference
// (http-api 4.5): borsh { context, invitee, protocol, network, contract }.
func TestDirectedPayload(t *testing.T) {
	const vector = "4Mb2deLtaS7ApRdhh5ms1GuT2GtGKkKxDMakmd1C3YA2NRYwniNiijac1Nn8NYHVeWoqzvYFpmJMekAeUYKyWpq5j1QaVjpW6r5V86oo3tz6uKx1Hri82LHf8rrs2m2dyjZUZeCaeBEb"
	p := DirectedPayload{Word: "calimero.testnet"}
	copy(p.Context[:], bytes.Repeat([]byte{1}, 32))
	copy(p.Invitee[:], bytes.Repeat([]byte{2}, 32))
	if got := base58.Encode(p.borsh("near", "testnet")); got != vector {
		t.Errorf("got %s\nwant %s", got, vector)
	}
	if _, err := ParseDirectedPayload(vector); !errors.Is(err, ErrForeignInvitation) {
		t.Errorf("an invitation to a chain gives %v", err)
	}
	got, err := ParseDirectedPayload(p.Encode())
	if diff := cmp.Diff(p, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	raw, _ := base58.Decode(p.Encode())
	for n := range raw {
		if _, err := ParseDirectedPayload(base58.Encode(raw[:n])); !errors.Is(err, ErrForeignInvitation) {
			t.Fatalf("%d of %d bytes are taken: %v", n, len(raw), err)
		}
	}
	if _, err := ParseDirectedPayload(base58.Encode(append(raw, 0))); !errors.Is(err, ErrForeignInvitation) {
		t.Errorf("a byte more is taken: %v", err)
	}
}

// TestOpenInvitation: names and forms of fields, and what is signed.
func TestOpenInvitation(t *testing.T) {
	key := ident.PrivateKeyFromSeed([32]byte{7})
	context, inviter, salt := ident.ContextID{1}, key.Public(), [32]byte{3}
	open := NewOpenInvitation(context, key, salt, time.Minute, "mero1word")
	doc, err := json.Marshal(open)
	if err != nil {
		t.Fatal(err)
	}
	var fields struct {
		Invitation       map[string]any `json:"invitation"`
		InviterSignature string         `json:"inviter_signature"`
	}
	if err := json.Unmarshal(doc, &fields); err != nil {
		t.Fatal(err)
	}
	var names []string
	for name := range fields.Invitation {
		names = append(names, name)
	}
	slices.Sort(names)
	if diff := cmp.Diff([]string{"context_id", "contract_id", "expiration_height", "inviter_identity", "network", "protocol", "secret_salt"}, names); diff != "" {
		t.Error(diff)
	}
	for _, name := range []string{"context_id", "inviter_identity", "secret_salt"} {
		if list, ok := fields.Invitation[name].([]any); !ok || len(list) != 32 {
			t.Errorf("%s is %v", name, fields.Invitation[name])
		}
	}
	if fields.Invitation["expiration_height"] != float64(1_000_000_059) {
		t.Errorf("height %v", fields.Invitation["expiration_height"])
	}
	signed := slices.Concat(inviter[:], context[:], binary.LittleEndian.AppendUint64(nil, 1_000_000_059), salt[:],
		[]byte("\x04\x00\x00\x00mero\x04\x00\x00\x00mero\x09\x00\x00\x00mero1word"))
	sum := sha256.Sum256(signed)
	sig, err := hex.DecodeString(fields.InviterSignature)
	if err != nil || !ed25519.Verify(inviter[:], sum[:], sig) {
		t.Errorf("the signature is not one over SHA-256 of borsh: %v", err)
	}
	if word, err := InvitationWord(string(doc)); err != nil || word != "mero1word" {
		t.Errorf("got %q, %v", word, err)
	}
}

func TestInvitationWord(t *testing.T) {
	directed := DirectedPayload{Word: "mero1abc"}
	for _, tt := range []struct{ name, text, want string }{
		{"the word", "mero1abc", "mero1abc"},
		{"directed", directed.Encode(), "mero1abc"},
		{"a JSON string", `"mero1abc"`, "mero1abc"},
		{"a directed one as a JSON string", `"` + directed.Encode() + `"`, "mero1abc"},
		{"what context invite prints as JSON", `{"invitation":"mero1abc","uses":1}`, "mero1abc"},
		{"an open one in an answer", `{"invitation":{"invitation":{"protocol":"mero","contract_id":"mero1abc"}}}`, "mero1abc"},
		{"what is no invitation is for others to tell", "hello", "hello"},
		{"of a chain", `{"invitation":{"protocol":"near","contract_id":"x.testnet"}}`, ""},
		{"other JSON", `{"a":1}`, ""},
		{"a number", `1`, ""},
		{"deep", strings.Repeat(`{"invitation":`, 100) + `"mero1abc"` + strings.Repeat("}", 100), ""},
		{"long", strings.Repeat("1", maxInvitation+1), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := InvitationWord(tt.text)
			if got != tt.want || (tt.want == "") != errors.Is(err, ErrForeignInvitation) {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

func FuzzInvitationWord(f *testing.F) {
	p := DirectedPayload{Word: "mero1abc"}
	f.Add(p.Encode())
	f.Add(`{"invitation":{"protocol":"mero","contract_id":"x"},"inviter_signature":""}`)
	f.Add(`"mero1x"`)
	f.Fuzz(func(t *testing.T, text string) {
		word, err := InvitationWord(text)
		if err != nil && !errors.Is(err, ErrForeignInvitation) || len(word) > 3*len(text) { // a byte that is no text reads as three
			t.Errorf("%q gives %q, %v", text, word, err)
		}
		if p, err := ParseDirectedPayload(text); err == nil {
			if again, err := ParseDirectedPayload(p.Encode()); err != nil || again != p {
				t.Errorf("%+v is read as %+v, %v", p, again, err)
			}
		}
	})
}
