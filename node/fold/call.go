package fold

import (
	"mero/blobkit"
	"mero/node/delta"
	"mero/node/hosted"
	"mero/node/ident"
	"mero/node/layer"
	"mero/node/members"
	"mero/node/store"
	"mero/node/vm"
)

// Tx is the work of one call on collections.
type Tx = hosted.Tx

// Call is one call of one method, as its author runs it.
type Call struct {
	Module *vm.Module
	Method string
	Args   []byte
	// Reads: the application says that the method changes nothing.
	Reads bool
	// Writer is the member that calls, in its incarnation.
	Writer delta.Writer
	// Origin is the context whose call led here; nil: none.
	Origin *ident.ContextID
}

// Sight is what a call sees of its context and of its node.
type Sight struct {
	Context        ident.ContextID
	Replicated     layer.State
	Local, Private vm.State
	Members        *members.View
	Blobs          *blobkit.Store
	Store          *store.Store
}

// Ask describes a call to the virtual machine. The collections are nil for an
// application that keeps its state otherwise.
func (see *Sight) Ask(in *Call, now delta.Time) (vm.Call, *Tx) {
	call := vm.Call{
		Mode: vm.ModeCall, Method: in.Method, Input: in.Args,
		Context: see.Context, Executor: in.Writer.Author, Time: uint64(now),
		Private: see.Private,
		Blobs:   hosted.Blobs{Store: see.Blobs}, Members: see.Members,
		Aliases:     hosted.Aliases{Store: see.Store, Scope: see.Context},
		XCallOrigin: in.Origin,
	}
	if in.Module.HostManaged() && in.Reads {
		tx := hosted.BeginReadOnly(see.Replicated)
		call.Collections = tx
		return call, tx
	}
	if in.Module.HostManaged() {
		tx := hosted.Begin(see.Replicated, in.Writer, now)
		call.Collections = tx
		return call, tx
	}
	call.State = see.Replicated
	if !HasPrivateStorage(in.Module) {
		call.State = layer.Layered{Replicated: see.Replicated, Local: see.Local}
	}
	return call, nil
}

// HasPrivateStorage tells the applications that keep private data in storage of
// its own from older ones, whose private data are node-local keys (R6).
func HasPrivateStorage(module *vm.Module) bool {
	return module.Imports("private_storage_read") || module.Imports("private_storage_write") ||
		module.Imports("private_storage_remove")
}

// MakesDelta reports whether what a call did has to be kept. The events of
// applications with host-managed collections are for all members, whether or not
// there are changes; those of others only come with a commit (wasm-abi 5.2).
func MakesDelta(module *vm.Module, out *vm.Outcome, tx *Tx) bool {
	switch {
	case tx != nil:
		return !tx.ReadOnly() && (len(tx.Ops()) > 0 || len(out.Events) > 0 || len(out.Private) > 0)
	case module.Imports("commit"):
		return out.Committed
	}
	return len(out.Writes) > 0
}
