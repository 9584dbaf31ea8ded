package server

import (
	"errors"
	"fmt"
	"net/http"

	"mero/node/api"
	"mero/node/ident"
	"mero/node/replica"
	"mero/node/store"
)

// contexts is GET /contexts.
func (x *exchange) contexts() error {
	list, err := x.server.deps.Contexts.List()
	if err != nil {
		return err
	}
	return x.data(api.ContextsResponse{Contexts: contextList(list)})
}

// contextsOf is GET /contexts/for-application/:id.
func (x *exchange) contextsOf() error {
	list, err := x.runningApp()
	if err != nil {
		return err
	}
	return x.data(api.ContextsResponse{Contexts: contextList(list)})
}

// contextsWithExecutors is snake_case and has no data wrapper (http-api 4.4).
func (x *exchange) contextsWithExecutors() error {
	list, err := x.runningApp()
	if err != nil {
		return err
	}
	out := api.ContextsWithExecutorsResponse{Contexts: make([]api.ContextWithExecutors, 0, len(list))}
	for _, info := range list {
		owned, err := x.server.deps.Contexts.Owned(info.ID)
		if errors.Is(err, replica.ErrContextNotFound) {
			continue // deleted meanwhile
		}
		if err != nil {
			return err
		}
		out.Contexts = append(out.Contexts, api.ContextWithExecutors{
			ID: info.ID, ApplicationID: info.App, RootHash: api.Hash(info.Root), Executors: some(owned),
		})
	}
	return x.json(http.StatusOK, out)
}

// runningApp lists the contexts that run the application of the path.
func (x *exchange) runningApp() ([]replica.Info, error) {
	id, err := x.appID()
	if err != nil {
		return nil, err
	}
	list, err := x.server.deps.Contexts.List()
	if err != nil {
		return nil, err
	}
	var out []replica.Info
	for _, info := range list {
		if info.App == id {
			out = append(out, info)
		}
	}
	return out, nil
}

func contextList(list []replica.Info) []api.Context {
	out := make([]api.Context, 0, len(list))
	for _, info := range list {
		out = append(out, contextShape(info))
	}
	return out
}

func contextShape(info replica.Info) api.Context {
	shape := api.Context{
		ID: info.ID, ApplicationID: info.App, RootHash: api.Hash(info.Root), Members: info.Members,
		CreatedAt: info.Created, Initialized: info.Initialised, StateBytes: info.StateBytes, Deltas: info.Deltas,
		Void: info.Voids, Waiting: info.Waiting,
	}
	for _, head := range info.Heads {
		shape.DagHeads = append(shape.DagHeads, api.Bytes(head[:]))
	}
	return shape
}

// createContext is POST /contexts.
func (x *exchange) createContext() error {
	var req api.CreateContextRequest
	if err := x.decode(&req, "applicationId", "initializationParams"); err != nil {
		return err
	}
	made, err := x.server.deps.Contexts.Create(x.r.Context(), replica.CreateRequest{
		App: req.ApplicationID, Params: req.InitializationParams, Seed: (*[32]byte)(req.ContextSeed),
	})
	var missing *replica.AppMissingError
	if errors.As(err, &missing) { // the text that clients of the reference know
		return fmt.Errorf("application not found: %w", err)
	}
	if err != nil {
		return err
	}
	return x.data(api.CreatedContext{ContextID: made.Context, MemberPublicKey: made.Member})
}

// info reads the context of the path.
func (x *exchange) info() (replica.Info, error) {
	id, err := x.contextID()
	if err != nil {
		return replica.Info{}, err
	}
	return x.server.deps.Contexts.Get(id)
}

// context is GET /contexts/:id.
func (x *exchange) context() error {
	info, err := x.info()
	if err != nil {
		return err
	}
	return x.data(contextShape(info))
}

// storage is GET /contexts/:id/storage; the reference always says 0.
func (x *exchange) storage() error {
	info, err := x.info()
	if err != nil {
		return err
	}
	return x.data(api.StorageResponse{SizeInBytes: info.StateBytes})
}

// deleteContext is DELETE /contexts/:id, on this node only. The names that this
// node has for the context go with it; those of identities in it are the store's
// to sweep.
func (x *exchange) deleteContext() error {
	id, err := x.contextID()
	if err != nil {
		return &requestError{status: http.StatusBadRequest, text: "Invalid context id"}
	}
	deleted, err := x.server.deps.Contexts.Delete(x.r.Context(), id)
	if err != nil {
		return err
	}
	x.dropAliases(store.AliasContext, id)
	return x.data(api.DeletedContext{IsDeleted: deleted})
}

// updateApplication is POST /contexts/:id/application (R10).
func (x *exchange) updateApplication() error {
	id, err := x.contextID()
	if err != nil {
		return err
	}
	var req api.UpdateAppRequest
	if err := x.decode(&req, "applicationId", "executorPublicKey"); err != nil {
		return err
	}
	_, err = x.server.deps.Contexts.UpdateApp(x.r.Context(), replica.UpdateRequest{
		Context: id, App: req.ApplicationID, Migrate: req.MigrateMethod, Executor: req.ExecutorPublicKey,
	})
	if err != nil {
		return err
	}
	return x.void()
}

// identities is GET /contexts/:id/identities: all members.
func (x *exchange) identities() error { return x.keys(x.server.deps.Contexts.Members) }

// ownedIdentities are those whose keys this node holds.
func (x *exchange) ownedIdentities() error { return x.keys(x.server.deps.Contexts.Owned) }

func (x *exchange) keys(of func(ident.ContextID) ([]ident.PublicKey, error)) error {
	id, err := x.contextID()
	if err != nil {
		return err
	}
	keys, err := of(id)
	if err != nil {
		return err
	}
	return x.data(api.IdentitiesResponse{Identities: some(keys)})
}

// some makes an empty list of none: clients iterate over it.
func some[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// newIdentity is POST /identity/context; its body is ignored.
func (x *exchange) newIdentity() error {
	key, err := x.server.deps.Contexts.NewIdentity(x.r.Context())
	if err != nil {
		return err
	}
	return x.data(api.IdentityResponse{PublicKey: key})
}
