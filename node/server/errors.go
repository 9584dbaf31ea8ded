package server

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"mero/blobkit"
	"mero/node/api"
	"mero/node/apps"
	"mero/node/auth"
	"mero/node/ident"
	"mero/node/inspect"
	"mero/node/replica"
	"mero/node/store"
	"mero/node/vm"
)

// statusGone is what the log says of a client that went away before its
// answer (nginx's number); nobody receives it.
const statusGone = 499

// rule is one row of the table of errors.
type rule struct {
	match  func(error) bool
	status int
	kind   string
	// text replaces the error's own text in HTTP bodies where clients match
	// another one.
	text string
	// rpc is the JSON-RPC error type; data makes its data, nil being the
	// error's text. A rule without rpc is an HTTP error on /jsonrpc too.
	rpc  string
	data func(error) any
	// auth is the X-Auth-Error header.
	auth string
	// fixed keeps status and JSON form on routes whose failures are otherwise
	// all 500 in the reference.
	fixed bool
}

// problem is what the table makes of an error.
type problem struct {
	rule

	message string
}

func is(target error) func(error) bool { return func(err error) bool { return errors.Is(err, target) } }

func as[T error](err error) bool {
	var target T
	return errors.As(err, &target)
}

// guest matches an error of the virtual machine by kind.
func guest(kinds ...vm.Kind) func(error) bool {
	return func(err error) bool {
		var e *vm.Error
		if !errors.As(err, &e) {
			return false
		}
		return slices.Contains(kinds, e.Kind)
	}
}

// newErrorTable is the only place where errors become answers (style habit 12).
// The first row that matches counts: causes that make this node unable to work
// come before the errors they may be wrapped in.
func newErrorTable() []rule { return slices.Concat(newRules(), shareRules(), lastRules()) }

// lastRules are for what others may wrap to say more.
func lastRules() []rule {
	return []rule{
		{match: is(context.DeadlineExceeded), status: http.StatusGatewayTimeout, kind: api.KindTimeout, rpc: api.RPCInternal},
		{match: is(context.Canceled), status: statusGone, kind: api.KindCanceled, rpc: api.RPCInternal},
	}
}

