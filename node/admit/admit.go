package admit

import (
	"time"

	"mero/node/ident"
	"mero/node/members"
)

// InviteRequest asks for an invitation to a context.
type InviteRequest struct {
	Context ident.ContextID
	// Executor is the member of this node that invites.
	Executor ident.PublicKey
	// To is the key that it is for; zero: it is open.
	To ident.PublicKey
	// Role is what who joins becomes; zero: a plain member.
	Role members.Role
	// TTL is how long it is good; zero: DefaultTTL.
	TTL time.Duration
	// Uses is how many may join by it; zero: as many as like, until it expires.
	Uses uint32
	// Addrs are where this node, or other members, may be found: multiaddrs with /p2p/.
	Addrs []string
}

// Admission is what a node needs that was let in.
type Admission struct {
	// Genesis is the envelope that began the context, Delta that of the member delta
	// which admits, with the key of its epoch wrapped for the new member.
	Genesis, Delta []byte
	// App is the application that the context runs now, Code the blob of its WASM.
	App  ident.AppID
	Code [32]byte
	// Package and Version name it for people.
	Package, Version string
}
