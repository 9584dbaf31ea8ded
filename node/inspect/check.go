package inspect

import (
	"context"
	"fmt"

	"mero/node/api"
	"mero/node/ident"
	"mero/node/replica"
)

// VerifyContext checks what is stored of a context, and repairs it when it was
// asked to. What is wrong is in the report, and so is why a repair failed; the
// error is about checks that could not be made: ErrContextNotFound, those of the
// store, ctx's.
func (i *Inspector) VerifyContext(ctx context.Context, id ident.ContextID, req api.VerifyRequest) (api.ContextReport, error) {
	check := i.contexts.Verify
	if req.Log {
		check = i.contexts.VerifyLog
	}
	rep, err := check(ctx, id)
	if err != nil {
		return api.ContextReport{}, fmt.Errorf("verify context %s: %w", id, err)
	}
	out := report(&rep)
	if out.OK || !req.Repair {
		return out, nil
	}
	again, err := i.contexts.Rebuild(ctx, id)
	out.TookMs += again.Took.Milliseconds()
	switch {
	case err != nil && ctx.Err() != nil:
		return api.ContextReport{}, ctx.Err()
	case err != nil:
		out.NotRepaired = err.Error()
	default:
		out.Repaired, out.OK = again.Repaired, again.Repaired
		out.RootHash, out.Heads = api.Hash(again.Root), hashes(again.Heads)
		out.Keys, out.StateBytes = again.Keys, again.StateBytes
		if !again.Repaired {
			out.NotRepaired = "the state is not right after it was folded again"
		}
	}
	return out, nil
}

// RebuildContext folds a context again from its deltas, whether or not anything is
// wrong. Errors: those of replica.Set.Rebuild.
func (i *Inspector) RebuildContext(ctx context.Context, id ident.ContextID) (api.ContextReport, error) {
	rep, err := i.contexts.Rebuild(ctx, id)
	if err != nil {
		return api.ContextReport{}, err
	}
	return report(&rep), nil
}

func report(rep *replica.Report) api.ContextReport {
	out := api.ContextReport{
		ContextID: rep.Context, OK: len(rep.Problems) == 0, Deep: rep.Deep,
		Deltas: rep.Deltas, Void: rep.Void, Waiting: rep.Waiting, Keys: rep.Keys, StateBytes: rep.StateBytes,
		RootHash: api.Hash(rep.Root), Heads: hashes(rep.Heads), Problems: []api.ContextProblem{},
		Repaired: rep.Repaired, TookMs: rep.Took.Milliseconds(),
	}
	for _, p := range rep.Problems {
		shape := api.ContextProblem{What: p.What, Key: p.Key}
		if !p.Delta.IsZero() {
			id := api.Hash(p.Delta)
			shape.ID = &id
		}
		out.Problems = append(out.Problems, shape)
	}
	return out
}
