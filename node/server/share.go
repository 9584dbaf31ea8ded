package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"mero/node/api"
	"mero/node/auth"
	"mero/node/ident"
	"mero/node/members"
	"mero/node/replica"
	"mero/node/store"
)

const (
	// defaultInvitation and maxInvitation are for how long an invitation is good.
	defaultInvitation = 24 * time.Hour
	maxInvitation     = 10 * 365 * 24 * time.Hour
)

// identityError is a key that was to become a member and is no key of this node, or
// belongs to a context already.
type identityError struct {
	key ident.PublicKey
	// directed: who is named in an invitation, and not in a request.
	directed bool
}

// Error is the text that clients of the reference know (http-api 4.5).
func (e *identityError) Error() string {
	if e.directed {
		return "missing identity for public key: " + e.key.String()
	}
	return "New member's identity " + e.key.String() + " not found: it is not a key of this node that belongs to no context"
}

// referenceInvite is POST /contexts/invite and /contexts/invite_by_open_invitation:
// what is in the body decides on the form of the answer (http-api 4.5). A context
// that is not here gives null.
func (x *exchange) referenceInvite() error {
	var req api.ReferenceInvite
	if err := x.decode(&req, "contextId", "inviterId"); err != nil {
		return err
	}
	if err := x.mayInvite(req.ContextID, req.InviterID); err != nil {
		return err
	}
	ttl := defaultInvitation
	for _, n := range []*uint64{req.ValidForBlocks, req.ValidForSeconds} {
		if n != nil {
			ttl = seconds(*n)
		}
	}
	ask := replica.InviteRequest{Context: req.ContextID, Executor: req.InviterID, TTL: ttl}
	if req.InviteeID != nil {
		ask.To = *req.InviteeID
	}
	inv, err := x.invite(ask)
	if errors.Is(err, replica.ErrContextNotFound) {
		return x.void()
	}
	if err != nil {
		return err
	}
	if req.InviteeID != nil {
		payload := api.DirectedPayload{Context: req.ContextID, Invitee: *req.InviteeID, Word: inv.Word()}
		return x.data(payload.Encode())
	}
	signer, err := x.signer(req.ContextID, req.InviterID)
	if err != nil {
		return err
	}
	var salt [32]byte
	_, _ = rand.Read(salt[:]) // never fails
	return x.data(api.NewOpenInvitation(req.ContextID, signer, salt, ttl, inv.Word()))
}

// seconds is a number of them from outside, within what is allowed.
func seconds(n uint64) time.Duration {
	return time.Duration(min(n, uint64(maxInvitation/time.Second))) * time.Second
}

// mayInvite asks for the scope to invite to a context as a member.
func (x *exchange) mayInvite(id ident.ContextID, as ident.PublicKey) error {
	return x.allow(auth.Need{Category: "context", Action: "invite", Resource: id.String(), User: as.String()})
}

// maxAddress is the longest address that is put into an invitation.
const maxAddress = members.MaxAddr

// invite makes an invitation with where this node is.
func (x *exchange) invite(req replica.InviteRequest) (*members.Invitation, error) {
	if req.TTL < time.Second {
		return nil, unprocessable(errors.New("an invitation is good for a second at least"))
	}
	for _, addr := range x.server.deps.Addrs() {
		if len(addr) <= maxAddress && len(req.Addrs) < members.MaxAddrs {
			req.Addrs = append(req.Addrs, addr)
		}
	}
	inv, err := x.server.deps.Contexts.Invite(x.r.Context(), req)
	return &inv, err
}

// signer is the private key of an own member.
func (x *exchange) signer(id ident.ContextID, key ident.PublicKey) (ident.PrivateKey, error) {
	own, err := x.server.deps.Store.Identities(id)
	if err != nil {
		return ident.PrivateKey{}, err
	}
	for _, identity := range own {
		if identity.Public() == key {
			return identity.PrivateKey(), nil
		}
	}
	return ident.PrivateKey{}, &replica.UnauthorizedError{Context: id, Key: key}
}

