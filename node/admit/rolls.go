package admit

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"mero/node/history"
	"mero/node/ident"
	"mero/node/members"
	"mero/node/store"
)

// ErrContextNotFound says that this node has no such context.
var ErrContextNotFound = errors.New("context not found")

// Rolls tell who is in the contexts of a node, as their state has it, and speak for the
// members that this node is. It is safe for concurrent use.
type Rolls struct {
	store *store.Store
	known *history.Memberships
}

// NewRolls makes them over a store and what is remembered of it.
func NewRolls(s *store.Store, known *history.Memberships) *Rolls {
	return &Rolls{store: s, known: known}
}

func (r *Rolls) view(id ident.ContextID) (*store.View, error) {
	view, err := r.store.View(id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("%w: %s", ErrContextNotFound, id)
	}
	return view, err
}

// seen looks at a context and its membership as they are now.
func (r *Rolls) seen(id ident.ContextID, look func(*store.View, *members.View) error) error {
	view, err := r.view(id)
	if err != nil {
		return err
	}
	defer view.Close()
	v, err := r.known.Of(view)
	if err != nil {
		return err
	}
	return look(view, v)
}

// Membership are the members of a context, ascending by key, as of the state here.
func (r *Rolls) Membership(id ident.ContextID) (list []members.Member, err error) {
	err = r.seen(id, func(_ *store.View, v *members.View) error {
		list = v.All()
		return nil
	})
	return list, err
}

// Members are the keys of a context's members, ascending.
func (r *Rolls) Members(id ident.ContextID) (list []ident.PublicKey, err error) {
	err = r.seen(id, func(_ *store.View, v *members.View) error {
		list = slices.Clone(v.Members())
		return nil
	})
	return list, err
}

// Invitations are those that members of this node issued for a context and that have
// not been forgotten, by id.
func (r *Rolls) Invitations(id ident.ContextID) (list []Issued, err error) {
	err = r.seen(id, func(view *store.View, v *members.View) error {
		list, err = AllIssued(view, v)
		return err
	})
	return list, err
}

// AdmissionOf is what a member was admitted by, without what to know of the code.
// Errors: ErrContextNotFound, members.ErrNotMember.
func (r *Rolls) AdmissionOf(id ident.ContextID, member ident.PublicKey) (a Admission, err error) {
	err = r.seen(id, func(view *store.View, v *members.View) error {
		rec := view.Context()
		m, ok := v.Get(member)
		if !ok {
			return members.ErrNotMember
		}
		genesis, err := view.Delta(rec.Genesis)
		if err != nil {
			return err
		}
		d, err := view.Delta(m.Admission)
		a = Admission{Genesis: genesis.Bytes, Delta: d.Bytes, App: rec.App}
		return err
	})
	return a, err
}

// Binding says for the members of a context that a libp2p peer, which is this node,
// speaks for the lowest own key among them, or for the lowest own key while none is
// known to be a member yet; it is good for members.MaxBindingLife. Errors:
// ErrContextNotFound, members.ErrNotMember when there is no own key.
func (r *Rolls) Binding(id ident.ContextID, peer string, now time.Time) (b members.Binding, err error) {
	err = r.seen(id, func(view *store.View, v *members.View) error {
		own, err := view.Identities()
		if err != nil {
			return err
		}
		b, err = Bind(id, v, own, peer, now)
		return err
	})
	return b, err
}

// CheckBinding says whether a binding is good on the connection of a peer. Errors:
// ErrContextNotFound, members.ErrNotMember for one that would be good but for that, and
// those of members.Binding.Verify.
func (r *Rolls) CheckBinding(b members.Binding, peer string, now time.Time) error {
	return r.seen(b.Context, func(_ *store.View, v *members.View) error {
		if err := b.Verify(peer, now, b.Context); err != nil {
			return err
		}
		if !v.IsMember(b.Member) {
			return fmt.Errorf("binding of %s: %w", b.Member, members.ErrNotMember)
		}
		return nil
	})
}

// Secret is the topic secret of a context, from its genesis (R14).
func (r *Rolls) Secret(id ident.ContextID) ([32]byte, error) {
	view, err := r.view(id)
	if err != nil {
		return [32]byte{}, err
	}
	defer view.Close()
	return r.known.Secret(view)
}

// Shared are the topic secrets of all contexts of this node (R14).
func (r *Rolls) Shared() (map[ident.ContextID][32]byte, error) {
	records, err := r.store.Contexts()
	if err != nil {
		return nil, err
	}
	all := make(map[ident.ContextID][32]byte, len(records))
	for _, rec := range records {
		secret, err := r.Secret(rec.ID)
		if errors.Is(err, ErrContextNotFound) {
			continue // deleted meanwhile
		}
		if err != nil {
			return nil, err
		}
		all[rec.ID] = secret
	}
	return all, nil
}
