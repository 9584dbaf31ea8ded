package store

import (
	"bytes"
	"context"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"mero/node/delta"
	"mero/node/ident"
)

// Step is everything that becomes visible and durable at once (R5).
type Step struct {
	// Context is the record after the step; its Step is what the View said from
	// which the step was made, and Commit adds one to it. It may be nil when
	// all parts that belong to a context are empty.
	Context *Context
	// Create makes the context; ErrExists when it is there.
	Create bool
	// Scratch becomes part of the state in this step and ends with it. State comes on
	// top: its Old values are those that are visible with the scratch. The other parts
	// are as in any step. When Commit fails before anything was written (ErrStale,
	// ErrDiskFull and the like) the scratch is as it was; else it is ErrSpent. It is
	// moved into the state before Commit returns, as a large step is; the
	// acknowledgement does not depend on that.
	Scratch *Scratch
	// Deltas are added, or get another fate. DeltaDrop are places of some that go for
	// good with their fate, if they are there.
	Deltas    []DeltaRecord
	DeltaDrop []delta.Place
	// State, Local and Private are changes of the three states of the context.
	State, Local, Private []Change
	// Undo are undo spans that are added, and UndoDrop some that are dropped, whether
	// they are there or not. One that is in both is replaced.
	Undo     []Undo
	UndoDrop []UndoRef
	// Members is the membership at the heads from here on; nil: the one there was.
	Members []byte
	// Invitations are stored, and InvitationsDrop removed, of the contexts and ids that
	// they name.
	Invitations, InvitationsDrop []Invitation
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
		len(st.XCallsAdd) == 0 && len(st.XCallsDone) == 0 && len(st.Writers) == 0 &&
		len(st.Invitations) == 0 && len(st.InvitationsDrop) == 0
}

// ofContext reports whether there are parts that belong to one context.
func (st *Step) ofContext() bool {
	return st.Scratch != nil || len(st.Deltas) > 0 || len(st.DeltaDrop) > 0 || len(st.State) > 0 || len(st.Local) > 0 || len(st.Private) > 0 ||
		len(st.Undo) > 0 || len(st.UndoDrop) > 0 || st.Members != nil
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
	p := &plan{Step: st}
	if st.Context == nil {
		return s.commitStep(ctx, p)
	}
	defer s.steps.lock(st.Context.ID)()
	if sc := st.Scratch; sc != nil {
		sc.mu.Lock()
		defer sc.mu.Unlock()
	}
	if err := s.present(ctx, p); err != nil {
		return err
	}
	if err := s.commitStep(ctx, p); err != nil {
		return err
	}
	st.Context.Step++
	return nil
}