// newInvitation is POST /x/contexts/:id/invitations.
func (x *exchange) newInvitation() error {
	id, err := x.contextID()
	if err != nil {
		return err
	}
	var req api.InviteRequest
	if err := x.decode(&req); err != nil {
		return err
	}
	executor, err := x.executor(id, req.Executor)
	if err != nil {
		return err
	}
	ask := replica.InviteRequest{Context: id, Executor: executor, TTL: defaultInvitation, Uses: 1}
	if req.TTLSeconds > 0 {
		ask.TTL = seconds(req.TTLSeconds)
	}
	if req.Role != "" {
		if ask.Role, err = members.ParseRole(req.Role); err != nil {
			return unprocessable(err)
		}
	}
	if req.Uses != nil {
		ask.Uses = *req.Uses
	}
	if req.To != nil {
		ask.To, ask.Uses = *req.To, 0 // for one key, as often as it likes
	}
	inv, err := x.invite(ask)
	if err != nil {
		return err
	}
	return x.data(api.Invitation{
		Invitation: inv.Word(), ID: inv.ID(), ContextID: id, Issuer: inv.Issuer, To: req.To, Role: inv.Role.String(),
		Uses: inv.Uses, ExpiresAt: inv.Expires.UTC(), Addresses: some(inv.Addrs),
	})
}

// executor is the member to act as: the one that was named, or the only own one. It
// asks for the scope, too.
func (x *exchange) executor(id ident.ContextID, named *ident.PublicKey) (ident.PublicKey, error) {
	if named != nil {
		return *named, x.mayInvite(id, *named)
	}
	owned, err := x.server.deps.Contexts.Owned(id)
	switch {
	case err != nil:
		return ident.PublicKey{}, err
	case len(owned) != 1:
		return ident.PublicKey{}, unprocessable(fmt.Errorf("this node has %d members in the context: name one, executorPublicKey", len(owned)))
	}
	return owned[0], x.mayInvite(id, owned[0])
}

// revokeInvitation is POST /x/contexts/:id/invitations/revoke.
func (x *exchange) revokeInvitation() error {
	id, err := x.contextID()
	if err != nil {
		return err
	}
	var req api.RevokeInvitation
	if err := x.decode(&req, "invitation"); err != nil {
		return err
	}
	executor, err := x.executor(id, req.Executor)
	if err != nil {
		return err
	}
	which, err := api.ParseHash(req.Invitation)
	if err != nil {
		inv, err := readInvitation(req.Invitation)
		if err != nil {
			return err
		}
		if inv.Context != id {
			return unprocessable(members.ErrOtherContext)
		}
		which = inv.ID()
	}
	if err := x.server.deps.Contexts.Revoke(x.r.Context(), id, executor, which); err != nil {
		return err
	}
	return x.void()
}

// readInvitation reads an invitation in any form. The signature that clients of the
// reference see around an open one protects nothing that ours does not.
func readInvitation(text string) (members.Invitation, error) {
	word, err := api.InvitationWord(text)
	if err != nil {
		return members.Invitation{}, err
	}
	return members.ParseWord(word)
}

// referenceJoin is POST /contexts/join and /contexts/join_by_open_invitation: by the
// payload of a directed invitation, or by an open one.
func (x *exchange) referenceJoin() error {
	var req api.ReferenceJoin
	if err := x.decode(&req); err != nil {
		return err
	}
	var text string
	switch {
	case req.InvitationPayload != nil:
		text = *req.InvitationPayload
	case len(req.Invitation) > 0 && string(req.Invitation) != "null":
		text = string(req.Invitation)
	default:
		return unprocessable(errors.New("missing field `invitationPayload` or `invitation`"))
	}
	joined, err := x.join(api.JoinRequest{Invitation: text, Member: req.NewMemberPublicKey})
	if err != nil {
		return err
	}
	return x.data(api.CreatedContext{ContextID: joined.ContextID, MemberPublicKey: joined.MemberPublicKey})
}

// joinContext is POST /x/join.
func (x *exchange) joinContext() error {
	var req api.JoinRequest
	if err := x.decode(&req, "invitation"); err != nil {
		return err
	}
	joined, err := x.join(req)
	if err != nil {
		return err
	}
	return x.data(joined)
}

// maxWait bounds how long a request may wait for a state.
const maxWait = 10 * time.Minute

