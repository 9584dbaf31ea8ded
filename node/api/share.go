package api

import (
	"encoding/json"
	"time"

	"mero/node/ident"
)

// ReferenceInvite is the body of POST /contexts/invite and of
// POST /contexts/invite_by_open_invitation, of all generations of clients: with
// inviteeId the answer's data is the payload of a directed invitation, a string;
// without it a signed open invitation. null: the context is not here (http-api 4.5).
type ReferenceInvite struct {
	ContextID ident.ContextID  `json:"contextId"`
	InviterID ident.PublicKey  `json:"inviterId"`
	InviteeID *ident.PublicKey `json:"inviteeId,omitempty"`
	// ValidForBlocks and ValidForSeconds are seconds (http-api 10); without both it
	// is a day.
	ValidForBlocks  *uint64 `json:"validForBlocks,omitempty"`
	ValidForSeconds *uint64 `json:"validForSeconds,omitempty"`
}

// ReferenceJoin is the body of POST /contexts/join and of
// POST /contexts/join_by_open_invitation: one of the first two is there.
type ReferenceJoin struct {
	InvitationPayload  *string          `json:"invitationPayload,omitempty"`
	Invitation         json.RawMessage  `json:"invitation,omitempty"`
	NewMemberPublicKey *ident.PublicKey `json:"newMemberPublicKey,omitempty"`
}

// InviteRequest is the body of POST /x/contexts/:id/invitations.
type InviteRequest struct {
	// Executor is who invites; absent: the only own member of the context.
	Executor *ident.PublicKey `json:"executorPublicKey,omitempty"`
	// To is whom it is for; absent: for whoever has it.
	To *ident.PublicKey `json:"to,omitempty"`
	// Role is admin, member or read-only; empty is member.
	Role string `json:"role,omitempty"`
	// TTLSeconds is for how long it is good; 0 is a day.
	TTLSeconds uint64 `json:"ttlSeconds,omitempty"`
	// Uses is how many may join by it, absent is one; 0 is any number.
	Uses *uint32 `json:"uses,omitempty"`
}

// Invitation is the data of POST /x/contexts/:id/invitations.
type Invitation struct {
	// Invitation is the word to hand on. It is a secret.
	Invitation string           `json:"invitation"`
	ID         Hash             `json:"invitationId"`
	ContextID  ident.ContextID  `json:"contextId"`
	Issuer     ident.PublicKey  `json:"issuer"`
	To         *ident.PublicKey `json:"to,omitempty"`
	Role       string           `json:"role"`
	// Uses is 0 for any number.
	Uses      uint32    `json:"uses"`
	ExpiresAt time.Time `json:"expiresAt"`
	// Addresses are where members may be found.
	Addresses []string `json:"addresses"`
}

// RevokeInvitation is the body of POST /x/contexts/:id/invitations/revoke.
type RevokeInvitation struct {
	Executor *ident.PublicKey `json:"executorPublicKey,omitempty"`
	// Invitation is the invitation, in any form, or its id.
	Invitation string `json:"invitation"`
}

// JoinRequest is the body of POST /x/join.
type JoinRequest struct {
	// Invitation is in any form that InvitationWord takes, as text.
	Invitation string `json:"invitation"`
	// Member is the own key that becomes a member; absent: the one that the invitation
	// is for, or a new one.
	Member *ident.PublicKey `json:"memberPublicKey,omitempty"`
}

// JoinedContext is the data of POST /x/join.
type JoinedContext struct {
	ContextID       ident.ContextID `json:"contextId"`
	MemberPublicKey ident.PublicKey `json:"memberPublicKey"`
	// Already says that it was a member before.
	Already bool `json:"already"`
}

// Usable is the data of GET /x/contexts/:id/usable, which answers when the context's
// state can be used: its application is here, and what others had is folded.
type Usable struct {
	Usable bool `json:"usable"`
	// Missing says what is not there yet, when the time given by ?within=MILLISECONDS
	// is over.
	Missing string `json:"missing,omitempty"`
}

// Member is a member of a context.
type Member struct {
	PublicKey ident.PublicKey `json:"publicKey"`
	// Role is creator, admin, member or read-only.
	Role string `json:"role"`
	// Capabilities are what a plain member may do beyond writing.
	Capabilities []string `json:"capabilities"`
	// Since is when it was admitted, By whom, and Admission the delta that says so;
	// of the creator, the genesis.
	Since     time.Time        `json:"since"`
	By        *ident.PublicKey `json:"by,omitempty"`
	Admission Hash             `json:"admission"`
	// Owned says that this node holds its key.
	Owned bool `json:"owned"`
	// Peers are the connected peers that speak for it.
	Peers []string `json:"peers"`
}

// MembersResponse is the data of GET /x/contexts/:id/members.
type MembersResponse struct {
	Members []Member `json:"members"`
}

