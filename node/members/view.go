package members

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync"

	"mero/node/delta"
	"mero/node/ident"
)

// Member is one member of a context.
type Member struct {
	Key  ident.PublicKey
	Seal ident.SealPublicKey
	Role Role
	Caps Capabilities
	// By is who admitted it, Admission the delta that did: the genesis, by itself, for
	// the creator. Since is that delta's time.
	By        ident.PublicKey
	Admission delta.ID
	Since     delta.Time
	// Invitation is the id of the one that it came by; zero for the creator.
	Invitation [32]byte
}

// memberSize is the length of a member in a view's bytes.
const memberSize = 5*32 + 2 + 8

// append writes the member as the package comment says.
func (m *Member) append(b []byte) []byte {
	b = append(b, m.Key[:]...)
	b = append(b, m.Seal[:]...)
	b = append(b, byte(m.Role), byte(m.Caps))
	b = append(b, m.By[:]...)
	b = append(b, m.Admission[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(m.Since))
	return append(b, m.Invitation[:]...)
}

// isBefore reports whether the admission comes before another of the same key in
// canonical order (R8).
func (m *Member) isBefore(o *Member) bool {
	a, b := delta.Place{Time: m.Since, ID: m.Admission}, delta.Place{Time: o.Since, ID: o.Admission}
	return a.Compare(b) < 0
}

// Founder is what a genesis says of the membership.
type Founder struct {
	Genesis delta.ID
	Key     ident.PublicKey
	Seal    ident.SealPublicKey
	Since   delta.Time // the genesis' time
}

// FounderOf is what a genesis with this payload says.
func FounderOf(d *delta.Delta, g *delta.Genesis) Founder {
	return Founder{Genesis: d.ID(), Key: d.Header().Author, Seal: g.SealKey, Since: d.Header().Time}
}

// View is the membership at a delta, or at several heads: immutable.
type View struct {
	genesis delta.ID
	tree    *tree

	digest func() [32]byte
	keys   func() []ident.PublicKey
}

func newView(genesis delta.ID, t *tree) *View {
	v := &View{genesis: genesis, tree: t}
	v.digest = sync.OnceValue(func() [32]byte { return DigestOf(v.Encode()) })
	v.keys = sync.OnceValue(func() []ident.PublicKey {
		var list []ident.PublicKey
		for _, m := range v.All() {
			list = append(list, m.Key)
		}
		return list
	})
	return v
}

// Found is the membership as a genesis makes it.
func Found(f Founder) *View {
	return newView(f.Genesis, leaf(memberEntry(&Member{
		Key: f.Key, Seal: f.Seal, Role: Creator, By: f.Key, Admission: f.Genesis, Since: f.Since,
	})))
}

// Genesis is the delta that began the context.
func (v *View) Genesis() delta.ID { return v.genesis }

// Get is a member.
func (v *View) Get(key ident.PublicKey) (Member, bool) {
	e := v.tree.find(ofMember, key)
	if e == nil {
		return Member{}, false
	}
	return *e.member, true
}

// Len is the number of members.
func (v *View) Len() int {
	if v.tree == nil {
		return 0
	}
	return v.tree.members
}

// All are the members, ascending by key.
func (v *View) All() []Member {
	out := make([]Member, 0, v.Len())
	v.tree.each(func(e *entry) bool {
		if e.kind == ofMember {
			out = append(out, *e.member)
		}
		return e.kind == ofMember
	})
	return out
}

// Members are the members' keys, ascending, as guests are told (vm.Members). They are
// shared and must not be changed.
func (v *View) Members() []ident.PublicKey { return v.keys() }

// IsMember reports whether a key is a member's (vm.Members).
func (v *View) IsMember(key ident.PublicKey) bool { return v.tree.find(ofMember, key) != nil }

// Revoked reports whether an invitation was revoked.
func (v *View) Revoked(invitation [32]byte) bool { return v.tree.find(ofRevoked, invitation) != nil }

// Used is how many members came by an invitation.
func (v *View) Used(invitation [32]byte) int {
	n := 0
	v.tree.each(func(e *entry) bool {
		if e.kind == ofMember && e.member.Invitation == invitation {
			n++
		}
		return e.kind == ofMember
	})
	return n
}

// Equal reports whether two views say the same.
func (v *View) Equal(o *View) bool { return v.genesis == o.genesis && v.tree.hash() == o.tree.hash() }

// Digest is a hash over the view; the root of the context covers it (R9).
func (v *View) Digest() [32]byte { return v.digest() }

// DigestOf is the digest of the view with these bytes.
func DigestOf(encoded []byte) [32]byte {
	h := sha256.New()
	h.Write([]byte("mero/members/v1\x00"))
	h.Write(encoded)
	return [32]byte(h.Sum(nil))
}

// Encode is the view's bytes, by the package comment.
func (v *View) Encode() []byte {
	var list, revoked []byte
	var counts [2]uint32
	v.tree.each(func(e *entry) bool {
		if e.kind == ofMember {
			list = e.member.append(list)
			counts[0]++
		} else {
			revoked = append(revoked, e.key[:]...)
			counts[1]++
		}
		return true
	})
	b := append(make([]byte, 0, 41+len(list)+len(revoked)), version)
	b = append(b, v.genesis[:]...)
	b = append(binary.BigEndian.AppendUint32(b, counts[0]), list...)
	return append(binary.BigEndian.AppendUint32(b, counts[1]), revoked...)
}

// DecodeView reads what Encode wrote. Errors: ErrVersion, ErrMalformed.
func DecodeView(raw []byte) (*View, error) {
	if len(raw) == 0 || raw[0] != version {
		return nil, fmt.Errorf("membership: %w", ErrVersion)
	}
	var (
		genesis delta.ID
		t       *tree
	)
	rest := raw[1:]
	if len(rest) < len(genesis) {
		return nil, malformedView("%d bytes", len(raw))
	}
	rest = rest[copy(genesis[:], rest):]
	for kind, size := range [...]int{ofMember: memberSize, ofRevoked: 32} {
		if size == 0 {
			continue
		}
		if len(rest) < 4 {
			return nil, malformedView("it ends early")
		}
		n := uint64(binary.BigEndian.Uint32(rest))
		rest = rest[4:]
		if n*uint64(size) > uint64(len(rest)) {
			return nil, malformedView("it ends early")
		}
		var last []byte
		for ; n > 0; n-- {
			item := rest[:size]
			rest = rest[size:]
			if last != nil && bytes.Compare(last, item[:32]) >= 0 {
				return nil, malformedView("not ascending")
			}
			last = item[:32]
			e := revokedEntry([32]byte(item[:32]))
			if kind == int(ofMember) {
				m, err := readMember(item)
				if err != nil {
					return nil, err
				}
				e = memberEntry(m)
			}
			t = union(t, leaf(e))
		}
	}
	if len(rest) > 0 {
		return nil, malformedView("%d bytes after it", len(rest))
	}
	return newView(genesis, t), nil
}

func malformedView(format string, args ...any) error {
	return fmt.Errorf("membership: %w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

func readMember(b []byte) (*Member, error) {
	m := &Member{}
	take := func(dst []byte) { b = b[copy(dst, b):] }
	take(m.Key[:])
	take(m.Seal[:])
	m.Role, m.Caps, b = Role(b[0]), Capabilities(b[1]), b[2:]
	take(m.By[:])
	take(m.Admission[:])
	m.Since, b = delta.Time(binary.BigEndian.Uint64(b)), b[8:]
	take(m.Invitation[:])
	if m.Role < Creator || m.Role > ReadOnly {
		return nil, malformedView("%s", m.Role)
	}
	return m, nil
}
