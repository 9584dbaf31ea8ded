package replica

import (
	"context"
	"errors"

	"mero/node/ident"
	"mero/node/store"
	"mero/node/vm"
)

// errNoMembership refuses what only a membership delta can do.
var errNoMembership = errors.New("members are admitted by invitation, not by an application")

// runOps does what a guest asked to be done with contexts, in order, after its
// call is durable (wasm-abi 1.5). A failure is only logged.
func (s *Set) runOps(ctx context.Context, source ident.ContextID, ops []vm.ContextOp) {
	for _, op := range ops {
		err := s.runOp(ctx, source, op)
		s.metrics.operation(err)
		if err != nil {
			s.deps.Log.Warn().Err(err).Stringer("context", source).Uint8("operation", uint8(op.Kind)).
				Msg("an application's request failed")
		}
	}
}

func (s *Set) runOp(ctx context.Context, source ident.ContextID, op vm.ContextOp) error {
	switch op.Kind {
	case vm.ContextCreate:
		made, err := s.Create(ctx, CreateRequest{App: op.App, Params: op.Params})
		if err != nil || op.Alias == "" {
			return err
		}
		return s.deps.Store.SetAlias(ctx, store.AliasContext, source, op.Alias, [32]byte(made.Context))
	case vm.ContextDelete:
		if op.Context != source {
			return errors.New("only the current context can be deleted")
		}
		_, err := s.Delete(ctx, source)
		return err
	default:
		return errNoMembership
	}
}
