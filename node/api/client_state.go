package api

import (
	"context"
	"net/http"

	"mero/node/ident"
)

// State shows what a context's state is, or was. What the path does not lead to is
// an *Error with KindStateNotFound, a time before the context began KindTooEarly.
func (c *Client) State(ctx context.Context, id ident.ContextID, q StateQuery) (StatePage, error) {
	return data[StatePage](ctx, c, request{method: http.MethodGet, path: dagPath(id, "state"), query: q.Values()})
}

// UpdateApp makes a context run another application. One that it runs already is
// an *Error with KindSameApplication.
func (c *Client) UpdateApp(ctx context.Context, id ident.ContextID, req UpdateAppRequest) error {
	_, err := c.do(ctx, request{method: http.MethodPost, path: admin("contexts", id.String(), "application"), body: req})
	return err
}
