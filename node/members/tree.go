package members

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
)

// The kinds of entries of a tree, in the order in which they come.
const (
	ofMember  byte = 1
	ofRevoked byte = 2
)

// entry is one fact of a view: a member, or a revoked invitation.
type entry struct {
	kind   byte
	key    [32]byte
	member *Member // of ofMember
	sum    [32]byte
}

func memberEntry(m *Member) entry {
	return entry{kind: ofMember, key: m.Key, member: m, sum: sha256.Sum256(m.append(nil))}
}

func revokedEntry(id [32]byte) entry { return entry{kind: ofRevoked, key: id, sum: id} }

func (e *entry) compare(o *entry) int {
	if c := cmp.Compare(e.kind, o.kind); c != 0 {
		return c
	}
	return bytes.Compare(e.key[:], o.key[:])
}

// merged is what two views together say under one key.
func (e *entry) merged(o *entry) entry {
	if e.member != nil && o.member.isBefore(e.member) {
		return *o
	}
	return *e
}

// tree is an immutable treap: a search tree whose inner order is that of hashes of the
// keys. So its shape follows from its entries alone, trees that have much in common
// share it, and the union of two costs what they do not share.
type tree struct {
	entry
	left, right      *tree
	priority         uint64
	members, revoked int
	// sum is a hash over the entries: of equal trees alone equal.
	sum [32]byte
}

func leaf(e entry) *tree {
	h := sha256.Sum256(append([]byte{e.kind}, e.key[:]...))
	return (&tree{entry: e, priority: binary.BigEndian.Uint64(h[:])}).with(nil, nil)
}

// with is the node over other children.
func (t *tree) with(left, right *tree) *tree {
	n := &tree{entry: t.entry, left: left, right: right, priority: t.priority}
	l, r := left.hash(), right.hash()
	h := sha256.New()
	h.Write(l[:])
	h.Write([]byte{t.kind})
	h.Write(t.key[:])
	h.Write(t.entry.sum[:])
	h.Write(r[:])
	h.Sum(n.sum[:0])
	for _, child := range [...]*tree{left, right} {
		if child != nil {
			n.members += child.members
			n.revoked += child.revoked
		}
	}
	if t.kind == ofMember {
		n.members++
	} else {
		n.revoked++
	}
	return n
}

func (t *tree) hash() [32]byte {
	if t == nil {
		return [32]byte{}
	}
	return t.sum
}

// find is the entry under a key.
func (t *tree) find(kind byte, key [32]byte) *entry {
	want := entry{kind: kind, key: key}
	for t != nil {
		c := want.compare(&t.entry)
		if c == 0 {
			return &t.entry
		}
		if c < 0 {
			t = t.left
		} else {
			t = t.right
		}
	}
	return nil
}

// isAbove is the inner order: no two nodes with different keys are equal in it.
func (t *tree) isAbove(o *tree) bool {
	if t.priority != o.priority {
		return t.priority > o.priority
	}
	return t.compare(&o.entry) < 0
}

// union is the tree of the entries of both.
func union(a, b *tree) *tree {
	switch {
	case b == nil || a == b:
		return a
	case a == nil:
		return b
	case a.sum == b.sum:
		return a
	}
	if b.isAbove(a) {
		a, b = b, a
	}
	less, same, more := b.split(&a.entry)
	left, right, top := union(a.left, less), union(a.right, more), a
	if same != nil {
		if e := a.merged(&same.entry); e.sum != a.entry.sum {
			top = &tree{entry: e, priority: a.priority}
		}
	}
	if left == a.left && right == a.right && top == a {
		return a
	}
	return top.with(left, right)
}

// split takes a tree apart at a key.
func (t *tree) split(at *entry) (less, same, more *tree) {
	if t == nil {
		return nil, nil, nil
	}
	switch c := at.compare(&t.entry); {
	case c == 0:
		return t.left, t, t.right
	case c < 0:
		less, same, more = t.left.split(at)
		return less, same, t.with(more, t.right)
	default:
		less, same, more = t.right.split(at)
		return t.with(t.left, less), same, more
	}
}

// each calls yield for all entries in order, until it says false.
func (t *tree) each(yield func(*entry) bool) bool {
	return t == nil || t.left.each(yield) && yield(&t.entry) && t.right.each(yield)
}
