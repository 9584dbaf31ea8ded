package server

import (
	"errors"
	"net/http"

	"mero/node/api"
	"mero/node/inspect"
)

// dag is GET /x/contexts/:id/dag: what is stored of a context's graph.
func (x *exchange) dag() error {
	id, err := x.contextID()
	if err != nil {
		return err
	}
	q, err := api.ParseDagQuery(x.r.URL.Query())
	if err != nil {
		return reject(http.StatusBadRequest, "Invalid URL: %v", err)
	}
	page, err := x.server.inspector.Dag(x.r.Context(), id, q)
	if err != nil {
		return err
	}
	return x.data(page)
}

// delta is GET /x/contexts/:id/dag/:delta: one delta, its payload too.
func (x *exchange) delta() error {
	id, err := x.contextID()
	if err != nil {
		return err
	}
	which, err := api.ParseHash(x.param("delta_id"))
	if err != nil {
		return reject(http.StatusBadRequest, "Invalid URL: %v", err)
	}
	detail, err := x.server.inspector.Delta(x.r.Context(), id, which)
	if err != nil {
		return err
	}
	return x.data(detail)
}

// state is GET /x/contexts/:id/state: what the state of a context is, or was.
func (x *exchange) state() error {
	id, err := x.contextID()
	if err != nil {
		return err
	}
	q, err := api.ParseStateQuery(x.r.URL.Query())
	if err != nil {
		return reject(http.StatusBadRequest, "Invalid URL: %v", err)
	}
	page, err := x.server.inspector.State(x.r.Context(), id, q)
	if errors.Is(err, inspect.ErrPath) {
		return reject(http.StatusBadRequest, "Invalid URL: %v", err)
	}
	if err != nil {
		return err
	}
	return x.data(page)
}

// verifyContext is POST /x/contexts/:id/verify. What is wrong is in the answer: the
// check itself went well.
func (x *exchange) verifyContext() error {
	id, err := x.contextID()
	if err != nil {
		return err
	}
	var req api.VerifyRequest
	if err := x.decode(&req); err != nil {
		return err
	}
	rep, err := x.server.inspector.VerifyContext(x.r.Context(), id, req)
	if err != nil {
		return err
	}
	return x.data(rep)
}

// rebuildContext is POST /x/contexts/:id/rebuild; its body is ignored. Nobody can
// fold what cannot be read, so a damaged log is a conflict with what was asked for
// and no fault of the node.
func (x *exchange) rebuildContext() error {
	id, err := x.contextID()
	if err != nil {
		return err
	}
	rep, err := x.server.inspector.RebuildContext(x.r.Context(), id)
	if err != nil {
		return err
	}
	if !rep.Repaired {
		return errNotRebuilt
	}
	return x.data(rep)
}

// errNotRebuilt: what was just written is not what is read.
var errNotRebuilt = errors.New("the state is not right after it was folded again: the disk does not keep what is written to it")
