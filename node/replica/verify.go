package replica

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
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

// maxProblems bounds what one report names.
const maxProblems = 16

// Problem is one thing that is not as it must be.
type Problem struct {
	What  string
	Delta delta.ID // zero: none
	Key   []byte   // of the state; nil: none
}

// Report is what a check of a context found.
type Report struct {
	Context ident.ContextID
	// Deep says that all deltas were folded again.
	Deep                  bool
	Deltas, Void, Waiting uint64
	Keys, StateBytes      uint64
	Root                  [32]byte
	Heads                 []delta.ID
	// Problems are at most 16; empty when all is well.
	Problems []Problem
	// Repaired says that the state was folded again and is right now.
	Repaired bool
	Took     time.Duration
}

func (r *Report) problem(p Problem) {
	if len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, p)
	}
}

// Verify hashes the stored state again, and reads every delta's form and id. If
// the state is not what its hash says, all deltas are folded again to name the
// keys that differ. Nothing is changed. Errors: ErrContextNotFound, those of the
// store, or ctx's.
func (s *Set) Verify(ctx context.Context, id ident.ContextID) (Report, error) {
	return s.inspected(id, func(view *store.View, rep *Report) error {
		if err := s.checkState(ctx, view, rep); err != nil {
			return err
		}
		h, err := s.checkLog(ctx, view, rep, delta.Reopen)
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
		if err := s.checkState(ctx, view, rep); err != nil {
			return err
		}
		h, err := s.checkLog(ctx, view, rep, delta.Open)
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
	rep, err := s.inspected(id, func(view *store.View, rep *Report) error { return s.checkState(ctx, view, rep) })
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

// checkState hashes the stored state and compares with the record.
func (s *Set) checkState(ctx context.Context, view *store.View, rep *Report) error {
	rec := view.Context()
	sum := store.Context{}.Sum // of nothing
	for entry, err := range view.StateAll() {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		rep.Keys++
		rep.StateBytes += fold.EntrySize(entry.Key, entry.Value, true)
		sum.Replace(entry.Key, nil, entry.Value, false, true)
	}
	joined, err := view.Members()
	if err != nil {
		return err
	}
	switch {
	case sum != rec.Sum:
		rep.problem(Problem{What: "the stored state is not what its hash says"})
	case fold.Root(&rec) != rec.Root:
		rep.problem(Problem{What: "the root is not that of the state"})
	case members.DigestOf(joined) != rec.Members:
		rep.problem(Problem{What: "the stored membership is not what its hash says"})
	case rep.StateBytes != rec.StateBytes:
		rep.problem(Problem{What: fmt.Sprintf("the state has %d bytes, its record says %d", rep.StateBytes, rec.StateBytes)})
	}
	return nil
}

// checkLog reads all deltas and makes the graph of them; nil when that cannot be
// done.
func (s *Set) checkLog(ctx context.Context, view *store.View, rep *Report, open func([]byte) (*delta.Delta, error)) (*history.History, error) {
	rec := view.Context()
	founder, err := history.FounderOf(view)
	if err != nil {
		rep.problem(Problem{What: err.Error(), Delta: rec.Genesis})
		founder.Genesis = rec.Genesis
	}
	h := history.New(founder)
	var counts [4]uint64
	whole := err == nil
	for r, err := range view.DeltasByTime(0) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		if err := checkOne(h, &rec, r, open); err != nil {
			rep.problem(Problem{What: err.Error(), Delta: r.ID})
			whole = false
			continue
		}
		counts[min(r.Fate, 3)]++
		h.Recall(r, s.deps.Wall())
	}
	if !whole {
		return nil, nil
	}
	h.Settle()
	if got := h.Heads(); !slices.Equal(got, rec.Heads) {
		rep.problem(Problem{What: fmt.Sprintf("the heads are %v, the record says %v", got, rec.Heads)})
	}
	for fate, want := range map[store.Fate]uint64{
		store.FateFolded: rec.Deltas, store.FateVoid: rec.Voids, store.FateWaiting: rec.Waiting,
	} {
		if counts[fate] != want {
			rep.problem(Problem{What: fmt.Sprintf("%d deltas are %s, the record says %d", counts[fate], fate, want)})
		}
	}
	return h, nil
}

// checkOne checks one delta of the log and puts it into the graph.
func checkOne(h *history.History, rec *store.Context, r store.DeltaRecord, open func([]byte) (*delta.Delta, error)) error {
	d, err := open(r.Bytes)
	var newer *delta.UpgradeError
	var (
		header delta.Header
		id     delta.ID
	)
	switch {
	case errors.As(err, &newer):
		id, header = newer.ID, newer.Header
	case err != nil:
		return err
	default:
		id, header = d.ID(), d.Header()
	}
	if id != r.ID || header.Context != rec.ID || header.Time != r.Time {
		return fmt.Errorf("its bytes are those of delta %s", id)
	}
	_, err = h.Add(id, header)
	return err
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
			rep.problem(Problem{What: strings.TrimSpace(fmt.Sprintf("it is %s, folding again says %s %s", was.Fate, fate, reason)), Delta: id})
		}
	}
	for id, w := range j.held {
		rep.problem(Problem{What: "this node cannot fold it now: " + w.Words, Delta: id})
	}
	label := members.First
	for _, id := range j.folded {
		label = j.log.Union(label, j.labels[id])
	}
	if j.log.View(label).Digest() != view.Context().Members {
		rep.problem(Problem{What: "the membership is not what the deltas give"})
	}
	if j.b.Rec.Sum == view.Context().Sum && len(rep.Problems) == 0 {
		return nil
	}
	return j.differ(view, rep)
}

// differ names keys that the job's state and the stored one do not have in common.
func (j *job) differ(view *store.View, rep *Report) error {
	seen := make(map[string]struct{})
	for entry, err := range view.StateAll() {
		if err != nil {
			return err
		}
		seen[string(entry.Key)] = struct{}{}
		value, ok, err := j.b.Values.Get(entry.Key)
		if err != nil {
			return err
		}
		switch {
		case !ok:
			rep.problem(Problem{What: "key of the state that no delta made", Key: entry.Key})
		case !bytes.Equal(value, entry.Value):
			rep.problem(Problem{What: "value of the state that is not what the deltas give", Key: entry.Key})
		}
	}
	lacks := func(key string, there bool) {
		if _, ok := seen[key]; !ok && there {
			rep.problem(Problem{What: "key that the deltas give and the state lacks", Key: []byte(key)})
		}
	}
	for e := range j.b.Values.All() {
		lacks(string(e.Key), e.Present)
	}
	if j.scratch == nil {
		return nil
	}
	for entry, err := range j.scratch.All() {
		if err != nil {
			return err
		}
		if !j.b.Values.Has(entry.Key) {
			lacks(string(entry.Key), entry.Present)
		}
	}
	return nil
}
