package members

import (
	"fmt"

	"mero/node/delta"
)

const (
	// MaxMembers bounds the members that an admission may add to.
	MaxMembers = 4096
	// maxRevoked likewise the revoked invitations.
	maxRevoked = 4096
)

// Change is what a member delta makes of the membership: one of the two, or nothing.
type Change struct {
	// Admit is the new member; Log.With fills in the admission's id.
	Admit *Member
	// Revoke is an invitation that is good no more.
	Revoke *[32]byte
}

// Judge gives the verdict about a member delta on the view at its cut. The error says
// why it is void; every replica finds the same.
func (v *View) Judge(h *delta.Header, m delta.Member) (Change, error) {
	author, ok := v.Get(h.Author)
	switch {
	case !ok:
		return Change{}, ErrNotMember
	case !author.May(ManageMembers):
		return Change{}, ErrNotAllowed
	case m.Admit != nil:
		return v.judgeAdmission(h, &author, m.Admit)
	case v.Revoked(*m.Revoke):
		return Change{}, ErrRevoked
	case v.tree.revoked >= maxRevoked:
		return Change{}, fmt.Errorf("%w: %d revoked invitations", ErrFull, maxRevoked)
	}
	return Change{Revoke: m.Revoke}, nil
}

func (v *View) judgeAdmission(h *delta.Header, author *Member, a *delta.Admit) (Change, error) {
	inv, err := DecodeInvitation(a.Invitation)
	if err != nil {
		return Change{}, err
	}
	req, err := DecodeJoinRequest(a.Request)
	if err != nil {
		return Change{}, err
	}
	switch {
	case inv.Context != h.Context:
		return Change{}, fmt.Errorf("invitation: %w", ErrOtherContext)
	case a.Key != req.Member, a.Seal != req.Seal, Role(a.Role) != inv.Role:
		return Change{}, ErrMismatch
	}
	if err := v.Admits(&inv, &req, author); err != nil {
		return Change{}, err
	}
	if inv.IsExpired(h.Time.Wall()) {
		return Change{}, ErrExpired
	}
	return Change{Admit: &Member{
		Key: a.Key, Seal: a.Seal, Role: inv.Role, By: h.Author, Since: h.Time, Invitation: inv.ID(),
	}}, nil
}

// Admits says why a member may not admit somebody by an invitation on this membership,
// but for its time: papers were verified. Errors: ErrOtherContext, ErrMismatch, ErrTicket,
// ErrNotForYou, ErrAlready, ErrRevoked, ErrIssuer, ErrNotAllowed, ErrAskIssuer,
// ErrUsedUp, ErrFull.
func (v *View) Admits(inv *Invitation, req *JoinRequest, by *Member) error {
	id, answers := inv.ID(), req.Answers(inv)
	issuer, ok := v.Get(inv.Issuer)
	_, already := v.Get(req.Member)
	switch {
	case inv.Genesis != v.genesis:
		return fmt.Errorf("invitation: %w", ErrOtherContext)
	case answers != nil:
		return answers
	case !inv.To.IsZero() && inv.To != req.Member:
		return ErrNotForYou
	case already:
		return ErrAlready
	case v.Revoked(id):
		return ErrRevoked
	case !ok || !issuer.MayGrant(inv.Role):
		return ErrIssuer
	case inv.IsCounted() && by.Key != inv.Issuer:
		return ErrAskIssuer
	case !by.MayGrant(inv.Role):
		return ErrNotAllowed
	case inv.IsCounted() && uint64(v.Used(id)) >= uint64(inv.Uses):
		return ErrUsedUp
	case v.Len() >= MaxMembers:
		return fmt.Errorf("%w: %d members", ErrFull, MaxMembers)
	}
	return nil
}

// IsCounted reports whether only the issuer may admit by the invitation, so that no
// more join than it is for. A directed one is good for its key alone.
func (i *Invitation) IsCounted() bool { return i.Uses > 0 && i.To.IsZero() }

// EffectOf is the change of a member delta that was judged before and found good.
func EffectOf(h *delta.Header, m delta.Member) (Change, error) {
	if m.Admit == nil {
		return Change{Revoke: m.Revoke}, nil
	}
	inv, err := decodeInvitation(m.Admit.Invitation)
	if err != nil {
		return Change{}, err
	}
	return Change{Admit: &Member{
		Key: m.Admit.Key, Seal: m.Admit.Seal, Role: inv.Role, By: h.Author, Since: h.Time, Invitation: inv.ID(),
	}}, nil
}
