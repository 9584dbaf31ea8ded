package api

import (
	"context"
	"net/http"

	"mero/node/ident"
)

func dagPath(id ident.ContextID, more ...string) string {
	return admin(append([]string{"x", "contexts", id.String()}, more...)...)
}

// Dag lists deltas of a context, one page. An unknown context is an *Error with
// KindContextNotFound.
func (c *Client) Dag(ctx context.Context, id ident.ContextID, q DagQuery) (DagPage, error) {
	return data[DagPage](ctx, c, request{method: http.MethodGet, path: dagPath(id, "dag"), query: q.Values()})
}

// Delta describes one delta. One that the node does not have is an *Error with
// KindDeltaNotFound.
func (c *Client) Delta(ctx context.Context, id ident.ContextID, delta Hash) (DeltaDetail, error) {
	return data[DeltaDetail](ctx, c, request{method: http.MethodGet, path: dagPath(id, "dag", delta.String())})
}

// VerifyContext checks what is stored of a context. What is wrong is in the report, not
// in the error.
func (c *Client) VerifyContext(ctx context.Context, id ident.ContextID, req VerifyRequest) (ContextReport, error) {
	return data[ContextReport](ctx, c, request{method: http.MethodPost, path: dagPath(id, "verify"), body: req})
}

// RebuildContext folds a context again from its deltas.
func (c *Client) RebuildContext(ctx context.Context, id ident.ContextID) (ContextReport, error) {
	return data[ContextReport](ctx, c, request{method: http.MethodPost, path: dagPath(id, "rebuild"), body: struct{}{}})
}