func newRules() []rule {
	return []rule{
		{match: is(auth.ErrMissing), status: http.StatusUnauthorized, kind: api.KindUnauthenticated, auth: api.AuthMissing, fixed: true},
		{match: is(auth.ErrExpired), status: http.StatusUnauthorized, kind: api.KindUnauthenticated, auth: api.AuthExpired, fixed: true},
		{match: is(auth.ErrRevoked), status: http.StatusUnauthorized, kind: api.KindUnauthenticated, auth: api.AuthRevoked, fixed: true},
		{match: is(auth.ErrInvalid), status: http.StatusUnauthorized, kind: api.KindUnauthenticated, auth: api.AuthInvalid, fixed: true},
		{match: is(auth.ErrDenied), status: http.StatusForbidden, kind: api.KindDenied, auth: api.AuthDenied, fixed: true},
		{match: is(errHost), status: http.StatusForbidden, kind: api.KindRefusedHost, fixed: true},
		{match: is(errOrigin), status: http.StatusForbidden, kind: api.KindRefusedOrigin, fixed: true},
		{match: is(errTooBusy), status: http.StatusServiceUnavailable, kind: api.KindBusy, fixed: true},

		{match: is(store.ErrDiskFull), status: http.StatusServiceUnavailable, kind: api.KindReadOnly, rpc: api.RPCInternal, fixed: true},
		{match: is(blobkit.ErrDiskFull), status: http.StatusServiceUnavailable, kind: api.KindReadOnly, rpc: api.RPCInternal, fixed: true},
		{match: is(store.ErrFailed), status: http.StatusServiceUnavailable, kind: api.KindReadOnly, rpc: api.RPCInternal, fixed: true},
		{match: is(store.ErrClosed), status: http.StatusServiceUnavailable, kind: api.KindBusy, rpc: api.RPCInternal, fixed: true},
		{match: is(replica.ErrBusy), status: http.StatusServiceUnavailable, kind: api.KindBusy, rpc: api.RPCInternal, fixed: true},
		{match: is(vm.ErrNoMemory), status: http.StatusServiceUnavailable, kind: api.KindBusy, rpc: api.RPCInternal, fixed: true},
		{match: as[*replica.ClockError], status: http.StatusServiceUnavailable, kind: api.KindClock, rpc: api.RPCInternal, fixed: true},

		{match: is(replica.ErrContextNotFound), status: http.StatusNotFound, kind: api.KindContextNotFound, text: "Context not found", rpc: api.RPCContextNotFound},
		{match: is(inspect.ErrDeltaNotFound), status: http.StatusNotFound, kind: api.KindDeltaNotFound},
		{match: is(inspect.ErrStateNotFound), status: http.StatusNotFound, kind: api.KindStateNotFound},
		{match: as[*inspect.BeforeError], status: http.StatusNotFound, kind: api.KindTooEarly},
		{match: is(inspect.ErrDamagedState), status: http.StatusConflict, kind: api.KindDamaged},
		{match: is(replica.ErrDamagedLog), status: http.StatusConflict, kind: api.KindDamaged, rpc: api.RPCInternal},
		{match: is(replica.ErrBusyFolding), status: http.StatusServiceUnavailable, kind: api.KindBusy, rpc: api.RPCInternal},
		{match: is(replica.ErrUninitialized), status: http.StatusConflict, kind: api.KindUninitialized, rpc: api.RPCUninitialized},
		{match: as[*replica.UnauthorizedError], status: http.StatusForbidden, kind: api.KindUnauthorized, rpc: api.RPCUnauthorized, data: unauthorizedData},
		{match: as[*aliasError], status: http.StatusNotFound, kind: api.KindAliasNotFound, rpc: api.RPCAliasResolutionFailed, data: aliasData},
		{match: as[*replica.AppMissingError], status: http.StatusNotFound, kind: api.KindApplicationNotFound, rpc: api.RPCApplicationNotInstalled, data: missingData},
		{match: is(replica.ErrContextExists), status: http.StatusConflict, kind: api.KindContextExists, rpc: api.RPCInternal},
		{match: is(replica.ErrReservedMethod), status: http.StatusForbidden, kind: api.KindDenied, rpc: api.RPCFunctionCall},
		{match: as[*replica.LimitError], status: http.StatusUnprocessableEntity, kind: api.KindLimit, rpc: api.RPCFunctionCall},
		{match: is(replica.ErrSameApp), status: http.StatusConflict, kind: api.KindSameApplication},
		{match: is(replica.ErrNotHolder), status: http.StatusForbidden, kind: api.KindUnauthorized},
		{match: as[*replica.MemberError], status: http.StatusForbidden, kind: api.KindNotAllowed, rpc: api.RPCUnauthorized, data: memberData},
		{match: noMigration, status: http.StatusNotFound, kind: api.KindMethodNotFound, rpc: api.RPCFunctionCall},
		{match: as[*replica.VoidError], status: http.StatusUnprocessableEntity, kind: api.KindGuest, rpc: api.RPCFunctionCall},
		{match: is(replica.ErrLostWrite), status: http.StatusUnprocessableEntity, kind: api.KindGuest, rpc: api.RPCFunctionCall},
		{match: is(replica.ErrInitOutput), status: http.StatusUnprocessableEntity, kind: api.KindGuest, rpc: api.RPCFunctionCall},
		{match: is(replica.ErrNoInit), status: http.StatusUnprocessableEntity, kind: api.KindInvalid, rpc: api.RPCFunctionCall},
		{match: as[*outputError], status: http.StatusUnprocessableEntity, kind: api.KindOutput, rpc: api.RPCSerde, data: outputData},

		{match: as[*apps.ArgumentsError], status: http.StatusUnprocessableEntity, kind: api.KindArguments, rpc: api.RPCFunctionCall},
		{match: guest(vm.KindMethodNotFound), status: http.StatusNotFound, kind: api.KindMethodNotFound, rpc: api.RPCFunctionCall},
		{match: guest(vm.KindLimit), status: http.StatusUnprocessableEntity, kind: api.KindLimit, rpc: api.RPCFunctionCall},
		{match: guest(vm.KindFuel), status: http.StatusUnprocessableEntity, kind: api.KindLimit, rpc: api.RPCFunctionCall},
		{match: guest(vm.KindTimeout), status: http.StatusGatewayTimeout, kind: api.KindTimeout, rpc: api.RPCFunctionCall},
		{match: guest(vm.KindCanceled), status: statusGone, kind: api.KindCanceled, rpc: api.RPCInternal},
		{match: guest(vm.KindHost), status: http.StatusInternalServerError, kind: api.KindInternal, rpc: api.RPCFunctionCall},
		{match: as[*vm.Error], status: http.StatusUnprocessableEntity, kind: api.KindGuest, rpc: api.RPCFunctionCall},
		{match: isBadModule, status: http.StatusUnprocessableEntity, kind: api.KindBadApplication, rpc: api.RPCInternal},

		{match: is(apps.ErrNotInstalled), status: http.StatusNotFound, kind: api.KindApplicationNotFound, rpc: api.RPCInternal},
		{match: as[*apps.InUseError], status: http.StatusConflict, kind: api.KindApplicationInUse, rpc: api.RPCInternal},
		{match: is(apps.ErrTooLarge), status: http.StatusRequestEntityTooLarge, kind: api.KindTooLarge, rpc: api.RPCInternal},
		{match: is(apps.ErrMismatch), status: http.StatusUnprocessableEntity, kind: api.KindBadApplication, rpc: api.RPCInternal},
		{match: is(apps.ErrFetch), status: http.StatusBadGateway, kind: api.KindFetchFailed, rpc: api.RPCInternal},

		{match: is(errAliasExists), status: http.StatusConflict, kind: api.KindAliasExists},
		{match: is(auth.ErrUnknownKey), status: http.StatusNotFound, kind: api.KindTokenNotFound},
		{match: is(auth.ErrTooDeep), status: http.StatusUnprocessableEntity, kind: api.KindLimit},
		{match: is(auth.ErrBadScope), status: http.StatusUnprocessableEntity, kind: api.KindInvalid},
		{match: is(auth.ErrBadTTL), status: http.StatusUnprocessableEntity, kind: api.KindInvalid},
		{match: is(auth.ErrBadName), status: http.StatusUnprocessableEntity, kind: api.KindInvalid},
		{match: is(errUnsupported), status: http.StatusNotImplemented, kind: api.KindUnsupported},
		{match: is(store.ErrTooLarge), status: http.StatusUnprocessableEntity, kind: api.KindLimit, rpc: api.RPCInternal},
	}
}

