package replica

import (
	"context"
	"fmt"
	"slices"
	"time"

	"mero/node/delta"
	"mero/node/events"
	"mero/node/fold"
	"mero/node/history"
	"mero/node/ident"
	"mero/node/layer"
	"mero/node/members"
	"mero/node/store"
	"mero/node/vm"
)

// maxAhead is how far a context's time may run ahead of this node's clock
// before the node refuses to write, and before a delta waits for the clock (R2). One
// that is maxWait ahead is not kept until then: it would take the room of others for
// as long as its author likes, and comes again by its vector.
//
// maxSkew is how far this node's clock may be from the median of others' before the
// node refuses to write.
const (
	maxSkew  = time.Minute
	maxAhead = 5 * time.Minute
	maxWait  = 24 * time.Hour
)

// maxOwnFuel is what applying a call's own delta may use here: on a replica whose
// state differs it may cost more, and must not come near the budget (R7). The
// largest change there may be (32 MiB, R5) takes a Go guest a third of it.
const maxOwnFuel = vm.ApplyFuel / 4

// batch is what becomes one step of the store: calls of one context, or deltas
// that arrived and what their place in the order makes necessary. Each part sees
// what the parts before it did. Nothing is visible outside before the step is
// durable.
type batch struct {
	set  *Set
	view *store.View // what the batch is based on; nil for a context that is new
	fold.State
	private *layer.Overlay

	identities map[ident.PublicKey]*store.Identity // all that this node owns here
	writers    map[ident.PublicKey]*store.Identity // those whose number moved
	keys       map[delta.EpochID]delta.EpochKey

	history *history.History // the graph, when the batch needed it
	arrived map[delta.ID][]byte
	records map[delta.ID]*store.DeltaRecord // of deltas whose fate is new
	orphans map[delta.ID]struct{}           // connected here, perhaps after they waited for that

	step    store.Step
	made    []*delta.Delta // here, in this batch
	changes []events.Change
	news    []news // deltas from elsewhere that count for the first time
	// strangers are deltas that turned out not to be sealed by a member, and refused
	// what is dropped for that.
	strangers []delta.ID
	refused   []Refusal
	deep      bool          // a deep roll-back is wanted
	more      bool          // the step is full: what follows is for the next one
	idle      bool          // it only looked at what waits
	begun     time.Time     // of folding
	depth     uint64        // of the roll-back
	took      time.Duration // for it and what it made necessary

	distrust bool       // the undo spans do not fit: go back by folding from genesis
	shy      bool       // go back beside the live state only
	lead     *fold.Cost // what is known of folding here; nil: nothing, and nothing is learned
}

// news is a delta that was folded for the first time, for those who watch.
type news struct {
	id     delta.ID
	events []delta.Event
}

// newBatch begins a batch on the snapshot of a context.
func (s *Set) newBatch(view *store.View) (*batch, error) {
	b := &batch{
		set:        s,
		view:       view,
		private:    layer.New(layer.Getter(view.Private)),
		identities: make(map[ident.PublicKey]*store.Identity),
		writers:    make(map[ident.PublicKey]*store.Identity),
		keys:       make(map[delta.EpochID]delta.EpochKey),
		arrived:    make(map[delta.ID][]byte),
		records:    make(map[delta.ID]*store.DeltaRecord),
		orphans:    make(map[delta.ID]struct{}),
	}
	b.State = fold.Of(view, b.outside())
	owned, err := view.Identities()
	if err != nil {
		return nil, err
	}
	if b.View, err = s.joined.Of(view); err != nil {
		return nil, err
	}
	for _, id := range owned {
		b.identities[id.Public()] = &id // derived from the seed each time
	}
	return b, nil
}

// outside is what folding needs besides the state.
func (b *batch) outside() fold.Outside {
	return fold.Outside{
		Module: b.set.module, Key: b.key, Verdicts: &b.set.verdicts,
		Took: func(took time.Duration) { b.set.metrics.applying.Observe(took.Seconds()) },
	}
}

