package replica

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"mero/node/artifact"
	"mero/node/delta"
	"mero/node/hosted"
	"mero/node/ident"
	"mero/node/store"
	"mero/node/trail"
	"mero/node/vm"
)

// applyWatchdog is the longest that an apply may take on this node. It is no
// setting, since settings may tighten calls, never applies (R7); passing it is a
// shortage of this node and makes no delta void.
const applyWatchdog = 2 * time.Minute

// applyExport is how an application applies a fellow member's artifact.
const applyExport = "__calimero_sync_next"

// allLayouts is the pin of a context that has seen no artifact yet; opaque that
// of one whose artifacts have a form of their own.
const (
	allLayouts = 0xffff
	opaque     = 0
)

// applied is what a delta does to the state as it is now.
type applied struct {
	out     *vm.Outcome
	layouts uint16 // the artifact layouts pinned from here on (R7)
	// app is the application from here on (R10); zero: the one there was.
	app ident.AppID
}

// apply runs the application's own code for a delta on the replicated state,
// with everything that a guest can feel fixed by the delta (R7). A *VoidError or
// *LimitError is a verdict that every replica reaches; any other error is this
// node's trouble.
func (b *batch) apply(ctx context.Context, module *vm.Module, d *delta.Delta, payload delta.State) (applied, error) {
	h := d.Header()
	if !b.travels(module, payload) {
		return applied{}, &VoidError{Cause: errForm}
	}
	if module.HostManaged() {
		return b.applyOps(h, payload.Ops)
	}
	call := vm.Call{
		Mode: vm.ModeApply, Method: applyExport, Input: payload.Artifact,
		Context: b.rec.ID, Executor: h.Author, Time: uint64(h.Time), Random: hosted.Random(d.ID()),
		State: b.state, Members: b.members, Timeout: applyWatchdog,
	}
	layouts := b.rec.Layouts
	if payload.Call != nil {
		call = b.replay(payload.Call, h.Author, h.Time)
	} else {
		if !module.Has(applyExport) {
			return applied{}, &VoidError{Cause: fmt.Errorf("the application does not export %s", applyExport)}
		}
		var err error
		if layouts, err = pin(layouts, payload.Artifact, h.Time); err != nil {
			return applied{}, &VoidError{Cause: err}
		}
	}
	begun := time.Now()
	out, err := module.Run(ctx, call)
	since(b.set.metrics.applying, begun)
	switch {
	case err != nil && isShortage(err):
		return applied{}, err
	case err != nil:
		return applied{}, &VoidError{Cause: err}
	case payload.Call == nil && !out.Committed:
		return applied{}, &VoidError{Cause: ErrLostWrite}
	}
	return applied{out: out, layouts: layouts}, b.checkSize(out)
}

// applyOps is apply for operations on collections: no WASM runs for them.
func (b *batch) applyOps(h delta.Header, ops []byte) (applied, error) {
	begun := time.Now()
	writes, err := hosted.Fold(b.state, h, ops)
	since(b.set.metrics.applying, begun)
	if errors.Is(err, hosted.ErrVoid) {
		return applied{}, &VoidError{Cause: err}
	}
	if err != nil {
		return applied{}, err
	}
	done := applied{out: &vm.Outcome{Root: b.rec.GuestRoot, Writes: writes}, layouts: b.rec.Layouts}
	return done, b.checkSize(done.out)
}

// travels reports whether changes of this application come in this form: operations
// of applications with host-managed collections alone; calls only where there is no
// `commit` (R6), none of what only the node may call, and init only as the first.
func (b *batch) travels(module *vm.Module, payload delta.State) bool {
	if module.HostManaged() || len(payload.Ops) > 0 {
		return module.HostManaged() && payload.Call == nil && len(payload.Artifact) == 0
	}
	if payload.Call == nil || module.Imports("commit") {
		return payload.Call == nil && module.Imports("commit")
	}
	if payload.Call.Method == initMethod {
		return b.rec.StateBytes == 0
	}
	return !reserved(payload.Call.Method)
}