// usable is GET /x/contexts/:id/usable.
func (x *exchange) usable() error {
	id, err := x.contextID()
	if err != nil {
		return err
	}
	within := maxWait
	if text := x.r.URL.Query().Get("within"); text != "" {
		n, err := strconv.ParseUint(text, 10, 63)
		if err != nil {
			return reject(http.StatusBadRequest, "Invalid URL: within: %q is no number of milliseconds", text)
		}
		within = time.Duration(min(n, uint64(maxWait/time.Millisecond))) * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(x.r.Context(), within)
	defer cancel()
	err = x.server.deps.Sync.WaitUsable(ctx, id)
	if errors.Is(err, context.DeadlineExceeded) {
		missing, _ := strings.CutSuffix(err.Error(), ": "+context.DeadlineExceeded.Error())
		return x.data(api.Usable{Missing: missing})
	}
	if err != nil {
		return err
	}
	return x.data(api.Usable{Usable: true})
}

// spareKey is the key of a join by an open invitation that failed. Who tries again
// comes as the same, so that an admission whose answer was lost costs no second use.
// Where it was refused for certain, it serves for another invitation, too.
type spareKey struct {
	key        ident.PublicKey
	invitation [32]byte
	refused    bool
}

// newMember is a key of this node that is bound to no context, for an open invitation.
func (x *exchange) newMember(ctx context.Context, invitation [32]byte) (ident.PublicKey, error) {
	if spare := x.server.spare.Swap(nil); spare != nil && (spare.refused || spare.invitation == invitation) {
		return spare.key, nil
	}
	return x.server.deps.Contexts.NewIdentity(ctx)
}

// join makes an own key a member. Where this node is one already, nothing happens.
func (x *exchange) join(req api.JoinRequest) (_ api.JoinedContext, err error) {
	inv, err := readInvitation(req.Invitation)
	if err != nil {
		return api.JoinedContext{}, err
	}
	contexts, ctx := x.server.deps.Contexts, x.r.Context()
	if owned, err := contexts.Owned(inv.Context); err == nil && len(owned) > 0 {
		return api.JoinedContext{ContextID: inv.Context, MemberPublicKey: owned[0], Already: true}, nil
	}
	var key ident.PublicKey
	switch {
	case req.Member != nil:
		key = *req.Member
	case !inv.To.IsZero():
		key = inv.To
	default:
		if key, err = x.newMember(ctx, inv.ID()); err != nil {
			return api.JoinedContext{}, err
		}
		defer func() {
			if err != nil {
				x.server.spare.Store(&spareKey{key, inv.ID(), x.server.classify(err).status < http.StatusInternalServerError})
			}
		}()
	}
	joined, err := x.server.deps.Sync.Join(ctx, inv, key)
	if errors.Is(err, store.ErrNotFound) {
		err = &identityError{key: key, directed: req.Member == nil}
	}
	if err != nil {
		return api.JoinedContext{}, err
	}
	return api.JoinedContext{ContextID: joined.Context, MemberPublicKey: joined.Member, Already: joined.Already}, nil
}

// members is GET /x/contexts/:id/members.
func (x *exchange) members() error {
	id, err := x.contextID()
	if err != nil {
		return err
	}
	list, err := x.server.deps.Contexts.Membership(id)
	if err != nil {
		return err
	}
	owned, err := x.server.deps.Contexts.Owned(id)
	if err != nil {
		return err
	}
	own := make(map[ident.PublicKey]bool, len(owned))
	for _, key := range owned {
		own[key] = true
	}
	peers := x.peersOf(id)
	out := make([]api.Member, 0, len(list))
	for i := range list {
		m := &list[i]
		shape := api.Member{
			PublicKey: m.Key, Role: m.Role.String(), Capabilities: capabilities(m.Caps), Since: m.Since.Wall(),
			Admission: api.Hash(m.Admission), Owned: own[m.Key], Peers: some(peers[m.Key]),
		}
		if m.Role != members.Creator {
			shape.By = &m.By
		}
		out = append(out, shape)
	}
	return x.data(api.MembersResponse{Members: out})
}

// capabilities are the names that the reference has for them (http-api 4.5).
func capabilities(caps members.Capabilities) []string {
	names := []string{}
	for _, c := range []struct {
		bit  members.Capabilities
		name string
	}{
		{members.ManageApplication, "ManageApplication"}, {members.ManageMembers, "ManageMembers"}, {members.Proxy, "Proxy"},
	} {
		if caps&c.bit != 0 {
			names = append(names, c.name)
		}
	}
	return names
}
