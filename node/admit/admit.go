package admit

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"mero/node/delta"
	"mero/node/ident"
	"mero/node/members"
	"mero/node/store"
)

const (
	// DefaultTTL is how long an invitation is good of which nobody says it.
	DefaultTTL = 7 * 24 * time.Hour
	// maxIssued bounds the invitations of one context that a node remembers.
	maxIssued = 1024
)

// InviteRequest asks for an invitation to a context.
type InviteRequest struct {
	Context ident.ContextID
	// Executor is the member of this node that invites.
	Executor ident.PublicKey
	// To is the key that it is for; zero: it is open.
	To ident.PublicKey
	// Role is what who joins becomes; zero: a plain member.
	Role members.Role
	// TTL is how long it is good, at least a second; zero: DefaultTTL.
	TTL time.Duration
	// Uses is how many may join by it; zero: as many as like, until it expires.
	Uses uint32
	// Addrs are where this node, or other members, may be found: multiaddrs with /p2p/.
	Addrs []string
}

// Issue makes an invitation to the context of a genesis, and what to remember of it.
func (r *InviteRequest) Issue(v *members.View, secret [32]byte, who *store.Identity, now time.Time) (members.Invitation, store.Invitation, error) {
	role := cmp.Or(r.Role, members.Plain)
	m, ok := v.Get(r.Executor)
	switch {
	case !ok:
		return members.Invitation{}, store.Invitation{}, members.ErrNotMember
	case !m.MayGrant(role):
		return members.Invitation{}, store.Invitation{}, members.ErrNotAllowed
	}
	i := members.Invitation{
		Context: r.Context, Genesis: v.Genesis(), Secret: secret, Role: role, To: r.To, Uses: r.Uses,
		Expires: now.Add(cmp.Or(r.TTL, DefaultTTL)).UTC().Truncate(time.Second), Addrs: slices.Clone(r.Addrs),
	}
	_, _ = rand.Read(i.Ticket[:]) // never fails
	if err := i.Sign(who.PrivateKey()); err != nil {
		return members.Invitation{}, store.Invitation{}, err
	}
	return i, store.Invitation{Context: r.Context, ID: i.ID(), Bytes: i.Encode(), Left: i.Uses}, nil
}

// Expired are those of the issued invitations of a snapshot that are good no more, to
// be forgotten. The error says that there are too many others.
func Expired(view *store.View, now time.Time) ([]store.Invitation, error) {
	all, err := view.Invitations()
	if err != nil {
		return nil, err
	}
	gone := slices.DeleteFunc(slices.Clone(all), func(rec store.Invitation) bool {
		i, err := members.DecodeInvitation(rec.Bytes)
		return err == nil && !i.IsExpired(now)
	})
	if len(all)-len(gone) >= maxIssued {
		return nil, fmt.Errorf("%w: %d invitations that are good", members.ErrFull, maxIssued)
	}
	return gone, nil
}

// Issued is an invitation that a member of this node issued.
type Issued struct {
	members.Invitation

	// Left is how many may still join by it, if it is counted.
	Left uint32
	// Revoked and IsExpired say that nobody may.
	Revoked bool
}

// AllIssued are the issued invitations of a snapshot, by id.
func AllIssued(view *store.View, v *members.View) ([]Issued, error) {
	all, err := view.Invitations()
	if err != nil {
		return nil, err
	}
	list := make([]Issued, 0, len(all))
	for _, rec := range all {
		i, err := members.DecodeInvitation(rec.Bytes)
		if err != nil {
			return nil, err
		}
		list = append(list, Issued{Invitation: i, Left: rec.Left, Revoked: v.Revoked(rec.ID)})
	}
	return list, nil
}

// Check verifies the papers with which somebody asks to be let into a context.
func Check(context ident.ContextID, inv *members.Invitation, req *members.JoinRequest) error {
	if err := inv.Verify(); err != nil {
		return err
	}
	if err := req.Verify(); err != nil {
		return err
	}
	if inv.Context != context {
		return fmt.Errorf("invitation: %w", members.ErrOtherContext)
	}
	return nil
}

// Choose finds the member of this node that is to admit: who issued the invitation, or
// the lowest key that may. The error says why none does.
func Choose(v *members.View, own []ident.PublicKey, inv *members.Invitation, req *members.JoinRequest) (ident.PublicKey, error) {
	candidates := []ident.PublicKey{inv.Issuer}
	if !slices.Contains(own, inv.Issuer) {
		candidates = slices.SortedFunc(slices.Values(own), ident.PublicKey.Compare)
	}
	why := v.Admits(inv, req, &members.Member{}) // as nobody
	for _, key := range candidates {
		m, ok := v.Get(key)
		if !ok {
			continue
		}
		if err := v.Admits(inv, req, &m); err == nil {
			return key, nil
		} else if why = err; !errors.Is(err, members.ErrNotAllowed) {
			break
		}
	}
	return ident.PublicKey{}, why
}

// Count takes one use off an invitation that has a number of them. changed is false
// for others. Errors: members.ErrAskIssuer when it was not issued here, ErrUsedUp.
func Count(view *store.View, inv *members.Invitation) (rec store.Invitation, changed bool, err error) {
	if !inv.IsCounted() {
		return rec, false, nil
	}
	all, err := view.Invitations()
	if err != nil {
		return rec, false, err
	}
	i := slices.IndexFunc(all, func(one store.Invitation) bool { return one.ID == inv.ID() })
	if i < 0 {
		return rec, false, members.ErrAskIssuer
	}
	if rec = all[i]; rec.Left == 0 {
		return rec, false, members.ErrUsedUp
	}
	rec.Left--
	return rec, true, nil
}

// Payload is what the member delta of an admission says.
func Payload(inv *members.Invitation, req *members.JoinRequest) delta.Member {
	return delta.Member{Admit: &delta.Admit{
		Key: req.Member, Seal: req.Seal, Role: uint8(inv.Role), Invitation: inv.Encode(), Request: req.Encode(),
	}}
}

// Bind makes the binding of the lowest own key that is a member. While none is known to
// be one, it is that of the lowest own key: a node that was admitted just now has not
// seen yet what its admission rests on, and has to show a binding to get it. Others
// judge it by what they know. Errors: members.ErrNotMember when there is no own key.
func Bind(context ident.ContextID, v *members.View, own []store.Identity, peer string, now time.Time) (members.Binding, error) {
	if len(own) == 0 {
		return members.Binding{}, members.ErrNotMember
	}
	own = slices.SortedFunc(slices.Values(own), func(a, b store.Identity) int { return a.Public().Compare(b.Public()) })
	who, role := own[0], members.Plain
	for _, one := range own {
		if m, ok := v.Get(one.Public()); ok {
			who, role = one, m.Role
			break
		}
	}
	at := now.UTC().Truncate(time.Second)
	b := members.Binding{Context: context, Peer: peer, Role: role, Time: at, Expires: at.Add(members.MaxBindingLife)}
	err := b.Sign(who.PrivateKey())
	return b, err
}

// Request asks by an invitation for one's own admission.
func Request(inv *members.Invitation, who *store.Identity, peer string, now time.Time) (members.JoinRequest, error) {
	if !inv.To.IsZero() && inv.To != who.Public() {
		return members.JoinRequest{}, members.ErrNotForYou
	}
	seal, err := who.SealKey()
	if err != nil {
		return members.JoinRequest{}, err
	}
	req := members.JoinRequest{Seal: seal.Public(), Peer: peer, Time: now.UTC().Truncate(time.Second)}
	err = req.Sign(who.PrivateKey(), inv)
	return req, err
}