// unknown is what no row of the table matches.
func unknown() rule {
	return rule{status: http.StatusInternalServerError, kind: api.KindInternal, rpc: api.RPCInternal}
}

// Errors of this package.
var (
	errHost        = errors.New("this name is not one of this node's; add it to server.allowed_hosts if it should be")
	errOrigin      = errors.New("pages of this origin may not call this node; see server.allowed_origins")
	errTooBusy     = errors.New("too many requests run at a time; try again")
	errAliasExists = errors.New("alias already exists")
	errUnsupported = errors.New("this node has no trusted execution hardware")
)

// aliasError is a name in substitute that stands for nothing.
type aliasError struct{ alias string }

func (e *aliasError) Error() string { return "unknown alias " + e.alias }

// outputError is a method's output that is not JSON; the call itself has
// happened.
type outputError struct{ cause error }

func (e *outputError) Error() string { return "the method's output is not JSON: " + e.cause.Error() }
func (e *outputError) Unwrap() error { return e.cause }

// noMigration: a delta names a method that the application does not have.
func noMigration(err error) bool {
	return as[*replica.VoidError](err) && guest(vm.KindMethodNotFound)(err)
}

func isBadModule(err error) bool {
	return errors.Is(err, vm.ErrNotWasm) || errors.Is(err, vm.ErrTooLarge) ||
		as[*vm.InvalidModuleError](err) || as[*vm.MissingImportsError](err)
}

