package replica

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mero/node/delta"
	"mero/node/events"
	"mero/node/ident"
	"mero/node/store"
	"mero/node/vm"
)

// maxAhead is how far a context's time may run ahead of this node's clock
// before the node refuses to write (R2).
const maxAhead = 5 * time.Minute

// applyWatchdog is the longest that an apply may take on this node. It is no
// setting, since settings may tighten calls, never applies (R7); passing it is a
// shortage of this node and makes no delta void.
const applyWatchdog = 2 * time.Minute

// applyExport is how an application applies a fellow member's artifact.
const applyExport = "__calimero_sync_next"

// batch is the calls of one context that become one step of the store. Each
// call sees what the calls before it did. Nothing is visible outside before
// the step is durable.
type batch struct {
	set *Set
	rec store.Context

	state, local, private *overlay

	identities map[ident.PublicKey]*store.Identity // all that this node owns here
	writers    map[ident.PublicKey]*store.Identity // those whose number moved
	members    members
	epochKey   delta.EpochKey

	step    store.Step
	deltas  []*delta.Delta
	changes []events.Change
}

// newBatch begins a batch on the snapshot of a context.
func (s *Set) newBatch(view *store.View) (*batch, error) {
	b := &batch{
		set:        s,
		rec:        view.Context(),
		state:      newOverlay(view),
		local:      newOverlay(getter(view.Local)),
		private:    newOverlay(getter(view.Private)),
		identities: make(map[ident.PublicKey]*store.Identity),
		writers:    make(map[ident.PublicKey]*store.Identity),
	}
	owned, err := view.Identities()
	if err != nil {
		return nil, err
	}
	for _, id := range owned {
		key := id.Public() // derived from the seed each time
		b.identities[key] = &id
		b.members = append(b.members, key)
	}
	b.epochKey, err = view.EpochKey(b.rec.Epoch)
	if err != nil {
		return nil, fmt.Errorf("key of epoch %s: %w", b.rec.Epoch, err)
	}
	return b, nil
}

// input is one call of one method.
type input struct {
	module *vm.Module
	who    *store.Identity
	method string
	args   []byte
	depth  uint8            // cross-context calls that led here
	origin *ident.ContextID // the context of the last one
}

// time is the hybrid time of the next delta, fixed before the guest runs (R2).
func (b *batch) time() (delta.Time, error) {
	wall := b.set.deps.Wall()
	t := delta.NextTime(wall, b.rec.Clock)
	if ahead := t.Wall().Sub(wall); ahead > maxAhead {
		return 0, &ClockError{Ahead: ahead}
	}
	return t, nil
}

// call runs a method and, if it committed, folds what it did into the batch.
func (b *batch) call(ctx context.Context, in input) (*Result, error) {
	now, err := b.time()
	if err != nil {
		return nil, err
	}
	if !in.module.Imports("commit") {
		return b.replayed(ctx, in, now)
	}
	out, err := in.module.Run(ctx, b.set.vmCall(in, b.sight(), now))
	if err != nil {
		return nil, err
	}
	if !out.Committed {
		if b.set.writers.has(b.rec.App, in.method) {
			return nil, ErrLostWrite
		}
		return b.answer(in, out, nil), nil
	}
	if len(out.Artifact) == 0 {
		return b.keepLocal(in, out)
	}
	return b.commit(ctx, in, out, now)
}

// keepLocal handles a commit without recorded actions: private data alone may
// change that way; a change of replicated state would reach nobody.
func (b *batch) keepLocal(in input, out *vm.Outcome) (*Result, error) {
	for _, w := range out.Writes {
		if _, replicated, err := b.state.Get(w.Key); err != nil {
			return nil, err
		} else if replicated || hasPrivateStorage(in.module) {
			return nil, fmt.Errorf("%w: state changed without recorded actions", ErrLostWrite)
		}
	}
	for _, w := range out.Writes {
		b.local.put(w.Key, w.Old, w.Value, w.HadOld, !w.Delete)
	}
	b.putPrivate(out)
	return b.answer(in, out, nil), nil
}

// commit makes the delta of a call and folds it as a peer will (R6).
func (b *batch) commit(ctx context.Context, in input, out *vm.Outcome, now delta.Time) (*Result, error) {
	artifact, err := sign(in, out.Artifact)
	if err != nil {
		return nil, err
	}
	payload := delta.State{
		Artifact: artifact, GuestRoot: out.Root, Events: deltaEvents(out.Events), Depth: in.depth,
	}
	d, err := b.seal(in.who, now, payload)
	if err != nil {
		return nil, err
	}
	applied, err := b.apply(ctx, in.module, d, payload)
	if err != nil {
		return nil, err
	}
	if err := b.fold(in, d, applied, out); err != nil {
		return nil, err
	}
	return b.answer(in, out, d), nil
}

