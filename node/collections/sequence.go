package collections

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// sequence is a list or a text: leaves of pieces, nodes above them, and for each run the leaves
// that its elements are in.
type sequence struct {
	engine *engine
	id     objectID
	isText bool
	head   seqHead
}

// seqHead is the header of a list or text.
type seqHead struct {
	stamp   Stamp // of the last operation that inserted or removed something
	top     uint32
	next    uint32 // number of the next leaf or node; the first is 1
	visible uint64
}

const seqHeadSize = stampSize + 16

func (h seqHead) encode() []byte {
	b := appendStamp(make([]byte, 0, seqHeadSize), h.stamp)
	b = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, h.top), h.next)
	return binary.BigEndian.AppendUint64(b, h.visible)
}

// open reads the header of a list or text.
func (e *engine) open(id objectID, k Kind) (*sequence, error) {
	s := &sequence{engine: e, id: id, isText: k == Text, head: seqHead{next: 1}}
	b, ok, err := e.rows.get(id.header())
	if err != nil || !ok {
		return s, err
	}
	if len(b) != seqHeadSize {
		return s, fmt.Errorf("%w: header of %d bytes", ErrDamaged, len(b))
	}
	s.head = seqHead{
		stamp: stampOf(b), top: binary.BigEndian.Uint32(b[stampSize:]),
		next: binary.BigEndian.Uint32(b[stampSize+4:]), visible: binary.BigEndian.Uint64(b[stampSize+8:]),
	}
	return s, nil
}

func (s *sequence) key(number uint32) []byte {
	return binary.BigEndian.AppendUint32(s.id.key(tagNode, 4), number)
}

func (s *sequence) row(number uint32) ([]byte, error) {
	b, ok, err := s.engine.rows.get(s.key(number))
	if err == nil && (!ok || len(b) < nodeHead) {
		err = fmt.Errorf("%w: no row %d of a sequence", ErrDamaged, number)
	}
	return b, err
}

func (s *sequence) leaf(number uint32) (*leaf, error) {
	b, err := s.row(number)
	if err != nil {
		return nil, err
	}
	if b[0] != formLeaf {
		return nil, fmt.Errorf("%w: row %d is no leaf", ErrDamaged, number)
	}
	return s.decode(number, b)
}

// decoded is the leaf that was looked at last, and the value that it was made of. Who looks often
// writes next, or looks again.
type decoded struct {
	of   *byte
	leaf *leaf
}

// decode gives the leaf in a row. It is the caller's.
func (s *sequence) decode(number uint32, b []byte) (*leaf, error) {
	if last := s.engine.decoded; last.of == &b[0] {
		s.engine.decoded = decoded{}
		return last.leaf, nil
	}
	return decodeLeaf(number, b, s.isText)
}

func (s *sequence) node(number uint32) (*node, error) {
	b, err := s.row(number)
	if err != nil {
		return nil, err
	}
	if b[0] != formNode {
		return nil, fmt.Errorf("%w: row %d is no node", ErrDamaged, number)
	}
	return decodeNode(number, b)
}

// place is an element in its leaf.
type place struct {
	leaf  *leaf
	piece int
	at    uint32 // within the piece
}

func (p place) element() element {
	in := p.leaf.pieces[p.piece]
	return element{run: in.run, off: in.off + p.at}
}

// find gives the element at an index, which is less than visible.
func (s *sequence) find(index uint64) (place, error) {
	number := s.head.top
	for {
		b, err := s.row(number)
		if err != nil {
			return place{}, err
		}
		if b[0] == formLeaf {
			break
		}
		if number, index, err = findKid(b, index); err != nil {
			return place{}, err
		}
	}
	b, err := s.row(number)
	if err != nil {
		return place{}, err
	}
	l, err := s.decode(number, b)
	if err != nil {
		return place{}, err
	}
	s.engine.decoded = decoded{of: &b[0], leaf: l}
	for i := range l.pieces {
		v := l.pieces[i].visible()
		if index < v {
			return place{leaf: l, piece: i, at: uint32(index)}, nil
		}
		index -= v
	}
	return place{}, fmt.Errorf("%w: counts of a leaf", ErrDamaged)
}

// findKid gives the part of a node that an index is in, and what is left of the index.
func findKid(b []byte, index uint64) (number uint32, rest uint64, err error) {
	r := pieceReader{rest: b[nodeHead:]}
	for len(r.rest) > 0 {
		number, visible := uint32(r.uvarint()), r.uvarint()
		if index < visible {
			return number, index, nil
		}
		index -= visible
	}
	return 0, 0, fmt.Errorf("%w: counts of a sequence", ErrDamaged)
}

