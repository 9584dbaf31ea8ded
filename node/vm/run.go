package vm

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"
)

const (
	exportInitialize    = "_initialize"
	exportRegisterMerge = "__calimero_register_merge"
)

// Run executes one call. Either the outcome is complete and the error nil, or
// the error is an *Error and the outcome, never nil, has only Logs.
func (m *Module) Run(ctx context.Context, c Call) (*Outcome, error) {
	start := time.Now()
	out, err := m.run(ctx, c)
	if err == nil {
		m.engine.metrics.executed(start, nil)
		return out, nil
	}
	m.engine.metrics.executed(start, err)
	return out, err
}

func (m *Module) run(ctx context.Context, c Call) (*Outcome, error) {
	if t, ok := m.exports[c.Method]; !ok {
		return &Outcome{}, &Error{Kind: KindMethodNotFound, Message: c.Method}
	} else if !t.Empty() {
		return &Outcome{}, &Error{Kind: KindBadSignature, Message: c.Method}
	}
	if !m.begin() {
		return &Outcome{}, hostFault(ErrClosed)
	}
	defer m.running.Done()

	g := m.engine.newGuest(c)
	defer g.account.release()
	defer g.closeBlobs()
	limited, cancel := context.WithTimeout(ctx, g.Timeout)
	defer cancel()
	g.caller, g.limited = ctx, limited
	defer g.leave()

	err := m.execute(limited, g)
	g.done = err == nil
	if g.stdio != nil {
		g.stdio.flush()
	}
	if err != nil {
		e := g.explain(err)
		e.Fuel = g.fuel.reported()
		return &Outcome{Logs: g.logs.lines}, e
	}
	if g.returnErr {
		return &Outcome{Logs: g.logs.lines}, &Error{Kind: KindApplication, Data: g.value, Fuel: g.fuel.reported()}
	}
	return g.outcome(), nil
}

// execute sets an instance up and calls what has to be called, in order: the
// merge registration must precede every method (wasm-abi 8.2).
func (m *Module) execute(ctx context.Context, g *guest) (err error) {
	defer func() {
		// Panics of the guest's functions come back as errors; what is left is
		// memory running out while wazero instantiates.
		if p := recover(); p != nil {
			err = panicError(p)
		}
	}()
	ctx = context.WithValue(ctx, guestKey{}, g)
	if err := m.setUp(ctx, g); err != nil {
		return err
	}
	mod := g.instance.mod
	if err := m.invoke(ctx, mod, exportRegisterMerge); err != nil {
		// Its failure is not the call's, unless it is this node's (wasm-abi 3),
		// since a merge that went unregistered by chance would split replicas,
		// or the fuel is gone.
		if g.local(err) || g.fuel.used() > g.fuel.budget {
			return err
		}
		g.inHost = false
		g.fuel.rewind()
	}
	if err := m.invokeAlways(ctx, mod, g.Method); err != nil {
		return err
	}
	if over := g.fuel.over(); over != nil {
		return over
	}
	return nil
}

// setUp gives the guest an instance in which the start section and _initialize
// (Go guests) have run: from the image, where nobody but this node sees what it
// does, or by running them.
func (m *Module) setUp(ctx context.Context, g *guest) error {
	if g.Mode == ModeCall {
		if img := m.startImage(ctx, g); img != nil {
			return m.resume(ctx, g, img)
		}
	}
	m.engine.metrics.starts.WithLabelValues(startFresh).Inc()
	if err := m.instantiate(ctx, g); err != nil {
		return err
	}
	return m.invoke(ctx, g.instance.mod, exportInitialize)
}

// plain reports whether the module exports a function as () -> ().
func (m *Module) plain(name string) bool {
	t, ok := m.exports[name]
	return ok && t.Empty()
}

// invoke calls a function if the module exports it as () -> ().
func (m *Module) invoke(ctx context.Context, mod api.Module, name string) error {
	if !m.plain(name) {
		return nil
	}
	return m.invokeAlways(ctx, mod, name)
}

