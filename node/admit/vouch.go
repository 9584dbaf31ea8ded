package admit

import (
	"fmt"
	"slices"

	"mero/node/delta"
	"mero/node/ident"
	"mero/node/members"
	"mero/node/store"
)

// Vouched checks that admissions lead from a member that is known here to one that is
// not. Errors: ErrContextNotFound, and those of Vouch.
func (r *Rolls) Vouched(id ident.ContextID, member ident.PublicKey, admissions [][]byte) error {
	return r.seen(id, func(view *store.View, v *members.View) error { return Vouch(view, v, member, admissions) })
}

// Vouch checks that admissions, each the envelope of a member delta, lead to a member
// that is not known here: the first one is by a known member, each further one by who the
// one before admits, each of whom may admit, and the last one admits the member. Whether
// they count, their place in the context will tell. Errors: members.ErrNotMember for
// admissions that do not lead there, those of opening them.
func Vouch(view *store.View, v *members.View, member ident.PublicKey, admissions [][]byte) error {
	var last delta.Admit
	for i, raw := range admissions {
		may := func(key ident.PublicKey) bool { m, ok := v.Get(key); return ok && m.May(members.ManageMembers) }
		if i > 0 {
			by := members.Member{Key: last.Key, Role: members.Role(last.Role)}
			may = func(key ident.PublicKey) bool { return key == by.Key && by.May(members.ManageMembers) }
		}
		next, err := admitted(view, may, raw)
		if err != nil {
			return fmt.Errorf("admission: %w", err)
		}
		last = *next
	}
	if len(admissions) == 0 || last.Key != member {
		return fmt.Errorf("admission: %w: none of %s is shown", members.ErrNotMember, member)
	}
	return nil
}

// admitted is what a member delta by somebody who may says of whom it admits.
func admitted(view *store.View, may func(ident.PublicKey) bool, raw []byte) (*delta.Admit, error) {
	d, err := delta.Open(raw)
	if err != nil {
		return nil, err
	}
	h := d.Header()
	if h.Context != view.Context().ID || h.Kind != delta.KindMember || !may(h.Author) {
		return nil, fmt.Errorf("%w: %s", members.ErrNotMember, h.Author)
	}
	key, err := view.EpochKey(h.Epoch)
	if err != nil {
		return nil, err
	}
	payload, err := d.Payload(key)
	if err != nil {
		return nil, err
	}
	change, err := delta.DecodeMember(payload)
	if err != nil {
		return nil, err
	}
	if change.Admit == nil {
		return nil, fmt.Errorf("%w: it admits nobody", members.ErrNotMember)
	}
	return change.Admit, nil
}

// maxOpened bounds how many member deltas are opened to find one's own admission.
const maxOpened = 64

// Ways are the addresses in the invitations by which members of this node came into a
// context: where somebody may be found when nobody is known. Errors: ErrContextNotFound,
// those of the store.
func (r *Rolls) Ways(id ident.ContextID) (addrs []string, err error) {
	err = r.seen(id, func(view *store.View, v *members.View) error {
		owned, err := view.Identities()
		if err != nil {
			return err
		}
		own := make(map[ident.PublicKey]bool)
		var ids []delta.ID
		for _, who := range owned {
			own[who.Public()] = true
			if m, ok := v.Get(who.Public()); ok {
				ids = append(ids, m.Admission)
			}
		}
		if len(ids) == 0 { // the admission waits for what it rests on
			ids, err = memberDeltas(view)
		}
		for _, id := range ids {
			addrs = append(addrs, invited(view, own, id)...)
		}
		return err
	})
	return addrs, err
}

// memberDeltas are the first of a context.
func memberDeltas(view *store.View) (ids []delta.ID, err error) {
	for rec, err := range view.Headers(0) {
		if err != nil || len(ids) == maxOpened {
			return ids, err
		}
		if h, _, err := delta.HeaderOf(rec.Bytes); err == nil && h.Kind == delta.KindMember {
			ids = append(ids, rec.ID)
		}
	}
	return ids, nil
}

// invited are the addresses in the invitation of an admission of one's own; none if it
// is something else.
func invited(view *store.View, own map[ident.PublicKey]bool, id delta.ID) []string {
	_, a := admitting(view, id)
	if a == nil || !own[a.Key] {
		return nil
	}
	inv, err := members.DecodeInvitation(a.Invitation)
	if err != nil {
		return nil
	}
	return inv.Addrs
}

// admitting reads a stored delta that admits somebody; nil if it is something else.
func admitting(view *store.View, id delta.ID) (*delta.Delta, *delta.Admit) {
	rec, err := view.Delta(id)
	if err != nil {
		return nil, nil
	}
	d, err := delta.Reopen(rec.Bytes)
	if err != nil || d.Header().Kind != delta.KindMember {
		return nil, nil
	}
	key, err := view.EpochKey(d.Header().Epoch)
	if err != nil {
		return nil, nil
	}
	payload, err := d.Payload(key)
	if err != nil {
		return nil, nil
	}
	m, err := delta.DecodeMember(payload)
	if err != nil {
		return nil, nil
	}
	return d, m.Admit
}

// Admissions are the envelopes of the deltas that made a member one, for Vouched on
// other nodes: that of whom the creator admitted first, its own last; at most so many.
// What is not known as a member here yet is looked for among the deltas that wait. Errors:
// ErrContextNotFound, those of the store.
func (r *Rolls) Admissions(id ident.ContextID, member ident.PublicKey, most int) (chain [][]byte, err error) {
	err = r.seen(id, func(view *store.View, v *members.View) error {
		for key := member; len(chain) < most; {
			admission, by, err := admissionOf(view, v, key)
			if err != nil || admission == nil {
				return err
			}
			chain, key = append(chain, admission), by
		}
		return nil
	})
	slices.Reverse(chain)
	return chain, err
}

// admissionOf is the envelope that made a member one, and who made that; nil for the
// creator, and for whom it is not here.
func admissionOf(view *store.View, v *members.View, key ident.PublicKey) ([]byte, ident.PublicKey, error) {
	if m, ok := v.Get(key); ok {
		if m.Role == members.Creator {
			return nil, key, nil
		}
		rec, err := view.Delta(m.Admission)
		return rec.Bytes, m.By, err
	}
	ids, err := memberDeltas(view)
	if err != nil {
		return nil, key, err
	}
	for _, id := range ids {
		if d, a := admitting(view, id); a != nil && a.Key == key {
			return d.Bytes(), d.Header().Author, nil
		}
	}
	return nil, key, nil
}