// fold moves the state over a delta, and notes its fate for the step.
func (b *batch) fold(d *delta.Delta, done fold.Effect, void string) {
	b.record(d, b.Fold(d, done, void), void)
}

// record notes a delta's fate for the step.
func (b *batch) record(d *delta.Delta, fate store.Fate, reason string) {
	r := &store.DeltaRecord{ID: d.ID(), Time: d.Header().Time, Fate: fate, Reason: reason}
	r.Bytes = b.arrived[r.ID] // nil: the store has them
	b.records[r.ID] = r
}

// key is the key of an epoch, or store.ErrNotFound.
func (b *batch) key(epoch delta.EpochID) (delta.EpochKey, error) {
	if key, ok := b.keys[epoch]; ok {
		return key, nil
	}
	key, err := b.view.EpochKey(epoch)
	if err == nil {
		b.keys[epoch] = key
	}
	return key, err
}

// input is one call of one method.
type input struct {
	module *vm.Module
	who    *store.Identity
	method string
	args   []byte
	reads  bool             // the application says that the method changes nothing
	depth  uint8            // cross-context calls that led here
	origin *ident.ContextID // the context of the last one
}

// time is the hybrid time of the next delta, fixed before the guest runs (R2).
func (b *batch) time() (delta.Time, error) {
	if skewed := b.set.deps.Skew; skewed != nil {
		if skew, known := skewed(); known && skew.Abs() > maxSkew {
			return 0, &ClockError{Skew: skew}
		}
	}
	wall := b.set.deps.Wall()
	t := delta.NextTime(wall, b.Rec.Clock)
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
	if err := b.checkWriter(in.who); err != nil {
		return nil, err
	}
	if !in.module.Imports("commit") && !in.module.HostManaged() {
		return b.replayed(ctx, in, now)
	}
	begun := time.Now()
	call, tx := in.ask(b.sight(), now)
	out, err := in.module.Run(ctx, call)
	since(b.set.metrics.running, begun)
	if err != nil {
		return nil, err
	}
	if tx != nil {
		return b.operate(ctx, in, out, tx.Ops(), now)
	}
	if !out.Committed {
		if b.set.writers.Has(b.Rec.App, in.method) {
			return nil, ErrLostWrite
		}
		return b.answer(in, out, nil), nil
	}
	if len(out.Artifact) == 0 {
		return b.keepLocal(in, out)
	}
	return b.commit(ctx, in, out, now)
}

// parents are what the next delta of a writer rests on: the heads. Of more than a
// delta may name it takes the writer's own last delta first, which has to be in its
// past (R3); the others stay heads until a later delta merges them.
func (b *batch) parents(who *store.Identity) []delta.ID {
	if len(b.Rec.Heads) <= delta.MaxParents {
		return slices.Clone(b.Rec.Heads)
	}
	var list []delta.ID
	for _, tip := range b.history.Graph.Tips(delta.Writer{Author: who.Public(), Incarnation: who.Incarnation}) {
		list = append(list, tip.ID)
	}
	for _, id := range b.Rec.Heads {
		if len(list) < delta.MaxParents && !slices.Contains(list, id) {
			list = append(list, id)
		}
	}
	return list
}

// checkWriter begins a new incarnation of a writer whose last delta waits, since it
// rests on one that does: the next one would lack its number (R3).
func (b *batch) checkWriter(who *store.Identity) error {
	if b.Rec.Waiting == 0 && len(b.Rec.Heads) <= delta.MaxParents {
		return nil
	}
	if err := b.loadHistory(); err != nil {
		return err
	}
	for _, tip := range b.history.Graph.Tips(delta.Writer{Author: who.Public(), Incarnation: who.Incarnation}) {
		if b.history.IsBlocked(tip.ID) {
			who.Incarnation, who.Seq = delta.NewIncarnation(), 0
			b.writers[who.Public()] = who
		}
	}
	return nil
}

