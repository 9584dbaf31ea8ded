package fold

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"mero/node/delta"
	"mero/node/history"
	"mero/node/ident"
	"mero/node/vm"
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

// wordedError is an error that an application returned, as people read it.
type wordedError struct{ guest *vm.Error }

// Error is the application's own words.
func (e *wordedError) Error() string { return e.guest.Words() }

// Unwrap is the error as clients of the reference read it.
func (e *wordedError) Unwrap() error { return e.guest }

// inWords gives an error of a guest the words that people read.
func inWords(err error) error {
	var guest *vm.Error
	if errors.As(err, &guest) {
		return &wordedError{guest}
	}
	return err
}

// AppMissingError says that a context's application is not installed here.
type AppMissingError struct{ App ident.AppID }

// Error names the application.
func (e *AppMissingError) Error() string {
	return fmt.Sprintf("application %s is not installed", e.App)
}

// CodeError says that the code of an application, which is installed, cannot be used
// here now.
type CodeError struct {
	App   ident.AppID
	Cause error
}

// Error names the application.
func (e *CodeError) Error() string {
	return fmt.Sprintf("application %s cannot be run here: %v", e.App, e.Cause)
}

// Unwrap is the cause.
func (e *CodeError) Unwrap() error { return e.Cause }

// Shortage tells what an error of Judge makes a delta wait for; empty: the error
// concerns the whole step.
func Shortage(err error) (kind, words string) {
	var (
		guest   *vm.Error
		missing *AppMissingError
		code    *CodeError
	)
	switch {
	case errors.As(err, &missing):
		return history.Code, missing.Error()
	case errors.Is(err, delta.ErrUpgrade):
		return history.Upgrade, delta.ErrUpgrade.Error()
	case errors.Is(err, vm.ErrNoMemory):
		return history.Memory, "this node has not the memory to apply it (runtime.memory_limit)"
	case errors.As(err, &code):
		return history.Code, code.Error()
	case errors.As(err, &guest) && guest.Kind == vm.KindTimeout:
		return history.Watchdog, fmt.Sprintf("applying it took longer than %s on this node", Watchdog)
	}
	return "", ""
}

// IsCanceled tells work that was given up from work that failed.
func IsCanceled(err error) bool {
	var guest *vm.Error
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
		errors.As(err, &guest) && guest.Kind == vm.KindCanceled
}
