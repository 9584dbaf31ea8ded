package server

import (
	"net/http"
	"time"

	"mero/node/api"
	"mero/node/auth"
)

// issueToken is POST /x/tokens. A caller can hand on only what it may do
// itself, and for no longer than it may: the new token ends when the caller's
// does, by time or by revocation.
func (x *exchange) issueToken() error {
	var req api.IssueTokenRequest
	if err := x.decode(&req); err != nil {
		return err
	}
	scopes := auth.Admin()
	if len(req.Scopes) > 0 {
		var err error
		if scopes, err = auth.ParseScopes(req.Scopes); err != nil {
			return err
		}
	}
	for _, scope := range scopes {
		if err := x.allow(auth.Need(scope)); err != nil {
			return err
		}
	}
	if req.TTLSeconds > uint64(auth.MaxTTL/time.Second) {
		return auth.ErrBadTTL
	}
	ttl := time.Duration(req.TTLSeconds) * time.Second
	token, claims, err := x.server.deps.Auth.IssueFrom(x.who, req.Name, scopes, ttl)
	if err != nil {
		return err
	}
	return x.data(api.IssuedToken{
		Token: token, KeyID: claims.Subject, Name: req.Name, Scopes: claims.Permissions, ExpiresAt: claims.ExpiresAt.UTC(),
	})
}

// tokens is GET /x/tokens.
func (x *exchange) tokens() error {
	keys, err := x.server.deps.Auth.Keys()
	if err != nil {
		return err
	}
	out := api.TokensResponse{Keys: make([]api.TokenKey, 0, len(keys))}
	for _, key := range keys {
		out.Keys = append(out.Keys, tokenKey(key))
	}
	return x.data(out)
}

// revokeToken is DELETE /x/tokens/:key_id.
func (x *exchange) revokeToken() error {
	key, err := x.server.deps.Auth.Revoke(x.param("key_id"))
	if err != nil {
		return err
	}
	x.server.deps.Log.Info().Str("key", key.ID).Str("by", x.who.KeyID).Msg("token revoked")
	return x.json(http.StatusOK, api.Data[api.TokenKey]{Data: tokenKey(key)})
}

func tokenKey(key auth.Key) api.TokenKey {
	shape := api.TokenKey{
		KeyID: key.ID, Name: key.Name, Scopes: some(key.Scopes), ParentID: key.Parent, CreatedAt: key.Created, ExpiresAt: key.Expires,
	}
	if !key.Revoked.IsZero() {
		shape.RevokedAt = &key.Revoked
	}
	return shape
}
