package store

import (
	"bytes"
	"context"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"mero/node/ident"
)

// commitLarge writes a step that one transaction does not hold.
//
//  1. A leftover record, then the step's values as an overlay generation and its
//     calls as a group, in as many transactions as needed. Nobody sees them.
//  2. One transaction with everything small: the context's record names the
//     overlay, the group counts, the leftover record goes. This is the step.
//  3. The overlay is moved into the base. When that is interrupted the step is
//     nevertheless there.
//
// A step with a scratch does the same in the scratch's generation.
func (s *Store) commitLarge(ctx context.Context, p *plan, last *batch) error {
	if p.Scratch == nil {
		p.overlay = s.newGeneration()
		s.active.add(p.overlay)
		defer s.active.remove(p.overlay)
	}
	s.metrics.large.Inc()

	values := p.valueWrites(p.overlay, true)
	queue, err := s.queueWrites(p.Step, p.overlay)
	if err != nil {
		return err
	}
	if err := s.addContext(last, p); err != nil {
		return err
	}
	if len(queue) > 0 {
		last.add(write{key: groupKey(p.overlay), value: []byte{}})
	}
	last.add(write{key: leftoverKey(p.overlay), del: true})
	if s.over(last) {
		return fmt.Errorf("%w: %d identities, epoch keys and queue entries in one step", ErrTooLarge, len(last.writes))
	}
	// A disk that cannot hold the step is known before it is half written.
	bytes := 0
	for _, w := range values {
		bytes += w.cost()
	}
	if err := s.room(2 * bytes); err != nil {
		return err
	}
	if p.Scratch != nil {
		p.Scratch.torn = true // it now has values that are of this step alone
	}
	err = s.writeAhead(ctx, p, values, queue)
	if err == nil {
		err = s.submit(last)
	}
	if err != nil {
		s.untidy.Store(true)
		return err
	}
	s.settle(ctx, p)
	return nil
}

// settle moves the overlay of a step that is there. When it cannot, Run or the next
// step does.
func (s *Store) settle(ctx context.Context, p *plan) {
	if p.Scratch != nil {
		p.Scratch.end()
	}
	if p.Context == nil {
		return
	}
	if err := s.merge(context.WithoutCancel(ctx), p.Context.ID); err != nil {
		s.untidy.Store(true)
		s.log.Warn().Err(err).Stringer("context", p.Context.ID).Msg("large step is kept beside the state for now")
	}
}

// writeAhead does the first part of commitLarge.
func (s *Store) writeAhead(ctx context.Context, p *plan, values, queue []write) error {
	rec := leftoverRecord{}
	if p.Context != nil {
		rec.Context = p.Context.ID
	}
	mark, err := s.codec.encode(rec)
	if err != nil {
		return err
	}
	ahead := stream{store: s, ctx: ctx}
	// A scratch has the same mark already, unless it is empty.
	if err := ahead.add(write{key: leftoverKey(p.overlay), value: mark}); err != nil {
		return err
	}
	if p.Scratch != nil {
		p.Scratch.marked = true
	}
	if err := ahead.add(values...); err != nil {
		return err
	}
	if err := ahead.add(queue...); err != nil {
		return err
	}
	return ahead.flush()
}

// merge moves the overlay of a context into its base and forgets it. Each record
// is put into the base before it leaves the overlay, so it can be interrupted
// anywhere and done again, and readers see the same values all the time. The
// context is locked.
func (s *Store) merge(ctx context.Context, id ident.ContextID) error {
	var rec contextRecord
	err := s.read(func(txn *badger.Txn) error {
		b, err := record(txn, contextKey(id))
		if err != nil {
			return err
		}
		return s.codec.decode(b, &rec)
	})
	if err != nil {
		return err
	}
	for sp := range spaces {
		if err := s.mergeSpace(ctx, sp, id, rec.generations()); err != nil {
			return err
		}
	}
	rec.Overlay = 0
	value, err := s.codec.encode(&rec)
	if err != nil {
		return err
	}
	return s.put(ctx, write{key: contextKey(id), value: value})
}

func (s *Store) mergeSpace(ctx context.Context, sp space, id ident.ContextID, g generations) error {
	prefix := generationKey(sp, id, g.overlay)
	out := stream{store: s, ctx: ctx}
	from := prefix
	for from != nil {
		// A snapshot per transaction, so that what was moved can be compacted away.
		err := s.read(func(txn *badger.Txn) error {
			r := reader{txn: txn, context: id, generations: g}
			var err error
			from, err = s.mergeSome(&out, r, sp, prefix, from)
			return err
		})
		if err != nil {
			return err
		}
		if err := out.flush(); err != nil {
			return err
		}
	}
	return nil
}

// mergeSome moves about one transaction's worth and returns where to go on, nil
// at the end.
func (s *Store) mergeSome(out *stream, r reader, sp space, prefix, from []byte) ([]byte, error) {
	opt := badger.DefaultIteratorOptions
	opt.Prefix = prefix
	opt.PrefetchSize = 16
	it := r.txn.NewIterator(opt)
	defer it.Close()
	m := mover{reader: r, space: sp}
	moved := 0
	for it.Seek(from); it.Valid(); it.Next() {
		item := it.Item()
		if moved >= s.limits.batchBytes/2 {
			return item.KeyCopy(nil), nil
		}
		value, err := item.ValueCopy(nil)
		if err != nil {
			return nil, fmt.Errorf("read from the store: %w", err)
		}
		writes, err := m.move(item.KeyCopy(nil), value)
		if err != nil {
			return nil, err
		}
		for _, w := range writes {
			moved += w.cost()
		}
		if err := out.add(writes...); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// mover moves the records of an overlay, which come in order.
type mover struct {
	reader
	space space
	dead  []byte // the form of the last tombstone
}

// move is what happens to one record of the overlay: it replaces the base's, and
// pages of the base that the new value does not have go first.
func (m *mover) move(key, value []byte) ([]write, error) {
	form, page, err := cutPage(key)
	if err != nil {
		return nil, err
	}
	if page != 0 && bytes.Equal(form, m.dead) {
		return nil, nil // went with the tombstone
	}
	stem := m.stem(m.space, m.base, form)
	leave := write{key: key, del: true}
	// A scratch has whole values, of which most may be what they were.
	if now, err := record(m.txn, withPage(stem, page)); err != nil || bytes.Equal(now, value) {
		return []write{leave}, err
	}
	replace := write{key: withPage(stem, page), value: value}
	if page != 0 {
		return []write{replace, leave}, nil
	}
	now, err := decodeHead(m.space, form, value)
	if err != nil {
		return nil, err
	}
	below := reader{txn: m.txn, context: m.context, generations: generations{base: m.base}}
	before, had, err := below.headOf(m.space, form)
	if err != nil {
		return nil, err
	}
	var out []write
	if now.tombstone {
		m.dead = bytes.Clone(form)
		if had {
			out = removal(out, m.space, stem, before)
		}
		// The tombstone goes last: its key alone would mean nothing.
		return removal(out, m.space, m.stem(m.space, m.overlay, form), now), nil
	}
	if had {
		out = removePages(out, stem, m.space.pages(now.length), m.space.pages(before.length))
	}
	return append(out, replace, leave), nil
}
