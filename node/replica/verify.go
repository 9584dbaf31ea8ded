package replica

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"mero/node/dag"
	"mero/node/delta"
	"mero/node/ident"
	"mero/node/store"
	"mero/node/vm"
)

// newSeed draws what replicas of a replayed call use as its randomness.
func newSeed() (seed [32]byte) {
	_, _ = rand.Read(seed[:]) // never fails
	return seed
}

// ErrDiffers says that a context's state is not what its deltas give.
var ErrDiffers = errors.New("the state is not what the log of deltas gives")

// Verify folds a context again from its log, on an empty state in memory, and
// compares root, heads and count with what is stored. Every delta's form, id
// and signature is checked on the way. It returns nil or an error that wraps
// ErrDiffers; nothing is changed. The whole state must fit into memory.
func (s *Set) Verify(ctx context.Context, id ident.ContextID) error {
	view, err := s.view(id)
	if err != nil {
		return err
	}
	defer view.Close()
	rec := view.Context()
	f, err := s.newFolder(view, rec)
	if err != nil {
		return err
	}
	for record, err := range view.DeltasByTime(0) {
		if err != nil {
			return err
		}
		if err := f.add(record); err != nil {
			return err
		}
	}
	if err := f.fold(ctx); err != nil {
		return err
	}
	return f.compare(rec)
}

// folder folds a log onto an empty state.
type folder struct {
	set    *Set
	view   *store.View
	b      *batch
	graph  *dag.Graph
	deltas map[delta.ID]*delta.Delta
}

func (s *Set) newFolder(view *store.View, rec store.Context) (*folder, error) {
	b, err := s.newBatch(view)
	if err != nil {
		return nil, err
	}
	empty := getter(nothing)
	b.state, b.local, b.private = newOverlay(empty), newOverlay(empty), newOverlay(empty)
	b.rec = store.Context{
		ID: rec.ID, App: rec.App, Genesis: rec.Genesis, Epoch: rec.Epoch, StateQuota: rec.StateQuota,
	}
	return &folder{
		set: s, view: view, b: b,
		graph: dag.New(rec.Genesis, dag.DefaultLimits()), deltas: make(map[delta.ID]*delta.Delta),
	}, nil
}

// add checks one delta of the log and puts it into the graph.
func (f *folder) add(record store.DeltaRecord) error {
	d, err := delta.Open(record.Bytes)
	if err != nil {
		return fmt.Errorf("%w: delta %s: %w", ErrDiffers, record.ID, err)
	}
	if d.ID() != record.ID || d.Header().Context != f.b.rec.ID {
		return fmt.Errorf("%w: delta %s is stored as %s", ErrDiffers, d.ID(), record.ID)
	}
	if _, err := f.graph.Add(dag.NodeOf(d.ID(), d.Header())); err != nil {
		return fmt.Errorf("%w: delta %s: %w", ErrDiffers, d.ID(), err)
	}
	f.deltas[d.ID()] = d
	return nil
}

// fold applies the graph in canonical order (R8).
func (f *folder) fold(ctx context.Context) error {
	if missing := f.graph.Missing(); len(missing) > 0 {
		return fmt.Errorf("%w: %d deltas are missing, %s first", ErrDiffers, len(missing), missing[0])
	}
	module, release, err := f.set.module(ctx, f.b.rec.App)
	if err != nil {
		return err
	}
	defer release()
	for id := range f.graph.All() {
		if err := f.foldOne(ctx, module, f.deltas[id]); err != nil {
			return fmt.Errorf("delta %s: %w", id, err)
		}
	}
	return nil
}

func (f *folder) foldOne(ctx context.Context, module *vm.Module, d *delta.Delta) error {
	h := d.Header()
	if h.Kind == delta.KindGenesis {
		f.b.record(d)
		return nil
	}
	key, err := f.view.EpochKey(h.Epoch)
	if err != nil {
		return err
	}
	form, err := d.Payload(key)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDiffers, err)
	}
	payload, err := delta.DecodeState(form)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDiffers, err)
	}
	out, err := f.b.apply(ctx, module, d, payload)
	if err != nil {
		return err
	}
	return f.b.fold(input{module: module, who: &store.Identity{}}, d, out, nil)
}

// compare says where the folded state is not the stored one.
func (f *folder) compare(rec store.Context) error {
	got := f.b.rec
	switch {
	case got.Deltas != rec.Deltas:
		return fmt.Errorf("%w: %d deltas folded, %d recorded", ErrDiffers, got.Deltas, rec.Deltas)
	case !slices.Equal(f.graph.Heads(), rec.Heads):
		return fmt.Errorf("%w: heads %v, recorded %v", ErrDiffers, f.graph.Heads(), rec.Heads)
	case got.Root != rec.Root:
		return fmt.Errorf("%w: root %x, recorded %x", ErrDiffers, got.Root, rec.Root)
	}
	return f.compareState()
}

// compareState looks behind the root: at the stored bytes themselves.
func (f *folder) compareState() error {
	seen := 0
	for entry, err := range f.view.StateAll() {
		if err != nil {
			return err
		}
		seen++
		value, ok, _ := f.b.state.Get(entry.Key)
		if !ok || string(value) != string(entry.Value) {
			return fmt.Errorf("%w: key %x", ErrDiffers, entry.Key)
		}
	}
	folded := 0
	for _, c := range f.b.state.cells {
		if c.hasNew {
			folded++
		}
	}
	if folded != seen {
		return fmt.Errorf("%w: %d keys folded, %d stored", ErrDiffers, folded, seen)
	}
	return nil
}
