package collections

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"
)

// piece are elements of one run with nothing in between: each but the first is the right child of
// the one before (doc.go, "Sequences").
type piece struct {
	element // the first
	n       uint32
	removed bool
	// right says that the last element has a right child.
	right bool
	text  []byte // of a text, unless removed
}

// Bits of the byte that a piece begins with.
const (
	pieceRemoved = 1 << iota
	pieceRight
	pieceSameTag // the tag is that of the piece before, and the time is a difference
	pieceSingle  // one element, the first of its run
	pieceBits
)

// visible is the number of elements that count.
func (p *piece) visible() uint64 {
	if p.removed {
		return 0
	}
	return uint64(p.n)
}

func (p *piece) end() uint32 { return p.off + p.n }

// cut gives the piece's first n elements and the rest.
func (p *piece) cut(n uint32) (head, tail piece) {
	head, tail = *p, *p
	head.n, head.right = n, true
	tail.off, tail.n = p.off+n, p.n-n
	if p.text != nil {
		at := byteOffset(p.text, int(n))
		head.text, tail.text = p.text[:at:at], p.text[at:]
	}
	return head, tail
}

// joins tells whether next is one with p: what is removed of a run, with nothing in between, is one
// piece. Visible pieces of a run that are next to each other there are none.
func (p *piece) joins(next *piece) bool { return p.removed && next.removed && p.run == next.run }

// join appends a piece that is one with p.
func (p *piece) join(next piece) { p.n, p.right = p.n+next.n, next.right }

// byteOffset gives where the n-th code point begins.
func byteOffset(text []byte, n int) int {
	at := 0
	for ; n > 0 && at < len(text); n-- {
		if text[at] < utf8.RuneSelf {
			at++
			continue
		}
		_, size := utf8.DecodeRune(text[at:])
		at += size
	}
	return at
}

// appendPiece encodes a piece; before is the one before in the leaf, nil for the first.
func appendPiece(b []byte, p, before *piece) []byte {
	var bits byte
	if p.removed {
		bits |= pieceRemoved
	}
	if p.right {
		bits |= pieceRight
	}
	single := p.off == 0 && p.n == 1
	if single {
		bits |= pieceSingle
	}
	if before != nil && before.run.Tag == p.run.Tag {
		b = binary.AppendVarint(append(b, bits|pieceSameTag), int64(p.run.Time-before.run.Time))
	} else {
		b = appendStamp(append(b, bits), p.run)
	}
	if !single {
		b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(p.off)), uint64(p.n))
	}
	if p.text != nil {
		b = appendBytes(b, p.text)
	}
	return b
}

// pieceReader reads the pieces of a leaf.
type pieceReader struct {
	rest   []byte
	isText bool
	before piece
	bad    bool
}

func (r *pieceReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.bad, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *pieceReader) next() (piece, error) {
	bits := r.rest[0]
	r.rest = r.rest[1:]
	p := piece{removed: bits&pieceRemoved != 0, right: bits&pieceRight != 0}
	switch {
	case bits >= pieceBits:
		r.bad = true
	case bits&pieceSameTag != 0:
		u := r.uvarint()
		p.run.Time = r.before.run.Time + uint64(int64(u>>1)^-int64(u&1))
		p.run.Tag = r.before.run.Tag
	case len(r.rest) >= stampSize:
		p.run = stampOf(r.rest)
		r.rest = r.rest[stampSize:]
	default:
		r.bad = true
	}
	p.n = 1
	if bits&pieceSingle == 0 {
		p.off, p.n = uint32(r.uvarint()), uint32(r.uvarint())
	}
	if r.isText && !p.removed {
		n := r.uvarint()
		if n == 0 || n > uint64(len(r.rest)) {
			r.bad = true
		} else {
			p.text, r.rest = r.rest[:n:n], r.rest[n:]
		}
	}
	if r.bad || p.n == 0 {
		return piece{}, fmt.Errorf("%w: a piece of a sequence", ErrDamaged)
	}
	r.before = p
	return p, nil
}

// leaf is a row of pieces.
type leaf struct {
	number uint32
	parent uint32 // node; 0: this is the top
	pieces []piece
}

