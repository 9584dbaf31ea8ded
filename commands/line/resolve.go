package line

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"mero/node"
	"mero/node/api"
	"mero/node/ident"
)

// idLen is the length of 32 bytes in base58, less leading zeros; a longer word
// of letters and digits alone was meant as an id, not as an alias.
const idLen = 40

// Lookup turns an id or an alias into an id.
func (e *Env) Lookup(ctx context.Context, in Names, scope api.AliasScope, word string) (api.ID, error) {
	id, err := api.ParseID(word)
	if err == nil {
		return id, nil
	}
	if LooksLikeID(word) || api.CheckAlias(word) != nil {
		return api.ID{}, &UsageError{Text: string(scope.Kind) + " " + word + " is neither an id nor an alias: " + err.Error(), Cause: err}
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
		return api.ID{}, NotFound(hint, "%s %q is neither an id nor a known alias", scope.Kind, word)
	}
	return id, nil
}

// LooksLikeID tells a word that was meant as an id from an alias.
func LooksLikeID(word string) bool {
	return len(word) >= idLen && strings.IndexFunc(word, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) < 0
}

// ContextID turns an id or an alias into the id of a context.
func (e *Env) ContextID(ctx context.Context, in Names, word string) (ident.ContextID, error) {
	id, err := e.Lookup(ctx, in, api.AliasScope{Kind: api.AliasContext}, word)
	return ident.ContextID(id), err
}

// Context is a client of the node and the context that the first argument names there.
func (e *Env) Context(ctx context.Context) (*api.Client, ident.ContextID, error) {
	client, err := e.Client()
	if err != nil {
		return nil, ident.ContextID{}, err
	}
	id, err := e.ContextID(ctx, client, e.Arg(0))
	return client, id, err
}

// AppID turns an id or an alias into the id of an application.
func (e *Env) AppID(ctx context.Context, in Names, word string) (ident.AppID, error) {
	id, err := e.Lookup(ctx, in, api.AliasScope{Kind: api.AliasApplication}, word)
	return ident.AppID(id), err
}

// Member is the identity to act as: the one that --as names, or the only one
// that this node has in the context.
func (e *Env) Member(ctx context.Context, client *api.Client, in ident.ContextID, as string) (ident.PublicKey, error) {
	if as != "" {
		id, err := e.Lookup(ctx, client, api.AliasScope{Kind: api.AliasIdentity, Context: in}, as)
		return ident.PublicKey(id), err
	}
	owned, err := client.OwnedIdentities(ctx, in)
	if err != nil {
		return ident.PublicKey{}, err
	}
	switch len(owned) {
	case 0:
		return ident.PublicKey{}, &FailedError{
			Code: ExitDenied, Text: "this node has no identity in context " + in.String(), Hint: "only members can call; see mero context get",
		}
	case 1:
		return owned[0], nil
	}
	names := make([]string, 0, len(owned))
	for _, key := range owned {
		names = append(names, key.String())
	}
	return ident.PublicKey{}, Usagef("this node has %d identities in context %s; choose one with --as:\n  %s",
		len(owned), in, strings.Join(names, "\n  "))
}

// Each runs do for each thing that the arguments name, found by find, until one
// fails.
func Each[ID any](
	ctx context.Context, e *Env,
	find func(context.Context, Names, string) (ID, error), do func(*api.Client, ID) error,
) error {
	words, err := e.IDs()
	if err != nil {
		return err
	}
	client, err := e.Client()
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

// Offline works in the home of a node that is stopped.
func (e *Env) Offline(do func(node.Config) error) error {
	if err := e.Initialised(); err != nil {
		return err
	}
	eff, err := node.LoadConfig(node.Sources{File: e.Home.ConfigFile(), Environ: e.Environ})
	if err != nil {
		return err
	}
	return do(eff.Config)
}

// Initialised says so when there is no node in the home.
func (e *Env) Initialised() error {
	if e.Home.Initialised() {
		return nil
	}
	hint := "make it: mero node init"
	if e.Home.Name() != node.DefaultName {
		hint += " --node " + e.Home.Name()
	}
	return &FailedError{Code: ExitFailed, Text: "there is no node in " + e.Home.Dir(), Hint: hint}
}

// SetAlias names an id; having that name already is no error.
func (e *Env) SetAlias(ctx context.Context, client *api.Client, scope api.AliasScope, name string, id api.ID) error {
	err := client.CreateAlias(ctx, scope, name, id)
	var answer *api.Error
	if !errors.As(err, &answer) || answer.Kind != api.KindAliasExists {
		return err
	}
	now, ok, lookErr := client.LookupAlias(ctx, scope, name)
	if lookErr == nil && ok && now == id {
		return nil
	}
	return AliasTaken(scope, name, now, err)
}

// AliasTaken says what has a name already.
func AliasTaken(scope api.AliasScope, name string, id api.ID, cause error) error {
	return &FailedError{
		Code: ExitFailed, Text: "alias " + name + " is already that of " + string(scope.Kind) + " " + id.String(),
		Hint: "choose another name, or free that one: mero alias remove " + name + " --kind " + string(scope.Kind), Cause: cause,
	}
}

// AliasFree says what a name stands for already.
func (e *Env) AliasFree(ctx context.Context, client *api.Client, scope api.AliasScope, name string) error {
	id, taken, err := client.LookupAlias(ctx, scope, name)
	if err != nil || !taken {
		return err
	}
	return AliasTaken(scope, name, id, nil)
}

// AliasesOf are the names of one id, sorted.
func AliasesOf(aliases map[string]api.ID, id api.ID) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(aliases)) {
		if aliases[name] == id {
			names = append(names, name)
		}
	}
	return names
}
