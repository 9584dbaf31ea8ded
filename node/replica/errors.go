package replica

import (
	"errors"
	"fmt"

	"mero/node/admit"
	"mero/node/fold"
	"mero/node/history"
	"mero/node/ident"
	"mero/node/members"
)

var (
	// ErrContextNotFound says that this node has no such context.
	ErrContextNotFound = admit.ErrContextNotFound
	// ErrUninitialized says that the context's first state has not arrived.
	ErrUninitialized = errors.New("context is not initialised yet: its first state has not arrived")
	// ErrContextExists says that a seed leads to a context that is already here.
	ErrContextExists = errors.New("seed resulted in an already existing context")
	// ErrReservedMethod refuses exports that only the node may call (wasm-abi 3).
	ErrReservedMethod = errors.New("method is reserved for the node")
	// ErrLostWrite says that a call ended well and yet had no effect (wasm-abi 8.1).
	ErrLostWrite = fold.ErrLostWrite
	// ErrDamagedLog says that a stored delta cannot be read, so that state cannot be
	// folded from it.
	ErrDamagedLog = history.ErrDamaged
	// ErrNotHolder says that a member may not change the application of a context
	// (R10). It comes within a *MemberError.
	ErrNotHolder = members.ErrNotHolder
	// ErrBusyFolding says that the context is being folded again already.
	ErrBusyFolding = errors.New("the context is being folded again already; wait for that to end")
	// ErrBusy says that too many calls wait for one context.
	ErrBusy = fmt.Errorf("more than %d calls wait for this context; try again later", maxWaiting)
)

// What folding a delta may answer is what calls may answer, too.
type (
	// LimitError says which limit of the protocol a call exceeded; nothing changed.
	LimitError = fold.LimitError
	// VoidError says that a call's own artifact does not apply, so that every
	// replica would refuse its delta (R6). Nothing changed.
	VoidError = fold.VoidError
	// AppMissingError says that a context's application is not installed here.
	AppMissingError = fold.AppMissingError
)

// UnauthorizedError says that this node does not hold the key of an executor.
type UnauthorizedError struct {
	Context ident.ContextID
	Key     ident.PublicKey
}

// Error names both.
func (e *UnauthorizedError) Error() string {
	return fmt.Sprintf("this node cannot act as %s in context %s", e.Key, e.Context)
}

// MemberError says that a key of this node may not do in a context what was asked, by
// the membership as it is known here.
type MemberError struct {
	Context ident.ContextID
	Key     ident.PublicKey
	// Cause is one of members.ErrNotMember, ErrReadOnly, ErrNotHolder, ErrNotAllowed.
	Cause error
}

// Error names both.
func (e *MemberError) Error() string {
	return fmt.Sprintf("as %s in context %s: %v", e.Key, e.Context, e.Cause)
}

// Unwrap is the cause.
func (e *MemberError) Unwrap() error { return e.Cause }

// ClockError refuses to write while this node's clock is wrong (R2).
type ClockError = history.ClockError
