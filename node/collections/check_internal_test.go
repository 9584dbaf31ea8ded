package collections

import (
	"bytes"
	"fmt"
)

// Check looks at every row of a state: each belongs to a collection that can be reached, or to
// garbage; counts and directories are true.
func Check(m *Mem) error {
	c := checker{engine: newEngine(m, Origin{}), m: m, seen: map[string]bool{}}
	if err := c.object(objectID{}, root, 0); err != nil {
		return err
	}
	garbage, _ := m.Range(objectID{}.key(tagGarbage, 0), nil, m.Len()+1)
	counts, err := c.engine.counts(objectID{})
	if err != nil {
		return err
	}
	if int(counts.garbage) != len(garbage) {
		return fmt.Errorf("%d garbage counted, %d there", counts.garbage, len(garbage))
	}
	for _, g := range garbage {
		c.seen[string(g.Key)] = true
		if err := c.garbage(objectID(g.Key[17:])); err != nil {
			return err
		}
	}
	all, _ := m.Range(nil, nil, m.Len()+1)
	for _, e := range all {
		if !c.seen[string(e.Key)] {
			return fmt.Errorf("row %x belongs to nothing", e.Key)
		}
	}
	return nil
}

type checker struct {
	engine *engine
	m      *Mem
	seen   map[string]bool
}

func (c *checker) rows(id objectID, tag byte) []Entry {
	rows, _ := c.m.Range(id.key(tag, 0), nil, c.m.Len()+1)
	for _, r := range rows {
		c.seen[string(r.Key)] = true
	}
	return rows
}

func (c *checker) object(id objectID, k Kind, depth int) error {
	if depth > MaxDepth {
		return fmt.Errorf("a collection at depth %d", depth)
	}
	c.seen[string(id.header())] = true
	switch k {
	case root, Map, Members:
		rows := c.rows(id, tagEntry)
		for _, r := range rows {
			if err := c.entry(id, keyStep(r.Key[17:]), r.Value, depth); err != nil {
				return err
			}
		}
		return c.count(id, len(rows))
	case Set:
		rows := c.rows(id, tagMark)
		for _, r := range rows {
			if marks, err := decodeMarks(r.Value); err != nil || len(marks) > MaxSeen {
				return fmt.Errorf("marks %x: %w", r.Value, err)
			}
		}
		return c.count(id, len(rows))
	case Register:
		_, err := c.engine.register(id)
		return err
	case Counter:
		_, err := c.engine.counter(id)
		return err
	case List, Text:
		return c.sequence(id, k, depth)
	default:
		return fmt.Errorf("an object of %v", k)
	}
}

func (c *checker) count(id objectID, n int) error {
	counts, err := c.engine.counts(id)
	if err == nil && int(counts.entries) != n {
		err = fmt.Errorf("%d entries counted, %d there", counts.entries, n)
	}
	return err
}

func (c *checker) entry(in objectID, s step, value []byte, depth int) error {
	e, err := decodeEntry(value)
	if err != nil || e.kind == Value {
		return err
	}
	if len(e.births) > MaxSeen {
		return fmt.Errorf("%d births", len(e.births))
	}
	return c.object(childID(in, s, e.stamp), e.kind, depth+1)
}

func (c *checker) sequence(id objectID, k Kind, depth int) error {
	s, err := c.engine.open(id, k)
	if err != nil {
		return err
	}
	nodes, runs, elements := c.rows(id, tagNode), c.rows(id, tagRun), c.rows(id, tagElement)
	if s.head.top == 0 {
		if len(nodes)+len(runs)+len(elements) > 0 {
			return fmt.Errorf("rows of an empty sequence")
		}
		return nil
	}
	w := seqChecker{s: s, runs: map[Stamp]uint32{}, elements: map[string]bool{}}
	visible, err := w.part(s.head.top, 0)
	if err != nil {
		return err
	}
	if visible != s.head.visible || w.rows != len(nodes) || len(w.runs) != len(runs) {
		return fmt.Errorf("visible %d of %d, rows %d of %d, runs %d of %d", visible, s.head.visible, w.rows, len(nodes), len(w.runs), len(runs))
	}
	if k == Text {
		w.elements = nil
	}
	if len(elements) != len(w.elements) {
		return fmt.Errorf("%d elements in leaves, %d rows", len(w.elements), len(elements))
	}
	for _, r := range elements {
		if !w.elements[string(r.Key[17:])] {
			return fmt.Errorf("a row of an element that is not there")
		}
		at := elementStep(element{run: stampOf(r.Key[17:]), off: uint32(r.Key[35])<<8 | uint32(r.Key[36])})
		if !bytes.Equal(at.row(id), r.Key) {
			return fmt.Errorf("key %x", r.Key)
		}
		if err := c.entry(id, at, r.Value, depth); err != nil {
			return err
		}
	}
	return nil
}

