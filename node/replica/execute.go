package replica

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mero/node/apps"
	"mero/node/delta"
	"mero/node/events"
	"mero/node/fold"
	"mero/node/ident"
	"mero/node/layer"
	"mero/node/store"
	"mero/node/vm"
)

// Request is one call of one method.
type Request struct {
	Context ident.ContextID
	Method  string
	// Input is what the method reads as its input, JSON by convention.
	Input    []byte
	Executor ident.PublicKey
	// DryRun runs the method on a snapshot and commits nothing.
	DryRun bool

	from *store.XCall // the queue entry that this call carries out
}

// Result is what a call gave.
type Result struct {
	// Output is what the method returned, if HasOutput.
	Output    []byte
	HasOutput bool
	// Root is the context's root hash after the call (R9).
	Root [32]byte
	// Changed says that the call made a delta; Delta names it.
	Changed bool
	Delta   delta.ID
	Events  []delta.Event
	// Logs are the guest's log lines.
	Logs []string
	// Writes are the changes of state that a dry run would have made.
	Writes []vm.Write
	// Ops are the operations on collections that a dry run would have made, as a delta
	// carries them.
	Ops []byte

	ops []vm.ContextOp // what the guest asked to be done with contexts
}

func newResult(out *vm.Outcome, root [32]byte) *Result {
	return &Result{
		Output: out.Output, HasOutput: out.HasOutput, Root: root,
		Events: deltaEvents(out.Events), Logs: out.Logs, ops: out.ContextOps,
	}
}

func deltaEvents(in []vm.Event) []delta.Event {
	out := make([]delta.Event, 0, len(in))
	for _, e := range in {
		out = append(out, delta.Event{Kind: e.Kind, Data: e.Data, Handler: e.Handler})
	}
	return out
}

// Execute calls a method. It returns once what the call changed is durable.
//
// Errors: ErrContextNotFound, ErrUninitialized, ErrReservedMethod,
// ErrLostWrite, ErrBusy, *UnauthorizedError, *AppMissingError, *LimitError,
// *ClockError, *VoidError, store.ErrDiskFull, and *vm.Error for whatever the
// guest did. After any of them nothing has changed.
func (s *Set) Execute(ctx context.Context, req Request) (*Result, error) {
	begun := time.Now()
	res, err := s.execute(ctx, req)
	s.metrics.call(res, err, time.Since(begun))
	if err == nil && !req.DryRun {
		s.runOps(context.WithoutCancel(ctx), req.Context, res.ops) // the caller may be gone, its call is not
	}
	return res, err
}

func (s *Set) execute(ctx context.Context, req Request) (*Result, error) {
	if fold.Reserved(req.Method) {
		return nil, fmt.Errorf("%w: %s", ErrReservedMethod, req.Method)
	}
	if req.DryRun || !s.knownToWrite(req) {
		res, writes, err := s.tryRead(ctx, req)
		if err != nil || !writes {
			return res, err
		}
	}
	return s.replica(req.Context).submit(ctx, newTicket(req.Method, func(b *batch) (*Result, error) {
		return b.execute(ctx, req)
	}))
}

// knownToWrite reports whether a call can go straight to the queue of a context
// that has been written before; its batch checks all that tryRead would.
func (s *Set) knownToWrite(req Request) bool {
	s.mu.Lock()
	r, ok := s.replicas[req.Context]
	s.mu.Unlock()
	if !ok {
		return false
	}
	app := r.app.Load()
	return app != nil && s.writers.Has(*app, req.Method)
}

// tryRead runs a call on a snapshot without the lock, unless it is known to
// write. It reports true when the call must run as a write.
func (s *Set) tryRead(ctx context.Context, req Request) (*Result, bool, error) {
	view, err := s.view(req.Context)
	if err != nil {
		return nil, false, err
	}
	defer view.Close()
	rec := view.Context()
	in := req.input()
	if in.who, err = callerOf(view, req); err != nil {
		return nil, false, err
	}
	if !req.DryRun && s.writers.Has(rec.App, req.Method) {
		return nil, true, nil
	}
	module, release, err := s.module(ctx, rec.App)
	if err != nil {
		return nil, false, err
	}
	defer release()
	if !rec.Initialised && module.Has(fold.InitMethod) {
		return nil, false, fmt.Errorf("%w: %s", ErrUninitialized, req.Context)
	}
	if err := in.runs(s, rec.App, module); err != nil {
		return nil, false, err
	}
	membership, err := s.joined.Of(view)
	if err != nil {
		return nil, false, err
	}
	call, tx := in.ask(fold.Sight{
		Context: rec.ID, Replicated: view, Local: layer.Getter(view.Local), Private: layer.Getter(view.Private),
		Members: membership, Blobs: s.deps.Blobs, Store: s.deps.Store,
	}, delta.NextTime(s.deps.Wall(), rec.Clock))
	out, err := module.Run(ctx, call)
	if err != nil {
		return nil, false, err
	}
	if in.reads && len(out.Private) > 0 {
		return nil, false, &vm.Error{Kind: vm.KindMisuse, Message: "the method is declared to change nothing, and changed private data"}
	}
	if req.DryRun {
		res, err := dryResult(out, tx, rec.Root)
		return res, false, err
	}
	if fold.MakesDelta(module, out, tx) {
		return nil, true, nil
	}
	return s.finishRead(ctx, req, in, out, rec)
}

