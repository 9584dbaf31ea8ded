package members_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mero/node/delta"
	"mero/node/ident"
	"mero/node/members"
)

// event is one delta of a random history of memberships.
type event struct {
	id      delta.ID
	header  delta.Header
	payload delta.Member
	parents []int
}

// papersOf makes invitations and requests once for all histories: signing is slow.
type papersOf struct {
	context ident.ContextID
	genesis delta.ID
	made    map[string]delta.Member
}

func (p *papersOf) admission(t testing.TB, issuer, who byte, role members.Role, uses uint32, directed bool) delta.Member {
	t.Helper()
	name := fmt.Sprint(issuer, who, role, uses, directed)
	if m, ok := p.made[name]; ok {
		return m
	}
	i := members.Invitation{Context: p.context, Genesis: p.genesis, Role: role, Expires: noon, Uses: uses, Ticket: [32]byte{issuer, byte(role)}}
	if directed {
		i.To = key(who).Public()
	}
	must(t, i.Sign(key(issuer)))
	r := members.JoinRequest{Seal: sealing(who), Peer: "p", Time: noon}
	must(t, r.Sign(key(who), &i))
	m := delta.Member{Admit: &delta.Admit{
		Key: r.Member, Seal: r.Seal, Role: uint8(role), Invitation: i.Encode(), Request: r.Encode(),
	}}
	p.made[name] = m
	return m
}

// random makes a history: member deltas of whoever, many of them void, on parents of
// all kinds.
func (p *papersOf) random(t testing.TB, rng *rand.Rand, n int) []event {
	t.Helper()
	someone := func() byte { return byte(1 + rng.IntN(7)) }
	events := []event{{id: p.genesis}}
	for i := 1; i < n; i++ {
		e := event{id: delta.ID{byte(i), byte(i >> 8), byte(rng.Uint32())}}
		e.header = delta.Header{Context: p.context, Kind: delta.KindMember, Author: key(someone()).Public(), Time: delta.NextTime(noon.Add(-time.Hour)) + delta.Time(i)*delta.Tick}
		for range 1 + rng.IntN(3) {
			if on := max(0, i-1-rng.IntN(6)); !slices.Contains(e.parents, on) {
				e.parents = append(e.parents, on)
			}
		}
		if rng.IntN(12) == 0 {
			e.header.Time = delta.NextTime(noon.Add(time.Hour)) + delta.Time(i)*delta.Tick // after its invitation
		}
		role := members.Role(2 + rng.IntN(3))
		switch rng.IntN(8) {
		case 0:
			some := p.admission(t, someone(), someone(), role, 2, false)
			inv, err := members.DecodeInvitation(some.Admit.Invitation)
			must(t, err)
			id := inv.ID()
			e.payload.Revoke = &id
		case 1:
			e.payload = p.admission(t, someone(), someone(), role, 2, false)
			e.header.Author = key(someone()).Public()
		default:
			issuer := someone()
			e.payload = p.admission(t, issuer, someone(), role, uint32(rng.IntN(3)), rng.IntN(2) == 0)
			if rng.IntN(3) > 0 {
				e.header.Author = key(issuer).Public()
			}
		}
		events = append(events, e)
	}
	return events
}

// set is a membership computed from the facts in a past, each time anew.
type set struct {
	members map[ident.PublicKey]members.Member
	revoked map[[32]byte]bool
}

func setOf(facts map[delta.ID]members.Change) set {
	s := set{members: make(map[ident.PublicKey]members.Member), revoked: make(map[[32]byte]bool)}
	f := founder()
	s.members[f.Key] = members.Member{Key: f.Key, Seal: f.Seal, Role: members.Creator, By: f.Key, Admission: f.Genesis, Since: f.Since}
	for id, c := range facts {
		if c.Revoke != nil {
			s.revoked[*c.Revoke] = true
			continue
		}
		m := *c.Admit
		m.Admission = id
		before, twice := s.members[m.Key]
		if !twice || m.Since < before.Since || m.Since == before.Since && m.Admission.Compare(before.Admission) < 0 {
			s.members[m.Key] = m
		}
	}
	return s
}

func (s set) diff(v *members.View) string {
	got := set{members: make(map[ident.PublicKey]members.Member), revoked: make(map[[32]byte]bool)}
	for _, m := range v.All() {
		got.members[m.Key] = m
	}
	for id := range s.revoked {
		got.revoked[id] = v.Revoked(id)
	}
	return cmp.Diff(s, got, cmp.AllowUnexported(set{}))
}

