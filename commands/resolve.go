package commands

import (
	"context"
	"strings"

	"mero/node/api"
	"mero/node/ident"
)

// idLen is the length of 32 bytes in base58, less leading zeros; a longer word
// of letters and digits alone was meant as an id, not as an alias.
const idLen = 40

// lookup turns an id or an alias into an id.
func (e *env) lookup(ctx context.Context, in names, scope api.AliasScope, word string) (api.ID, error) {
	id, err := api.ParseID(word)
	if err == nil {
		return id, nil
	}
	if looksLikeID(word) || api.CheckAlias(word) != nil {
		return api.ID{}, &usageError{text: string(scope.Kind) + " " + word + " is neither an id nor an alias: " + err.Error(), cause: err}
	}
	id, ok, err := in.LookupAlias(ctx, scope, word)
	if err != nil {
		return api.ID{}, err
	}
	if !ok {
		hint := "see mero " + string(scope.Kind) + " list, and mero alias list"
		if scope.Kind == api.AliasApplication {
			hint = "see mero app list, and mero alias list"
		}
		return api.ID{}, notFound(hint, "%s %q is neither an id nor a known alias", scope.Kind, word)
	}
	return id, nil
}

func looksLikeID(word string) bool {
	return len(word) >= idLen && strings.IndexFunc(word, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) < 0
}

func (e *env) contextID(ctx context.Context, in names, word string) (ident.ContextID, error) {
	id, err := e.lookup(ctx, in, api.AliasScope{Kind: api.AliasContext}, word)
	return ident.ContextID(id), err
}

func (e *env) appID(ctx context.Context, in names, word string) (ident.AppID, error) {
	id, err := e.lookup(ctx, in, api.AliasScope{Kind: api.AliasApplication}, word)
	return ident.AppID(id), err
}

// member is the identity to act as: the one that --as names, or the only one
// that this node has in the context.
func (e *env) member(ctx context.Context, client *api.Client, in ident.ContextID, as string) (ident.PublicKey, error) {
	if as != "" {
		id, err := e.lookup(ctx, client, api.AliasScope{Kind: api.AliasIdentity, Context: in}, as)
		return ident.PublicKey(id), err
	}
	owned, err := client.OwnedIdentities(ctx, in)
	if err != nil {
		return ident.PublicKey{}, err
	}
	switch len(owned) {
	case 0:
		return ident.PublicKey{}, &failure{
			code: exitDenied, text: "this node has no identity in context " + in.String(), hint: "only members can call; see mero context get",
		}
	case 1:
		return owned[0], nil
	}
	names := make([]string, 0, len(owned))
	for _, key := range owned {
		names = append(names, key.String())
	}
	return ident.PublicKey{}, usagef("this node has %d identities in context %s; choose one with --as:\n  %s",
		len(owned), in, strings.Join(names, "\n  "))
}

// each runs do for each thing that the arguments name, found by find, until one
// fails.
func each[ID any](
	ctx context.Context, e *env,
	find func(context.Context, names, string) (ID, error), do func(*api.Client, ID) error,
) error {
	words, err := e.ids()
	if err != nil {
		return err
	}
	client, err := e.client()
	if err != nil {
		return err
	}
	for _, word := range words {
		id, err := find(ctx, client, word)
		if err != nil {
			return err
		}
		if err := do(client, id); err != nil {
			return err
		}
	}
	return nil
}
