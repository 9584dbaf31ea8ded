package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
)

// Health returns nil when a node answers.
func (c *Client) Health(ctx context.Context) error {
	_, err := data[Alive](ctx, c, request{method: http.MethodGet, path: admin("health")})
	return err
}

// IsAuthed reports whether this client's token is accepted; a node that asks
// for none accepts everybody.
func (c *Client) IsAuthed(ctx context.Context) (bool, error) {
	_, err := data[Alive](ctx, c, request{method: http.MethodGet, path: admin("is-authed")})
	var answer *Error
	if errors.As(err, &answer) && answer.Status == http.StatusUnauthorized {
		return false, nil
	}
	return err == nil, err
}

// Ready asks whether the node takes calls that write, and why not.
func (c *Client) Ready(ctx context.Context) (Ready, error) {
	body, err := c.do(ctx, request{method: http.MethodGet, path: path("ready")})
	var answer *Error
	if err != nil && (!errors.As(err, &answer) || answer.Status != http.StatusServiceUnavailable) {
		return Ready{}, err
	}
	var ready Ready
	if jsonErr := json.Unmarshal(body, &ready); jsonErr != nil {
		return Ready{}, errors.Join(err, jsonErr)
	}
	return ready, nil
}

// Status describes the node.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return data[Status](ctx, c, request{method: http.MethodGet, path: admin("x", "status")})
}

// PeerCount is the number of connected peers.
func (c *Client) PeerCount(ctx context.Context) (int, error) {
	out, err := call[PeersCount](ctx, c, request{method: http.MethodGet, path: admin("peers")})
	return out.Count, err
}

// Peers describes the connected peers.
func (c *Client) Peers(ctx context.Context) ([]Peer, error) {
	out, err := data[PeersResponse](ctx, c, request{method: http.MethodGet, path: admin("x", "peers")})
	return out.Peers, err
}

// IssueToken makes a token.
func (c *Client) IssueToken(ctx context.Context, req IssueTokenRequest) (IssuedToken, error) {
	return data[IssuedToken](ctx, c, request{method: http.MethodPost, path: admin("x", "tokens"), body: req})
}

// Tokens lists the keys behind all tokens, oldest first.
func (c *Client) Tokens(ctx context.Context) ([]TokenKey, error) {
	out, err := data[TokensResponse](ctx, c, request{method: http.MethodGet, path: admin("x", "tokens")})
	return out.Keys, err
}

// RevokeToken ends the token of a key. An unknown key is an *Error with
// KindTokenNotFound.
func (c *Client) RevokeToken(ctx context.Context, keyID string) (TokenKey, error) {
	return data[TokenKey](ctx, c, request{method: http.MethodDelete, path: admin("x", "tokens", keyID)})
}

// Execute calls a method over JSON-RPC. A call that failed is an *RPCError.
func (c *Client) Execute(ctx context.Context, params ExecuteParams) (ExecuteResult, error) {
	type envelope struct {
		JSONRPC string        `json:"jsonrpc"`
		ID      uint64        `json:"id"`
		Method  string        `json:"method"`
		Params  ExecuteParams `json:"params"`
	}
	type answer struct {
		ID     json.RawMessage `json:"id"`
		Result *ExecuteResult  `json:"result"`
		Error  *RPCError       `json:"error"`
	}
	const id = 1
	r := request{
		method: http.MethodPost, path: path("jsonrpc"),
		body: envelope{JSONRPC: "2.0", ID: id, Method: MethodExecute, Params: params},
	}
	body, kind, err := c.send(ctx, r)
	if err != nil {
		return ExecuteResult{}, err
	}
	out, err := decode[answer](r, body)
	switch {
	case err != nil:
		return ExecuteResult{}, err
	case out.Error != nil:
		out.Error.Kind = kind
		return ExecuteResult{}, out.Error
	case out.Result == nil || string(out.ID) != strconv.Itoa(id):
		return ExecuteResult{}, errors.New("POST /jsonrpc: the answer is not one to this call")
	}
	return *out.Result, nil
}

// Call calls a method, or tries it with DryRun, and also returns the call's
// effects. A call that failed is an *RPCError.
func (c *Client) Call(ctx context.Context, req CallRequest) (CallResponse, error) {
	r := request{method: http.MethodPost, path: admin("x", "call"), body: req}
	body, err := c.do(ctx, r)
	if err != nil {
		// The body of a failed call is that of an RPC error with "error" beside.
		var failed RPCError
		if json.Unmarshal(body, &failed) == nil && failed.Type != "" {
			var answer *Error
			if errors.As(err, &answer) {
				failed.Kind = answer.Kind
			}
			return CallResponse{}, &failed
		}
		return CallResponse{}, err
	}
	var out Data[CallResponse]
	if err := json.Unmarshal(body, &out); err != nil {
		return CallResponse{}, errors.New("POST /admin-api/x/call: the answer is not what mero answers")
	}
	return out.Data, nil
}
