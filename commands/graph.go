package commands

import (
	"context"
	"errors"
	"time"

	"mero/node"
	"mero/node/api"
	"mero/node/ident"
	"mero/node/inspect"
)

// names finds what an alias stands for: a running node, or the home of one that
// is stopped.
type names interface {
	LookupAlias(ctx context.Context, scope api.AliasScope, name string) (api.ID, bool, error)
}

// graphs is where deltas and states are read, likewise.
type graphs interface {
	names
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

// graphs works on the deltas of a running node through its API, and on those of a
// stopped node's home in place, which it says.
func (e *env) graphs(ctx context.Context, do func(graphs) error) error {
	if _, locked := e.home.Running(); locked || e.apiURL != "" {
		client, err := e.client()
		if err != nil {
			return err
		}
		return do(client)
	}
	return e.offline(func(cfg node.Config) error {
		e.say("node %s is not running: this is what its home %s holds", e.home.Name(), e.home.Dir())
		return node.WithStopped(ctx, e.home, cfg, func(s *node.Stopped) error {
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
		return &failure{code: exitNotFound, text: "there is no such context in this home", hint: "mero context list shows those of a running node", cause: err}
	case errors.Is(err, inspect.ErrDeltaNotFound):
		return &failure{code: exitNotFound, text: err.Error(), hint: deltaHint, cause: err}
	case errors.Is(err, inspect.ErrStateNotFound), errors.As(err, &before):
		return &failure{code: exitNotFound, text: err.Error(), hint: stateHint, cause: err}
	case errors.Is(err, inspect.ErrPath):
		return &usageError{text: err.Error(), cause: err}
	}
	return err
}

// stateHint says what is in a state.
const stateHint = "see mero context state CONTEXT"

// deltaHint says where ids of deltas are.
const deltaHint = "see mero dag inspect CONTEXT"

// when reads a time: RFC 3339, a day, or how long ago.
func when(flag, text string, now time.Time) (time.Time, error) {
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
	return time.Time{}, usagef("--%s %s: wants a time such as 2026-01-31T12:00:00Z, a day such as 2026-01-31, or how long ago, such as 90s, 15m, 24h, 7d", flag, text)
}
