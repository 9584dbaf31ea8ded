package fold

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"mero/node/delta"
	"mero/node/hosted"
	"mero/node/ident"
	"mero/node/members"
	"mero/node/vm"
)

// Watchdog is the longest that an apply may take on this node. It is no
// setting, since settings may tighten calls, never applies (R7); passing it is a
// shortage of this node and makes no delta void.
const Watchdog = 2 * time.Minute

// applyExport is how an application applies a fellow member's artifact.
const applyExport = "__calimero_sync_next"

// AllLayouts is the pin of a context that has seen no artifact yet; opaque that
// of one whose artifacts have a form of their own.
const (
	AllLayouts = 0xffff
	opaque     = 0
)

// InitMethod is what creates a context's first state; only the node calls it.
const InitMethod = "init"

// Reserved names the exports that only the node calls (wasm-abi 3).
func Reserved(method string) bool {
	return method == InitMethod || strings.HasPrefix(method, "_")
}

// Effect is what a delta does to the state as it is now.
type Effect struct {
	// Out has the changes of the state.
	Out *vm.Outcome
	// Layouts are the artifact layouts pinned from here on (R7).
	Layouts uint16
	// App is the application from here on (R10); zero: the one there was.
	App ident.AppID
	// Change is what becomes of the membership (R11).
	Change members.Change
}

// Apply runs the application's own code for a delta on the replicated state,
// with everything that a guest can feel fixed by the delta (R7), the membership as it
// is at the delta's cut. A *VoidError or *LimitError is a verdict that every replica
// reaches; any other error is this node's trouble.
func (s *State) Apply(ctx context.Context, module *vm.Module, d *delta.Delta, payload delta.State, cut *members.View) (Effect, error) {
	h := d.Header()
	if !s.travels(module, payload) {
		return Effect{}, &VoidError{Cause: errForm}
	}
	if module.HostManaged() {
		return s.applyOps(h, payload.Ops)
	}
	call := vm.Call{
		Mode: vm.ModeApply, Method: applyExport, Input: payload.Artifact,
		Context: s.Rec.ID, Executor: h.Author, Time: uint64(h.Time), Random: hosted.Random(d.ID()),
		State: s.Values, Members: cut, Timeout: Watchdog,
	}
	layouts := s.Rec.Layouts
	if payload.Call != nil {
		call = s.Replay(payload.Call, h.Author, h.Time, cut)
	} else {
		if !module.Has(applyExport) {
			return Effect{}, &VoidError{Cause: fmt.Errorf("the application does not export %s", applyExport)}
		}
		var err error
		if layouts, err = pin(layouts, payload.Artifact, h.Time); err != nil {
			return Effect{}, &VoidError{Cause: err}
		}
	}
	begun := time.Now()
	out, err := module.Run(ctx, call)
	s.outside.Took(time.Since(begun))
	switch {
	case err != nil && isShortage(err):
		return Effect{}, err
	case err != nil:
		return Effect{}, &VoidError{Cause: inWords(err)}
	case payload.Call == nil && !out.Committed:
		return Effect{}, &VoidError{Cause: ErrLostWrite}
	}
	return Effect{Out: out, Layouts: layouts}, s.CheckSize(out)
}

// applyOps is Apply for operations on collections: no WASM runs for them.
func (s *State) applyOps(h delta.Header, ops []byte) (Effect, error) {
	begun := time.Now()
	writes, err := hosted.Fold(s.Values, h, ops)
	s.outside.Took(time.Since(begun))
	if errors.Is(err, hosted.ErrVoid) {
		return Effect{}, &VoidError{Cause: err}
	}
	if err != nil {
		return Effect{}, err
	}
	done := s.same()
	done.Out.Writes = writes
	return done, s.CheckSize(done.Out)
}

// travels reports whether changes of this application come in this form: operations
// of applications with host-managed collections alone; calls only where there is no
// `commit` (R6), none of what only the node may call, and init only as the first.
func (s *State) travels(module *vm.Module, payload delta.State) bool {
	if module.HostManaged() || len(payload.Ops) > 0 {
		return module.HostManaged() && payload.Call == nil && len(payload.Artifact) == 0
	}
	if payload.Call == nil || module.Imports("commit") {
		return payload.Call == nil && module.Imports("commit")
	}
	if payload.Call.Method == InitMethod {
		return s.Rec.StateBytes == 0
	}
	return !Reserved(payload.Call.Method)
}

// Replay is a replicated call as every replica runs it (R7, wasm-abi 5.9).
func (s *State) Replay(call *delta.Call, author ident.PublicKey, now delta.Time, cut *members.View) vm.Call {
	return vm.Call{
		Mode: vm.ModeApply, Method: call.Method, Input: call.Input,
		Context: s.Rec.ID, Executor: author, Time: uint64(now), Random: hosted.Random(call.Seed),
		State: s.Values, Members: cut, Timeout: Watchdog,
	}
}

// isShortage tells trouble of this node alone, which says nothing about a delta,
// from a guest that refused (R7).
func isShortage(err error) bool {
	var guest *vm.Error
	if !errors.As(err, &guest) {
		return true
	}
	return guest.Kind == vm.KindHost || guest.Kind == vm.KindTimeout || guest.Kind == vm.KindCanceled
}