// TestAnyOrder: whatever the order in which deltas are judged, parents first, the view
// at each is the same, and is what the facts in its past say.
func TestAnyOrder(t *testing.T) {
	p := &papersOf{context: ident.ContextID{1}, genesis: founder().Genesis, made: make(map[string]delta.Member)}
	most, voids := 0, make(map[error]int)
	for seed := range uint64(24) {
		rng := rand.New(rand.NewPCG(seed, 1))
		events := p.random(t, rng, 80)
		digests := make([][32]byte, len(events))
		for order := range 4 {
			l, labels := members.New(founder()), make([]uint32, len(events))
			facts := make([]map[delta.ID]members.Change, len(events)) // in the past of each, and of itself
			labels[0] = members.First
			for _, i := range causal(rng, events, order) {
				e := events[i]
				facts[i] = make(map[delta.ID]members.Change)
				var on []uint32
				for _, p := range e.parents {
					on = append(on, labels[p])
					maps.Copy(facts[i], facts[p])
				}
				if i > 0 {
					cut := l.Union(on...)
					c, err := l.Judge(cut, &e.header, e.payload)
					if err == nil {
						facts[i][e.id] = c
						again, err := members.EffectOf(&e.header, e.payload)
						if diff := cmp.Diff(c, again); err != nil || diff != "" {
							t.Fatalf("the effect by itself: %v\n%s", err, diff)
						}
					} else {
						voids[reasonOf(t, err)]++
					}
					labels[i] = l.With(cut, e.id, c)
				}
				v := l.View(labels[i])
				if diff := setOf(facts[i]).diff(v); diff != "" {
					t.Fatalf("seed %d, delta %d: (-facts +view)\n%s", seed, i, diff)
				}
				if order == 0 {
					digests[i] = v.Digest()
				} else if v.Digest() != digests[i] {
					t.Fatalf("seed %d: the view at delta %d depends on the order", seed, i)
				}
				most = max(most, v.Len())
				if again, err := members.DecodeView(v.Encode()); err != nil || !again.Equal(v) || l.Label(again) != labels[i] {
					t.Fatalf("seed %d, delta %d: decoded: %v", seed, i, err)
				}
			}
		}
	}
	for _, want := range []error{
		members.ErrNotMember, members.ErrNotAllowed, members.ErrIssuer, members.ErrRevoked, members.ErrUsedUp,
		members.ErrAskIssuer, members.ErrAlready, members.ErrExpired,
	} {
		if voids[want] == 0 {
			t.Errorf("no delta was void for %q: the test is too tame", want)
		}
	}
	if most < 5 {
		t.Errorf("at most %d members: the test is too tame", most)
	}
}

func reasonOf(t *testing.T, err error) error {
	t.Helper()
	for _, known := range []error{
		members.ErrNotMember, members.ErrNotAllowed, members.ErrIssuer, members.ErrRevoked, members.ErrUsedUp,
		members.ErrAskIssuer, members.ErrAlready, members.ErrExpired,
	} {
		if errors.Is(err, known) {
			return known
		}
	}
	t.Fatalf("void for %v", err)
	return nil
}

// causal is an order in which parents come first; order 0 is the given one.
func causal(rng *rand.Rand, events []event, order int) (out []int) {
	done := make([]bool, len(events))
	for len(out) < len(events) {
		var ready []int
		for i, e := range events {
			if !done[i] && !slices.ContainsFunc(e.parents, func(p int) bool { return !done[p] }) {
				ready = append(ready, i)
			}
		}
		i := ready[0]
		if order > 0 {
			i = ready[rng.IntN(len(ready))]
		}
		done[i] = true
		out = append(out, i)
	}
	return out
}