func (m *Module) invokeAlways(ctx context.Context, mod api.Module, name string) error {
	if mod.IsClosed() {
		// The guest exited in an earlier function; wazero would run it on.
		return sys.NewExitError(0)
	}
	return mod.ExportedFunction(name).CallWithStack(ctx, nil)
}

func panicError(p any) error {
	if err, ok := p.(error); ok {
		return err
	}
	return fmt.Errorf("%v", p)
}

func isRuntimeError(err error) bool {
	var fault runtime.Error
	return errors.As(err, &fault)
}

// outcome gathers what a call that ended well has done.
func (g *guest) outcome() *Outcome {
	out := &Outcome{
		Output: g.value, HasOutput: g.returned,
		Committed: g.committed, Root: g.root, Artifact: g.artifact,
		Writes: g.state.changes(),
		Events: g.events, XCalls: g.xcalls, ContextOps: g.ops, Logs: g.logs.lines,
		Fuel: g.fuel.used(),
	}
	if g.Private != nil {
		out.Private = g.private.changes()
	}
	return out
}

// local reports whether an error may be this node's and not the guest's.
func (g *guest) local(err error) bool {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind == KindHost || e.Kind == KindTimeout || e.Kind == KindCanceled
	}
	return isRuntimeError(err) || trapText(err) == trapOverflow
}

// explain turns what wazero returned into an *Error.
func (g *guest) explain(err error) *Error {
	trace := ""
	if _, after, ok := strings.Cut(err.Error(), "wasm stack trace:\n"); ok {
		trace, _, _ = strings.Cut(after, "\n\nGo runtime stack trace:")
		trace = strings.ReplaceAll(strings.TrimSpace(trace), "\n\t", "\n")
	}
	e := g.ended(err)
	e.Trace = trace
	return e
}

func (g *guest) ended(err error) *Error {
	var own *Error
	if errors.As(err, &own) {
		if own.Kind == KindHost && isContextError(own.cause) && g.limited.Err() != nil {
			// What the host did for the guest was ended with it.
			return g.stopped()
		}
		return own
	}
	var exit *sys.ExitError
	if errors.As(err, &exit) {
		if message := g.stdio.panicText(); message != "" {
			return &Error{Kind: KindPanic, Message: message}
		}
		return &Error{Kind: KindPanic, Message: fmt.Sprintf("the guest exited with status %d", exit.ExitCode())}
	}
	if isRuntimeError(err) && g.inHost {
		return hostFault(err)
	}
	switch message := trapText(err); message {
	case trapUnreachable:
		// Rust and Go print why they abort.
		if printed := g.stdio.panicText(); printed != "" {
			return &Error{Kind: KindPanic, Message: printed}
		}
		return trap(message)
	case trapOverflow:
		// The depth should have ended it before. Where wazero's stack ends
		// differs between machines, so it is nothing that a replica may go by.
		return hostFault(errStack)
	default:
		return trap(message)
	}
}

var errStack = errors.New("the stack of the compiler overflowed")

func isContextError(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

const (
	trapUnreachable = "unreachable code reached"
	trapOverflow    = "stack overflow"
)

// trapText gives the words of wasm-abi 4.4 for what wazero calls a trap.
func trapText(err error) string {
	inner := err
	for next := errors.Unwrap(inner); next != nil; next = errors.Unwrap(inner) {
		inner = next
	}
	switch message := inner.Error(); {
	case message == "unreachable":
		return trapUnreachable
	case strings.HasSuffix(message, "out of bounds memory access"):
		return "memory out of bounds"
	case message == trapOverflow:
		return message
	case message == "invalid table access":
		return "indirect call to null"
	case message == "indirect call type mismatch":
		return "bad signature"
	case message == "integer divide by zero", message == "integer overflow", message == "invalid conversion to integer":
		return "illegal arithmetic operation"
	case message == "unaligned atomic":
		return "unaligned atomic operation"
	default:
		return "indeterminate trap"
	}
}
