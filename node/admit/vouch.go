package admit

import (
	"fmt"

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
// one before admits, and the last one admits the member. Whether they count, their place
// in the context will tell. Errors: members.ErrNotMember for admissions that do not lead
// there, those of opening them.
func Vouch(view *store.View, v *members.View, member ident.PublicKey, admissions [][]byte) error {
	known := func(key ident.PublicKey) bool { _, ok := v.Get(key); return ok }
	for _, raw := range admissions {
		next, err := admitted(view, known, raw)
		if err != nil {
			return fmt.Errorf("admission: %w", err)
		}
		known = func(key ident.PublicKey) bool { return key == next }
	}
	if len(admissions) == 0 || !known(member) {
		return fmt.Errorf("admission: %w: none of %s is shown", members.ErrNotMember, member)
	}
	return nil
}

// admitted is who a member delta by somebody who is known admits.
func admitted(view *store.View, known func(ident.PublicKey) bool, raw []byte) (ident.PublicKey, error) {
	d, err := delta.Open(raw)
	if err != nil {
		return ident.PublicKey{}, err
	}
	h := d.Header()
	if h.Context != view.Context().ID || h.Kind != delta.KindMember || !known(h.Author) {
		return ident.PublicKey{}, fmt.Errorf("%w: %s", members.ErrNotMember, h.Author)
	}
	key, err := view.EpochKey(h.Epoch)
	if err != nil {
		return ident.PublicKey{}, err
	}
	payload, err := d.Payload(key)
	if err != nil {
		return ident.PublicKey{}, err
	}
	change, err := delta.DecodeMember(payload)
	if err != nil {
		return ident.PublicKey{}, err
	}
	if change.Admit == nil {
		return ident.PublicKey{}, fmt.Errorf("%w: it admits nobody", members.ErrNotMember)
	}
	return change.Admit.Key, nil
}
