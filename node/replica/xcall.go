package replica

import (
	"context"
	"errors"
	"time"

	"mero/node/ident"
	"mero/node/store"
	"mero/node/vm"
)

// maxDepth bounds chains of calls from context to context (wasm-abi 2).
const maxDepth = 3

// maxQueued is how much of the queue is looked at in one go.
const maxQueued = 1024

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

// wake tells runQueue that the queue has grown.
func (s *Set) wake() {
	select {
	case s.queued <- struct{}{}:
	default:
	}
}

// retryAfter is how long a queued call waits when this node cannot write.
const retryAfter = 5 * time.Second

// runQueue carries out calls from context to context, in the order in which they
// were queued for a target, those of an earlier run of the node first. A call
// that this node cannot make now (disk, clock, memory, a busy target) stays
// queued and is tried again; it holds up those for the same target only. It
// returns when ctx ends.
func (s *Set) runQueue(ctx context.Context) {
	for ctx.Err() == nil {
		var again <-chan time.Time
		if s.drain(ctx) {
			again = time.After(retryAfter)
		}
		select {
		case <-s.queued:
		case <-again:
		case <-ctx.Done():
		}
	}
}

// drain goes through the queue until nothing is left that can be done now. It
// reports true when something must be tried again.
func (s *Set) drain(ctx context.Context) (retry bool) {
	for ctx.Err() == nil {
		waiting, err := s.deps.Store.XCalls(maxQueued)
		if err != nil {
			s.deps.Log.Error().Err(err).Msg("the queue of calls to other contexts cannot be read")
			return true
		}
		done, held := 0, make(map[ident.ContextID]bool)
		for _, x := range waiting {
			if held[x.Target] {
				continue
			}
			if err := s.carryOut(ctx, x); err != nil {
				held[x.Target] = true
				continue
			}
			done++
		}
		if done == 0 {
			return len(held) > 0
		}
	}
	return false
}

// carryOut runs one queued call as the first member that this node owns in the
// target. A call that fails by what it asks for is logged and leaves the queue
// (wasm-abi 5.8); its author was answered long ago. Any other error says that
// it is still queued.
func (s *Set) carryOut(ctx context.Context, x store.XCall) error {
	err := s.runQueued(ctx, x)
	if err == nil {
		s.metrics.xcalls.WithLabelValues("done").Inc()
		return nil
	}
	log := s.deps.Log.Warn().Err(err).Stringer("source", x.Source).Stringer("target", x.Target).Str("function", x.Function)
	if !hopeless(err) {
		if ctx.Err() == nil {
			s.metrics.xcalls.WithLabelValues("waiting").Inc()
			log.Dur("again", retryAfter).Msg("call to another context waits")
		}
		return err
	}
	s.metrics.xcalls.WithLabelValues("failed").Inc()
	log.Msg("call to another context failed")
	return s.deps.Store.Commit(ctx, &store.Step{XCallsDone: []uint64{x.Seq}})
}

// hopeless tells a call that no later try can help from trouble of this node. A
// guest that does not end in time is hopeless too: it would take all the time
// there is.
func hopeless(err error) bool {
	var (
		guest *vm.Error
		who   *UnauthorizedError
		void  *VoidError
		limit *LimitError
	)
	if errors.As(err, &guest) {
		return guest.Kind != vm.KindHost && guest.Kind != vm.KindCanceled
	}
	return errors.As(err, &who) || errors.As(err, &void) || errors.As(err, &limit) ||
		errors.Is(err, ErrContextNotFound) || errors.Is(err, ErrReservedMethod) || errors.Is(err, ErrLostWrite)
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
