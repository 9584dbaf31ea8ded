package inspect

import (
	"errors"
	"fmt"
	"slices"

	"mero/node/api"
	"mero/node/delta"
	"mero/node/store"
)

// rowReader makes rows of one view.
type rowReader struct {
	view  *store.View
	index *index
	heads []delta.ID // ascending
	keys  map[delta.EpochID]*delta.EpochKey
}

func newReader(view *store.View, x *index) *rowReader {
	heads := slices.Clone(view.Context().Heads)
	slices.SortFunc(heads, delta.ID.Compare)
	return &rowReader{view: view, index: x, heads: heads, keys: make(map[delta.EpochID]*delta.EpochKey)}
}

// key is the key of an epoch; nil when this node does not have it.
func (r *rowReader) key(id delta.EpochID) (*delta.EpochKey, error) {
	if key, known := r.keys[id]; known {
		return key, nil
	}
	key, err := r.view.EpochKey(id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		r.keys[id] = nil
	case err != nil:
		return nil, fmt.Errorf("read the key of epoch %s: %w", id, err)
	default:
		r.keys[id] = &key
	}
	return r.keys[id], nil
}

// row describes the delta of an entry.
func (r *rowReader) row(e *entry) (api.DeltaRow, error) {
	rec, err := r.view.Delta(e.place.ID)
	if err != nil {
		return api.DeltaRow{}, fmt.Errorf("read delta %s: %w", e.place.ID, err)
	}
	row, d := r.describe(e, &rec)
	if d == nil {
		return row, nil
	}
	if payload, _, err := r.open(d); err != nil {
		return row, err
	} else if payload != nil {
		events, depth := len(payload.state.Events), int(payload.state.Depth)
		row.Events, row.Depth = &events, &depth
		if payload.update != nil {
			row.Update = updateShape(payload.update)
		}
	}
	return row, nil
}

// describe is a row without what the payload says, and the delta; nil when this
// release cannot read it, or nobody can.
func (r *rowReader) describe(e *entry, rec *store.DeltaRecord) (api.DeltaRow, *delta.Delta) {
	row := api.DeltaRow{
		ID: api.Hash(rec.ID), Time: rec.Time.Wall(), Parents: []api.Hash{}, Children: e.children,
		Fate: fateName(rec.Fate), Reason: rec.Reason, Size: len(rec.Bytes), Forked: e.forked,
	}
	if _, head := slices.BinarySearchFunc(r.heads, rec.ID, delta.ID.Compare); head {
		row.Head = true
	}
	if rec.Fate == store.FateWaiting {
		kind, words, since := splitReason(rec.Reason)
		row.WaitsFor, row.Reason = kind, words
		if !since.IsZero() {
			row.Since = &since
		}
		for _, id := range r.index.missing[rec.ID] {
			row.Missing = append(row.Missing, api.Hash(id))
		}
	}
	d, err := delta.Reopen(rec.Bytes)
	var newer *delta.UpgradeError
	var h delta.Header
	switch {
	case errors.As(err, &newer):
		h = newer.Header
	case err != nil:
		row.Problem = "the stored bytes are damaged: " + err.Error()
		var id delta.ID
		if h, id, err = delta.HeaderOf(rec.Bytes); err != nil || id != rec.ID {
			return row, nil
		}
	default:
		h = d.Header()
		if d.ID() != rec.ID {
			row.Problem = fmt.Sprintf("the stored bytes are those of delta %s", d.ID())
			return row, nil
		}
	}
	row.Kind, row.Author, row.Incarnation, row.Seq = h.Kind.String(), h.Author, h.Incarnation.String(), h.Seq
	row.Parents, row.Merge = hashes(h.Parents), len(h.Parents) > 1
	if row.Problem == "" && h.Time != rec.Time {
		row.Problem = fmt.Sprintf("it is stored under another time than its own, %s", h.Time)
	}
	return row, d
}

func fateName(f store.Fate) string {
	switch f {
	case store.FateVoid:
		return api.FateVoid
	case store.FateWaiting:
		return api.FateWaiting
	default:
		return api.FateFolded
	}
}

// opened is a payload that was read.
type opened struct {
	genesis *delta.Genesis
	update  *delta.App
	member  *delta.Member
	state   delta.State
}

// open reads a payload; nil and why when that cannot be done.
func (r *rowReader) open(d *delta.Delta) (*opened, string, error) {
	h := d.Header()
	key, err := r.key(h.Epoch)
	if err != nil {
		return nil, "", err
	}
	if key == nil {
		return nil, fmt.Sprintf("this node does not have the key of epoch %s", h.Epoch), nil
	}
	form, err := d.Payload(*key)
	if err != nil {
		return nil, err.Error(), nil //nolint:nilerr // it is the answer
	}
	switch h.Kind {
	case delta.KindGenesis:
		g, err := delta.DecodeGenesis(form)
		if err != nil {
			return nil, err.Error(), nil //nolint:nilerr // it is the answer
		}
		return &opened{genesis: &g}, "", nil
	case delta.KindState:
		s, err := delta.DecodeState(form)
		if err != nil {
			return nil, err.Error(), nil //nolint:nilerr // it is the answer
		}
		return &opened{state: s}, "", nil
	case delta.KindApp:
		a, err := delta.DecodeApp(form)
		if err != nil {
			return nil, err.Error(), nil //nolint:nilerr // it is the answer
		}
		return &opened{update: &a}, "", nil
	case delta.KindMember:
		m, err := delta.DecodeMember(form)
		if err != nil {
			return nil, err.Error(), nil //nolint:nilerr // it is the answer
		}
		return &opened{member: &m}, "", nil
	default:
		return nil, "this release does not know what a delta of kind " + h.Kind.String() + " says", nil
	}
}