// SyncRequest is the body of POST /x/contexts/:id/sync.
type SyncRequest struct {
	// Peer is whom to exchange with; empty: whoever is best.
	Peer string `json:"peer,omitempty"`
}

// SyncReport is the data of POST /x/contexts/:id/sync: what one session did. That
// replicas are not equal at its end is no error.
type SyncReport struct {
	ContextID ident.ContextID `json:"contextId"`
	// Equal says that folded heads and roots were equal at its end.
	Equal bool   `json:"equal"`
	Peer  string `json:"peer,omitempty"`
	// Outcome is one word, Reason why not Equal, in words.
	Outcome   string    `json:"outcome"`
	Reason    string    `json:"reason,omitempty"`
	StartedAt time.Time `json:"startedAt"`
	TookMs    float64   `json:"tookMs"`
	// Sent and Received count deltas.
	Sent          uint64 `json:"sent"`
	Received      uint64 `json:"received"`
	BytesSent     uint64 `json:"bytesSent"`
	BytesReceived uint64 `json:"bytesReceived"`
	Deltas        uint64 `json:"deltas"`
	RootHash      Hash   `json:"rootHash"`
	// Missing are deltas that are known of and that nobody has brought.
	Missing []Hash `json:"missing"`
	// Waiting is how many deltas have no effect here yet, and WaitingFor counts those
	// that hold the others back, by what they wait for.
	Waiting    uint64         `json:"waiting"`
	WaitingFor map[string]int `json:"waitingFor,omitempty"`
	// NextTry is when the next session with the peer is due; absent: when something
	// gives cause.
	NextTry *time.Time `json:"nextTry"`
}

// SyncLink is how a context stands with one peer.
type SyncLink struct {
	ContextID ident.ContextID `json:"contextId"`
	Peer      string          `json:"peer"`
	Member    ident.PublicKey `json:"member"`
	Role      string          `json:"role"`
	Connected bool            `json:"connected"`
	// Equal says that both were equal when they were last compared.
	Equal bool `json:"equal"`
	// BehindSince is since when one is known to lack what the other has, LagMs for how
	// long that is.
	BehindSince *time.Time `json:"behindSince,omitempty"`
	LagMs       float64    `json:"lagMs"`
	EqualAt     *time.Time `json:"equalAt,omitempty"`
	Syncing     bool       `json:"syncing"`
	// Last is the last session; absent: there was none.
	Last     *SyncReport `json:"last,omitempty"`
	Failures int         `json:"failures"`
	NextTry  *time.Time  `json:"nextTry,omitempty"`
}

// SyncStatus is how a context stands.
type SyncStatus struct {
	ContextID ident.ContextID `json:"contextId"`
	// Equal says that all connected members' nodes were equal when last compared; false
	// when there is none.
	Equal     bool `json:"equal"`
	Connected int  `json:"connected"`
	// Mesh is how many peers get what is written here at once.
	Mesh  int        `json:"mesh"`
	Peers []SyncLink `json:"peers"`
	// DiscoveryAt is when members were last looked for.
	DiscoveryAt *time.Time `json:"discoveryAt,omitempty"`
	// Fetching names what is being fetched: code, keys.
	Fetching []string `json:"fetching"`
	// The context as it is here.
	Deltas   uint64 `json:"deltas"`
	Waiting  uint64 `json:"waiting"`
	RootHash Hash   `json:"rootHash"`
}

// SyncStatusResponse is the data of GET /x/sync.
type SyncStatusResponse struct {
	Contexts []SyncStatus `json:"contexts"`
}

// DagDifference is the data of GET /x/contexts/:id/difference: how the graphs of this
// node and a peer differ, by what both know of each writer.
type DagDifference struct {
	ContextID ident.ContextID `json:"contextId"`
	Peer      string          `json:"peer"`
	// Equal says that folded heads and roots are equal.
	Equal     bool `json:"equal"`
	SameHeads bool `json:"sameHeads"`
	// HereOnly and ThereOnly count the deltas that the other side lacks; of forked
	// writers, at least.
	HereOnly  uint64  `json:"hereOnly"`
	ThereOnly uint64  `json:"thereOnly"`
	Here      DagSide `json:"here"`
	There     DagSide `json:"there"`
	// Writers are those of which one side knows more, or else.
	Writers []WriterDifference `json:"writers"`
}

// DagSide is one side of a difference.
type DagSide struct {
	Deltas   uint64 `json:"deltas"`
	Waiting  uint64 `json:"waiting"`
	RootHash Hash   `json:"rootHash"`
}

// WriterDifference is how far two sides know one writer: its last number on each.
type WriterDifference struct {
	Author ident.PublicKey `json:"author"`
	// Incarnation is 16 hexadecimal digits.
	Incarnation string `json:"incarnation"`
	Here        uint64 `json:"here"`
	There       uint64 `json:"there"`
	Forked      bool   `json:"forked"`
}