// keepLocal handles a commit without recorded actions: private data alone may
// change that way; a change of replicated state would reach nobody.
func (b *batch) keepLocal(in input, out *vm.Outcome) (*Result, error) {
	for _, w := range out.Writes {
		if _, replicated, err := b.Values.Get(w.Key); err != nil {
			return nil, err
		} else if replicated || fold.HasPrivateStorage(in.module) {
			return nil, fmt.Errorf("%w: state changed without recorded actions", ErrLostWrite)
		}
	}
	b.PutLocal(out.Writes)
	b.putPrivate(out)
	return b.answer(in, out, nil), nil
}

// operate makes the delta of a call that worked on collections, if it made
// operations or events.
func (b *batch) operate(ctx context.Context, in input, out *vm.Outcome, ops []byte, now delta.Time) (*Result, error) {
	begins := in.method == fold.InitMethod // which tells joiners that there is nothing to wait for
	if len(ops) == 0 && !begins && (in.reads || len(out.Events) == 0) {
		b.putPrivate(out)
		return b.answer(in, out, nil), nil
	}
	payload := delta.State{Ops: ops, Events: deltaEvents(out.Events), Depth: in.depth}
	return b.replicate(ctx, in, out, payload, now)
}

// replicate makes the delta of a call and folds it as a peer will (R6).
func (b *batch) replicate(ctx context.Context, in input, out *vm.Outcome, payload delta.State, now delta.Time) (*Result, error) {
	d, err := b.sealState(in.who, now, payload)
	if err != nil {
		return nil, err
	}
	done, err := b.Apply(ctx, in.module, d, payload, b.cut(d))
	if err != nil {
		return nil, err
	}
	if err := b.keep(in, d, done, out); err != nil {
		return nil, err
	}
	return b.answer(in, out, d), nil
}

// commit makes the delta of a call that committed.
func (b *batch) commit(ctx context.Context, in input, out *vm.Outcome, now delta.Time) (*Result, error) {
	artifact, err := fold.Sign(out.Artifact, in.who.PrivateKey())
	if err != nil {
		return nil, err
	}
	payload := delta.State{
		Artifact: artifact, GuestRoot: out.Root, Events: deltaEvents(out.Events), Depth: in.depth,
	}
	return b.replicate(ctx, in, out, payload, now)
}

// replayed runs a call of an application without `commit`: the call itself is
// what is replicated, so running it is folding it (R6, wasm-abi 5.9).
func (b *batch) replayed(ctx context.Context, in input, now delta.Time) (*Result, error) {
	call := &delta.Call{Method: in.method, Input: in.args, Seed: newSeed()}
	out, err := in.module.Run(ctx, b.Replay(call, in.who.Public(), now, b.membershipAt(b.parents(in.who))))
	if err != nil {
		return nil, err
	}
	if len(out.Writes) == 0 {
		return b.answer(in, out, nil), nil
	}
	payload := delta.State{Events: deltaEvents(out.Events), Depth: in.depth, Call: call}
	d, err := b.sealState(in.who, now, payload)
	if err != nil {
		return nil, err
	}
	if err := b.CheckSize(out); err != nil {
		return nil, err
	}
	if err := b.keep(in, d, fold.Effect{Out: out, Layouts: b.Rec.Layouts}, nil); err != nil {
		return nil, err
	}
	return b.answer(in, out, d), nil
}

// sealState is seal for a change of state.
func (b *batch) sealState(who *store.Identity, now delta.Time, payload delta.State) (*delta.Delta, error) {
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
	return b.seal(who, now, delta.KindState, form)
}

