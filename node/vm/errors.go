package vm

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Errors of Compile. A *InvalidModuleError or *MissingImportsError says more.
var (
	// ErrNotWasm: the bytes do not start as a WebAssembly 1.0 module does.
	ErrNotWasm = errors.New("compilation error: not a WebAssembly module")
	// ErrTooLarge: the module has more than MaxModuleSize bytes.
	ErrTooLarge = fmt.Errorf("compilation error: the module is larger than %d MiB", MaxModuleSize>>20)
)

// Errors of the engine.
var (
	// ErrClosed: the engine or module was closed.
	ErrClosed = errors.New("closed")
	// ErrNoMemory is the cause of a KindHost error when guests together hold,
	// or have the host hold, all the memory that `runtime.memory_limit` allows: a local shortage, not
	// a fault of the guest.
	ErrNoMemory = errors.New("no memory left for guests (runtime.memory_limit)")
	// ErrBlobNotFound is returned by Blobs.Open for a blob that is not here;
	// the guest reads it as empty (wasm-abi 1.5).
	ErrBlobNotFound = errors.New("blob not found")
)

// InvalidModuleError says what is wrong with a module.
type InvalidModuleError struct{ Reason string }

func (e *InvalidModuleError) Error() string { return "compilation error: " + e.Reason }

// MissingImportsError names every import that no host function fits, each as
// "module.name(parameter types) -> result types".
type MissingImportsError struct{ Imports []string }

func (e *MissingImportsError) Error() string {
	return "link error: unknown imports: " + strings.Join(e.Imports, ", ")
}

// Kind says why a call ended badly.
type Kind uint8

// The kinds. KindHost, KindTimeout and KindCanceled are about this node; every
// other kind is a deterministic result of module, call and state.
const (
	// KindHost: our own fault, or the state's, the blobs', the memory's; Unwrap
	// gives the cause.
	KindHost Kind = iota + 1
	// KindApplication: the method returned an Err; Data has its bytes.
	KindApplication
	// KindPanic: the guest panicked, or exited; Message and Location say more.
	KindPanic
	// KindTrap: WebAssembly stopped the guest, or it misused a host function.
	KindTrap
	// KindLimit: the guest hit one of the limits of wasm-abi 2.
	KindLimit
	// KindTimeout: the call took longer than its timeout, a time on the clock of
	// this machine.
	KindTimeout
	// KindCanceled: the caller's context ended; Unwrap gives its error.
	KindCanceled
	// KindMethodNotFound: the module exports no such function.
	KindMethodNotFound
	// KindBadSignature: the export has parameters or results.
	KindBadSignature
	// KindForbidden: the guest called a host function that it may not use: one
	// that reaches outside the state in ModeApply, or one of a blockchain.
	KindForbidden
	// KindFuel: the guest used up its fuel.
	KindFuel
	// KindMisuse: the guest used a collection in a way that it cannot be used:
	// another kind, no such index, beyond a limit, not the owner, read-only.
	KindMisuse
)

// String is the kind as one word, as used in metrics.
func (k Kind) String() string {
	names := kindNames()
	if int(k) < len(names) {
		return names[k]
	}
	return "kind " + strconv.Itoa(int(k))
}

// kindNames are the words of the kinds, first that of a call without an error.
func kindNames() [KindMisuse + 1]string {
	return [...]string{
		"ok", "host", "application", "panic", "trap", "limit", "timeout", "canceled",
		"method_not_found", "bad_signature", "forbidden", "fuel", "misuse",
	}
}

// Location is a place in the guest's source. Column 0: it does not tell, as Go.
type Location struct {
	File         string
	Line, Column uint32
}

// Error is a call that ended badly. Its text is that of wasm-abi 4.4, which
// clients match.
type Error struct {
	Kind    Kind
	Message string
	// Location is where a guest panicked, if it told.
	Location *Location
	// Data is what the application returned with Err, for KindApplication.
	Data []byte
	// Trace is the stack of WebAssembly functions at a trap or panic, one a
	// line and innermost first, or empty. For people; it is not in Error().
	Trace string
	// Fuel is what the call used before it ended, in units.
	Fuel uint64

	cause error
}

// Error implements error.
func (e *Error) Error() string {
	switch e.Kind {
	case KindApplication:
		return "the method call returned an error: " + debugBytes(e.Data)
	case KindPanic:
		text := "guest panicked: " + e.Message
		if l := e.Location; l != nil {
			text += fmt.Sprintf(" at %s:%d", l.File, l.Line)
			if l.Column > 0 {
				text += fmt.Sprintf(":%d", l.Column)
			}
		}
		return text
	case KindHost:
		return "host panicked: " + e.Message
	case KindMethodNotFound:
		return fmt.Sprintf("method %q not found", e.Message)
	case KindBadSignature:
		return fmt.Sprintf("method %q has invalid signature: expected no arguments and no return value", e.Message)
	default:
		return e.Message
	}
}

// Words is the error for people: what an application returned is text, not the numbers
// of its bytes. It is the text itself of a JSON string, and other JSON as it is.
func (e *Error) Words() string {
	if e.Kind != KindApplication || !utf8.Valid(e.Data) {
		return e.Error()
	}
	words := string(e.Data)
	var text string
	if json.Unmarshal(e.Data, &text) == nil {
		words = text
	}
	return "the application returned an error: " + words
}

// Unwrap gives the cause of KindHost and KindCanceled.
func (e *Error) Unwrap() error { return e.cause }

// debugBytes writes bytes as Rust's Debug does: [1, 2].
func debugBytes(data []byte) string {
	out := make([]byte, 0, 2+5*len(data))
	out = append(out, '[')
	for i, b := range data {
		if i > 0 {
			out = append(out, ", "...)
		}
		out = strconv.AppendUint(out, uint64(b), 10)
	}
	return string(append(out, ']'))
}

// stop ends the guest: wazero unwinds it and hands e to Run. It does not return.
func stop(e *Error) {
	panic(e) //nolint:forbidigo // the way a host function of wazero ends its guest
}

func trap(message string) *Error  { return &Error{Kind: KindTrap, Message: message} }
func limit(message string) *Error { return &Error{Kind: KindLimit, Message: message} }

func hostFault(cause error) *Error {
	return &Error{Kind: KindHost, Message: cause.Error(), cause: cause}
}

// Texts of wasm-abi 4.4 that several host functions use.
const (
	msgMemory = "invalid memory access"
	msgUTF8   = "invalid UTF-8 string"
	msgWrites = "storage writes overflow"
	msgHandle = "invalid blob handle"
	msgBlobs  = "blob operations not supported (NodeClient not available)"
)
