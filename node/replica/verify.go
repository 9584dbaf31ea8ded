package replica

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"mero/node/delta"
	"mero/node/fold"
	"mero/node/history"
	"mero/node/ident"
	"mero/node/members"
	"mero/node/store"
)

// newSeed draws what replicas of a replayed call use as its randomness.
func newSeed() (seed [32]byte) {
	_, _ = rand.Read(seed[:]) // never fails
	return seed
}

// Report is what a check of a context found.
type Report = fold.Report

// Problem is one thing that is not as it must be.
type Problem = fold.Problem

// Verify hashes the stored state again, and reads every delta's form and id. If
// the state is not what its hash says, all deltas are folded again to name the
// keys that differ. Nothing is changed. Errors: ErrContextNotFound, those of the
// store, or ctx's.
func (s *Set) Verify(ctx context.Context, id ident.ContextID) (Report, error) {
	return s.inspected(id, func(view *store.View, rep *Report) error {
		if err := rep.CheckState(ctx, view); err != nil {
			return err
		}
		h, err := rep.CheckLog(ctx, view, s.deps.Wall(), delta.Reopen)
		if err != nil || len(rep.Problems) == 0 || h == nil {
			return err
		}
		return s.checkFold(ctx, view, h, rep)
	})
}

// VerifyLog checks everything: every delta's form, id and signatures, the graph,
// and that folding all of it again gives the stored fates, root and state. It is
// as much work as a new member's first sync. Nothing is changed. Errors as of
// Verify.
func (s *Set) VerifyLog(ctx context.Context, id ident.ContextID) (Report, error) {
	return s.inspected(id, func(view *store.View, rep *Report) error {
		if err := rep.CheckState(ctx, view); err != nil {
			return err
		}
		h, err := rep.CheckLog(ctx, view, s.deps.Wall(), delta.Open)
		if err != nil || h == nil {
			return err
		}
		return s.checkFold(ctx, view, h, rep)
	})
}

// Rebuild folds a context again from its deltas, beside its state, and puts the
// result in the state's place. It needs every delta to be readable. Errors:
// ErrContextNotFound, ErrBusyFolding, ErrDamagedLog, those of the store, or ctx's.
func (s *Set) Rebuild(ctx context.Context, id ident.ContextID) (Report, error) {
	begun := time.Now()
	view, err := s.view(id)
	if err != nil {
		return Report{}, err
	}
	view.Close()
	if err := s.refold(ctx, id, true, false); err != nil {
		return Report{}, fmt.Errorf("rebuild context %s: %w", id, err)
	}
	s.metrics.rebuilds.Inc()
	rep, err := s.inspected(id, func(view *store.View, rep *Report) error { return rep.CheckState(ctx, view) })
	rep.Deep, rep.Repaired, rep.Took = true, err == nil && len(rep.Problems) == 0, time.Since(begun)
	return rep, err
}

func (s *Set) inspected(id ident.ContextID, check func(*store.View, *Report) error) (Report, error) {
	begun := time.Now()
	view, err := s.view(id)
	if err != nil {
		return Report{}, err
	}
	defer view.Close()
	rec := view.Context()
	rep := Report{
		Context: id, Deltas: rec.Deltas, Void: rec.Voids, Waiting: rec.Waiting,
		Root: rec.Root, Heads: rec.Heads,
	}
	err = check(view, &rep)
	rep.Took = time.Since(begun)
	return rep, err
}

// checkFold folds everything again and compares.
func (s *Set) checkFold(ctx context.Context, view *store.View, h *history.History, rep *Report) error {
	rep.Deep = true
	j, err := s.newJob(view, nil)
	if err != nil {
		return err
	}
	defer j.end(ctx)
	for {
		want := h.Wanted(delta.Place{}, j.held, nil)
		err := j.foldTo(ctx, want, view)
		if err == nil {
			break
		}
		if !errors.Is(err, errHeld) {
			return err
		}
	}
	return j.compare(view, rep)
}

// compare says where a job's state is not the stored one.
func (j *job) compare(view *store.View, rep *Report) error {
	for _, id := range j.folded {
		was, err := view.Delta(id)
		if err != nil {
			return err
		}
		if fate, reason := j.fate(id); fate != was.Fate {
			rep.Add(Problem{What: strings.TrimSpace(fmt.Sprintf("it is %s, folding again says %s %s", was.Fate, fate, reason)), Delta: id})
		}
	}
	for id, w := range j.held {
		rep.Add(Problem{What: "this node cannot fold it now: " + w.Words, Delta: id})
	}
	label := members.First
	for _, id := range j.folded {
		label = j.log.Union(label, j.labels[id])
	}
	if j.log.View(label).Digest() != view.Context().Members {
		rep.Add(Problem{What: "the membership is not what the deltas give"})
	}
	if j.b.Rec.Sum == view.Context().Sum && len(rep.Problems) == 0 {
		return nil
	}
	return rep.Differ(view, j.b.Values, &j.spilt)
}
