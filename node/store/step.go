package store

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"mero/node/delta"
	"mero/node/ident"
)

// Step is everything that becomes visible and durable at once (R5).
type Step struct {
	// Context is the record after the step; its Step is what the View said from
	// which the step was made, and Commit adds one to it. It may be nil when
	// Deltas, State, Local, Private, Undo and UndoDrop are empty.
	Context *Context
	// Create makes the context; ErrExists when it is there.
	Create bool
	// Deltas are added, or get another fate.
	Deltas []DeltaRecord
	// State, Local and Private are changes of the three states of the context.
	State, Local, Private []Change
	// Undo are undo spans that are added, and UndoDrop some that are dropped, whether
	// they are there or not. One that is in both is replaced.
	Undo     []Undo
	UndoDrop []UndoRef
	// Identities are stored; one that was not bound before leaves that place.
	Identities []Identity
	// EpochKeys are added.
	EpochKeys []EpochKey
	// XCallsAdd join the queue, in order; their Seq is set.
	XCallsAdd []XCall
	// XCallsDone leave the queue.
	XCallsDone []uint64
	// Writers are methods seen to commit.
	Writers []Writer
}

// Empty reports whether the step changes nothing.
func (st *Step) Empty() bool {
	return st.Context == nil && !st.ofContext() && len(st.Identities) == 0 && len(st.EpochKeys) == 0 &&
		len(st.XCallsAdd) == 0 && len(st.XCallsDone) == 0 && len(st.Writers) == 0
}

// ofContext reports whether there are parts that belong to one context.
func (st *Step) ofContext() bool {
	return len(st.Deltas) > 0 || len(st.State) > 0 || len(st.Local) > 0 || len(st.Private) > 0 ||
		len(st.Undo) > 0 || len(st.UndoDrop) > 0
}

// Commit makes a step visible and durable, or does nothing at all. ctx is looked
// at before work begins and between the transactions of a large step, never once
// the outcome is open.
//
// Errors: ErrExists, ErrNotFound (no such context), ErrStale, ErrTooLarge (one
// record, or more identities and keys than one transaction holds), ErrDiskFull,
// ErrFailed, ErrClosed, *DamagedError.
func (s *Store) Commit(ctx context.Context, st *Step) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	if err := st.check(); err != nil {
		return err
	}
	if st.Empty() {
		return nil
	}
	if st.Context == nil {
		return s.commitStep(ctx, st, generations{})
	}
	defer s.steps.lock(st.Context.ID)()
	g, err := s.present(ctx, st)
	if err != nil {
		return err
	}
	if err := s.commitStep(ctx, st, g); err != nil {
		return err
	}
	st.Context.Step++
	return nil
}

// check refuses what no store could take.
func (st *Step) check() error {
	if st.Context == nil && (st.ofContext() || st.Create) {
		return fmt.Errorf("%w: changes without a context", ErrNotFound)
	}
	if st.Context != nil && len(st.Context.Heads) > MaxHeads {
		return fmt.Errorf("%w: %d heads, at most %d", ErrTooLarge, len(st.Context.Heads), MaxHeads)
	}
	for _, changes := range [...][]Change{st.State, st.Local, st.Private} {
		for _, c := range changes {
			if err := checkKey(c.Key); err != nil {
				return err
			}
		}
	}
	for i := range st.Deltas {
		if err := st.Deltas[i].check(); err != nil {
			return err
		}
	}
	for i := range st.Undo {
		if err := st.Undo[i].check(); err != nil {
			return err
		}
	}
	for i := range st.XCallsAdd {
		if err := st.XCallsAdd[i].check(); err != nil {
			return err
		}
	}
	for _, w := range st.Writers {
		if err := checkName("method", w.Method); err != nil {
			return err
		}
	}
	return nil
}

func (d *DeltaRecord) check() error {
	if len(d.Bytes) > delta.MaxEnvelope {
		return fmt.Errorf("%w: delta of %d bytes, at most %d", ErrTooLarge, len(d.Bytes), delta.MaxEnvelope)
	}
	return checkName("reason", d.Reason)
}

