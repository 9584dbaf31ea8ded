package api

import "time"

// IssueTokenRequest is the body of POST /x/tokens.
type IssueTokenRequest struct {
	Name string `json:"name,omitempty"`
	// Scopes are permissions of http-api 5.9; none means admin. A caller can
	// only hand on what its own token allows.
	Scopes []string `json:"scopes,omitempty"`
	// TTLSeconds is the lifetime; 0 means the node's auth.token_ttl. The new
	// token ends no later than the one it is asked for with, whatever this says,
	// and with it when it is revoked.
	TTLSeconds uint64 `json:"ttlSeconds,omitempty"`
}

// IssuedToken is the data of POST /x/tokens. The token is shown this once.
type IssuedToken struct {
	Token     string    `json:"token"`
	KeyID     string    `json:"keyId"`
	Name      string    `json:"name"`
	Scopes    []string  `json:"scopes"`
	ExpiresAt time.Time `json:"expiresAt"`
}

// TokenKey describes the key behind a token, never the token.
type TokenKey struct {
	KeyID  string   `json:"keyId"`
	Name   string   `json:"name"`
	Scopes []string `json:"scopes"`
	// ParentID is the key whose token asked for this one; absent when it was
	// made at the node's home.
	ParentID  string    `json:"parentId,omitempty"`
	CreatedAt time.Time `json:"createdAt"`
	ExpiresAt time.Time `json:"expiresAt"`
	// RevokedAt is when the key, or one above it, was revoked; absent while the
	// key is good.
	RevokedAt *time.Time `json:"revokedAt,omitempty"`
}

// TokensResponse is the data of GET /x/tokens, oldest first.
type TokensResponse struct {
	Keys []TokenKey `json:"keys"`
}