// check refuses what no store could take.
func (st *Step) check() error {
	if err := st.checkContext(); err != nil {
		return err
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
	return st.checkMembers()
}

func (st *Step) checkContext() error {
	switch {
	case st.Context == nil && (st.ofContext() || st.Create):
		return fmt.Errorf("%w: changes without a context", ErrNotFound)
	case st.Create && st.Scratch != nil:
		return fmt.Errorf("%w: a scratch of a context that is not there", ErrNotFound)
	case st.Context != nil && len(st.Context.Heads) > MaxHeads:
		return fmt.Errorf("%w: %d heads, at most %d", ErrTooLarge, len(st.Context.Heads), MaxHeads)
	}
	return nil
}

func (d *DeltaRecord) check() error {
	return first(checkSize("delta", len(d.Bytes), delta.MaxEnvelope), checkName("reason", d.Reason))
}

func (x *XCall) check() error {
	return first(checkSize("parameters", len(x.Params), MaxXCallParams), checkName("function", x.Function))
}

func checkName(what, name string) error { return checkSize(what, len(name), MaxName) }

func checkSize(what string, n, most int) error {
	if n > most {
		return fmt.Errorf("%w: %s of %d bytes, at most %d", ErrTooLarge, what, n, most)
	}
	return nil
}

// plan is a step with what the store needs to write it.
type plan struct {
	*Step
	generations
	// begins are the stored beginnings of deltas that get a fate only.
	begins map[delta.ID][]byte
	// scratch are the records of State in a step with a scratch.
	scratch []write
	// members is the change that Members makes.
	members Change
	// drops are the values that DeltaDrop takes away.
	drops []drop
}

// present compares a step with what is stored and finds where its values go. The
// context is locked.
func (s *Store) present(ctx context.Context, p *plan) error {
	id := p.Context.ID
	rec, gone, err := s.contextHead(id)
	switch {
	case err != nil:
		return err
	case p.Create && rec != nil:
		return fmt.Errorf("context %s: %w", id, ErrExists)
	case p.Create:
		p.base, p.members = s.newGeneration(), Change{New: p.Members, HasNew: p.Members != nil}
		if gone {
			return s.sweepContext(ctx, id)
		}
		return nil
	case rec == nil:
		return fmt.Errorf("context %s: %w", id, ErrNotFound)
	case rec.Step != p.Context.Step:
		return fmt.Errorf("context %s: %w: made at %d, now at %d", id, ErrStale, p.Context.Step, rec.Step)
	}
	if p.Scratch != nil {
		if err := p.Scratch.claim(s, id, rec); err != nil {
			return err
		}
	}
	if rec.Overlay != 0 {
		if err := s.merge(ctx, id); err != nil {
			return err
		}
	}
	p.base = rec.Base
	if p.Scratch != nil {
		p.overlay = p.Scratch.generation
	}
	return s.read(p.prepare)
}

// prepare compares the step with one snapshot and reads what its writes need.
func (p *plan) prepare(txn *badger.Txn) error {
	err := p.compare(reader{txn: txn, context: p.Context.ID, generations: p.generations})
	if err != nil || p.Scratch == nil {
		return err
	}
	r := p.Scratch.reader(txn)
	for _, c := range p.State {
		if p.scratch, err = r.replace(p.scratch, c); err != nil {
			return err
		}
	}
	return nil
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

// compare checks the old values that a step names against what is stored: pages
// are left out where old and new agree. It also reads what the step keeps.
func (p *plan) compare(r reader) error {
	for sp, changes := range [...][]Change{spaceState: p.State, spaceLocal: p.Local, spacePrivate: p.Private} {
		for _, c := range changes {
			same, err := r.isOld(space(sp), c)
			if err != nil {
				return err
			}
			if !same {
				return &ChangedError{Context: r.context, Key: c.Key}
			}
		}
	}
	p.begins = make(map[delta.ID][]byte)
	for i := range p.Deltas {
		d := &p.Deltas[i]
		if d.Bytes != nil {
			continue
		}
		begin, err := r.storedBeginning(d)
		if err != nil {
			return err
		}
		p.begins[d.ID] = begin
	}
	if err := p.compareMembers(r); err != nil {
		return err
	}
	return p.findDrops(r)
}

// isOld reports whether c.Old is what is stored: whether there is a value, its
// length, its first page, which costs nothing more, and of the others those that
// the change rewrites.
func (r reader) isOld(s space, c Change) (bool, error) {
	form := appendForm(nil, c.Key)
	h, ok, err := r.headOf(s, form)
	if err != nil || ok != c.HadOld || !ok {
		return ok == c.HadOld, err
	}
	if h.length != len(c.Old) || !bytes.Equal(h.first, s.page(c.Old, 0)) {
		return false, nil
	}
	pages := s.pages(len(c.Old))
	if c.HasNew {
		pages = min(pages, s.pages(len(c.New)))
	} else {
		pages = 1 // nothing is rewritten
	}
	for n := 1; n < pages; n++ {
		old := s.page(c.Old, n)
		if bytes.Equal(old, s.page(c.New, n)) {
			continue
		}
		stored, err := r.pageOf(s, form, uint32(n))
		if err != nil || !bytes.Equal(stored, old) {
			return false, err
		}
	}
	return true, nil
}

// commitStep writes the step in one transaction if it fits, else as an overlay.
func (s *Store) commitStep(ctx context.Context, p *plan) error {
	last := &batch{}
	if err := s.smallParts(last, p.Step); err != nil {
		return err
	}
	queue, err := s.queueWrites(p.Step, 0)
	if err != nil {
		return err
	}
	if p.size()+last.bytes <= s.limits.batchBytes { // else it cannot fit
		whole := &batch{}
		whole.add(last.writes...)
		whole.add(queue...)
		for _, w := range p.valueWrites(p.base, false) {
			whole.add(w)
		}
		if err := s.addContext(whole, p); err != nil {
			return err
		}
		if p.Scratch != nil {
			whole.add(write{key: leftoverKey(p.overlay), del: true})
		}
		if !s.over(whole) {
			return s.commitSmall(ctx, p, whole)
		}
	}
	return s.commitLarge(ctx, p, last)
}

// commitSmall writes the step in one transaction, and moves its scratch.
func (s *Store) commitSmall(ctx context.Context, p *plan, whole *batch) error {
	if err := s.submit(whole); err != nil || p.Scratch == nil {
		return err
	}
	s.settle(ctx, p)
	return nil
}

// size is a lower bound of what the step's new values may need.
func (st *Step) size() int {
	n := len(st.Members)
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
func (s *Store) addContext(b *batch, p *plan) error {
	if p.Context == nil {
		return nil
	}
	rec := newContextRecord(p.Context, p.generations)
	rec.Step++
	value, err := s.codec.encode(rec)
	if err != nil {
		return err
	}
	if len(value) > maxRecord {
		return fmt.Errorf("%w: context record of %d bytes", ErrTooLarge, len(value))
	}
	b.add(write{key: contextKey(p.Context.ID), value: value})
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
	writes, err := s.invitationWrites(st)
	if err != nil {
		return err
	}
	b.add(writes...)
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

// valueWrites are the records of the step's deltas, changes and undo spans in a
// generation.
func (p *plan) valueWrites(generation uint32, overlay bool) []write {
	if p.Context == nil {
		return nil
	}
	var out []write
	id := p.Context.ID
	for sp, changes := range [...][]Change{spaceState: p.State, spaceLocal: p.Local, spacePrivate: p.Private} {
		if p.Scratch != nil && space(sp) == spaceState {
			out = append(out, p.scratch...)
			continue
		}
		prefix := generationKey(space(sp), id, generation)
		for _, c := range changes {
			out = diff(out, space(sp), prefix, c, overlay)
		}
	}
	for i := range p.Deltas {
		d := &p.Deltas[i]
		out = deltaWrites(out, id, generation, d, p.begins[d.ID])
	}
	out = diff(out, spaceMembers, generationKey(spaceMembers, id, generation), p.members, overlay)
	out = p.dropWrites(out, generation, overlay)
	return undoWrites(out, p.Step, generation, overlay)
}

func (s *Store) newGeneration() uint32 { return s.nextGeneration.Add(1) - 1 }
