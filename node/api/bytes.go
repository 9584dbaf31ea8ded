package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"mero/node/ident"
)

type (
	hashKind struct{}
	idKind   struct{}
)

// Name implements ident.Kind.
func (hashKind) Name() string { return "hash" }

// Name implements ident.Kind.
func (idKind) Name() string { return "id" }

type (
	// Hash is a 32-byte hash on the wire, base58: a state root, a delta.
	Hash = ident.ID[hashKind]
	// ID is an identifier whose kind the route decides: what an alias names.
	// It converts to ident.ContextID and its like.
	ID = ident.ID[idKind]
)

// ParseHash reads base58.
func ParseHash(text string) (Hash, error) { return ident.Parse[hashKind](text) }

// ParseID reads base58.
func ParseID(text string) (ID, error) { return ident.Parse[idKind](text) }

// Bytes is a byte string on the wire: an array of numbers 0–255, never base64
// (http-api 0). Absent and null read as nil; [] reads as empty and not nil.
type Bytes []byte

// MarshalJSON writes an array of numbers; nil is the empty array.
func (b Bytes) MarshalJSON() ([]byte, error) {
	out := make([]byte, 0, 2+4*len(b))
	out = append(out, '[')
	for i, n := range b {
		if i > 0 {
			out = append(out, ',')
		}
		out = strconv.AppendUint(out, uint64(n), 10)
	}
	return append(out, ']'), nil
}

// errBytes says what was expected; the text names no type of this program.
var errBytes = errors.New("expected an array of numbers from 0 to 255")

// UnmarshalJSON reads an array of numbers, or null.
func (b *Bytes) UnmarshalJSON(doc []byte) error {
	doc = bytes.TrimSpace(doc)
	if string(doc) == "null" {
		*b = nil
		return nil
	}
	if len(doc) < 2 || doc[0] != '[' {
		return errBytes
	}
	out := make(Bytes, 0, len(doc)/3)
	inner := bytes.TrimSpace(doc[1 : len(doc)-1]) // the decoder has checked the brackets
	for len(inner) > 0 {
		part, rest, more := bytes.Cut(inner, []byte{','})
		n, err := strconv.ParseUint(string(bytes.TrimSpace(part)), 10, 8)
		if err != nil {
			return errBytes
		}
		out = append(out, byte(n))
		if inner = rest; more && len(rest) == 0 {
			return errBytes
		}
	}
	*b = out
	return nil
}

// Data is the usual wrapper of an answer (http-api 0).
type Data[T any] struct {
	Data T `json:"data"`
}

// Void is the answer of a route that has nothing to say: {"data":null} exactly,
// which the Rust client insists on.
type Void = Data[*struct{}]

// RequireFields reports the first of the named fields that is missing or null
// in a JSON object; nil when all are there.
func RequireFields(object []byte, names ...string) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(object, &fields); err != nil {
		return fmt.Errorf("expected an object: %w", err)
	}
	for _, name := range names {
		if value, ok := fields[name]; !ok || string(value) == "null" {
			return fmt.Errorf("missing field `%s`", name)
		}
	}
	return nil
}
