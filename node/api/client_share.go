package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"mero/node/ident"
)

// Invite makes an invitation to a context.
func (c *Client) Invite(ctx context.Context, id ident.ContextID, req InviteRequest) (Invitation, error) {
	return data[Invitation](ctx, c, request{method: http.MethodPost, path: dagPath(id, "invitations"), body: req})
}

// RevokeInvitation makes an invitation worthless to whoever has not joined by it.
func (c *Client) RevokeInvitation(ctx context.Context, id ident.ContextID, req RevokeInvitation) error {
	_, err := call[Void](ctx, c, request{method: http.MethodPost, path: dagPath(id, "invitations", "revoke"), body: req})
	return err
}

// Join becomes a member by an invitation. It returns when the membership is recorded;
// WaitUsable then waits for the state. What is wrong with an invitation is the Kind of
// an *Error.
func (c *Client) Join(ctx context.Context, req JoinRequest) (JoinedContext, error) {
	return data[JoinedContext](ctx, c, request{method: http.MethodPost, path: admin("x", "join"), body: req})
}

// WaitUsable waits until a context's state can be used, at most for a time, and tells
// what is missing when that is over.
func (c *Client) WaitUsable(ctx context.Context, id ident.ContextID, within time.Duration) (Usable, error) {
	return data[Usable](ctx, c, request{
		method: http.MethodGet, path: dagPath(id, "usable"), query: url.Values{"within": {strconv.FormatInt(max(within.Milliseconds(), 1), 10)}},
	})
}

// Members are the members of a context with their roles.
func (c *Client) Members(ctx context.Context, id ident.ContextID) ([]Member, error) {
	out, err := data[MembersResponse](ctx, c, request{method: http.MethodGet, path: dagPath(id, "members")})
	return out.Members, err
}

// Sync runs one session of a context with a peer, or the best one if it is "". A peer
// that is not known as a member's node is an *Error with KindPeerNotFound, and
// KindNoPeer says that none is connected.
func (c *Client) Sync(ctx context.Context, id ident.ContextID, peer string) (*SyncReport, error) {
	return data[*SyncReport](ctx, c, request{method: http.MethodPost, path: dagPath(id, "sync"), body: SyncRequest{Peer: peer}})
}

// SyncStatus tells how all contexts stand with their peers.
func (c *Client) SyncStatus(ctx context.Context) ([]SyncStatus, error) {
	out, err := data[SyncStatusResponse](ctx, c, request{method: http.MethodGet, path: admin("x", "sync")})
	return out.Contexts, err
}

// DagDifference compares this node's graph of a context with a peer's, or the best
// one's if it is "". Errors as of Sync.
func (c *Client) DagDifference(ctx context.Context, id ident.ContextID, peer string) (DagDifference, error) {
	r := request{method: http.MethodGet, path: dagPath(id, "difference")}
	if peer != "" {
		r.query = url.Values{"peer": {peer}}
	}
	return data[DagDifference](ctx, c, r)
}

// ReferenceInvite asks as clients of the reference do: a directed invitation's payload
// as text, or an open one; nil when the context is not here.
func (c *Client) ReferenceInvite(ctx context.Context, req ReferenceInvite) (payload *string, open *OpenInvitation, err error) {
	r := request{method: http.MethodPost, path: admin("contexts", "invite"), body: req}
	if req.InviteeID != nil {
		payload, err = data[*string](ctx, c, r)
		return payload, nil, err
	}
	open, err = data[*OpenInvitation](ctx, c, r)
	return nil, open, err
}

// ReferenceJoin joins as clients of the reference do.
func (c *Client) ReferenceJoin(ctx context.Context, req ReferenceJoin) (CreatedContext, error) {
	return data[CreatedContext](ctx, c, request{method: http.MethodPost, path: admin("contexts", "join"), body: req})
}
