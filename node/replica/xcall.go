package replica

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mero/node/ident"
	"mero/node/store"
	"mero/node/vm"
)

// maxDepth bounds chains of calls from context to context (wasm-abi 2).
const maxDepth = 3

// xcalls are the queue entries for calls that a guest asked for. What would be
// too deep is dropped, counted and logged.
func (s *Set) xcalls(source ident.ContextID, depth uint8, asked []vm.XCall) []store.XCall {
	if len(asked) == 0 {
		return nil
	}
	if depth >= maxDepth {
		s.metrics.xcalls.WithLabelValues("too deep").Add(float64(len(asked)))
		s.deps.Log.Warn().Stringer("context", source).Int("calls", len(asked)).Int("depth", maxDepth).
			Msg("calls to other contexts dropped: the chain is too deep")
		return nil
	}
	out := make([]store.XCall, 0, len(asked))
	for _, x := range asked {
		out = append(out, store.XCall{
			Source: source, Target: x.Context, Function: x.Function, Params: x.Params, Depth: depth + 1,
		})
	}
	return out
}

// wake tells Run that the queue has grown.
func (s *Set) wake() {
	select {
	case s.queued <- struct{}{}:
	default:
	}
}

// retryAfter is how long a queued call waits when this node cannot write.
const retryAfter = 5 * time.Second

// Run carries out calls from context to context, in the order in which they
// were queued, those of an earlier run of the node first. It returns when ctx
// ends.
func (s *Set) Run(ctx context.Context) error {
	for {
		retry, err := s.drain(ctx)
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("calls between contexts: %w", err)
		}
		var again <-chan time.Time
		if retry {
			again = time.After(retryAfter)
		}
		select {
		case <-s.queued:
		case <-again:
		case <-ctx.Done():
			return nil
		}
	}
}

// drain empties the queue. It reports true when a call must be tried again.
func (s *Set) drain(ctx context.Context) (bool, error) {
	for {
		waiting, err := s.deps.Store.XCalls(maxBatch)
		if err != nil || len(waiting) == 0 {
			return false, err
		}
		for _, x := range waiting {
			err := s.carryOut(ctx, x)
			if errors.Is(err, store.ErrDiskFull) || errors.Is(err, ErrBusy) {
				s.deps.Log.Warn().Err(err).Stringer("target", x.Target).Msg("call to another context waits")
				return true, nil
			}
			if err != nil {
				return false, err
			}
		}
	}
}

// carryOut runs one queued call as the first member that this node owns in the
// target. A call that fails is logged and leaves the queue (wasm-abi 5.8); its
// author was answered long ago.
func (s *Set) carryOut(ctx context.Context, x store.XCall) error {
	err := s.runQueued(ctx, x)
	switch {
	case err == nil:
		s.metrics.xcalls.WithLabelValues("done").Inc()
		return nil
	case ctx.Err() != nil, errors.Is(err, store.ErrDiskFull), errors.Is(err, ErrBusy):
		return err // stays queued
	}
	s.metrics.xcalls.WithLabelValues("failed").Inc()
	s.deps.Log.Warn().Err(err).Stringer("source", x.Source).Stringer("target", x.Target).
		Str("function", x.Function).Msg("call to another context failed")
	return s.deps.Store.Commit(ctx, &store.Step{XCallsDone: []uint64{x.Seq}})
}

func (s *Set) runQueued(ctx context.Context, x store.XCall) error {
	owned, err := s.Owned(x.Target)
	if err != nil {
		return err
	}
	if len(owned) == 0 {
		return &UnauthorizedError{Context: x.Target}
	}
	_, err = s.Execute(ctx, Request{
		Context: x.Target, Method: x.Function, Input: x.Params, Executor: owned[0], from: &x,
	})
	return err
}
