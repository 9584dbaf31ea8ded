package fold

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"mero/node/delta"
	"mero/node/history"
	"mero/node/ident"
	"mero/node/layer"
	"mero/node/members"
	"mero/node/store"
)

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

// Add notes a problem, if there are not too many already.
func (r *Report) Add(p Problem) {
	if len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, p)
	}
}

// CheckState hashes the stored state and compares with the record.
func (r *Report) CheckState(ctx context.Context, view *store.View) error {
	rec := view.Context()
	sum := store.Context{}.Sum // of nothing
	for entry, err := range view.StateAll() {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		r.Keys++
		r.StateBytes += EntrySize(entry.Key, entry.Value, true)
		sum.Replace(entry.Key, nil, entry.Value, false, true)
	}
	joined, err := view.Members()
	if err != nil {
		return err
	}
	switch {
	case sum != rec.Sum:
		r.Add(Problem{What: "the stored state is not what its hash says"})
	case Root(&rec) != rec.Root:
		r.Add(Problem{What: "the root is not that of the state"})
	case members.DigestOf(joined) != rec.Members:
		r.Add(Problem{What: "the stored membership is not what its hash says"})
	case r.StateBytes != rec.StateBytes:
		r.Add(Problem{What: fmt.Sprintf("the state has %d bytes, its record says %d", r.StateBytes, rec.StateBytes)})
	}
	return nil
}

// CheckLog reads all deltas by open and makes the graph of them; nil when that cannot be
// done.
func (r *Report) CheckLog(ctx context.Context, view *store.View, now time.Time, open func([]byte) (*delta.Delta, error)) (*history.History, error) {
	rec := view.Context()
	founder, err := history.FounderOf(view)
	if err != nil {
		r.Add(Problem{What: err.Error(), Delta: rec.Genesis})
		founder.Genesis = rec.Genesis
	}
	h := history.New(founder)
	var counts [4]uint64
	whole := err == nil
	for d, err := range view.DeltasByTime(0) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		if err := checkOne(h, &rec, d, open); err != nil {
			r.Add(Problem{What: err.Error(), Delta: d.ID})
			whole = false
			continue
		}
		counts[min(d.Fate, 3)]++
		h.Recall(d, now)
	}
	if !whole {
		return nil, nil
	}
	h.Settle()
	if got := h.Heads(); !slices.Equal(got, rec.Heads) {
		r.Add(Problem{What: fmt.Sprintf("the heads are %v, the record says %v", got, rec.Heads)})
	}
	for fate, want := range map[store.Fate]uint64{
		store.FateFolded: rec.Deltas, store.FateVoid: rec.Voids, store.FateWaiting: rec.Waiting,
	} {
		if counts[fate] != want {
			r.Add(Problem{What: fmt.Sprintf("%d deltas are %s, the record says %d", counts[fate], fate, want)})
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

// Differ names keys that the stored state and one that was made anew do not have in
// common: what lies in memory of that one, and what was moved out.
func (r *Report) Differ(view *store.View, values *layer.Overlay, spilt *layer.Spill) error {
	seen := make(map[string]struct{})
	for entry, err := range view.StateAll() {
		if err != nil {
			return err
		}
		seen[string(entry.Key)] = struct{}{}
		value, ok, err := values.Get(entry.Key)
		if err != nil {
			return err
		}
		switch {
		case !ok:
			r.Add(Problem{What: "key of the state that no delta made", Key: entry.Key})
		case !bytes.Equal(value, entry.Value):
			r.Add(Problem{What: "value of the state that is not what the deltas give", Key: entry.Key})
		}
	}
	for e, err := range spilt.All(values) {
		if err != nil {
			return err
		}
		if _, ok := seen[string(e.Key)]; !ok && e.Present {
			r.Add(Problem{What: "key that the deltas give and the state lacks", Key: e.Key})
		}
	}
	return nil
}
