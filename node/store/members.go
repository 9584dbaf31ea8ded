package store

import (
	"mero/node/delta"
	"mero/node/ident"
)

// MaxMembership bounds Step.Members, in bytes.
const MaxMembership = 16 << 20

// checkMembers refuses what no store could take.
func (st *Step) checkMembers() error {
	err := checkSize("membership", len(st.Members), MaxMembership)
	for _, i := range st.Invitations {
		err = first(err, checkSize("invitation", len(i.Bytes), delta.MaxInvitation))
	}
	return err
}

// compareMembers finds what the step's membership changes.
func (p *plan) compareMembers(r reader) error {
	if p.Members == nil {
		return nil
	}
	old, had, err := r.get(spaceMembers, nil)
	p.members = Change{Old: old, HadOld: had, New: p.Members, HasNew: true}
	return err
}

// Members is the membership at the heads, as the step gave it that last changed it;
// nil for a context from before there were any.
func (v *View) Members() ([]byte, error) {
	b, _, err := v.reader.get(spaceMembers, nil)
	return b, err
}

func (s *Store) invitationWrites(st *Step) ([]write, error) {
	writes := make([]write, 0, len(st.Invitations)+len(st.InvitationsDrop))
	for _, i := range st.InvitationsDrop {
		writes = append(writes, write{key: invitationKey(i.Context, i.ID), del: true})
	}
	for _, i := range st.Invitations {
		value, err := s.codec.encode(invitationRecord{Bytes: i.Bytes, Left: i.Left})
		if err != nil {
			return nil, err
		}
		writes = append(writes, write{key: invitationKey(i.Context, i.ID), value: value})
	}
	return writes, nil
}

// Invitations are all that members of this node issued for the context, ascending by
// id.
func (v *View) Invitations() (list []Invitation, err error) {
	prefix := invitationPrefix(v.reader.context)
	err = each(v.reader.txn, prefix, func(key, value []byte) (bool, error) {
		if len(key) != len(prefix)+ident.Size {
			return false, broken("invitation", "key of %d bytes", len(key))
		}
		var rec invitationRecord
		err := v.store.codec.decode(value, &rec)
		list = append(list, Invitation{Context: v.reader.context, ID: [32]byte(key[len(prefix):]), Bytes: rec.Bytes, Left: rec.Left})
		return err == nil, err
	})
	return list, err
}
