package collections

import (
	"slices"
	"unicode/utf8"
)

// sequence makes an operation of a list or a text.
func (e *engine) sequence(in *object, o *op) error {
	if o.code == opSet {
		return e.setElement(in, o)
	}
	s, err := e.open(in.id, in.kind)
	if err != nil {
		return err
	}
	var done bool
	if o.code == opErase {
		done, err = s.erase(in, o.spans)
	} else {
		done, err = s.insertRun(in, o)
	}
	if err != nil || !done {
		return err
	}
	s.head.stamp = e.stamp()
	return e.rows.put(in.id.header(), s.head.encode())
}

// insertRun inserts what an operation brings. A run whose stamp is there already is of a writer
// who used it twice, and has no effect.
func (s *sequence) insertRun(in *object, o *op) (done bool, err error) {
	e := s.engine
	run := piece{element: element{run: e.stamp()}, n: 1}
	if _, exists, err := e.rows.get(s.runKey(run.run)); err != nil || exists {
		return false, err
	}
	switch o.code {
	case opInsert:
		run.n = uint32(len(o.values))
	case opType:
		run.n, run.text = uint32(utf8.RuneCount(o.value)), o.value
	default:
		if dead, err := e.isGarbage(childID(in.id, elementStep(run.element), run.run)); err != nil || dead {
			return false, err
		}
	}
	if done, err = s.insert(o.anchor, run); err != nil || !done {
		return false, err
	}
	switch o.code {
	case opInsertOpen:
		_, err = e.makeAt(in, elementStep(run.element), o.kind, o.flags)
	default:
		for i, v := range o.values {
			key := in.id.element(element{run: run.run, off: uint32(i)})
			if err := e.rows.put(key, entry{kind: Value, stamp: run.run, value: v}.encode()); err != nil {
				return false, err
			}
		}
	}
	return true, err
}

// setElement sets a value of a list. The last in order wins; removing wins over setting.
func (e *engine) setElement(in *object, o *op) error {
	now, ok, err := e.entryAt(in, o.step)
	if err != nil || !ok || now.kind != Value {
		return err
	}
	return e.rows.put(o.step.row(in.id), entry{kind: Value, stamp: e.stamp(), value: o.value}.encode())
}

// erase removes elements by name. A leaf is written once for all spans in a row that are in it.
func (s *sequence) erase(in *object, spans []span) (done bool, err error) {
	var l *leaf
	isChanged := false
	flush := func() error {
		if l == nil || !isChanged {
			return nil
		}
		done, isChanged = true, false
		return s.save(l)
	}
	for _, g := range spans {
		segments, err := s.segments(g.run)
		if err != nil {
			return false, err
		}
		for off, end := g.off, g.off+g.n; off < end && len(segments) > 0; {
			at, next := segmentOf(segments, off)
			if l == nil || l.number != at.leaf {
				if err := flush(); err != nil {
					return false, err
				}
				if l, err = s.leaf(at.leaf); err != nil {
					return false, err
				}
			}
			erased := l.erase(span{element: element{run: g.run, off: off}, n: min(end, next) - off})
			for _, r := range erased {
				isChanged = true
				s.head.visible -= uint64(r.n)
				if err := s.eraseRows(in, r); err != nil {
					return false, err
				}
			}
			off = next
			// One operation can name very many elements.
			if err := s.engine.check(false); err != nil {
				return false, err
			}
		}
	}
	err = flush()
	return done, err
}

// eraseRows removes the rows of list elements.
func (s *sequence) eraseRows(in *object, g span) error {
	if s.isText {
		return nil
	}
	for i := range g.n {
		at := elementStep(element{run: g.run, off: g.off + i})
		was, ok, err := s.engine.entryAt(in, at)
		if err != nil {
			return err
		}
		if ok && was.kind != Value {
			if err := s.engine.discard(childID(in.id, at, was.stamp)); err != nil {
				return err
			}
		}
		if err := s.engine.rows.remove(at.row(in.id)); err != nil {
			return err
		}
	}
	return nil
}

// erase removes those elements of a span that are in the leaf, and gives which were not removed
// before.
func (l *leaf) erase(g span) (erased []span) {
	end := g.off + g.n
	for i := 0; i < len(l.pieces); i++ {
		p := &l.pieces[i]
		if p.run != g.run || p.removed || p.end() <= g.off || p.off >= end {
			continue
		}
		if p.off < g.off {
			head, tail := p.cut(g.off - p.off)
			l.pieces[i] = head
			l.pieces = slices.Insert(l.pieces, i+1, tail)
			continue
		}
		if p.end() > end {
			head, tail := p.cut(end - p.off)
			l.pieces[i] = head
			l.pieces = slices.Insert(l.pieces, i+1, tail)
			p = &l.pieces[i]
		}
		p.removed, p.text = true, nil
		erased = append(erased, span{element: p.element, n: p.n})
	}
	return erased
}