// seqChecker walks the parts of one sequence.
type seqChecker struct {
	s        *sequence
	rows     int
	runs     map[Stamp]uint32 // the next element of each
	elements map[string]bool
}

func (w *seqChecker) part(number, parent uint32) (visible uint64, err error) {
	w.rows++
	b, err := w.s.row(number)
	if err != nil {
		return 0, err
	}
	if b[0] == formNode {
		n, err := decodeNode(number, b)
		if err != nil || n.parent != parent || len(n.kids) > nodeKids {
			return 0, fmt.Errorf("node %d: parent %d, want %d, %d kids: %w", number, n.parent, parent, len(n.kids), err)
		}
		for _, k := range n.kids {
			v, err := w.part(k.number, number)
			if err != nil {
				return 0, err
			}
			if v != k.visible {
				return 0, fmt.Errorf("part %d has %d, counted %d", k.number, v, k.visible)
			}
			visible += v
		}
		return visible, nil
	}
	l, err := decodeLeaf(number, b, w.s.isText)
	if err != nil || l.parent != parent || len(b) > nodeHead+leafBytes {
		return 0, fmt.Errorf("leaf %d of %d bytes: parent %d, want %d: %w", number, len(b), l.parent, parent, err)
	}
	for i := range l.pieces {
		if err := w.piece(l, &l.pieces[i]); err != nil {
			return 0, err
		}
	}
	return l.visible(), nil
}

func (w *seqChecker) piece(l *leaf, p *piece) error {
	if p.off != w.runs[p.run] {
		return fmt.Errorf("run %v goes on with %d, not %d", p.run, p.off, w.runs[p.run])
	}
	w.runs[p.run] = p.end()
	if p.text != nil && byteOffset(p.text, int(p.n)) != len(p.text) {
		return fmt.Errorf("%d code points in %q", p.n, p.text)
	}
	for _, off := range []uint32{p.off, p.end() - 1} {
		at, ok, err := w.s.locate(element{run: p.run, off: off})
		if err != nil || !ok || at.leaf.number != l.number {
			return fmt.Errorf("element %v %d of leaf %d is not located there: %v %w", p.run, off, l.number, ok, err)
		}
	}
	if !p.removed {
		for i := range p.n {
			w.elements[string(objectID{}.element(element{run: p.run, off: p.off + i})[17:])] = true
		}
	}
	return nil
}

// garbage looks at what is left of a removed collection: at most what is in it is reached by it.
func (c *checker) garbage(id objectID) error {
	rows, _ := c.m.Range(id[:], nil, c.m.Len()+1)
	for _, r := range rows {
		if c.seen[string(r.Key)] {
			return fmt.Errorf("row %x is there and garbage", r.Key)
		}
		c.seen[string(r.Key)] = true
		var at step
		switch r.Key[16] {
		case tagEntry:
			at = keyStep(r.Key[17:])
		case tagElement:
			at = elementStep(element{run: stampOf(r.Key[17:]), off: uint32(r.Key[35])<<8 | uint32(r.Key[36])})
		default:
			continue
		}
		e, err := decodeEntry(r.Value)
		if err != nil {
			return err
		}
		if e.kind != Value {
			if err := c.garbage(childID(id, at, e.stamp)); err != nil {
				return err
			}
		}
	}
	return nil
}
