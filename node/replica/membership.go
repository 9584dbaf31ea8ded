package replica

import (
	"context"
	"errors"
	"time"

	"mero/node/admit"
	"mero/node/ident"
	"mero/node/members"
)

// What is asked for, and given, when somebody joins.
type (
	// InviteRequest asks for an invitation to a context.
	InviteRequest = admit.InviteRequest
	// Admission is what a node needs that was let in.
	Admission = admit.Admission
)

var errLater = errors.New("membership comes with the next commit")

// Invite makes an invitation, signed by a member of this node, and remembers how often
// it may be used. Errors: ErrContextNotFound, *UnauthorizedError, members.ErrNotMember,
// members.ErrNotAllowed, and members.ErrMalformed or ErrTooLarge for what cannot be in one.
func (s *Set) Invite(context.Context, InviteRequest) (members.Invitation, error) {
	return members.Invitation{}, errLater
}

// Revoke makes an invitation, named by its id, good no more, for everybody who learns
// of it. Errors as of Invite, and members.ErrRevoked.
func (s *Set) Revoke(_ context.Context, _ ident.ContextID, _ ident.PublicKey, _ [32]byte) error {
	return errLater
}

// Request is how a member key of this node that belongs to no context yet asks to be
// admitted by an invitation; peer is this node's libp2p id. Errors: store.ErrNotFound
// for a key that is not here, members.ErrNotForYou.
func (s *Set) Request(_ members.Invitation, _ ident.PublicKey, _ string) (members.JoinRequest, error) {
	return members.JoinRequest{}, errLater
}

// Admit lets somebody into a context by an invitation, as a member of this node that
// may. For a key that is a member already it answers as before. Errors:
// ErrContextNotFound, members.ErrExpired, ErrUsedUp, ErrRevoked, ErrNotForYou,
// ErrAskIssuer, ErrNotAllowed, ErrIssuer, ErrMismatch, ErrOtherContext, ErrFull, those
// of the papers (members), and those of writing.
func (s *Set) Admit(_ context.Context, _ ident.ContextID, _ members.Invitation, _ members.JoinRequest) (Admission, error) {
	return Admission{}, errLater
}

// JoinWith makes a replica of a context that a member key of this node was admitted
// to: of its genesis and the admission. All else comes by Receive; the application may
// be installed later. Errors: ErrNotGenesis, ErrContextExists, members.ErrMismatch for
// an admission of somebody else, store.ErrNotFound for a key that is not here.
func (s *Set) JoinWith(_ context.Context, _ Admission, _ ident.PublicKey) (ident.ContextID, error) {
	return ident.ContextID{}, errLater
}

// Membership are the members of a context, ascending by key, as of the state here.
func (s *Set) Membership(ident.ContextID) ([]members.Member, error) { return nil, errLater }

// Binding says for the members of a context that a libp2p peer, which is this node,
// speaks for the lowest own key among them; it is good for members.MaxBindingLife.
// Errors: ErrContextNotFound, members.ErrNotMember while none of the own keys is known
// to be one.
func (s *Set) Binding(_ ident.ContextID, _ string, _ time.Time) (members.Binding, error) {
	return members.Binding{}, errLater
}

// CheckBinding says whether a binding is good on the connection of a peer. Errors:
// ErrContextNotFound, members.ErrNotMember for one that would be good but for that, and
// those of members.Binding.Verify.
func (s *Set) CheckBinding(_ members.Binding, _ string, _ time.Time) error { return errLater }

// Shared are the topic secrets of all contexts of this node (R14).
func (s *Set) Shared() (map[ident.ContextID][32]byte, error) { return nil, errLater }

// Secret is the topic secret of a context, from its genesis (R14).
func (s *Set) Secret(ident.ContextID) ([32]byte, error) { return [32]byte{}, errLater }
