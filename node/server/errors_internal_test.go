package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"mero/blobkit"
	"mero/node/api"
	"mero/node/apps"
	"mero/node/auth"
	"mero/node/ident"
	"mero/node/inspect"
	"mero/node/members"
	"mero/node/replica"
	"mero/node/store"
	"mero/node/syncer"
	"mero/node/vm"
	"mero/node/wire"
)

func TestErrorTable(t *testing.T) {
	s := &Server{errors: newErrorTable()}
	id, key, app := ident.ContextID{1}, ident.PublicKey{2}, ident.AppID{3}
	guest := func(k vm.Kind) error { return &vm.Error{Kind: k, Message: "m", Data: []byte{1, 2}} }
	rows := []struct {
		err        error
		status     int
		kind, rpc  string
		data, auth string
	}{
		{auth.ErrMissing, 401, api.KindUnauthenticated, "", "", api.AuthMissing},
		{auth.ErrExpired, 401, api.KindUnauthenticated, "", "", api.AuthExpired},
		{auth.ErrRevoked, 401, api.KindUnauthenticated, "", "", api.AuthRevoked},
		{auth.ErrInvalid, 401, api.KindUnauthenticated, "", "", api.AuthInvalid},
		{&auth.DeniedError{}, 403, api.KindDenied, "", "", api.AuthDenied},
		{auth.ErrUnknownKey, 404, api.KindTokenNotFound, "", "", ""},
		{auth.ErrBadScope, 422, api.KindInvalid, "", "", ""},
		{auth.ErrBadTTL, 422, api.KindInvalid, "", "", ""},
		{auth.ErrBadName, 422, api.KindInvalid, "", "", ""},
		{errHost, 403, api.KindRefusedHost, "", "", ""},
		{errOrigin, 403, api.KindRefusedOrigin, "", "", ""},
		{errTooBusy, 503, api.KindBusy, "", "", ""},
		{errAliasExists, 409, api.KindAliasExists, "", "", ""},
		{errUnsupported, 501, api.KindUnsupported, "", "", ""},

		// What is wrong with an invitation is told apart.
		{api.ErrForeignInvitation, 422, api.KindInvitationGarbled, "", "", ""},
		{members.ErrNotInvitation, 422, api.KindInvitationGarbled, "", "", ""},
		{members.ErrGarbled, 422, api.KindInvitationGarbled, "", "", ""},
		{members.ErrMalformed, 422, api.KindInvitationGarbled, "", "", ""},
		{members.ErrSignature, 422, api.KindInvitationGarbled, "", "", ""},
		{members.ErrVersion, 409, api.KindInvitationVersion, "", "", ""},
		{&wire.VersionError{Theirs: 2}, 409, api.KindInvitationVersion, "", "", ""},
		{members.ErrExpired, 403, api.KindInvitationExpired, "", "", ""},
		{members.ErrRevoked, 403, api.KindInvitationRevoked, "", "", ""},
		{members.ErrUsedUp, 403, api.KindInvitationUsedUp, "", "", ""},
		{members.ErrNotForYou, 403, api.KindInvitationOther, "", "", ""},
		{members.ErrIssuer, 403, api.KindInvitationIssuer, "", "", ""},
		{members.ErrAskIssuer, 409, api.KindAskIssuer, "", "", ""},
		{members.ErrNotAllowed, 403, api.KindNotAllowed, "", "", ""},
		{members.ErrFull, 409, api.KindFull, "", "", ""},
		{&identityError{key: key}, 404, api.KindIdentityNotFound, "", "", ""},
		{syncer.ErrUnreachable, 502, api.KindUnreachable, "", "", ""},
		{fmt.Errorf("%w: %w", syncer.ErrUnreachable, context.DeadlineExceeded), 502, api.KindUnreachable, "", "", ""},
		{syncer.ErrStranger, 404, api.KindPeerNotFound, "", "", ""},
		{syncer.ErrNoPeer, 409, api.KindNoPeer, "", "", ""},
		{syncer.ErrStopped, 503, api.KindBusy, "", "", ""},

		{store.ErrDiskFull, 503, api.KindReadOnly, api.RPCInternal, `"x: disk is full"`, ""},
		{blobkit.ErrDiskFull, 503, api.KindReadOnly, api.RPCInternal, `"x: disk full"`, ""},
		{store.ErrFailed, 503, api.KindReadOnly, api.RPCInternal, "*", ""},
		{store.ErrClosed, 503, api.KindBusy, api.RPCInternal, `"x: store is closed"`, ""},
		{store.ErrTooLarge, 422, api.KindLimit, api.RPCInternal, `"x: too large"`, ""},
		{replica.ErrBusy, 503, api.KindBusy, api.RPCInternal, "*", ""},
		{vm.ErrNoMemory, 503, api.KindBusy, api.RPCInternal, "*", ""},
		{&replica.ClockError{}, 503, api.KindClock, api.RPCInternal, "*", ""},

		{replica.ErrContextNotFound, 404, api.KindContextNotFound, api.RPCContextNotFound, `"x: context not found"`, ""},
		{replica.ErrUninitialized, 409, api.KindUninitialized, api.RPCUninitialized, `"x: ` + replica.ErrUninitialized.Error() + `"`, ""},
		{&replica.UnauthorizedError{Context: id, Key: key}, 403, api.KindUnauthorized, api.RPCUnauthorized, `{"context_id":"` + id.String() + `","public_key":"` + key.String() + `"}`, ""},
		{&replica.MemberError{Context: id, Key: key, Cause: members.ErrReadOnly}, 403, api.KindNotAllowed, api.RPCUnauthorized, "*", ""},
		{&replica.AppMissingError{App: app}, 404, api.KindApplicationNotFound, api.RPCApplicationNotInstalled, `{"application_id":"` + app.String() + `"}`, ""},
		{&aliasError{"bob"}, 404, api.KindAliasNotFound, api.RPCAliasResolutionFailed, `{"alias":"bob"}`, ""},
		{&outputError{errors.New("eof")}, 422, api.KindOutput, api.RPCSerde, `{"message":"eof"}`, ""},
		{inspect.ErrStateNotFound, 404, api.KindStateNotFound, "", "", ""},
		{&inspect.BeforeError{}, 404, api.KindTooEarly, "", "", ""},
		{inspect.ErrDamagedState, 409, api.KindDamaged, "", "", ""},
		{replica.ErrSameApp, 409, api.KindSameApplication, "", "", ""},
		{&replica.VoidError{Cause: replica.ErrNotHolder}, 403, api.KindUnauthorized, "", "", ""},
		{&replica.VoidError{Cause: guest(vm.KindMethodNotFound)}, 404, api.KindMethodNotFound, api.RPCFunctionCall, "*", ""},
		{replica.ErrContextExists, 409, api.KindContextExists, api.RPCInternal, "*", ""},
		{replica.ErrReservedMethod, 403, api.KindDenied, api.RPCFunctionCall, "*", ""},
		{&replica.LimitError{}, 422, api.KindLimit, api.RPCFunctionCall, "*", ""},
		{&replica.VoidError{Cause: guest(vm.KindTrap)}, 422, api.KindGuest, api.RPCFunctionCall, `"x: the write does not apply: m"`, ""},
		{replica.ErrLostWrite, 422, api.KindGuest, api.RPCFunctionCall, "*", ""},
		{replica.ErrInitOutput, 422, api.KindGuest, api.RPCFunctionCall, "*", ""},
		{replica.ErrNoInit, 422, api.KindInvalid, api.RPCFunctionCall, "*", ""},

		{guest(vm.KindApplication), 422, api.KindGuest, api.RPCFunctionCall, `"x: the method call returned an error: [1, 2]"`, ""},
		{guest(vm.KindPanic), 422, api.KindGuest, api.RPCFunctionCall, `"x: guest panicked: m"`, ""},
		{guest(vm.KindTrap), 422, api.KindGuest, api.RPCFunctionCall, `"x: m"`, ""},
		{guest(vm.KindForbidden), 422, api.KindGuest, api.RPCFunctionCall, "*", ""},
		{guest(vm.KindMisuse), 422, api.KindGuest, api.RPCFunctionCall, `"x: m"`, ""},
		{&apps.ArgumentsError{Cause: errors.New("a: missing")}, 422, api.KindArguments, api.RPCFunctionCall, `"x: a: missing"`, ""},
		{guest(vm.KindBadSignature), 422, api.KindGuest, api.RPCFunctionCall, "*", ""},
		{guest(vm.KindMethodNotFound), 404, api.KindMethodNotFound, api.RPCFunctionCall, `"x: method \"m\" not found"`, ""},
		{guest(vm.KindLimit), 422, api.KindLimit, api.RPCFunctionCall, "*", ""},
		{guest(vm.KindFuel), 422, api.KindLimit, api.RPCFunctionCall, "*", ""},
		{guest(vm.KindTimeout), 504, api.KindTimeout, api.RPCFunctionCall, "*", ""},
		{guest(vm.KindCanceled), 499, api.KindCanceled, api.RPCInternal, "*", ""},
		{guest(vm.KindHost), 500, api.KindInternal, api.RPCFunctionCall, `"x: host panicked: m"`, ""},
		{vm.ErrNotWasm, 422, api.KindBadApplication, api.RPCInternal, "*", ""},
		{vm.ErrTooLarge, 422, api.KindBadApplication, api.RPCInternal, "*", ""},
		{&vm.InvalidModuleError{Reason: "r"}, 422, api.KindBadApplication, api.RPCInternal, `"x: compilation error: r"`, ""},
		{&vm.MissingImportsError{Imports: []string{"env.a"}}, 422, api.KindBadApplication, api.RPCInternal, `"x: link error: unknown imports: env.a"`, ""},

		{apps.ErrNotInstalled, 404, api.KindApplicationNotFound, api.RPCInternal, "*", ""},
		{&apps.InUseError{App: app, Contexts: []ident.ContextID{id}}, 409, api.KindApplicationInUse, api.RPCInternal, "*", ""},
		{apps.ErrTooLarge, 413, api.KindTooLarge, api.RPCInternal, "*", ""},
		{apps.ErrMismatch, 422, api.KindBadApplication, api.RPCInternal, "*", ""},
		{apps.ErrFetch, 502, api.KindFetchFailed, api.RPCInternal, "*", ""},

		{context.DeadlineExceeded, 504, api.KindTimeout, api.RPCInternal, "*", ""},
		{context.Canceled, 499, api.KindCanceled, api.RPCInternal, "*", ""},
		{errors.New("else"), 500, api.KindInternal, api.RPCInternal, `"x: else"`, ""},
	}
	if len(rows) < len(s.errors) {
		t.Errorf("%d rows in the table, %d are tested", len(s.errors), len(rows))
	}
	for _, row := range rows {
		t.Run(fmt.Sprintf("%T %v", row.err, row.err), func(t *testing.T) {
			err := fmt.Errorf("x: %w", row.err)
			p := s.classify(err)
			if p.status != row.status || p.kind != row.kind || p.auth != row.auth {
				t.Errorf("got %d %q %q, want %d %q %q", p.status, p.kind, p.auth, row.status, row.kind, row.auth)
			}
			rpc := s.rpcError(err)
			switch {
			case row.rpc == "" && rpc == nil:
			case rpc == nil || rpc.Type != row.rpc || row.data != "*" && string(rpc.Data) != row.data || len(rpc.Data) == 0:
				t.Errorf("got %+v %s, want %s %s", rpc, p.rpc, row.rpc, row.data)
			}
		})
	}
}

// The table says what this node cannot do before what a guest made of it: a
// guest that failed because the disk is full did not fail.
func TestCausesComeFirst(t *testing.T) {
	s := &Server{errors: newErrorTable()}
	err := errors.Join(&vm.Error{Kind: vm.KindHost}, store.ErrDiskFull)
	if p := s.classify(err); p.status != http.StatusServiceUnavailable || p.kind != api.KindReadOnly {
		t.Errorf("got %d %s", p.status, p.kind)
	}
}
