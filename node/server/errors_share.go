package server

import (
	"errors"
	"net/http"
	"slices"

	"mero/node/api"
	"mero/node/ident"
	"mero/node/members"
	"mero/node/replica"
	"mero/node/syncer"
	"mero/node/wire"
)

// shareRules are for what nodes do together: each way in which an invitation is no
// good has a kind of its own.
func shareRules() []rule {
	return []rule{
		{match: as[*wire.VersionError], status: http.StatusConflict, kind: api.KindInvitationVersion},
		{match: is(members.ErrVersion), status: http.StatusConflict, kind: api.KindInvitationVersion},
		{match: is(members.ErrExpired), status: http.StatusForbidden, kind: api.KindInvitationExpired},
		{match: is(members.ErrRevoked), status: http.StatusForbidden, kind: api.KindInvitationRevoked},
		{match: is(members.ErrUsedUp), status: http.StatusForbidden, kind: api.KindInvitationUsedUp},
		{match: is(members.ErrNotForYou), status: http.StatusForbidden, kind: api.KindInvitationOther},
		{match: is(members.ErrIssuer), status: http.StatusForbidden, kind: api.KindInvitationIssuer},
		{match: is(members.ErrAskIssuer), status: http.StatusConflict, kind: api.KindAskIssuer},
		{match: is(members.ErrNotAllowed), status: http.StatusForbidden, kind: api.KindNotAllowed},
		{match: is(members.ErrFull), status: http.StatusConflict, kind: api.KindFull},
		{match: as[*identityError], status: http.StatusNotFound, kind: api.KindIdentityNotFound},
		{match: isGarbled, status: http.StatusUnprocessableEntity, kind: api.KindInvitationGarbled},
		{match: is(syncer.ErrUnreachable), status: http.StatusBadGateway, kind: api.KindUnreachable},
		{match: is(syncer.ErrStranger), status: http.StatusNotFound, kind: api.KindPeerNotFound},
		{match: is(syncer.ErrNoPeer), status: http.StatusConflict, kind: api.KindNoPeer},
		{match: is(syncer.ErrStopped), status: http.StatusServiceUnavailable, kind: api.KindBusy, fixed: true},
	}
}

// isGarbled: what was given as an invitation is none.
func isGarbled(err error) bool {
	return slices.ContainsFunc([]error{
		api.ErrForeignInvitation, members.ErrNotInvitation, members.ErrGarbled, members.ErrMalformed, members.ErrTicket, members.ErrTooLarge,
		members.ErrSignature, members.ErrOtherContext,
	}, func(e error) bool { return errors.Is(err, e) })
}

func memberData(err error) any {
	var e *replica.MemberError
	_ = errors.As(err, &e) // the rule has matched
	return struct {
		Context ident.ContextID `json:"context_id"`
		Key     ident.PublicKey `json:"public_key"`
		Message string          `json:"message"` // mero's own: clients of the reference pass over it
	}{e.Context, e.Key, err.Error()}
}
