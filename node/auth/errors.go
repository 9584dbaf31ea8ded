package auth

import (
	"errors"
	"fmt"
)

// Why a token is not accepted. node/server maps them to a status and to the
// X-Auth-Error header (http-api 5.7).
var (
	// ErrMissing says that the request carries no token.
	ErrMissing = errors.New("no token was sent")
	// ErrExpired says that the token was good once.
	ErrExpired = errors.New("the token has expired")
	// ErrRevoked says that the token's key, or one of those above it, was revoked
	// by a person.
	ErrRevoked = errors.New("the token was revoked")
	// ErrInvalid says that the token is not one of this node: damaged, signed
	// elsewhere, of the wrong type, or its key is unknown.
	ErrInvalid = errors.New("the token is not valid here")
	// ErrDenied is wrapped by DeniedError: the token is good, its scope is
	// too narrow.
	ErrDenied = errors.New("not allowed by the token's scope")
	// ErrUnknownKey says that no key record has the given id.
	ErrUnknownKey = errors.New("no key with this id")
	// ErrBadScope is wrapped by every error of ParseScopes and ParseScope.
	ErrBadScope = errors.New("malformed scope")
	// ErrTooDeep says that a token was handed on MaxHandedOn times already.
	ErrTooDeep = errors.New("this token can not make others: it was handed on too often")
	// ErrBadTTL says that a lifetime is outside MinTTL … MaxTTL.
	ErrBadTTL = errors.New("token lifetime out of range")
	// ErrBadName says that a token's name is too long or not plain text.
	ErrBadName = errors.New("malformed token name")
)

// DeniedError says which permission was missing.
type DeniedError struct {
	Need Need
}

// Error names the scope that would have been enough.
func (e *DeniedError) Error() string {
	return fmt.Sprintf("%v: %s is needed", ErrDenied, e.Need)
}

// Unwrap makes errors.Is(err, ErrDenied) true.
func (e *DeniedError) Unwrap() error { return ErrDenied }
