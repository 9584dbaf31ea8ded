package replica_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"maps"
	"slices"

	"mero/node/delta"
	"mero/node/ident"
	"mero/node/members"
)

// membership is R11 a second time: who is a member at a delta is computed from all that
// is in its past, each time anew.
type membership struct {
	n       *naive
	g       *graph
	changes map[delta.ID]delta.Member // of member deltas that count
}

// roll is who is a member somewhere, and what was revoked.
type roll struct {
	members map[ident.PublicKey]members.Member
	revoked map[[32]byte]bool
}

// IsMember implements vm.Members.
func (r *roll) IsMember(key ident.PublicKey) bool {
	_, is := r.members[key]
	return is
}

// Members implements vm.Members.
func (r *roll) Members() []ident.PublicKey {
	return slices.SortedFunc(maps.Keys(r.members), ident.PublicKey.Compare)
}

// all are the deltas that are connected.
func (g *graph) all() map[delta.ID]bool {
	set := make(map[delta.ID]bool)
	for id, v := range g.verdicts {
		if v == connected {
			set[id] = true
		}
	}
	return set
}

// of is the membership that the deltas of a set make, which has the past of each. Only
// those that count are among the changes.
func (m *membership) of(set map[delta.ID]bool) *roll {
	w := m.n.w
	g, err := delta.DecodeGenesis(payloadOf(m.n, w.genesis))
	must(m.n.t, err)
	creator := members.Member{
		Key: w.creator.key.Public(), Seal: g.SealKey, Role: members.Creator, By: w.creator.key.Public(),
		Admission: w.genesis.ID(), Since: w.genesis.Header().Time,
	}
	r := &roll{members: map[ident.PublicKey]members.Member{creator.Key: creator}, revoked: make(map[[32]byte]bool)}
	for id := range set {
		change, is := m.changes[id]
		switch {
		case !is:
		case change.Revoke != nil:
			r.revoked[*change.Revoke] = true
		default:
			inv := m.n.paper(change.Admit).inv
			h := m.n.got[id].header
			one := members.Member{
				Key: change.Admit.Key, Seal: change.Admit.Seal, Role: members.Role(change.Admit.Role), By: h.Author,
				Admission: id, Since: h.Time, Invitation: inv.ID(),
			}
			other, twice := r.members[one.Key]
			if !twice || one.Since < other.Since || one.Since == other.Since && id.Compare(other.Admission) < 0 {
				r.members[one.Key] = one
			}
		}
	}
	return r
}

// cut is the membership in the past of a delta.
func (m *membership) cut(d *delta.Delta) *roll { return m.of(m.g.pasts[d.ID()]) }

// paper is an admission whose signatures were looked at.
type paper struct {
	inv members.Invitation
	req members.JoinRequest
	err error
}

func (n *naive) paper(a *delta.Admit) paper {
	key := string(a.Invitation) + string(a.Request)
	p, known := n.read[key]
	if !known {
		var bad error
		p.inv, p.err = members.DecodeInvitation(a.Invitation)
		p.req, bad = members.DecodeJoinRequest(a.Request)
		p.err = errors.Join(p.err, bad)
		n.read[key] = p
	}
	return p
}

func payloadOf(n *naive, d *delta.Delta) []byte {
	form, err := d.Payload(n.keys[d.Header().Epoch])
	must(n.t, err)
	return form
}

// grants reports whether a key may let somebody in as this.
func (r *roll) grants(key ident.PublicKey, role members.Role) bool {
	m, is := r.members[key]
	return is && m.Role <= members.Admin && role >= members.Admin && role <= members.ReadOnly
}

// judge gives the fate of a member delta.
func (m *membership) judge(d *delta.Delta, form []byte, cut *roll) string {
	h := d.Header()
	change, err := delta.DecodeMember(form)
	if err != nil {
		return "void: "
	}
	if cut.members[h.Author].Role > members.Admin {
		return "void: "
	}
	if change.Revoke != nil {
		if cut.revoked[*change.Revoke] {
			return "void: "
		}
		m.changes[d.ID()] = change
		return "folded"
	}
	a := change.Admit
	p := m.n.paper(a)
	if p.err != nil {
		return "void: "
	}
	inv, req := p.inv, p.req
	used := 0
	for _, other := range cut.members {
		if other.Invitation == inv.ID() {
			used++
		}
	}
	good := []bool{
		inv.Context == m.n.w.context, inv.Genesis == m.n.w.genesis.ID(), req.Invitation == inv.ID(),
		a.Key == req.Member, a.Seal == req.Seal, a.Role == uint8(inv.Role), inv.To.IsZero() || inv.To == a.Key,
		cut.grants(inv.Issuer, inv.Role), cut.grants(h.Author, inv.Role), !h.Time.Wall().After(inv.Expires),
		!cut.revoked[inv.ID()], !cut.IsMember(a.Key),
		inv.Uses == 0 || !inv.To.IsZero() || h.Author == inv.Issuer && used < int(inv.Uses),
	}
	if slices.Contains(good, false) {
		return "void: "
	}
	m.changes[d.ID()] = change
	return "folded"
}

// digest is what the root covers of the membership, from the words of package members.
func (r *roll) digest(w *world) [32]byte {
	genesis := w.genesis.ID()
	b := append([]byte("mero/members/v1\x00\x01"), genesis[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(r.members)))
	for _, key := range r.Members() {
		m := r.members[key]
		for _, part := range [][]byte{m.Key[:], m.Seal[:], {byte(m.Role), byte(m.Caps)}, m.By[:], m.Admission[:]} {
			b = append(b, part...)
		}
		b = append(binary.BigEndian.AppendUint64(b, uint64(m.Since)), m.Invitation[:]...)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(r.revoked)))
	for _, id := range slices.SortedFunc(maps.Keys(r.revoked), func(a, b [32]byte) int { return bytes.Compare(a[:], b[:]) }) {
		b = append(b, id[:]...)
	}
	return sha256.Sum256(b)
}
