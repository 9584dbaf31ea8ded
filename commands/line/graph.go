package line

import (
	"context"
	"errors"
	"time"

	"mero/node"
	"mero/node/api"
	"mero/node/ident"
	"mero/node/inspect"
)

// Names finds what an alias stands for: a running node, or the home of one that
// is stopped.
type Names interface {
	LookupAlias(ctx context.Context, scope api.AliasScope, name string) (api.ID, bool, error)
}

// Graphs is where deltas and states are read, likewise.
type Graphs interface {
	Names
	State(ctx context.Context, id ident.ContextID, q api.StateQuery) (api.StatePage, error)
	Dag(ctx context.Context, id ident.ContextID, q api.DagQuery) (api.DagPage, error)
	Delta(ctx context.Context, id ident.ContextID, delta api.Hash) (api.DeltaDetail, error)
	VerifyContext(ctx context.Context, id ident.ContextID, req api.VerifyRequest) (api.ContextReport, error)
}

// stoppedGraphs reads them from a home.
type stoppedGraphs struct {
	*node.Stopped
	*inspect.Inspector
}

// Graphs works on the deltas of a running node through its API, and on those of a
// stopped node's home in place, which it says.
func (e *Env) Graphs(ctx context.Context, do func(Graphs) error) error {
	if _, locked := e.Home.Running(); locked || e.APIURL != "" {
		client, err := e.Client()
		if err != nil {
			return err
		}
		return do(client)
	}
	return e.Offline(func(cfg node.Config) error {
		e.Say("node %s is not running: this is what its home %s holds", e.Home.Name(), e.Home.Dir())
		return node.WithStopped(ctx, e.Home, cfg, func(s *node.Stopped) error {
			return explainStopped(do(stoppedGraphs{s, inspect.New(s.Store, s.Contexts)}))
		})
	})
}

// explainStopped gives the errors of a home the exit codes that those of a running
// node have.
func explainStopped(err error) error {
	before := (*inspect.BeforeError)(nil)
	switch {
	case errors.Is(err, inspect.ErrContextNotFound):
		return &FailedError{Code: ExitNotFound, Text: "there is no such context in this home", Hint: "mero context list shows those of a running node", Cause: err}
	case errors.Is(err, inspect.ErrDeltaNotFound):
		return &FailedError{Code: ExitNotFound, Text: err.Error(), Hint: DeltaHint, Cause: err}
	case errors.As(err, &before):
		return &FailedError{Code: ExitNotFound, Text: err.Error(), Cause: err}
	case errors.Is(err, inspect.ErrStateNotFound):
		return &FailedError{Code: ExitNotFound, Text: err.Error(), Hint: StateHint, Cause: err}
	case errors.Is(err, inspect.ErrPath):
		return &UsageError{Text: err.Error(), Cause: err}
	}
	return err
}

// StateHint says what is in a state.
const StateHint = "see mero context state CONTEXT"

// DeltaHint says where ids of deltas are.
const DeltaHint = "see mero dag inspect CONTEXT"

// When reads a time: RFC 3339, a day, or how long ago.
func When(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := node.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t, nil
	}
	if t, err := time.ParseInLocation(time.DateOnly, text, time.Local); err == nil {
		return t, nil
	}
	return time.Time{}, Usagef("--%s %s: wants a time such as 2026-01-31T12:00:00Z, a day such as 2026-01-31, or how long ago, such as 90s, 15m, 24h, 7d", flag, text)
}

// IsStopped tells the deltas of a stopped node's home from those of a running node.
func IsStopped(g Graphs) bool {
	_, stopped := g.(stoppedGraphs)
	return stopped
}
