package api

import (
	"time"

	"mero/node/ident"
)

// Context describes a context on one node (http-api 4.1).
type Context struct {
	ID            ident.ContextID `json:"id"`
	ApplicationID ident.AppID     `json:"applicationId"`
	// RootHash is the host's state root (R9).
	RootHash Hash `json:"rootHash"`
	// DagHeads are delta ids as arrays of numbers; absent when there is none.
	DagHeads []Bytes `json:"dagHeads,omitempty"`
	// The rest is mero's own; other clients ignore it.
	Members     int       `json:"members"`
	CreatedAt   time.Time `json:"createdAt"`
	Initialized bool      `json:"initialized"`
	// StateBytes counts the keys and values of the replicated state.
	StateBytes uint64 `json:"stateBytes"`
	// Deltas counts those that are folded, Void those without effect, Waiting those
	// that have none yet (R4).
	Deltas  uint64 `json:"deltas"`
	Void    uint64 `json:"void"`
	Waiting uint64 `json:"waiting"`
}

// Heads are the delta ids of DagHeads in base58; what is not 32 bytes long is
// left out.
func (c Context) Heads() []Hash {
	heads := make([]Hash, 0, len(c.DagHeads))
	for _, raw := range c.DagHeads {
		var h Hash
		if h.SetBytes(raw) == nil {
			heads = append(heads, h)
		}
	}
	return heads
}

// ContextsResponse is the data of GET /contexts and of
// GET /contexts/for-application/:id.
type ContextsResponse struct {
	Contexts []Context `json:"contexts"`
}

// ContextWithExecutors is snake_case on the wire (http-api 4.4).
type ContextWithExecutors struct {
	ID            ident.ContextID   `json:"id"`
	ApplicationID ident.AppID       `json:"application_id"`
	RootHash      Hash              `json:"root_hash"`
	Executors     []ident.PublicKey `json:"executors"`
}

// ContextsWithExecutorsResponse has no data wrapper.
type ContextsWithExecutorsResponse struct {
	Contexts []ContextWithExecutors `json:"contexts"`
}

// CreateContextRequest is the body of POST /contexts.
type CreateContextRequest struct {
	// Protocol named a blockchain once; it is accepted and ignored.
	Protocol      string      `json:"protocol,omitempty"`
	ApplicationID ident.AppID `json:"applicationId"`
	// ContextSeed, when given, fixes the context's id.
	ContextSeed *Hash `json:"contextSeed,omitempty"`
	// InitializationParams is the input of init, required, perhaps empty.
	InitializationParams Bytes `json:"initializationParams"`
}

// CreatedContext is the data of POST /contexts.
type CreatedContext struct {
	ContextID       ident.ContextID `json:"contextId"`
	MemberPublicKey ident.PublicKey `json:"memberPublicKey"`
}

// DeletedContext is the data of DELETE /contexts/:id.
type DeletedContext struct {
	IsDeleted bool `json:"isDeleted"`
}

// StorageResponse is the data of GET /contexts/:id/storage.
type StorageResponse struct {
	SizeInBytes uint64 `json:"sizeInBytes"`
}

// IdentitiesResponse is the data of GET /contexts/:id/identities and
// identities-owned.
type IdentitiesResponse struct {
	Identities []ident.PublicKey `json:"identities"`
}

// IdentityResponse is the data of POST /identity/context.
type IdentityResponse struct {
	PublicKey ident.PublicKey `json:"publicKey"`
}

// ClientKeysResponse is the data of GET /contexts/:id/client-keys: always
// empty (http-api 4.10).
type ClientKeysResponse struct {
	ClientKeys []struct{} `json:"clientKeys"`
}