func (x *XCall) check() error {
	if len(x.Params) > MaxXCallParams {
		return fmt.Errorf("%w: parameters of %d bytes, at most %d", ErrTooLarge, len(x.Params), MaxXCallParams)
	}
	return checkName("function", x.Function)
}

func checkName(what, name string) error {
	if len(name) > MaxName {
		return fmt.Errorf("%w: %s of %d bytes, at most %d", ErrTooLarge, what, len(name), MaxName)
	}
	return nil
}

// present compares a step with what is stored and returns where its values go.
// The context is locked.
func (s *Store) present(ctx context.Context, st *Step) (generations, error) {
	id := st.Context.ID
	rec, gone, err := s.contextHead(id)
	switch {
	case err != nil:
		return generations{}, err
	case st.Create && rec != nil:
		return generations{}, fmt.Errorf("context %s: %w", id, ErrExists)
	case st.Create && gone:
		if err := s.sweepContext(ctx, id); err != nil {
			return generations{}, err
		}
		return generations{base: s.newGeneration()}, nil
	case st.Create:
		return generations{base: s.newGeneration()}, nil
	case rec == nil:
		return generations{}, fmt.Errorf("context %s: %w", id, ErrNotFound)
	case rec.Step != st.Context.Step:
		return generations{}, fmt.Errorf("context %s: %w: made at %d, now at %d", id, ErrStale, st.Context.Step, rec.Step)
	}
	if rec.Overlay != 0 {
		if err := s.merge(ctx, id); err != nil {
			return generations{}, err
		}
	}
	g := generations{base: rec.Base}
	return g, s.checkOld(st, g)
}

// contextHead reads the head of a context's record, nil when there is none; gone
// when it is deleted but not swept.
func (s *Store) contextHead(id ident.ContextID) (rec *contextHead, gone bool, err error) {
	err = s.read(func(txn *badger.Txn) error {
		b, err := record(txn, contextKey(id))
		if err != nil {
			return err
		}
		if b != nil {
			rec = &contextHead{}
			return s.codec.decode(b, rec)
		}
		mark, err := record(txn, goneKey(id))
		gone = mark != nil
		return err
	})
	return rec, gone, err
}

// checkOld compares the old values that a step names with the heads of what is
// stored: pages were left out where old and new agree.
func (s *Store) checkOld(st *Step, g generations) error {
	return s.read(func(txn *badger.Txn) error {
		r := reader{txn: txn, context: st.Context.ID, generations: g}
		for sp, changes := range [...][]Change{spaceState: st.State, spaceLocal: st.Local, spacePrivate: st.Private} {
			for _, c := range changes {
				form := appendForm(nil, c.Key)
				h, ok, err := r.headOf(space(sp), form)
				if err != nil {
					return err
				}
				if ok != c.HadOld || ok && h.length != len(c.Old) {
					return fmt.Errorf("context %s: %w: key of %d bytes is not as the step says", r.context, ErrStale, len(c.Key))
				}
			}
		}
		for _, d := range st.Deltas {
			if d.Bytes != nil {
				continue
			}
			_, ok, err := r.headOf(spaceDelta, appendForm(nil, d.ID[:]))
			if err != nil {
				return err
			}
			if !ok {
				return fmt.Errorf("delta %s: %w: its fate is given without its bytes", d.ID, ErrNotFound)
			}
		}
		return nil
	})
}

// commitStep writes the step in one transaction if it fits, else as an overlay.
func (s *Store) commitStep(ctx context.Context, st *Step, g generations) error {
	last := &batch{}
	if err := s.smallParts(last, st); err != nil {
		return err
	}
	queue, err := s.queueWrites(st, 0)
	if err != nil {
		return err
	}
	if st.size()+last.bytes <= s.limits.batchBytes { // else it cannot fit
		whole := &batch{}
		whole.add(last.writes...)
		whole.add(queue...)
		for _, w := range s.valueWrites(st, g.base, false) {
			whole.add(w)
		}
		if err := s.addContext(whole, st, g); err != nil {
			return err
		}
		if !s.over(whole) {
			return s.submit(whole)
		}
	}
	return s.commitLarge(ctx, st, last, g)
}

