package replica

import (
	"context"
	"errors"

	"mero/node/delta"
	"mero/node/history"
	"mero/node/store"
)

// dropRest notes what the base has and the job's state lacks, so that a job that
// began with nothing is one over its base.
func (j *job) dropRest(ctx context.Context) error {
	for entry, err := range j.base.StateAll() {
		if err != nil {
			return err
		}
		if _, ok, err := j.b.Values.Get(entry.Key); err != nil {
			return err
		} else if !ok {
			j.b.Values.Put(entry.Key, entry.Value, nil, true, false)
		}
		if err := j.spill(ctx); err != nil {
			return err
		}
	}
	j.merged = true
	if j.spilt.Scratch == nil {
		j.b.Values.Rebase(j.base)
	}
	return nil
}

// finish runs as the only work of a batch b on the live state: it folds what is
// still to fold, and puts the job's state in the place of the live one.
func (j *job) finish(ctx context.Context, b *batch) error {
	if err := b.loadHistory(); err != nil {
		return err
	}
	j.pace = false
	for {
		if j.isBehind() {
			return errRestart
		}
		want := b.history.Wanted(j.from, j.held, j.late)
		j.knows(b.history, want)
		err := j.foldTo(ctx, want, b.view)
		if err == nil {
			break
		}
		if !errors.Is(err, errHeld) {
			return err
		}
	}
	if err := j.settleHeld(b); err != nil {
		return err
	}
	if err := j.replaceState(ctx, b); err != nil {
		return err
	}
	if err := j.replaceTrail(b); err != nil {
		return err
	}
	if err := j.replaceFates(b); err != nil {
		return err
	}
	rec := j.b.Rec
	b.Rec.Last, b.Rec.Clock, b.Rec.Sum, b.Rec.StateBytes = rec.Last, rec.Clock, rec.Sum, rec.StateBytes
	b.Rec.App = rec.App
	b.Former(rec.Former...)
	b.Rec.GuestRoot, b.Rec.Layouts, b.Rec.Initialised = rec.GuestRoot, rec.Layouts, rec.Initialised || b.Rec.Initialised
	b.Rolled, b.distrust = true, false
	b.dropStrangers()
	j.replaceLabels(b.history)
	b.conclude()
	if j.whole { // what is at rest may be damaged
		b.step.Members = b.View.Encode()
	}
	return nil
}

// replaceLabels tells the graph of the membership at the deltas that the job folded.
func (j *job) replaceLabels(h *history.History) {
	theirs := make(map[uint32]uint32)
	for _, id := range j.folded {
		label := j.labels[id]
		if theirs[label] == 0 {
			theirs[label] = h.Log.Label(j.log.View(label))
		}
		h.Graph.SetLabel(id, theirs[label])
	}
}

// settleHeld lets go what waited for the job, and makes wait what it left out.
func (j *job) settleHeld(b *batch) error {
	h := b.history
	for id, w := range h.Held {
		switch _, taken := j.late[id]; {
		case w.Kind != history.Order:
		case taken:
			h.Release(id)
		default: // it came too late for this job
			b.deep = true
		}
	}
	h.Settle()
	for id, w := range j.held {
		rec, err := b.view.Head(h.Place(id))
		if err != nil {
			return err
		}
		if w.Stranger != nil {
			if err := b.banish(id, rec.Fate, w.Stranger); err != nil {
				return err
			}
			continue
		}
		b.uncount(rec.Fate)
		b.hold(id, h.Place(id).Time, w.Kind, w.Words)
	}
	if len(j.held) == 0 {
		return nil
	}
	for id := range h.Blocked {
		if _, own := h.Held[id]; own {
			continue
		}
		rec, err := b.view.Head(h.Place(id))
		if err != nil {
			return err
		}
		if rec.Fate != store.FateWaiting {
			b.uncount(rec.Fate)
			b.rests(id, rec.Time)
		}
	}
	return nil
}

// replaceState makes the changes that turn the live state into the job's: of the
// keys that the job touched, and of those that the live state touched since.
func (j *job) replaceState(ctx context.Context, b *batch) error {
	touched := j.r.touched
	for e := range j.b.Values.All() {
		touched[string(e.Key)] = struct{}{}
	}
	if err := j.replaceLocal(b); err != nil {
		return err
	}
	if j.spilt.Scratch != nil {
		b.step.Scratch = j.spilt.Scratch
		return j.spilt.Write(ctx, j.b.Values, touched)
	}
	for key := range touched {
		value, has, err := j.b.Values.Get([]byte(key))
		if err != nil {
			return err
		}
		before, had, err := b.view.Get([]byte(key))
		if err != nil {
			return err
		}
		b.Values.Put([]byte(key), before, value, had, has)
	}
	return nil
}

// replaceLocal removes node-local keys that the job's deltas created in the
// replicated state (R6).
func (j *job) replaceLocal(b *batch) error {
	for e := range j.b.Local.All() {
		old, had, err := b.Local.Get(e.Key)
		if err != nil {
			return err
		}
		if had {
			b.Local.Put(e.Key, old, nil, true, false)
		}
	}
	return nil
}

// replaceTrail puts the job's spans in the place of the live ones after its
// beginning.
func (j *job) replaceTrail(b *batch) error {
	if err := b.Trail.Replace(j.from, &j.b.Trail); err != nil {
		return err
	}
	return b.Trail.Compact(j.b.Rec.StateBytes)
}

// fate is what the job found of a delta that it folded.
func (j *job) fate(id delta.ID) (store.Fate, string) {
	if reason, void := j.voids[id]; void {
		return store.FateVoid, reason
	}
	return store.FateFolded, ""
}

// replaceFates records the fates that the job found and that are not the stored
// ones, and counts.
func (j *job) replaceFates(b *batch) error {
	if j.whole {
		b.Rec.Deltas, b.Rec.Voids = 0, 0
	}
	said := make(map[delta.ID][]delta.Event, len(j.b.news))
	for _, n := range j.b.news {
		said[n.id] = n.events
	}
	for _, id := range j.folded {
		fate, reason := j.fate(id)
		was, err := b.view.Head(b.history.Place(id))
		if err != nil {
			return err
		}
		if !j.whole {
			b.uncount(was.Fate)
		}
		if fate == store.FateFolded {
			b.Rec.Deltas++
		} else {
			b.Rec.Voids++
		}
		if fate != was.Fate || reason != was.Reason {
			b.records[id] = &store.DeltaRecord{ID: id, Time: was.Time, Fate: fate, Reason: reason}
		}
		if fate == store.FateFolded && was.Fate != store.FateFolded {
			b.news = append(b.news, news{id: id, events: said[id]})
		}
	}
	return nil
}
