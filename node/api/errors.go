package api

import (
	"errors"
	"fmt"
	"net/http"
)

// HeaderErrorKind carries Error.Kind and RPCError.Kind: error bodies are plain
// text on some routes and have a fixed form on /jsonrpc (http-api 0, 1.2), so
// the body cannot.
const HeaderErrorKind = "X-Mero-Error"

// HeaderAuthError says why a token was not accepted (http-api 5.7).
const HeaderAuthError = "X-Auth-Error"

// The values of HeaderAuthError.
const (
	AuthMissing = "missing_token"
	AuthExpired = "token_expired"
	AuthInvalid = "invalid_token"
	AuthRevoked = "token_revoked"
	AuthDenied  = "permission_denied"
)

// The values of Error.Kind: one word for each thing that a caller may want to
// tell apart. A kind is never renamed.
const (
	KindInvalid             = "invalid"
	KindUnauthenticated     = "unauthenticated"
	KindDenied              = "denied"
	KindRefusedHost         = "refused_host"
	KindRefusedOrigin       = "refused_origin"
	KindNotFound            = "not_found"
	KindMethodNotAllowed    = "method_not_allowed"
	KindTooLarge            = "too_large"
	KindUnsupportedMedia    = "unsupported_media_type"
	KindContextNotFound     = "context_not_found"
	KindDeltaNotFound       = "delta_not_found"
	KindStateNotFound       = "state_not_found"
	KindTooEarly            = "too_early" // there was no state yet
	KindSameApplication     = "same_application"
	KindContextExists       = "context_exists"
	KindDamaged             = "damaged"
	KindUninitialized       = "uninitialized"
	KindUnauthorized        = "unauthorized"
	KindApplicationNotFound = "application_not_found"
	KindApplicationInUse    = "application_in_use"
	KindBadApplication      = "bad_application"
	KindFetchFailed         = "fetch_failed"
	KindGuest               = "application_error"
	KindArguments           = "arguments" // not what the method takes: it was not run
	KindMethodNotFound      = "method_not_found"
	KindOutput              = "bad_output"
	KindAliasExists         = "alias_exists"
	KindAliasNotFound       = "alias_not_found"
	KindTokenNotFound       = "token_not_found"
	KindLimit               = "limit"
	// What is wrong with an invitation, each by itself.
	KindInvitationGarbled = "invitation_garbled"
	KindInvitationVersion = "invitation_version"
	KindInvitationExpired = "invitation_expired"
	KindInvitationRevoked = "invitation_revoked"
	KindInvitationUsedUp  = "invitation_used_up"
	KindInvitationOther   = "invitation_for_another"
	KindInvitationIssuer  = "invitation_issuer"
	KindAskIssuer         = "ask_issuer"
	KindUnreachable       = "unreachable"
	KindNotAllowed        = "not_allowed"
	KindAlreadyMember     = "already_member"
	KindFull              = "full"
	KindIdentityNotFound  = "identity_not_found"
	KindIdentityBound     = "identity_bound"
	KindPeerNotFound      = "peer_not_found"
	KindNoPeer            = "no_peer"
	KindClock             = "clock"
	KindReadOnly          = "read_only"
	KindBusy              = "busy"
	KindTimeout           = "timeout"
	KindCanceled          = "canceled"
	KindUnsupported       = "unsupported"
	KindInternal          = "internal"
)

// ErrTooLong says that an answer is longer than the client's limit.
var ErrTooLong = errors.New("the answer is longer than the client's limit")

// Error is an HTTP error that a node answered with.
type Error struct {
	Status int
	// Kind is one of the constants; empty from a node that is not mero.
	Kind string
	// Message is the node's text, unshortened up to the client's limit.
	Message string
	// Auth is one of the Auth constants when a token was not accepted.
	Auth string
}

// Error is the node's text.
func (e *Error) Error() string {
	if e.Message != "" {
		return e.Message
	}
	return fmt.Sprintf("the node answered %d %s", e.Status, http.StatusText(e.Status))
}

// UnreachableError says that nobody, or nobody that speaks HTTP, answered.
type UnreachableError struct {
	URL   string
	Cause error
}

// Error names the address.
func (e *UnreachableError) Error() string {
	return fmt.Sprintf("no node answers at %s: %v", e.URL, e.Cause)
}

// Unwrap is what the network said.
func (e *UnreachableError) Unwrap() error { return e.Cause }