// size is a lower bound of what the step's new values may need.
func (st *Step) size() int {
	n := 0
	for _, d := range st.Deltas {
		n += len(d.Bytes)
	}
	for _, u := range st.Undo {
		n += len(u.Data)
	}
	for _, x := range st.XCallsAdd {
		n += len(x.Params)
	}
	return n
}

// addContext adds the context's record after the step.
func (s *Store) addContext(b *batch, st *Step, g generations) error {
	if st.Context == nil {
		return nil
	}
	rec := newContextRecord(st.Context, g)
	rec.Step++
	value, err := s.codec.encode(rec)
	if err != nil {
		return err
	}
	if len(value) > maxRecord {
		return fmt.Errorf("%w: context record of %d bytes", ErrTooLarge, len(value))
	}
	b.add(write{key: contextKey(st.Context.ID), value: value})
	return nil
}

// smallParts adds what is written in the transaction that makes a step visible.
func (s *Store) smallParts(b *batch, st *Step) error {
	for _, i := range st.Identities {
		writes, err := s.identityWrites(i)
		if err != nil {
			return err
		}
		b.add(writes...)
	}
	for _, k := range st.EpochKeys {
		b.add(write{key: epochKey(k.Context, k.Key.ID()), value: k.Key[:]})
	}
	for _, n := range st.XCallsDone {
		b.add(write{key: xcallKey(n), del: true})
	}
	for _, w := range st.Writers {
		b.add(write{key: writerKey(w.App, w.Method), value: []byte{}})
	}
	return nil
}

// queueWrites numbers the step's calls and encodes them.
func (s *Store) queueWrites(st *Step, group uint32) ([]write, error) {
	writes := make([]write, 0, len(st.XCallsAdd))
	for i := range st.XCallsAdd {
		x := &st.XCallsAdd[i]
		if x.Seq == 0 || group == 0 {
			x.Seq = s.nextXCall.Add(1) - 1
		}
		value, err := s.codec.encode(xcallRecord{
			Source: x.Source, Target: x.Target, Function: x.Function, Params: x.Params, Depth: x.Depth, Group: group,
		})
		if err != nil {
			return nil, err
		}
		writes = append(writes, write{key: xcallKey(x.Seq), value: value})
	}
	return writes, nil
}

// valueWrites are the records of the step's deltas and changes in a generation.
func (s *Store) valueWrites(st *Step, generation uint32, overlay bool) []write {
	if st.Context == nil {
		return nil
	}
	var out []write
	id := st.Context.ID
	for sp, changes := range [...][]Change{spaceState: st.State, spaceLocal: st.Local, spacePrivate: st.Private} {
		prefix := generationKey(space(sp), id, generation)
		for _, c := range changes {
			out = diff(out, space(sp), prefix, c, overlay)
		}
	}
	for i := range st.Deltas {
		out = s.deltaWrites(out, id, generation, &st.Deltas[i])
	}
	return undoWrites(out, st, generation, overlay)
}

func (s *Store) deltaWrites(out []write, id ident.ContextID, generation uint32, d *DeltaRecord) []write {
	if d.Bytes != nil {
		value := binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(d.Bytes)), uint64(d.Time))
		value = append(value, d.Bytes...)
		// A delta never changes, so writing it again writes the same records.
		out = diff(out, spaceDelta, generationKey(spaceDelta, id, generation), Change{
			Key: d.ID[:], New: value, HasNew: true,
		}, false)
	}
	fate := encodeFate(d.Fate, d.Reason)
	return diff(out, spaceFate, generationKey(spaceFate, id, generation), Change{
		Key: fateForm(d.Time, d.ID), New: fate, HasNew: true,
	}, false)
}

// encodeFate is the fate's number and its reason.
func encodeFate(f Fate, reason string) []byte {
	return append([]byte{byte(f)}, reason...)
}

func decodeFate(b []byte) (Fate, string, error) {
	if len(b) == 0 {
		return 0, "", broken("fate", "empty")
	}
	return Fate(b[0]), string(b[1:]), nil
}

func (s *Store) newGeneration() uint32 { return s.nextGeneration.Add(1) - 1 }