// replay is a replicated call as every replica runs it (R7).
func (b *batch) replay(call *delta.Call, author ident.PublicKey, now delta.Time) vm.Call {
	return vm.Call{
		Mode: vm.ModeApply, Method: call.Method, Input: call.Input,
		Context: b.rec.ID, Executor: author, Time: uint64(now), Random: hosted.Random(call.Seed),
		State: b.state, Members: b.members, Timeout: applyWatchdog,
	}
}

// Why an artifact is not what the application could have made (R7).
var (
	errForm   = errors.New("this application's changes do not travel in this form")
	errLayout = errors.New("the artifact is not of the form that this application's artifacts have")
	errFuture = errors.New("the artifact holds a timestamp later than its delta")
)

// pin checks an artifact against the layouts that all artifacts of the context
// before it in canonical order have fitted, and gives those that are left. The
// first artifact decides whether they are Calimero's or a form of their own,
// which is not looked into.
func pin(pinned uint16, raw []byte, t delta.Time) (uint16, error) {
	if pinned == opaque || len(raw) == 0 {
		return pinned, nil
	}
	fits, late := artifact.Check(raw, pinned, t.At(delta.Tick-1))
	switch {
	case fits == 0 && pinned == allLayouts:
		return opaque, nil
	case fits == 0:
		return 0, errLayout
	case late:
		return 0, errFuture
	}
	return fits, nil
}

// judge gives the verdict about a delta at its place. The reason is empty for one
// that folds and says why it is void. An error is this node's trouble.
func (b *batch) judge(ctx context.Context, d *delta.Delta) (applied, delta.State, string, error) {
	key, err := b.key(d.Header().Epoch)
	if err != nil {
		return applied{}, delta.State{}, "", fmt.Errorf("key of epoch %s: %w", d.Header().Epoch, err)
	}
	form, err := d.Payload(key)
	if err != nil {
		return applied{}, delta.State{}, "", fmt.Errorf("%w: %w", errStranger, err)
	}
	if d.Header().Kind == delta.KindGenesis {
		done, err := b.judgeGenesis(form)
		return done, delta.State{}, "", err
	}
	if d.Header().Kind == delta.KindApp {
		done, void, err := b.judgeApp(ctx, d, form)
		return done, delta.State{}, void, err
	}
	payload, err := delta.DecodeState(form)
	if errors.Is(err, delta.ErrUpgrade) {
		return applied{}, delta.State{}, "", err
	}
	if err != nil {
		return applied{}, delta.State{}, words(err), nil
	}
	module, release, err := b.set.module(ctx, b.rec.App)
	if err != nil {
		return applied{}, delta.State{}, "", err
	}
	defer release()
	done, err := b.apply(ctx, module, d, payload)
	void, err := verdict(err)
	return done, payload, void, err
}

// verdict tells why a delta is void from trouble of this node.
func verdict(err error) (void string, trouble error) {
	var (
		verdict *VoidError
		limit   *LimitError
	)
	switch {
	case errors.As(err, &verdict):
		return words(verdict.Cause), nil
	case errors.As(err, &limit):
		return words(limit), nil
	}
	return "", err
}

// judgeGenesis begins the context with the application that genesis names.
func (b *batch) judgeGenesis(form []byte) (applied, error) {
	genesis, err := delta.DecodeGenesis(form)
	if err != nil {
		return applied{}, fmt.Errorf("%w: genesis: %w", ErrDamagedLog, err) // it was read before there was a context
	}
	return applied{out: &vm.Outcome{Root: b.rec.GuestRoot}, layouts: b.rec.Layouts, app: genesis.App}, nil
}

// words is an error as a reason at rest: one line, bounded.
func words(err error) string {
	text := strings.Join(strings.Fields(strings.ToValidUTF8(err.Error(), "?")), " ")
	return clip(text, store.MaxName/2)
}

func clip(text string, limit int) string {
	if len(text) > limit {
		return strings.ToValidUTF8(text[:limit], "")
	}
	return text
}