// Sizes of leaves and nodes. A page of the store has 4 096 bytes.
const (
	leafBytes = 1024 // of pieces; beyond, a leaf is cut
	leafFill  = 768  // of pieces in each leaf that is cut off
	nodeKids  = 64
	nodeFill  = 48

	nodeHead = 5 // bytes: form and parent
	formLeaf = 0
	formNode = 1
)

func (l *leaf) visible() (n uint64) {
	for i := range l.pieces {
		n += l.pieces[i].visible()
	}
	return n
}

func (l *leaf) encode() []byte {
	b := binary.BigEndian.AppendUint32(append(make([]byte, 0, leafBytes+64), formLeaf), l.parent)
	var before *piece
	for i := range l.pieces {
		b = appendPiece(b, &l.pieces[i], before)
		before = &l.pieces[i]
	}
	return b
}

func decodeLeaf(number uint32, b []byte, isText bool) (*leaf, error) {
	l := &leaf{number: number, parent: binary.BigEndian.Uint32(b[1:])}
	r := pieceReader{rest: b[nodeHead:], isText: isText}
	l.pieces = make([]piece, 0, 4+len(r.rest)/6)
	for len(r.rest) > 0 {
		p, err := r.next()
		if err != nil {
			return nil, err
		}
		l.pieces = append(l.pieces, p)
	}
	if len(l.pieces) == 0 {
		return nil, fmt.Errorf("%w: an empty leaf", ErrDamaged)
	}
	return l, nil
}

// join puts removed pieces together.
func (l *leaf) join() {
	kept := l.pieces[:1]
	for _, p := range l.pieces[1:] {
		if last := &kept[len(kept)-1]; last.joins(&p) {
			last.join(p)
		} else {
			kept = append(kept, p)
		}
	}
	l.pieces = kept
}

// cutUp gives the leaf's pieces in parts that fit a leaf each.
func (l *leaf) cutUp() [][]piece {
	var parts [][]piece
	var part []piece
	var scratch [leafBytes]byte
	size := 0
	for _, p := range l.pieces {
		for {
			var before *piece
			if len(part) > 0 {
				before = &part[len(part)-1]
			}
			cost := len(appendPiece(scratch[:0], &p, before))
			if size+cost <= leafFill {
				part = append(part, p)
				size += cost
				break
			}
			// What does not fit is cut only if it is much: else small pieces would come of it.
			if room := leafFill - size - (cost - len(p.text)); len(p.text) > leafFill/4 && room > leafFill/8 {
				var head piece
				head, p = p.cut(uint32(runesWithin(p.text, room)))
				part = append(part, head)
			}
			parts = append(parts, part)
			part, size = nil, 0
		}
	}
	return append(parts, part)
}

// runesWithin gives how many code points of text fit into so many bytes.
func runesWithin(text []byte, bytes int) (n int) {
	for at := 0; at < len(text); n++ {
		size := 1
		if text[at] >= utf8.RuneSelf {
			_, size = utf8.DecodeRune(text[at:])
		}
		if at += size; at > bytes {
			return n
		}
	}
	return n
}

// kid is a part of a sequence below a node.
type kid struct {
	number  uint32
	visible uint64
}

// node is a row that says which leaves or nodes follow one another.
type node struct {
	number uint32
	parent uint32
	kids   []kid
}

func (n *node) visible() (sum uint64) {
	for _, k := range n.kids {
		sum += k.visible
	}
	return sum
}

func (n *node) encode() []byte {
	b := binary.BigEndian.AppendUint32(append(make([]byte, 0, nodeHead+8*len(n.kids)), formNode), n.parent)
	for _, k := range n.kids {
		b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(k.number)), k.visible)
	}
	return b
}

func decodeNode(number uint32, b []byte) (*node, error) {
	n := &node{number: number, parent: binary.BigEndian.Uint32(b[1:])}
	r := pieceReader{rest: b[nodeHead:]}
	n.kids = make([]kid, 0, nodeKids+1)
	for len(r.rest) > 0 {
		n.kids = append(n.kids, kid{number: uint32(r.uvarint()), visible: r.uvarint()})
	}
	if r.bad || len(n.kids) == 0 {
		return nil, fmt.Errorf("%w: a node of a sequence", ErrDamaged)
	}
	return n, nil
}
