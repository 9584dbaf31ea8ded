package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"mero/node/api"
	"mero/node/ident"
	"mero/node/store"
)

// aliasScope says where names of a kind live: identities within the context of
// the path, the others on this node.
func (x *exchange) aliasScope(kind api.AliasKind) (store.AliasKind, ident.ContextID, error) {
	switch kind {
	case api.AliasContext:
		return store.AliasContext, ident.ContextID{}, nil
	case api.AliasApplication:
		return store.AliasApplication, ident.ContextID{}, nil
	case api.AliasIdentity:
	}
	id, err := pathID[idKind](x, "context")
	return store.AliasIdentity, ident.ContextID(id), err
}

// createAlias is POST /alias/create/…
func (x *exchange) createAlias(kind api.AliasKind) error {
	what, scope, err := x.aliasScope(kind)
	if err != nil {
		return err
	}
	body, err := x.jsonBody()
	if err != nil {
		return err
	}
	if !json.Valid(body) {
		return reject(http.StatusBadRequest, "Failed to parse the request body as JSON")
	}
	req, err := api.DecodeCreateAlias(kind, body)
	if err != nil {
		return unprocessable(err)
	}
	err = x.server.deps.Store.SetAlias(x.r.Context(), what, scope, req.Alias, req.Value)
	if errors.Is(err, store.ErrExists) {
		return errAliasExists
	}
	if err != nil {
		return err
	}
	return x.void()
}

// lookupAlias answers 200 with null for a name that stands for nothing: clients
// look every word up first (http-api 7.5).
func (x *exchange) lookupAlias(kind api.AliasKind) error {
	what, scope, err := x.aliasScope(kind)
	if err != nil {
		return err
	}
	name := x.param("name")
	if api.CheckAlias(name) != nil { // such a name cannot have been created
		return x.data(api.LookupAliasResponse{})
	}
	target, err := x.server.deps.Store.Alias(what, scope, name)
	if errors.Is(err, store.ErrNotFound) {
		return x.data(api.LookupAliasResponse{})
	}
	if err != nil {
		return err
	}
	id := api.ID(target)
	return x.data(api.LookupAliasResponse{Value: &id})
}

// deleteAlias is idempotent.
func (x *exchange) deleteAlias(kind api.AliasKind) error {
	what, scope, err := x.aliasScope(kind)
	if err != nil {
		return err
	}
	name := x.param("name")
	if api.CheckAlias(name) != nil {
		return x.void()
	}
	err = x.server.deps.Store.DeleteAlias(x.r.Context(), what, scope, name)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return x.void()
}

// maxDropped bounds the names that one deletion takes away: each is a write to
// the disk (R24). Nobody gives an id a fraction of it.
const maxDropped = 1000

// dropAliases forgets the names, on this node, of what was deleted: a name that
// stands for nothing would keep its word from whatever comes next. That is over
// is said all the same when it fails; what is left can be deleted as an alias,
// and is when the deletion is asked for again. It goes on when the client has
// gone.
func (x *exchange) dropAliases(kind store.AliasKind, id [32]byte) {
	ctx, db := context.WithoutCancel(x.r.Context()), x.server.deps.Store
	list, err := db.Aliases(kind, ident.ContextID{})
	dropped := 0
	for _, a := range list {
		if a.Target != id {
			continue
		}
		if dropped == maxDropped {
			err = fmt.Errorf("more than %d aliases name it", maxDropped)
			break
		}
		if gone := db.DeleteAlias(ctx, kind, a.Scope, a.Name); gone != nil && !errors.Is(gone, store.ErrNotFound) {
			err = gone
			break
		}
		dropped++
	}
	if err != nil {
		x.server.deps.Log.Warn().Err(err).Str("route", x.pattern()).Msg("aliases of what was deleted are left")
	}
}

// listAliases answers a map from name to id.
func (x *exchange) listAliases(kind api.AliasKind) error {
	what, scope, err := x.aliasScope(kind)
	if err != nil {
		return err
	}
	list, err := x.server.deps.Store.Aliases(what, scope)
	if err != nil {
		return err
	}
	out := make(map[string]api.ID, len(list))
	for _, a := range list {
		out[a.Name] = a.Target
	}
	return x.data(out)
}
