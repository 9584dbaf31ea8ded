package fold

import (
	"cmp"
	"errors"
	"fmt"
)

// ErrLostWrite says that a call ended well and yet had no effect: the guest
// dropped it silently (wasm-abi 8.1), or applying its artifact changed
// nothing. There is no delta.
var ErrLostWrite = errors.New("the application dropped the write: it reported success and committed nothing")

// Why an application update is void (R10).
var (
	errOtherState = errors.New("one application keeps its state in host-managed collections, the other does not")
	errMigration  = errors.New("only applications with host-managed collections are migrated by a method")
)

// LimitError says which limit of the protocol a call exceeded; nothing changed.
type LimitError struct {
	What       string
	Size, Max  uint64
	Unit       string // empty: bytes
	Suggestion string
}

// Error names the limit.
func (e *LimitError) Error() string {
	return fmt.Sprintf("%s of %d %s is over the limit of %d; %s", e.What, e.Size, cmp.Or(e.Unit, "bytes"), e.Max, e.Suggestion)
}

// VoidError says that a call's own artifact does not apply, so that every
// replica would refuse its delta (R6). Nothing changed.
type VoidError struct{ Cause error }

// Error gives the guest's words.
func (e *VoidError) Error() string {
	return fmt.Sprintf("the write does not apply: %v", e.Cause)
}

// Unwrap is the guest's error.
func (e *VoidError) Unwrap() error { return e.Cause }