// replayed runs a call of an application without `commit`: the call itself is
// what is replicated, so running it is folding it (R6, wasm-abi 5.9).
func (b *batch) replayed(ctx context.Context, in input, now delta.Time) (*Result, error) {
	call := &delta.Call{Method: in.method, Input: in.args, Seed: newSeed()}
	out, err := in.module.Run(ctx, b.replay(call, in.who.Public(), now))
	if err != nil {
		return nil, err
	}
	if len(out.Writes) == 0 {
		return b.answer(in, out, nil), nil
	}
	d, err := b.seal(in.who, now, delta.State{Events: deltaEvents(out.Events), Depth: in.depth, Call: call})
	if err != nil {
		return nil, err
	}
	if err := b.fold(in, d, out, nil); err != nil {
		return nil, err
	}
	return b.answer(in, out, d), nil
}

// replay is a replicated call as every replica runs it (R7).
func (b *batch) replay(call *delta.Call, author ident.PublicKey, now delta.Time) vm.Call {
	return vm.Call{
		Mode: vm.ModeApply, Method: call.Method, Input: call.Input,
		Context: b.rec.ID, Executor: author, Time: uint64(now), Random: random(call.Seed),
		State: b.state, Members: b.members, Timeout: applyWatchdog,
	}
}

// apply runs the application's own code for a delta on the replicated state,
// with everything that a guest can feel fixed by the delta (R7). A guest that
// refuses makes the delta void.
func (b *batch) apply(ctx context.Context, module *vm.Module, d *delta.Delta, payload delta.State) (*vm.Outcome, error) {
	h := d.Header()
	if payload.Call != nil {
		return ran(module.Run(ctx, b.replay(payload.Call, h.Author, h.Time)))
	}
	if !module.Has(applyExport) {
		return nil, &VoidError{Cause: fmt.Errorf("the application does not export %s", applyExport)}
	}
	out, err := ran(module.Run(ctx, vm.Call{
		Mode: vm.ModeApply, Method: applyExport, Input: payload.Artifact,
		Context: b.rec.ID, Executor: h.Author, Time: uint64(h.Time), Random: random(d.ID()),
		State: b.state, Members: b.members, Timeout: applyWatchdog,
	}))
	if err == nil && !out.Committed {
		return nil, &VoidError{Cause: ErrLostWrite}
	}
	return out, err
}

// ran tells a guest that refused, which makes a delta void on every replica,
// from trouble of this node alone (R7).
func ran(out *vm.Outcome, err error) (*vm.Outcome, error) {
	var guest *vm.Error
	if !errors.As(err, &guest) {
		return out, err
	}
	switch guest.Kind {
	case vm.KindHost, vm.KindTimeout, vm.KindCanceled:
		return nil, err
	default:
		return nil, &VoidError{Cause: err}
	}
}

// seal makes the next delta of a writer on the current heads.
func (b *batch) seal(who *store.Identity, now delta.Time, payload delta.State) (*delta.Delta, error) {
	if n := len(payload.Artifact); n > delta.MaxArtifact {
		return nil, &LimitError{
			What: "artifact", Size: uint64(n), Max: delta.MaxArtifact,
			Suggestion: "change less in one call",
		}
	}
	form, err := delta.EncodeState(payload)
	if err != nil {
		return nil, err
	}
	return delta.Seal(delta.Header{
		Context: b.rec.ID, Kind: delta.KindState, Parents: b.rec.Heads,
		Author: who.Public(), Incarnation: who.Incarnation, Seq: who.Seq + 1, Time: now,
	}, form, b.epochKey, nil, who.PrivateKey(), nil)
}

// fold takes a delta and what applying it gave into the batch: state, root,
// heads, clock, the writer's number and the private data of the call move
// together. called is the call's own outcome on its author's node, nil where
// the call itself is what is replicated. After an error nothing has moved.
func (b *batch) fold(in input, d *delta.Delta, applied, called *vm.Outcome) error {
	if err := b.checkSize(applied); err != nil {
		return err
	}
	local, err := b.localWrites(in, applied, called)
	if err != nil {
		return err
	}
	for _, w := range applied.Writes {
		b.rec.StateBytes = b.rec.StateBytes + entrySize(w.Key, w.Value, !w.Delete) - entrySize(w.Key, w.Old, w.HadOld)
		b.rec.Sum.Replace(w.Key, w.Old, w.Value, w.HadOld, !w.Delete)
		b.state.put(w.Key, w.Old, w.Value, w.HadOld, !w.Delete)
	}
	for _, w := range local {
		b.local.put(w.Key, w.Old, w.Value, w.HadOld, !w.Delete)
	}
	b.putPrivate(called)
	b.rec.GuestRoot = applied.Root
	in.who.Seq++
	b.writers[in.who.Public()] = in.who
	b.record(d)
	return nil
}