// TestUnionLaws: the union of views is associative, commutative and idempotent.
func TestUnionLaws(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	l := members.New(founder())
	labels := []uint32{members.First}
	for i := range 60 {
		on := labels[rng.IntN(len(labels))]
		who := byte(2 + rng.IntN(12)) // some are admitted twice, beside each other
		c := members.Change{Admit: &members.Member{Key: key(who).Public(), Role: members.Plain, Since: delta.Time(1+rng.IntN(4)) * delta.Tick}}
		if rng.IntN(4) == 0 {
			c = members.Change{Revoke: &[32]byte{byte(rng.IntN(9))}}
		}
		labels = append(labels, l.With(on, delta.ID{byte(i)}, c))
	}
	pick := func() uint32 { return labels[rng.IntN(len(labels))] }
	for range 3000 {
		a, b, c := pick(), pick(), pick()
		ab := l.Union(a, b)
		if l.Union(b, a) != ab || l.Union(ab, a) != ab || l.Union(a) != a || l.Union(a, a) != a {
			t.Fatalf("union of %d and %d", a, b)
		}
		if l.Union(ab, c) != l.Union(a, l.Union(b, c)) || l.Union(a, b, c) != l.Union(ab, c) {
			t.Fatalf("union of %d, %d and %d", a, b, c)
		}
		labels[rng.IntN(len(labels))] = ab
	}
	if l.Union() != 0 || l.Union(members.First, 0) != 0 || l.Union(0, members.First) != 0 || l.View(0) != nil || l.View(1<<30) != nil {
		t.Error("what is not known has a view")
	}
}

// TestRights: who may do what, by role and capability.
func TestRights(t *testing.T) {
	all := []members.Role{members.Creator, members.Admin, members.Plain, members.ReadOnly}
	for _, row := range []struct {
		role   members.Role
		caps   members.Capabilities
		app    bool
		grants string
	}{
		{members.Creator, 0, true, "admin member read-only "},
		{members.Admin, 0, true, "admin member read-only "},
		{members.Plain, 0, false, ""},
		{members.Plain, members.ManageMembers, false, "member read-only "},
		{members.Plain, members.ManageApplication, true, ""},
		{members.ReadOnly, members.ManageMembers | members.ManageApplication, false, ""},
	} {
		m := members.Member{Role: row.role, Caps: row.caps}
		got := ""
		for _, r := range all {
			if m.MayGrant(r) {
				got += r.String() + " "
			}
		}
		if got != row.grants || m.May(members.ManageApplication) != row.app {
			t.Errorf("%s with %d grants %q, applications %v", row.role, row.caps, got, m.May(members.ManageApplication))
		}
	}
	for _, r := range all {
		if got, err := members.ParseRole(r.String()); err != nil || got != r {
			t.Errorf("%s reads as %s, %v", r, got, err)
		}
	}
	if _, err := members.ParseRole("king"); err == nil || members.Role(9).String() != "role 9" {
		t.Error("a role that there is not")
	}
}

// TestManyMembers: there are bounds, and large memberships cost what changes.
func TestManyMembers(t *testing.T) {
	l, label := members.New(founder()), members.First
	for i := range members.MaxMembers - 1 {
		label = l.With(label, delta.ID{1, byte(i), byte(i >> 8)}, members.Change{Admit: &members.Member{
			Key: ident.PublicKey{3, byte(i), byte(i >> 8)}, Role: members.Plain, Since: delta.Tick,
		}})
	}
	v := l.View(label)
	if v.Len() != members.MaxMembers || len(v.Members()) != members.MaxMembers || !v.IsMember(ident.PublicKey{3, 9}) {
		t.Errorf("%d members", v.Len())
	}
	raw := v.Encode()
	if again, err := members.DecodeView(raw); err != nil || !bytes.Equal(again.Encode(), raw) {
		t.Error("decoded:", err)
	}
	p := &papersOf{context: ident.ContextID{1}, genesis: founder().Genesis, made: make(map[string]delta.Member)}
	h := delta.Header{Context: p.context, Kind: delta.KindMember, Author: key(1).Public(), Time: delta.NextTime(noon.Add(-time.Hour))}
	if _, err := v.Judge(&h, p.admission(t, 1, 2, members.Plain, 0, false)); !errors.Is(err, members.ErrFull) {
		t.Errorf("one more: %v", err)
	}
}

func FuzzDecodeView(f *testing.F) {
	l := members.New(founder())
	label := l.With(members.First, delta.ID{8}, members.Change{Admit: &members.Member{Key: key(9).Public(), Role: members.Plain}})
	label = l.With(label, delta.ID{9}, members.Change{Revoke: &[32]byte{6}})
	f.Add(l.View(label).Encode())
	f.Fuzz(func(t *testing.T, raw []byte) {
		if v, err := members.DecodeView(raw); err == nil && !bytes.Equal(v.Encode(), raw) {
			t.Errorf("%x is written again as %x", raw, v.Encode())
		}
	})
}

func BenchmarkUnionOfEqual(b *testing.B) {
	l := members.New(founder())
	labels := []uint32{members.First, members.First, members.First}
	b.ReportAllocs()
	for b.Loop() {
		if l.Union(labels...) != members.First {
			b.Fatal("not the same")
		}
	}
}
