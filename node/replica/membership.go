package replica

import (
	"context"
	"errors"
	"fmt"

	"mero/node/admit"
	"mero/node/delta"
	"mero/node/ident"
	"mero/node/members"
	"mero/node/store"
)

// What is asked for, and given, when somebody joins.
type (
	// InviteRequest asks for an invitation to a context.
	InviteRequest = admit.InviteRequest
	// Admission is what a node needs that was let in.
	Admission = admit.Admission
	// Issued is an invitation that a member of this node issued.
	Issued = admit.Issued
)

// Invite makes an invitation, signed by a member of this node, and remembers how often
// it may be used. Errors: ErrContextNotFound, *UnauthorizedError, *MemberError,
// members.ErrFull, and members.ErrMalformed or ErrTooLarge for what cannot be in one.
func (s *Set) Invite(ctx context.Context, req InviteRequest) (members.Invitation, error) {
	var inv members.Invitation
	err := s.alone(ctx, req.Context, func(b *batch) error {
		who, ok := b.identities[req.Executor]
		if !ok {
			return &UnauthorizedError{Context: req.Context, Key: req.Executor}
		}
		secret, err := s.joined.Secret(b.view)
		if err != nil {
			return err
		}
		now := s.deps.Wall()
		made, rec, err := req.Issue(b.View, secret, who, now)
		if errors.Is(err, members.ErrNotMember) || errors.Is(err, members.ErrNotAllowed) {
			err = &MemberError{Context: req.Context, Key: req.Executor, Cause: err}
		}
		if err != nil {
			return err
		}
		inv, b.step.Invitations = made, []store.Invitation{rec}
		b.step.InvitationsDrop, err = admit.Expired(b.view, now)
		return err
	})
	return inv, err
}

// Revoke makes an invitation, named by its id, good no more, for everybody who learns
// of it. Errors: ErrContextNotFound, *UnauthorizedError, *MemberError,
// members.ErrRevoked, members.ErrFull, and those of writing.
func (s *Set) Revoke(ctx context.Context, id ident.ContextID, executor ident.PublicKey, invitation [32]byte) error {
	return s.alone(ctx, id, func(b *batch) error {
		who, ok := b.identities[executor]
		if !ok {
			return &UnauthorizedError{Context: id, Key: executor}
		}
		b.step.InvitationsDrop = []store.Invitation{{Context: id, ID: invitation}}
		return b.member(who, delta.Member{Revoke: &invitation})
	})
}

// Request is how a member key of this node that belongs to no context yet asks to be
// admitted by an invitation; peer is this node's libp2p id. Errors: store.ErrNotFound
// for a key that is not here, members.ErrNotForYou, members.ErrMalformed.
func (s *Set) Request(inv members.Invitation, member ident.PublicKey, peer string) (members.JoinRequest, error) {
	who, err := s.unbound(member)
	if err != nil {
		return members.JoinRequest{}, err
	}
	return admit.Request(&inv, &who, peer, s.deps.Wall())
}

// Admit lets somebody into a context by an invitation, as a member of this node that
// may. For a key that is a member already it answers as before. Errors:
// ErrContextNotFound, members.ErrExpired, ErrUsedUp, ErrRevoked, ErrNotForYou,
// ErrAskIssuer, ErrNotAllowed, ErrIssuer, ErrMismatch, ErrOtherContext, ErrFull, those
// of the papers (members), and those of writing.
func (s *Set) Admit(ctx context.Context, id ident.ContextID, inv members.Invitation, req members.JoinRequest) (Admission, error) {
	if err := admit.Check(id, &inv, &req); err != nil {
		return Admission{}, err
	}
	err := s.alone(ctx, id, func(b *batch) error {
		if m, ok := b.View.Get(req.Member); ok {
			if m.Seal != req.Seal {
				return fmt.Errorf("%w: it is a member with another sealing key", members.ErrMismatch)
			}
			return nil
		}
		if inv.IsExpired(s.deps.Wall()) {
			return members.ErrExpired
		}
		key, err := admit.Choose(b.View, b.owners(), &inv, &req)
		if err != nil {
			return err
		}
		rec, counted, err := admit.Count(b.view, &inv)
		if err != nil {
			return err
		}
		if counted {
			b.step.Invitations = []store.Invitation{rec}
		}
		return b.member(b.identities[key], admit.Payload(&inv, &req))
	})
	if err != nil {
		return Admission{}, err
	}
	return s.admission(id, req.Member)
}

// owners are the members as whom this node can act in the context.
func (b *batch) owners() []ident.PublicKey {
	var own []ident.PublicKey
	for key := range b.identities {
		own = append(own, key)
	}
	return own
}

// member makes and folds the delta of a change of the membership. One that admits
// carries the key of its epoch for the new member (R13).
func (b *batch) member(who *store.Identity, m delta.Member) error {
	now, err := b.time()
	if err != nil {
		return err
	}
	if err := b.loadHistory(); err != nil {
		return err
	}
	if err := b.checkWriter(who); err != nil {
		return err
	}
	form, err := delta.EncodeMember(m)
	if err != nil {
		return err
	}
	var wraps []delta.Wrap
	if a := m.Admit; a != nil {
		key, err := b.key(b.Rec.Epoch)
		if err != nil {
			return fmt.Errorf("key of epoch %s: %w", b.Rec.Epoch, err)
		}
		wrap, err := delta.WrapEpoch(b.Rec.ID, key, a.Key, a.Seal)
		if err != nil {
			return err
		}
		wraps = []delta.Wrap{wrap}
	}
	d, err := b.seal(who, now, delta.KindMember, form, wraps...)
	if err != nil {
		return err
	}
	h := d.Header()
	done, err := b.ApplyMember(&h, m, b.cut(d))
	if err != nil {
		return err
	}
	in := input{who: who}
	if err := b.keep(in, d, done, nil); err != nil {
		return err
	}
	b.answer(in, done.Out, d)
	return nil
}

// alone runs something in its turn that shares no batch and after whose error nothing
// is written.
func (s *Set) alone(ctx context.Context, id ident.ContextID, run func(*batch) error) error {
	view, err := s.view(id) // no queue is made for an id that a stranger chose
	if err != nil {
		return err
	}
	view.Close()
	t := newTicket("", func(b *batch) (*Result, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		return nil, run(b)
	})
	t.alone = true
	_, err = s.replica(id).submit(ctx, t)
	return err
}

// admission is what a member is given that was admitted, now or before.
func (s *Set) admission(id ident.ContextID, member ident.PublicKey) (a Admission, err error) {
	if a, err = s.AdmissionOf(id, member); err != nil {
		return a, err
	}
	if app, err := s.deps.Apps.App(a.App); err == nil {
		a.Code, a.Package, a.Version = app.Blob, app.Package, app.Version
	}
	return a, nil
}