// localWrites finds what a delta changes in the node-local keys (R6): those
// that the call wrote and that are absent from the replicated state after the
// apply are kept here; those that the delta creates are no longer local.
func (b *batch) localWrites(in input, applied, called *vm.Outcome) ([]vm.Write, error) {
	var out []vm.Write
	replicated := make(map[string]bool, len(applied.Writes))
	for _, w := range applied.Writes {
		replicated[string(w.Key)] = !w.Delete
		if w.Delete {
			continue
		}
		old, had, err := b.local.Get(w.Key)
		if err != nil {
			return nil, err
		}
		if had {
			out = append(out, vm.Write{Key: w.Key, Old: old, HadOld: true, Delete: true})
		}
	}
	if called == nil || hasPrivateStorage(in.module) {
		return out, nil
	}
	for _, w := range called.Writes {
		there, known := replicated[string(w.Key)]
		if !known {
			var err error
			if _, there, err = b.state.Get(w.Key); err != nil {
				return nil, err
			}
		}
		if there {
			continue
		}
		old, had, err := b.local.Get(w.Key)
		if err != nil {
			return nil, err
		}
		if had || !w.Delete {
			out = append(out, vm.Write{Key: w.Key, Value: w.Value, Delete: w.Delete, Old: old, HadOld: had})
		}
	}
	return out, nil
}

func (b *batch) putPrivate(out *vm.Outcome) {
	if out == nil {
		return
	}
	for _, w := range out.Private {
		b.private.put(w.Key, w.Old, w.Value, w.HadOld, !w.Delete)
	}
}

// record puts a folded delta into the step and moves heads, clock and root.
func (b *batch) record(d *delta.Delta) {
	b.rec.Heads = []delta.ID{d.ID()}
	b.rec.Clock = d.Header().Time
	b.rec.Deltas++
	b.rec.Root = b.rec.Sum.Root(meta(&b.rec, b.members))
	b.deltas = append(b.deltas, d)
	b.step.Deltas = append(b.step.Deltas, store.DeltaRecord{
		ID: d.ID(), Time: d.Header().Time, Bytes: d.Bytes(), Fate: store.FateFolded,
	})
}

// checkSize holds a delta to the protocol's limits (R5) and to the context's
// state quota (R10).
func (b *batch) checkSize(applied *vm.Outcome) error {
	var changed uint64
	after := b.rec.StateBytes
	for _, w := range applied.Writes {
		changed += uint64(len(w.Key) + len(w.Value))
		after += entrySize(w.Key, w.Value, !w.Delete) - entrySize(w.Key, w.Old, w.HadOld)
	}
	if changed > delta.MaxChanged {
		return &LimitError{
			What: "change of state", Size: changed, Max: delta.MaxChanged,
			Suggestion: "change less in one call",
		}
	}
	if after > b.rec.StateQuota && after > b.rec.StateBytes {
		return &LimitError{
			What: "state of the context", Size: after, Max: b.rec.StateQuota,
			Suggestion: "remove what is not needed: the quota was fixed when the context was created",
		}
	}
	return nil
}

func entrySize(key, value []byte, there bool) uint64 {
	if !there {
		return 0
	}
	return uint64(len(key) + len(value))
}

// answer is what the caller gets and what clients will be told once the step
// is durable; d is nil when no delta was made.
func (b *batch) answer(in input, out *vm.Outcome, d *delta.Delta) *Result {
	res := newResult(out, b.rec.Root)
	change := events.Change{Context: b.rec.ID, Root: b.rec.Root, Events: res.Events}
	if d != nil {
		res.Changed, res.Delta = true, d.ID()
		change.Delta = d.ID()
	}
	if d != nil || len(res.Events) > 0 {
		b.changes = append(b.changes, change)
	}
	b.step.XCallsAdd = append(b.step.XCallsAdd, b.set.xcalls(b.rec.ID, in.depth, out.XCalls)...)
	return res
}