// fold moves the state over a delta and leaves a span that takes it back. With a
// reason the delta is void: it has its place, and no effect.
func (b *batch) fold(d *delta.Delta, done applied, void string) {
	span := &trail.Span{From: b.rec.Last, To: d.Place(), Count: 1, Mark: mark(&b.rec)}
	fate := store.FateFolded
	if void != "" {
		fate = store.FateVoid
		b.rec.Voids++
	} else {
		for _, w := range done.out.Writes {
			span.Entries = append(span.Entries, trail.Diff(w.Key, w.Old, w.Value, w.HadOld, !w.Delete))
			b.replace(w.Key, w.Old, w.Value, w.HadOld, !w.Delete)
		}
		b.rec.GuestRoot, b.rec.Layouts = done.out.Root, done.layouts
		if !done.app.IsZero() {
			b.former(b.rec.App)
			b.rec.App = done.app
		}
		b.rec.Deltas++
	}
	b.trail.Push(span)
	b.rec.Last, b.rec.Clock = span.To, span.To.Time
	b.rec.Initialised = b.rec.Initialised || fate == store.FateFolded && d.Header().Kind == delta.KindState
	b.record(d, fate, void)
}

// former remembers applications that are needed to fold the context again.
func (b *batch) former(ids ...ident.AppID) {
	for _, id := range ids {
		if !id.IsZero() && !slices.Contains(b.rec.Former, id) {
			b.rec.Former = append(slices.Clone(b.rec.Former), id)
		}
	}
}

// replace changes one key of the state, and all that is computed over it.
func (b *batch) replace(key, before, after []byte, had, has bool) {
	b.rec.StateBytes += entrySize(key, after, has) - entrySize(key, before, had)
	b.rec.Sum.Replace(key, before, after, had, has)
	b.state.Put(key, before, after, had, has)
}

// record notes a delta's fate for the step.
func (b *batch) record(d *delta.Delta, fate store.Fate, reason string) {
	r := &store.DeltaRecord{ID: d.ID(), Time: d.Header().Time, Fate: fate, Reason: reason}
	r.Bytes = b.arrived[r.ID] // nil: the store has them
	b.records[r.ID] = r
}

// markSize is a guest root, the pinned layouts, the application, and a hash of the
// sum of the state: what a span puts back can be told right by nothing else.
const markSize = 32 + 2 + ident.Size + sumSize

// mark is what else the state was before a delta, for its span.
func mark(rec *store.Context) []byte {
	m := append(make([]byte, 0, markSize), rec.GuestRoot[:]...)
	m = append(m, byte(rec.Layouts>>8), byte(rec.Layouts))
	sum := sumOf(rec)
	return append(append(m, rec.App[:]...), sum[:]...)
}

// takeBack undoes the newest span.
func (b *batch) takeBack() error {
	span, err := b.trail.Pop()
	if err != nil {
		return err
	}
	if span.To != b.rec.Last || len(span.Mark) != markSize {
		return fmt.Errorf("%w: it ends at %s, the state at %s", trail.ErrMisfit, span.To.ID, b.rec.Last.ID)
	}
	for _, e := range span.Entries {
		now, has, err := b.state.Get(e.Key)
		if err != nil {
			return err
		}
		before, had, err := e.Restore(now, has)
		if err != nil {
			return fmt.Errorf("%w: %w", trail.ErrMisfit, err)
		}
		b.replace(e.Key, now, before, has, had)
	}
	b.rec.Last, b.rec.Clock = span.From, span.From.Time
	copy(b.rec.GuestRoot[:], span.Mark)
	b.rec.Layouts = uint16(span.Mark[32])<<8 | uint16(span.Mark[33])
	copy(b.rec.App[:], span.Mark[34:])
	if sumOf(&b.rec) != [sumSize]byte(span.Mark[34+ident.Size:]) {
		return fmt.Errorf("%w: the state at %s was another one", trail.ErrMisfit, span.From.ID)
	}
	if !b.rolled || b.rec.Last.Compare(b.lowest) < 0 {
		b.lowest = b.rec.Last
	}
	b.rolled = true
	return nil
}

// checkSize holds a delta to the protocol's limits (R5) and to the context's
// state quota (R10).
func (b *batch) checkSize(out *vm.Outcome) error {
	var changed uint64
	after := b.rec.StateBytes
	for _, w := range out.Writes {
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