// seal makes the next delta of a writer on the current heads.
func (b *batch) seal(who *store.Identity, now delta.Time, kind delta.Kind, form []byte, wraps ...delta.Wrap) (*delta.Delta, error) {
	key, err := b.key(b.Rec.Epoch)
	if err != nil {
		return nil, fmt.Errorf("key of epoch %s: %w", b.Rec.Epoch, err)
	}
	h := delta.Header{
		Context: b.Rec.ID, Kind: kind, Parents: b.parents(who),
		Author: who.Public(), Incarnation: who.Incarnation, Seq: who.Seq + 1, Time: now,
	}
	if err := b.membershipAt(h.Parents).Authorize(&h); err != nil {
		return nil, &MemberError{Context: h.Context, Key: h.Author, Cause: err}
	}
	return delta.Seal(h, form, key, wraps, who.PrivateKey(), nil)
}

// membershipAt is the membership in the past of a delta that is made here.
func (b *batch) membershipAt(parents []delta.ID) *members.View {
	if len(b.Rec.Heads) > delta.MaxParents { // it has not all of them, and the graph is here
		if v := b.history.Log.View(b.history.Cut(parents)); v != nil {
			return v
		}
	}
	return b.View
}

func (b *batch) cut(d *delta.Delta) *members.View { return b.membershipAt(d.Header().Parents) }

// keep takes a delta made here, and what applying it gave, into the batch: state,
// root, heads, clock, the writer's number and the private data of the call move
// together. called is the call's own outcome, nil where the call itself is what
// is replicated. After an error nothing has moved.
func (b *batch) keep(in input, d *delta.Delta, done fold.Effect, called *vm.Outcome) error {
	if done.Out.Fuel > maxOwnFuel {
		return &LimitError{
			What: "work of applying the change", Size: done.Out.Fuel, Max: maxOwnFuel, Unit: "units of fuel",
			Suggestion: "change less in one call",
		}
	}
	local, err := b.LocalWrites(done.Out, called, in.module == nil || fold.HasPrivateStorage(in.module))
	if err != nil {
		return err
	}
	if b.history != nil {
		if err := b.history.Append(d, done.Change); err != nil {
			return err
		}
	}
	b.arrived[d.ID()] = d.Bytes()
	b.fold(d, done, "")
	b.PutLocal(local)
	b.putPrivate(called)
	in.who.Seq++
	b.writers[in.who.Public()] = in.who
	b.made = append(b.made, d)
	b.succeed(d)
	if d.Header().Kind == delta.KindMember {
		b.join(b.history.View())
	}
	b.Rehash()
	return nil
}

// join makes it the membership at the heads, and the store's if it is another one.
func (b *batch) join(v *members.View) {
	if v.Digest() != b.Rec.Members {
		b.step.Members = v.Encode()
	}
	b.Join(v)
}

// succeed makes a delta a head in place of its parents.
func (b *batch) succeed(d *delta.Delta) {
	if len(b.Rec.Heads) > delta.MaxParents {
		b.Rec.Heads = b.history.Heads() // the record has not all of them, perhaps
		return
	}
	parents := d.Header().Parents
	heads := slices.DeleteFunc(slices.Clone(b.Rec.Heads), func(id delta.ID) bool { return slices.Contains(parents, id) })
	heads = append(heads, d.ID())
	slices.SortFunc(heads, delta.ID.Compare)
	b.Rec.Heads = heads
}

func (b *batch) putPrivate(out *vm.Outcome) {
	if out == nil {
		return
	}
	for _, w := range out.Private {
		b.private.Put(w.Key, w.Old, w.Value, w.HadOld, !w.Delete)
	}
}

// answer is what the caller gets and what clients will be told once the step
// is durable; d is nil when no delta was made.
func (b *batch) answer(in input, out *vm.Outcome, d *delta.Delta) *Result {
	res := newResult(out, b.Rec.Root)
	change := events.Change{Context: b.Rec.ID, Root: b.Rec.Root, Events: res.Events}
	if d != nil {
		res.Changed, res.Delta = true, d.ID()
		change.Delta = d.ID()
	}
	if d != nil || len(res.Events) > 0 {
		b.changes = append(b.changes, change)
	}
	b.step.XCallsAdd = append(b.step.XCallsAdd, b.set.xcalls(b.Rec.ID, in.depth, out.XCalls)...)
	return res
}