// dryResult is what a call gives that is not to count.
func dryResult(out *vm.Outcome, tx *fold.Tx, root [32]byte) (*Result, error) {
	res := newResult(out, root)
	res.Writes = out.Writes
	if tx == nil {
		return res, nil
	}
	var err error
	res.Ops = tx.Ops()
	res.Writes, err = tx.Writes()
	return res, err
}

// finishRead does what a read-only call may still ask for: events go to those
// who watch here, calls to other contexts are queued (wasm-abi 5.2).
func (s *Set) finishRead(ctx context.Context, req Request, in input, out *vm.Outcome, rec store.Context) (*Result, bool, error) {
	step := store.Step{XCallsAdd: s.xcalls(rec.ID, in.depth, out.XCalls)}
	if req.from != nil {
		step.XCallsDone = []uint64{req.from.Seq}
	}
	if len(step.XCallsAdd)+len(step.XCallsDone) > 0 {
		if err := s.deps.Store.Commit(ctx, &step); err != nil {
			return nil, false, fmt.Errorf("queue calls to other contexts: %w", err)
		}
		s.wake()
	}
	res := newResult(out, rec.Root)
	if len(res.Events) > 0 {
		s.deps.Events.Publish(events.Change{Context: rec.ID, Root: rec.Root, Events: res.Events})
	}
	return res, false, nil
}

// execute runs a call in its turn within a batch.
func (b *batch) execute(ctx context.Context, req Request) (*Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	who, ok := b.identities[req.Executor]
	if !ok {
		return nil, &UnauthorizedError{Context: req.Context, Key: req.Executor}
	}
	module, release, err := b.set.module(ctx, b.Rec.App)
	if err != nil {
		return nil, err
	}
	defer release()
	in := req.input()
	in.who = who
	if err := in.runs(b.set, b.Rec.App, module); err != nil {
		return nil, err
	}
	begun := time.Now()
	res, err := b.call(ctx, in)
	if err != nil {
		return nil, err
	}
	if req.from != nil {
		b.step.XCallsDone = append(b.step.XCallsDone, req.from.Seq)
	}
	if res.Changed && b.set.writers.Took(b.Rec.App, req.Method, time.Since(begun)) {
		b.step.Writers = append(b.step.Writers, store.Writer{App: b.Rec.App, Method: req.Method})
	}
	return res, nil
}

// callerOf is the member of this node that makes a call.
func callerOf(view *store.View, req Request) (*store.Identity, error) {
	owned, err := view.Identities()
	if err != nil {
		return nil, err
	}
	for _, identity := range owned {
		if identity.Public() == req.Executor {
			return &identity, nil
		}
	}
	return nil, &UnauthorizedError{Context: req.Context, Key: req.Executor}
}

// runs makes it a call of an application's code, if the arguments are what that
// says it takes.
func (in *input) runs(s *Set, app ident.AppID, module *vm.Module) (err error) {
	in.module = module
	in.reads, err = s.deps.Apps.Declared(app, module, in.method, in.args)
	return err
}

// input is the call that a request asks for; module and who are still open.
func (r Request) input() input {
	in := input{method: r.Method, args: r.Input}
	if r.from != nil {
		in.depth, in.origin = r.from.Depth, &r.from.Source
	}
	return in
}

// module lends a context's application.
func (s *Set) module(ctx context.Context, id ident.AppID) (*vm.Module, func(), error) {
	module, release, err := s.deps.Apps.Module(ctx, id)
	if errors.Is(err, apps.ErrNotInstalled) {
		return nil, nil, &AppMissingError{App: id}
	}
	if err != nil {
		return nil, nil, &fold.CodeError{App: id, Cause: err}
	}
	return module, release, nil
}

func (b *batch) sight() fold.Sight {
	return fold.Sight{
		Context: b.Rec.ID, Replicated: b.Values, Local: b.Local, Private: b.private, Members: b.View,
		Blobs: b.set.deps.Blobs, Store: b.set.deps.Store,
	}
}

// ask is the call as the virtual machine runs it.
func (in *input) ask(see fold.Sight, now delta.Time) (vm.Call, *fold.Tx) {
	return see.Ask(&fold.Call{
		Module: in.module, Method: in.method, Args: in.args, Reads: in.reads, Origin: in.origin,
		Writer: delta.Writer{Author: in.who.Public(), Incarnation: in.who.Incarnation},
	}, now)
}