// first gives the first leaf below a row.
func (s *sequence) first(number uint32) (*leaf, error) {
	for {
		b, err := s.row(number)
		if err != nil {
			return nil, err
		}
		if b[0] == formLeaf {
			return decodeLeaf(number, b, s.isText)
		}
		n, err := decodeNode(number, b)
		if err != nil {
			return nil, err
		}
		number = n.kids[0].number
	}
}

// after gives the leaf after another.
func (s *sequence) after(l *leaf) (*leaf, error) {
	number, parent := l.number, l.parent
	for parent != 0 {
		n, err := s.node(parent)
		if err != nil {
			return nil, err
		}
		i := n.index(number)
		if i >= 0 && i+1 < len(n.kids) {
			return s.first(n.kids[i+1].number)
		}
		number, parent = n.number, n.parent
	}
	return nil, fmt.Errorf("%w: a right child that is not there", ErrDamaged)
}

func (n *node) index(number uint32) int {
	return slices.IndexFunc(n.kids, func(k kid) bool { return k.number == number })
}

// segment says that the elements of a run from first on, up to the next segment, are in a leaf.
type segment struct{ first, leaf uint32 }

// runs is the row that says where the elements of a run are.
func (s *sequence) runKey(run Stamp) []byte { return appendStamp(s.id.key(tagRun, stampSize), run) }

func (s *sequence) segments(run Stamp) ([]segment, error) {
	b, ok, err := s.engine.rows.get(s.runKey(run))
	if err != nil || !ok {
		return nil, err
	}
	r := pieceReader{rest: b}
	segments := make([]segment, 0, 1+len(b)/4)
	for len(r.rest) > 0 {
		segments = append(segments, segment{first: uint32(r.uvarint()), leaf: uint32(r.uvarint())})
	}
	if r.bad || len(segments) == 0 || segments[0].first != 0 {
		return nil, fmt.Errorf("%w: the places of a run", ErrDamaged)
	}
	return segments, nil
}

func (s *sequence) putSegments(run Stamp, segments []segment) error {
	var b []byte
	for _, g := range segments {
		b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(g.first)), uint64(g.leaf))
	}
	return s.engine.rows.put(s.runKey(run), b)
}

// segmentOf gives the segment that an element is in, and the first element after it.
func segmentOf(segments []segment, off uint32) (g segment, end uint32) {
	i, found := slices.BinarySearchFunc(segments, off, func(g segment, off uint32) int { return int(g.first) - int(off) })
	if !found {
		i--
	}
	if i+1 < len(segments) {
		return segments[i], segments[i+1].first
	}
	return segments[i], math.MaxUint32
}

// locate gives an element by its name.
func (s *sequence) locate(e element) (p place, ok bool, err error) {
	segments, err := s.segments(e.run)
	if err != nil || len(segments) == 0 {
		return place{}, false, err
	}
	g, _ := segmentOf(segments, e.off)
	l, err := s.leaf(g.leaf)
	if err != nil {
		return place{}, false, err
	}
	for i := range l.pieces {
		if p := &l.pieces[i]; p.run == e.run && p.off <= e.off && e.off < p.end() {
			return place{leaf: l, piece: i, at: e.off - p.off}, true, nil
		}
	}
	return place{}, false, nil
}

// insert puts a run in its place. ok is false if there is no such place.
func (s *sequence) insert(a anchor, run piece) (ok bool, err error) {
	if s.head.top == 0 {
		if !a.element.run.IsZero() {
			return false, nil
		}
		s.head.top, s.head.next = 1, 2
		return true, s.insertIn(&leaf{number: 1}, 0, run)
	}
	if a.element.run.IsZero() {
		l, err := s.first(s.head.top)
		if err != nil {
			return false, err
		}
		return true, s.insertIn(l, 0, run)
	}
	p, ok, err := s.locate(a.element)
	if err != nil || !ok {
		return false, err
	}
	if !a.before {
		p.at++
	}
	switch in := &p.leaf.pieces[p.piece]; p.at {
	case 0:
	case in.n:
		in.right = true // the run is the right child of its last element
		p.piece++
	default:
		head, tail := in.cut(p.at)
		*in = head
		p.piece++
		p.leaf.pieces = slices.Insert(p.leaf.pieces, p.piece, tail)
	}
	return true, s.insertIn(p.leaf, p.piece, run)
}

