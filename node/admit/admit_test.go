package admit_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"mero/node/admit"
	"mero/node/delta"
	"mero/node/ident"
	"mero/node/members"
	"mero/node/store"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 500, time.UTC)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func identity(t *testing.T) *store.Identity {
	t.Helper()
	who, err := store.NewIdentity(noon)
	must(t, err)
	return &who
}

// room is a membership of a creator, two admins, a plain member and one that reads.
func room(t *testing.T) (v *members.View, all []*store.Identity) {
	t.Helper()
	for range 5 {
		all = append(all, identity(t))
	}
	l := members.New(members.Founder{Genesis: delta.ID{1}, Key: all[0].Public()})
	label := members.First
	for i, role := range []members.Role{members.Admin, members.Admin, members.Plain, members.ReadOnly} {
		label = l.With(label, delta.ID{byte(2 + i)}, members.Change{Admit: &members.Member{Key: all[1+i].Public(), Role: role}})
	}
	return l.View(label), all
}

func TestIssue(t *testing.T) {
	v, all := room(t)
	req := admit.InviteRequest{Context: ident.ContextID{7}, Executor: all[1].Public(), Uses: 3, Addrs: []string{"/ip4/192.0.2.1"}}
	inv, rec, err := req.Issue(v, [32]byte{8}, all[1], noon)
	must(t, err)
	must(t, inv.Verify())
	if inv.Role != members.Plain || inv.Genesis != v.Genesis() || inv.Secret != [32]byte{8} || inv.Issuer != all[1].Public() ||
		!inv.Expires.Equal(noon.Add(admit.DefaultTTL).Truncate(time.Second)) || rec.Left != 3 || rec.ID != inv.ID() {
		t.Errorf("%+v, remembered as %+v", inv, rec)
	}
	again, _, err := req.Issue(v, [32]byte{8}, all[1], noon)
	if must(t, err); again.ID() == inv.ID() {
		t.Error("two invitations are one")
	}
	for name, row := range map[string]struct {
		change func(*admit.InviteRequest)
		want   error
	}{
		"a stranger":     {func(r *admit.InviteRequest) { r.Executor = ident.PublicKey{1} }, members.ErrNotMember},
		"a plain member": {func(r *admit.InviteRequest) { r.Executor = all[3].Public() }, members.ErrNotAllowed},
		"to be creator":  {func(r *admit.InviteRequest) { r.Role = members.Creator }, members.ErrNotAllowed},
		"in the past":    {func(r *admit.InviteRequest) { r.TTL = -100 * 365 * 24 * time.Hour }, members.ErrMalformed},
		"for a weak key": {func(r *admit.InviteRequest) { r.To = ident.PublicKey{1} }, members.ErrMalformed},
		"many addresses": {func(r *admit.InviteRequest) { r.Addrs = make([]string, 17) }, members.ErrTooLarge},
	} {
		bad := req
		row.change(&bad)
		if _, _, err := bad.Issue(v, [32]byte{}, all[1], noon); !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", name, err, row.want)
		}
	}
}

// TestChoose: the issuer admits if it is here, else the lowest key that may.
func TestChoose(t *testing.T) {
	v, all := room(t)
	keys := func(of ...int) (out []ident.PublicKey) {
		for _, i := range of {
			out = append(out, all[i].Public())
		}
		return out
	}
	lowest := slices.MinFunc(keys(0, 2), ident.PublicKey.Compare)
	for name, row := range map[string]struct {
		own  []ident.PublicKey
		uses uint32
		want ident.PublicKey
		err  error
	}{
		"the issuer":           {keys(0, 1, 2), 0, all[1].Public(), nil},
		"another":              {keys(2, 3), 0, all[2].Public(), nil},
		"the lowest":           {keys(4, 3, 2, 0), 0, lowest, nil},
		"none that may":        {keys(3, 4), 0, ident.PublicKey{}, members.ErrNotAllowed},
		"nobody":               {nil, 0, ident.PublicKey{}, members.ErrNotAllowed},
		"a stranger":           {[]ident.PublicKey{{5}}, 0, ident.PublicKey{}, members.ErrNotAllowed},
		"counted":              {keys(1), 1, all[1].Public(), nil},
		"counted, by another":  {keys(0, 2), 1, ident.PublicKey{}, members.ErrAskIssuer},
		"counted, nobody here": {nil, 1, ident.PublicKey{}, members.ErrAskIssuer},
	} {
		req := admit.InviteRequest{Context: ident.ContextID{7}, Executor: all[1].Public(), Uses: row.uses}
		inv, _, err := req.Issue(v, [32]byte{}, all[1], noon)
		must(t, err)
		ask, err := admit.Request(&inv, identity(t), "p", noon)
		must(t, err)
		must(t, admit.Check(inv.Context, &inv, &ask))
		got, err := admit.Choose(v, row.own, &inv, &ask)
		if got != row.want || !errors.Is(err, row.err) || (err == nil) != (row.err == nil) {
			t.Errorf("%s: %v, %v; want %v, %v", name, got, err, row.want, row.err)
		}
	}
}

// TestBind: the lowest own key that is a member speaks; before one is known to be, the
// lowest.
func TestBind(t *testing.T) {
	v, all := room(t)
	stranger, other := identity(t), identity(t)
	for name, row := range map[string]struct {
		own  []store.Identity
		role members.Role
		who  ident.PublicKey
	}{
		"a member":  {[]store.Identity{*stranger, *all[4]}, members.ReadOnly, all[4].Public()},
		"strangers": {[]store.Identity{*stranger, *other}, members.Plain, slices.MinFunc([]ident.PublicKey{stranger.Public(), other.Public()}, ident.PublicKey.Compare)},
	} {
		b, err := admit.Bind(ident.ContextID{7}, v, row.own, "p", noon)
		must(t, err)
		if err := b.Verify("p", noon, ident.ContextID{7}); err != nil || b.Role != row.role || b.Member != row.who {
			t.Errorf("%s: %+v, %v", name, b, err)
		}
	}
	if _, err := admit.Bind(ident.ContextID{7}, v, nil, "p", noon); !errors.Is(err, members.ErrNotMember) {
		t.Errorf("without a key: %v", err)
	}
}