func unauthorizedData(err error) any {
	var e *replica.UnauthorizedError
	_ = errors.As(err, &e) // the rule has matched
	return struct {
		Context ident.ContextID `json:"context_id"`
		Key     ident.PublicKey `json:"public_key"`
	}{e.Context, e.Key}
}

func missingData(err error) any {
	var e *replica.AppMissingError
	_ = errors.As(err, &e) // the rule has matched
	return struct {
		App ident.AppID `json:"application_id"`
	}{e.App}
}

func aliasData(err error) any {
	var e *aliasError
	_ = errors.As(err, &e) // the rule has matched
	return struct {
		Alias string `json:"alias"`
	}{e.alias}
}

func outputData(err error) any {
	var e *outputError
	_ = errors.As(err, &e) // the rule has matched
	return struct {
		Message string `json:"message"`
	}{e.cause.Error()}
}

// classify finds the row of an error.
func (s *Server) classify(err error) problem {
	p := problem{rule: unknown(), message: err.Error()}
	if i := slices.IndexFunc(s.errors, func(r rule) bool { return r.match(err) }); i >= 0 {
		p.rule = s.errors[i]
	}
	if p.text != "" {
		p.message = p.text
	}
	return p
}

// rpcError is the JSON-RPC form of an error; nil when it is an HTTP error on
// /jsonrpc too. Data-less errors of the reference get a text, since
// calimero-client-js throws without (http-api 1.3).
func (s *Server) rpcError(err error) *api.RPCError {
	p := s.classify(err)
	switch {
	case p.rpc == "":
		return nil
	case p.data != nil:
		return api.NewRPCError(p.rpc, p.data(err))
	}
	return api.NewRPCError(p.rpc, err.Error())
}

// failStyle is how a route of the reference reports failures (http-api 0).
type failStyle int

const (
	// failJSON: the table's status, {"error": text}.
	failJSON failStyle = iota
	// failJSON500: 500 {"error": text}, but for fixed rows.
	failJSON500
	// failText500: 500 and plain text, but for fixed rows.
	failText500
)

// errorBody is the usual JSON form of an error.
type errorBody struct {
	Error string `json:"error"`
}

// fail answers with an error. After the first byte of an answer only the log
// and the metrics can tell.
func (x *exchange) fail(err error) {
	if x.status != 0 {
		x.server.deps.Log.Warn().Err(err).Str("route", x.pattern()).Msg("an answer was cut off")
		return
	}
	h := x.Header()
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		h.Set("Connection", "close") // do not read the rest
		err = reject(http.StatusRequestEntityTooLarge, "the body is larger than %d bytes", tooLarge.Limit)
	}
	var bad *requestError
	if errors.As(err, &bad) {
		h.Set(api.HeaderErrorKind, bad.kind())
		if bad.plain {
			_ = x.text(bad.status, bad.text)
			return
		}
		_ = x.json(bad.status, errorBody{bad.text})
		return
	}
	p := x.server.classify(err)
	x.report(p, err)
	x.refused = p.status < http.StatusInternalServerError
	h.Set(api.HeaderErrorKind, p.kind)
	if p.auth != "" {
		h.Set(api.HeaderAuthError, p.auth)
	}
	if p.status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	if p.status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "1")
	}
	style := failJSON
	if x.route != nil && !p.fixed {
		style = x.route.fail
	}
	switch style {
	case failText500:
		_ = x.text(http.StatusInternalServerError, p.message)
	case failJSON500:
		_ = x.json(http.StatusInternalServerError, errorBody{p.message})
	case failJSON:
		_ = x.json(p.status, errorBody{p.message})
	}
}

// report writes what an operator should know: faults of the node, and callers
// who are not let in.
func (x *exchange) report(p problem, err error) {
	switch {
	case p.kind == api.KindInternal:
		x.server.deps.Log.Error().Err(err).Str("route", x.pattern()).Msg("request failed")
	case p.auth == api.AuthDenied:
		x.server.metrics.refused.WithLabelValues(refusedScope).Inc()
	case p.auth != "":
		x.server.metrics.refused.WithLabelValues(refusedToken).Inc()
	}
}

func (x *exchange) pattern() string {
	if x.route == nil {
		return unmatched
	}
	return x.route.pattern
}