func (s *sequence) insertIn(l *leaf, at int, run piece) error {
	l.pieces = slices.Insert(l.pieces, at, run)
	s.head.visible += run.visible()
	if err := s.putSegments(run.run, []segment{{leaf: l.number}}); err != nil {
		return err
	}
	return s.save(l)
}

// save writes a changed leaf, cuts it if it has become too large, and says so above.
func (s *sequence) save(l *leaf) error {
	l.join()
	b := l.encode()
	var fresh []kid
	if len(b) > nodeHead+leafBytes {
		parts := l.cutUp()
		l.pieces = parts[0]
		b = l.encode()
		for _, part := range parts[1:] {
			more := &leaf{number: s.head.next, parent: l.parent, pieces: part}
			s.head.next++
			if err := s.move(more); err != nil {
				return err
			}
			fresh = append(fresh, kid{number: more.number, visible: more.visible()})
		}
	}
	if err := s.engine.rows.put(s.key(l.number), b); err != nil {
		return err
	}
	return s.climb(kid{number: l.number, visible: l.visible()}, l.parent, fresh)
}

// move writes a leaf that was cut off another, and where its elements are now. What came after
// them in their runs has segments of its own already.
func (s *sequence) move(l *leaf) error {
	moved := map[Stamp]bool{}
	for i := range l.pieces {
		p := &l.pieces[i]
		if moved[p.run] {
			continue
		}
		moved[p.run] = true
		segments, err := s.segments(p.run)
		if err != nil {
			return err
		}
		at, found := slices.BinarySearchFunc(segments, p.off, func(g segment, off uint32) int { return int(g.first) - int(off) })
		if found {
			segments[at].leaf = l.number
		} else {
			segments = slices.Insert(segments, at, segment{first: p.off, leaf: l.number})
		}
		if err := s.putSegments(p.run, segments); err != nil {
			return err
		}
	}
	return s.engine.rows.put(s.key(l.number), l.encode())
}

// climb tells the nodes above that changed has another count, and that fresh follow it.
func (s *sequence) climb(changed kid, parent uint32, fresh []kid) error {
	for parent != 0 {
		n, err := s.node(parent)
		if err != nil {
			return err
		}
		i := n.index(changed.number)
		if i < 0 {
			return fmt.Errorf("%w: row %d is not in its node", ErrDamaged, changed.number)
		}
		if len(fresh) == 0 && n.kids[i] == changed {
			return nil
		}
		n.kids[i] = changed
		n.kids = slices.Insert(n.kids, i+1, fresh...)
		if fresh, err = s.saveNode(n); err != nil {
			return err
		}
		changed, parent = kid{number: n.number, visible: n.visible()}, n.parent
	}
	for len(fresh) > 0 {
		top := &node{number: s.head.next, kids: append([]kid{changed}, fresh...)}
		s.head.next++
		s.head.top = top.number
		for _, k := range top.kids {
			if err := s.adopt(k.number, top.number); err != nil {
				return err
			}
		}
		var err error
		if fresh, err = s.saveNode(top); err != nil {
			return err
		}
		changed = kid{number: top.number, visible: top.visible()}
	}
	return nil
}

// saveNode writes a node. If it is too large it is cut, and what was cut off is given.
func (s *sequence) saveNode(n *node) (fresh []kid, err error) {
	if len(n.kids) > nodeKids {
		rest := n.kids[nodeFill:]
		n.kids = n.kids[:nodeFill]
		for part := range slices.Chunk(rest, nodeFill) {
			more := &node{number: s.head.next, parent: n.parent, kids: part}
			s.head.next++
			for _, k := range part {
				if err := s.adopt(k.number, more.number); err != nil {
					return nil, err
				}
			}
			if err := s.engine.rows.put(s.key(more.number), more.encode()); err != nil {
				return nil, err
			}
			fresh = append(fresh, kid{number: more.number, visible: more.visible()})
		}
	}
	return fresh, s.engine.rows.put(s.key(n.number), n.encode())
}

// adopt changes the parent of a leaf or node.
func (s *sequence) adopt(number, parent uint32) error {
	b, err := s.row(number)
	if err != nil || binary.BigEndian.Uint32(b[1:]) == parent {
		return err
	}
	b = slices.Clone(b)
	binary.BigEndian.PutUint32(b[1:], parent)
	return s.engine.rows.put(s.key(number), b)
}
