package vm

import (
	"context"
	"io"
	"time"

	"mero/node/ident"
)

// Mode says what a call is for.
type Mode uint8

// The modes.
const (
	// ModeCall runs a method for somebody: everything is allowed.
	ModeCall Mode = iota
	// ModeApply folds a delta, by the export that applies artifacts or by
	// running the method again (wasm-abi 5.9). R7: functions of aliases, blobs,
	// private storage, xcalls, network, context management and proposals end
	// the call with KindForbidden, and log output beyond its limits is dropped,
	// never a trap.
	ModeApply
)

// Call is one execution.
type Call struct {
	Mode   Mode
	Method string
	Input  []byte

	Context  ident.ContextID
	Executor ident.PublicKey

	// Time is the base of the guest's clock in nanoseconds since 1970 (R2). The
	// k-th reading, counted from 0 over time_now and WASI's clocks together, is
	// Time + min(k, 65535). Only WASI's monotonic clock also moves by what the
	// guest slept, since sleeping takes no time here.
	Time uint64
	// Random feeds random_bytes and WASI's random_get; nil: crypto/rand.
	Random io.Reader

	// State is the replicated state below the overlay; nil: empty.
	State State
	// Collections is the replicated state of a host-managed application; nil: its
	// functions end the call. What the call did is the Collections' to tell, not
	// the Outcome's.
	Collections Collections
	// Private is what private_storage_* sees below its overlay; nil: the guest
	// is told that there is no private storage.
	Private State
	// Blobs; nil: blob functions trap.
	Blobs Blobs
	// Members; nil: nobody is a member, as during init (wasm-abi 1.5).
	Members Members
	// Aliases; nil: none.
	Aliases Aliases
	// XCallOrigin is the context that queued this call by xcall, if one did.
	XCallOrigin *ident.ContextID

	// Fuel is the budget in units; 0: ApplyFuel in ModeApply, else
	// Config.CallFuel. Starting the guest is paid from it too.
	Fuel uint64
	// Timeout is the longest time the call may take; 0: Config.CallTimeout. It
	// is looked at when the guest calls the host or has used some fuel.
	Timeout time.Duration
}

// State is a key-value state that does not change while Run uses it.
type State interface {
	// Get returns the value of key. The slice is read-only and stays as it is
	// until Run returns. Neither Get nor its caller keeps key.
	Get(key []byte) (value []byte, ok bool, err error)
}

// Blobs stores and finds blobs for a call.
type Blobs interface {
	Create(ctx context.Context) (BlobWriter, error)
	// Open returns ErrBlobNotFound for a blob that is not here.
	Open(ctx context.Context, id [32]byte) (io.ReadCloser, error)
	// Announce tells the network that this node has the blob.
	Announce(ctx context.Context, blob [32]byte, context ident.ContextID) error
}

// BlobWriter takes the content of one blob. Exactly one of Commit and Abort is
// called, last.
type BlobWriter interface {
	io.Writer
	Commit() (id [32]byte, err error)
	Abort()
}

// Members answers questions about the members of Call.Context.
type Members interface {
	IsMember(key ident.PublicKey) bool
	// Members gives all, in an order that is the same on every replica.
	Members() []ident.PublicKey
}

// Aliases resolves names of contexts in the scope of Call.Context.
type Aliases interface {
	Resolve(name string) (ident.ContextID, bool)
}

// Outcome is what a call did. Slices are the caller's.
type Outcome struct {
	// Output is what the method returned with Ok; without HasOutput it returned
	// nothing.
	Output    []byte
	HasOutput bool

	// Committed says that the guest called commit, with Root (the guest's own
	// root hash) and Artifact.
	Committed bool
	Root      [32]byte
	Artifact  []byte

	// Writes are the keys whose value in the overlay differs from the one
	// below, ascending, whether or not the guest committed (wasm-abi 5.2 is the
	// caller's to apply). Private is the same for private storage.
	Writes  []Write
	Private []Write

	Events     []Event
	XCalls     []XCall
	ContextOps []ContextOp
	Logs       []string

	// Fuel is what the call used, in units: a function of the module, the call
	// and the state.
	Fuel uint64
}

// Write is one changed key.
type Write struct {
	Key    []byte
	Value  []byte
	Delete bool
	// Old is the value below the overlay, if HadOld. Read-only.
	Old    []byte
	HadOld bool
}

// Event is what the guest emitted. Handler is empty when it named none.
type Event struct {
	Kind    string
	Data    []byte
	Handler string
}

// XCall is a call of another context, to be made after this one.
type XCall struct {
	Context  ident.ContextID
	Function string
	Params   []byte
}

// ContextOpKind tells queued context operations apart.
type ContextOpKind uint8

// The context operations.
const (
	// ContextCreate makes a context of App with Params for its init; Protocol
	// is the guest's word for a blockchain and has no meaning here. Alias, if
	// not empty, is to name the new context in the scope of the calling one.
	ContextCreate ContextOpKind = iota + 1
	// ContextDelete deletes Context.
	ContextDelete
	// ContextAddMember and ContextRemoveMember change the members of the calling
	// context by Member.
	ContextAddMember
	ContextRemoveMember
)

// ContextOp is one queued context operation (wasm-abi 1.5).
type ContextOp struct {
	Kind     ContextOpKind
	Protocol string
	App      ident.AppID
	Params   []byte
	Alias    string
	Context  ident.ContextID
	Member   ident.PublicKey
}
