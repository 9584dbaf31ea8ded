package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"mero/node/ident"
)

// MaxAliasLen bounds an alias in bytes (http-api 4.6).
const MaxAliasLen = 50

// AliasKind is what an alias names.
type AliasKind string

// The kinds. Identity aliases are scoped by a context.
const (
	AliasContext     AliasKind = "context"
	AliasApplication AliasKind = "application"
	AliasIdentity    AliasKind = "identity"
)

// AliasScope says in which list of aliases a name is looked up.
type AliasScope struct {
	Kind AliasKind
	// Context scopes identity aliases; it is ignored for other kinds.
	Context ident.ContextID
}

// ErrBadAlias says that a name cannot be an alias.
var ErrBadAlias = errors.New("malformed alias")

// CheckAlias accepts 1 … MaxAliasLen bytes of UTF-8.
func CheckAlias(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%w: it is empty", ErrBadAlias)
	case len(name) > MaxAliasLen:
		return fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrBadAlias, len(name), MaxAliasLen)
	case !utf8.ValidString(name):
		return fmt.Errorf("%w: it is not UTF-8", ErrBadAlias)
	}
	return nil
}

// CreateAliasRequest is the body of POST /alias/create/…: alias and, depending
// on the kind, contextId, applicationId or identity. mero-js sends name and
// value instead; both are read.
type CreateAliasRequest struct {
	Alias string
	Value ID
}

// EncodeFor writes the body for a kind, with the names every node reads.
func (r CreateAliasRequest) EncodeFor(kind AliasKind) ([]byte, error) {
	return json.Marshal(map[string]any{"alias": r.Alias, valueField(kind): r.Value})
}

// DecodeCreateAlias reads the body for a kind.
func DecodeCreateAlias(kind AliasKind, body []byte) (CreateAliasRequest, error) {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(body, &raw); err != nil {
		return CreateAliasRequest{}, fmt.Errorf("expected an object: %w", err)
	}
	var req CreateAliasRequest
	if err := pick(raw, &req.Alias, "alias", "name"); err != nil {
		return CreateAliasRequest{}, err
	}
	if err := pick(raw, &req.Value, valueField(kind), "value"); err != nil {
		return CreateAliasRequest{}, err
	}
	return req, CheckAlias(req.Alias)
}

func valueField(kind AliasKind) string {
	if kind == AliasIdentity {
		return "identity"
	}
	return string(kind) + "Id"
}

// pick decodes the first of two fields that is there.
func pick(raw map[string]json.RawMessage, to any, name, other string) error {
	doc, ok := raw[name]
	if !ok {
		doc, ok = raw[other]
	}
	if !ok || string(doc) == "null" {
		return fmt.Errorf("missing field `%s`", name)
	}
	if err := json.Unmarshal(doc, to); err != nil {
		return fmt.Errorf("field `%s`: %w", name, err)
	}
	return nil
}

// LookupAliasResponse is the data of POST /alias/lookup/…; an unknown name is
// null with status 200.
type LookupAliasResponse struct {
	Value *ID `json:"value"`
}
