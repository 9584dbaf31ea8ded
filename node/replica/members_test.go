package replica_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mero/node/delta"
	"mero/node/ident"
	"mero/node/members"
	"mero/node/replica"
	"mero/node/store"
	"mero/node/store/storetest"
)

// party is some homes that share a context, in fake time.
type party struct {
	t     *testing.T
	homes []*home
	at    []replica.Created
	now   time.Time
}

// newParty has a creator, and as many others as roles.
func newParty(t *testing.T, roles ...members.Role) *party {
	t.Helper()
	p := &party{t: t, now: base}
	for range 1 + len(roles) {
		h := newQuickHome(t)
		h.wall = func() time.Time { return p.now }
		p.homes = append(p.homes, h)
	}
	p.at = append(p.at, p.homes[0].create("rawkv", "{}"))
	for i, role := range roles {
		h := p.homes[i+1]
		h.install("rawkv")
		p.at = append(p.at, h.joinAs(p.homes[0], p.at[0], role))
	}
	p.meet()
	return p
}

// meet has all of them hear of all.
func (p *party) meet() {
	p.t.Helper()
	for i, h := range p.homes {
		for j, other := range p.homes {
			if i != j {
				h.receive(p.at[i], other.log(p.at[j])...)
			}
		}
	}
	for i, h := range p.homes[1:] {
		if got, want := h.info(p.at[i+1]), p.homes[0].info(p.at[0]); got.Root != want.Root || !slices.Equal(got.Heads, want.Heads) || got.Members != want.Members {
			p.t.Fatalf("home %d has root %x, heads %v, %d members; the creator's %x, %v, %d", i+1, got.Root, got.Heads, got.Members, want.Root, want.Heads, want.Members)
		}
	}
	for i, h := range p.homes {
		h.verify(p.at[i].Context)
	}
}

// roles is who is what, as a home has it.
func (p *party) roles(i int) map[ident.PublicKey]members.Role {
	p.t.Helper()
	list, err := p.homes[i].set.Membership(p.at[i].Context)
	must(p.t, err)
	if !slices.IsSortedFunc(list, func(a, b members.Member) int { return a.Key.Compare(b.Key) }) {
		p.t.Errorf("home %d: not ascending", i)
	}
	out := make(map[ident.PublicKey]members.Role)
	for _, m := range list {
		out[m.Key] = m.Role
	}
	return out
}

// TestJoining: who was invited becomes a member on every node, as what it was invited
// as, and stays one over a restart; the root covers that.
func TestJoining(t *testing.T) {
	p := newParty(t, members.Plain, members.Admin, members.ReadOnly)
	want := map[ident.PublicKey]members.Role{
		p.at[0].Member: members.Creator, p.at[1].Member: members.Plain, p.at[2].Member: members.Admin, p.at[3].Member: members.ReadOnly,
	}
	for i, h := range p.homes {
		for range 2 {
			if diff := cmp.Diff(want, p.roles(i)); diff != "" || h.info(p.at[i]).Members != 4 {
				t.Errorf("home %d: %d members (-want +got):\n%s", i, h.info(p.at[i]).Members, diff)
			}
			keys, err := h.set.Members(p.at[i].Context)
			if must(t, err); !slices.Equal(keys, slices.SortedFunc(maps.Keys(want), ident.PublicKey.Compare)) {
				t.Errorf("home %d: members are %v", i, keys)
			}
			h.reopen()
		}
	}
	for i := range 3 {
		p.homes[i].ok(p.at[i], "set", kv{fmt.Sprint("k", i), "v"})
	}
	p.meet()
	_, err := p.homes[3].call(p.at[3], "set", kv{"k", "v"})
	var who *replica.MemberError
	if !errors.As(err, &who) || !errors.Is(err, members.ErrReadOnly) || who.Key != p.at[3].Member {
		t.Errorf("a call of one that may only read: %v", err)
	}
	if res, err := p.homes[3].call(p.at[3], "get", kv{Key: "k1"}); err != nil || string(res.Output) != `"v"` {
		t.Errorf("it reads %s, %v", res.Output, err)
	}
	// What the root covers: a replica without the last admission has another root.
	before := p.homes[0].info(p.at[0])
	inv, err := p.homes[0].set.Invite(t.Context(), replica.InviteRequest{Context: p.at[0].Context, Executor: p.at[0].Member})
	must(t, err)
	must(t, p.homes[0].set.Revoke(t.Context(), p.at[0].Context, p.at[0].Member, inv.ID()))
	if after := p.homes[0].info(p.at[0]); after.Root == before.Root || after.StateBytes != before.StateBytes {
		t.Error("the root does not cover the membership")
	}
	p.meet()
}

// TestMayUpdateTheApplication: the creator and admins, and no other members.
func TestMayUpdateTheApplication(t *testing.T) {
	p := newParty(t, members.Admin, members.Plain)
	for _, h := range p.homes {
		h.installTape()
	}
	for i, want := range []error{nil, nil, members.ErrNotHolder} {
		next := p.homes[i].installTape()
		if i == 1 { // back again
			next = p.homes[i].install("rawkv")
		}
		_, err := p.homes[i].set.UpdateApp(t.Context(), replica.UpdateRequest{Context: p.at[i].Context, App: next, Executor: p.at[i].Member})
		var who *replica.MemberError
		if !errors.Is(err, want) || (err == nil) != (want == nil) || want != nil && !errors.As(err, &who) {
			t.Errorf("home %d: %v, want %v", i, err, want)
		}
		p.meet()
	}
}

// ask makes an invitation and a request by a key that a test made.
func (p *party) ask(i int, req replica.InviteRequest, key ident.PrivateKey) (members.Invitation, members.JoinRequest) {
	p.t.Helper()
	req.Context, req.Executor = p.at[i].Context, p.at[i].Member
	inv, err := p.homes[i].set.Invite(p.t.Context(), req)
	must(p.t, err)
	return inv, p.request(inv, key)
}

func (p *party) request(inv members.Invitation, key ident.PrivateKey) members.JoinRequest {
	p.t.Helper()
	r := members.JoinRequest{Seal: sealOf(p.t, key), Peer: "peer", Time: base}
	must(p.t, r.Sign(key, &inv))
	return r
}

// TestRefusedAdmissions: each reason has its own error, and nothing is written.
func TestRefusedAdmissions(t *testing.T) {
	p := newParty(t, members.Plain, members.Admin)
	creator, plain, admin := p.homes[0], p.homes[1], p.homes[2]
	key, id := crewKey(0), p.at[0].Context
	inv, req := p.ask(0, replica.InviteRequest{TTL: time.Hour}, key)
	counted, countedReq := p.ask(0, replica.InviteRequest{Uses: 2}, key)
	_ = countedReq
	directed, _ := p.ask(0, replica.InviteRequest{To: crewKey(1).Public()}, key)
	revoked, revokedReq := p.ask(0, replica.InviteRequest{}, key)
	must(t, creator.set.Revoke(t.Context(), id, p.at[0].Member, revoked.ID()))
	if err := creator.set.Revoke(t.Context(), id, p.at[0].Member, revoked.ID()); !errors.Is(err, members.ErrRevoked) {
		t.Errorf("revoked twice: %v", err)
	}
	p.meet()
	forged := inv
	forged.Uses++
	stray := inv
	stray.Issuer = ident.PublicKey{}
	must(t, stray.Sign(crewKey(3)))
	toAdmin := inv
	toAdmin.Role = members.Admin
	must(t, toAdmin.Sign(crewKey(3)))
	elsewhere := inv
	elsewhere.Genesis = delta.ID{1}
	must(t, elsewhere.Sign(crewKey(3)))
	other := newParty(t)
	before := []int{len(creator.log(p.at[0])), len(plain.log(p.at[1])), len(admin.log(p.at[2]))}
	for name, row := range map[string]struct {
		home *home
		inv  members.Invitation
		req  members.JoinRequest
		late time.Duration
		want error
	}{
		"expired":                  {creator, inv, req, time.Hour + time.Second, members.ErrExpired},
		"forged":                   {creator, forged, req, 0, members.ErrSignature},
		"another one's request":    {creator, inv, revokedReq, 0, members.ErrMismatch},
		"revoked":                  {creator, revoked, revokedReq, 0, members.ErrRevoked},
		"revoked, by an admin":     {admin, revoked, revokedReq, 0, members.ErrRevoked},
		"for another key":          {creator, directed, p.request(directed, key), 0, members.ErrNotForYou},
		"a member that may not":    {plain, inv, req, 0, members.ErrNotAllowed},
		"counted, not the issuer":  {admin, counted, p.request(counted, key), 0, members.ErrAskIssuer},
		"an issuer that is none":   {creator, stray, p.request(stray, key), 0, members.ErrIssuer},
		"a genesis that is not it": {creator, elsewhere, p.request(elsewhere, key), 0, members.ErrOtherContext},
		"another context":          {other.homes[0], inv, req, 0, replica.ErrContextNotFound},
	} {
		p.now = base.Add(row.late)
		if _, err := row.home.set.Admit(t.Context(), inv.Context, row.inv, row.req); !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", name, err, row.want)
		}
		p.now = base
	}
	if _, err := other.homes[0].set.Admit(t.Context(), other.at[0].Context, inv, req); !errors.Is(err, members.ErrOtherContext) {
		t.Errorf("an invitation elsewhere: %v", err)
	}
	if after := []int{len(creator.log(p.at[0])), len(plain.log(p.at[1])), len(admin.log(p.at[2]))}; !slices.Equal(before, after) {
		t.Errorf("deltas were made: %v, then %v", before, after)
	}
	for i, want := range []error{nil, members.ErrNotAllowed} {
		_, err := p.homes[i].set.Invite(t.Context(), replica.InviteRequest{Context: id, Executor: p.at[i].Member})
		if !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Errorf("home %d invites: %v, want %v", i, err, want)
		}
		_, err = p.homes[i].set.Invite(t.Context(), replica.InviteRequest{Context: id, Executor: ident.PublicKey{1}})
		var who *replica.UnauthorizedError
		if !errors.As(err, &who) {
			t.Errorf("home %d invites as a stranger: %v", i, err)
		}
	}
	if err := plain.set.Revoke(t.Context(), id, p.at[1].Member, inv.ID()); !errors.Is(err, members.ErrNotAllowed) {
		t.Errorf("a plain member revokes: %v", err)
	}
	if _, err := creator.set.Invite(t.Context(), replica.InviteRequest{Context: id, Executor: p.at[0].Member, Role: members.Creator}); !errors.Is(err, members.ErrNotAllowed) {
		t.Errorf("an invitation to be the creator: %v", err)
	}
}

// TestUses: an invitation with a number of uses lets so many in, by its issuer's node
// alone, over restarts; who is in already is answered again, and counts once.
func TestUses(t *testing.T) {
	p := newParty(t)
	h, c := p.homes[0], p.at[0]
	inv, _ := p.ask(0, replica.InviteRequest{Uses: 2}, crewKey(0))
	left := func(want uint32) {
		t.Helper()
		list, err := h.set.Invitations(c.Context)
		must(t, err)
		if len(list) != 1 || list[0].Left != want || list[0].ID() != inv.ID() || list[0].Revoked {
			t.Errorf("issued are %+v, want one with %d left", list, want)
		}
	}
	left(2)
	var answers []replica.Admission
	for i, want := range []error{nil, nil, members.ErrUsedUp} {
		req := p.request(inv, crewKey(i))
		for range 2 {
			a, err := h.set.Admit(t.Context(), c.Context, inv, req)
			if !errors.Is(err, want) || (err == nil) != (want == nil) {
				t.Fatalf("member %d: %v, want %v", i, err, want)
			}
			answers = append(answers, a)
		}
		h.reopen()
		left(uint32(max(0, 1-i)))
	}
	for i := 0; i < 4; i += 2 {
		if diff := cmp.Diff(answers[i], answers[i+1]); diff != "" {
			t.Errorf("it is answered otherwise the second time:\n%s", diff)
		}
	}
	if answers[0].App != h.info(c).App || answers[0].Code == [32]byte{} {
		t.Errorf("the application is told as %+v", answers[0])
	}
	another := p.request(inv, crewKey(0))
	another.Seal = sealOf(t, crewKey(1))
	must(t, another.Sign(crewKey(0), &inv))
	if _, err := h.set.Admit(t.Context(), c.Context, inv, another); !errors.Is(err, members.ErrMismatch) {
		t.Errorf("a member with another sealing key: %v", err)
	}
	p.now = p.now.Add(30 * 24 * time.Hour)
	if _, err := h.set.Admit(t.Context(), c.Context, inv, p.request(inv, crewKey(0))); err != nil {
		t.Errorf("a member asks again when its invitation has expired: %v", err)
	}
	p.now = p.now.Add(-30 * 24 * time.Hour)
	must(t, h.set.Revoke(t.Context(), c.Context, c.Member, inv.ID()))
	if list, err := h.set.Invitations(c.Context); err != nil || len(list) != 0 {
		t.Errorf("after it was revoked: %+v, %v", list, err)
	}
	p.now = p.now.Add(8 * 24 * time.Hour) // what has expired is forgotten with the next
	_, _ = p.ask(0, replica.InviteRequest{TTL: time.Hour}, crewKey(0))
	p.now = p.now.Add(2 * time.Hour)
	inv, _ = p.ask(0, replica.InviteRequest{Uses: 7}, crewKey(0))
	left(7)
}

// TestJoinWith: a replica is made of an admission that is for this node, and of no other.
func TestJoinWith(t *testing.T) {
	p := newParty(t)
	from, c, h := p.homes[0], p.at[0], newQuickHome(t)
	h.wall = from.wall
	member, err := h.set.NewIdentity(t.Context())
	must(t, err)
	second, err := h.set.NewIdentity(t.Context())
	must(t, err)
	inv, err := from.set.Invite(t.Context(), replica.InviteRequest{Context: c.Context, Executor: c.Member, To: member})
	must(t, err)
	if _, err := h.set.Request(inv, second, "p"); !errors.Is(err, members.ErrNotForYou) {
		t.Errorf("a request by another key: %v", err)
	}
	if _, err := h.set.Request(inv, ident.PublicKey{1}, "p"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a request by a key that is not here: %v", err)
	}
	req, err := h.set.Request(inv, member, "p")
	must(t, err)
	a, err := from.set.Admit(t.Context(), c.Context, inv, req)
	must(t, err)
	other := newParty(t)
	theirs := replica.Admission{Genesis: other.homes[0].genesis(other.at[0]), Delta: a.Delta}
	for name, row := range map[string]struct {
		a    replica.Admission
		who  ident.PublicKey
		want error
	}{
		"garbage":              {replica.Admission{Genesis: []byte("x"), Delta: a.Delta}, member, replica.ErrNotGenesis},
		"no admission":         {replica.Admission{Genesis: a.Genesis, Delta: []byte("x")}, member, delta.ErrMalformed},
		"the other way round":  {replica.Admission{Genesis: a.Delta, Delta: a.Genesis}, member, replica.ErrNotGenesis},
		"the creator's":        {replica.Admission{Genesis: a.Genesis, Delta: a.Genesis}, member, delta.ErrNoWrap},
		"another context's":    {theirs, member, members.ErrOtherContext},
		"for another key":      {a, second, delta.ErrNoWrap},
		"a key that is absent": {a, ident.PublicKey{1}, store.ErrNotFound},
	} {
		if _, err := h.set.JoinWith(t.Context(), row.a, row.who); !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", name, err, row.want)
		}
	}
	if theirs.Answers(&inv) == nil || a.Answers(&inv) != nil {
		t.Error("what answers an invitation is not told from what does not")
	}
	if list, err := h.set.List(); err != nil || len(list) != 0 {
		t.Errorf("there are %v, %v", list, err)
	}
	id, err := h.set.JoinWith(t.Context(), a, member)
	must(t, err)
	joined := replica.Created{Context: id, Member: member}
	if _, err := h.set.JoinWith(t.Context(), a, member); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("twice: %v", err)
	}
	early, err := h.set.Binding(id, "p", p.now) // it knows of nobody but the creator, and of itself
	if err != nil || early.Member != member || from.set.CheckBinding(early, "p", p.now) != nil || h.info(joined).Members != 1 {
		t.Errorf("before its past is there: %+v, %v, %d members", early, err, h.info(joined).Members)
	}
	h.install("rawkv")
	h.receive(joined, from.log(c)...)
	h.ok(joined, "set", kv{"k", "v"})
	b, err := h.set.Binding(id, "p", p.now)
	must(t, err)
	if err := from.set.CheckBinding(b, "p", p.now); err != nil || b.Member != member || b.Role != members.Plain {
		t.Errorf("the binding %+v: %v", b, err)
	}
	for name, row := range map[string]struct {
		peer string
		now  time.Time
		want error
	}{
		"another peer": {"q", p.now, members.ErrOtherPeer}, "expired": {"p", p.now.Add(25 * time.Hour), members.ErrExpired},
	} {
		if err := from.set.CheckBinding(b, row.peer, row.now); !errors.Is(err, row.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	stranger := b
	must(t, stranger.Sign(crewKey(0)))
	if err := from.set.CheckBinding(stranger, "p", p.now); !errors.Is(err, members.ErrNotMember) {
		t.Errorf("a stranger's binding: %v", err)
	}
	if err := other.homes[0].set.CheckBinding(b, "p", p.now); !errors.Is(err, replica.ErrContextNotFound) {
		t.Errorf("a binding of a context that is not here: %v", err)
	}
	mine, err := from.set.Secret(c.Context)
	must(t, err)
	all, err := h.set.Shared()
	must(t, err)
	if len(all) != 1 || all[id] != mine || mine == [32]byte{} || mine != inv.Secret {
		t.Errorf("the topic secret is %x here, %x there, and %x in the invitation", all[id], mine, inv.Secret)
	}
}

// genesis is the envelope that began a context.
func (h *home) genesis(c replica.Created) []byte {
	h.t.Helper()
	view, err := h.store.View(c.Context)
	must(h.t, err)
	defer view.Close()
	rec, err := view.Delta(view.Context().Genesis)
	must(h.t, err)
	return rec.Bytes
}

// TestConcurrentAdmissions: two admins admit one key at the same time, as different
// things; all agree, whatever they heard first, also when it takes a roll-back, at once
// or beside the live state, or a rebuild.
func TestConcurrentAdmissions(t *testing.T) {
	for _, deep := range []bool{false, true} {
		t.Run(fmt.Sprint("deep ", deep), func(t *testing.T) {
			p := newParty(t, members.Admin, members.Plain)
			key := crewKey(0)
			first, firstReq := p.ask(1, replica.InviteRequest{Role: members.ReadOnly}, key)
			p.now = p.now.Add(time.Second)
			_, err := p.homes[1].set.Admit(t.Context(), first.Context, first, firstReq)
			must(t, err)
			second, secondReq := p.ask(0, replica.InviteRequest{Role: members.Admin}, key)
			p.now = p.now.Add(time.Second)
			_, err = p.homes[0].set.Admit(t.Context(), second.Context, second, secondReq)
			must(t, err)
			if p.roles(0)[key.Public()] != members.Admin || p.roles(1)[key.Public()] != members.ReadOnly {
				t.Fatal("they do not differ: the test shows nothing")
			}
			n := 3
			if deep {
				n = 210
			}
			for i := range n {
				p.now = p.now.Add(time.Millisecond)
				p.homes[0].ok(p.at[0], "set", kv{"k", fmt.Sprint(i)})
			}
			h := p.homes[0]
			h.set.Believe(replica.Ages)
			h.receive(p.at[0], p.homes[1].log(p.at[1])...)
			if deep != (h.waiting(p.at[0], "order") > 0) {
				t.Fatalf("%d wait for the order", h.waiting(p.at[0], "order"))
			}
			h.set.Deepen(t.Context())
			p.meet()
			for i := range p.homes {
				if got := p.roles(i)[key.Public()]; got != members.ReadOnly {
					t.Errorf("home %d: it is %s, want what the first admission says", i, got)
				}
			}
			_, err = h.set.Rebuild(t.Context(), p.at[0].Context)
			must(t, err)
			p.meet()
		})
	}
}

// TestPastMembership: a state of the past has the root that it had.
func TestPastMembership(t *testing.T) {
	p := newParty(t)
	h, c := p.homes[0], p.at[0]
	type stamp struct {
		root [32]byte
		at   delta.Place
	}
	var stamps []stamp
	for i := range 4 {
		p.now = p.now.Add(time.Second)
		inv, req := p.ask(0, replica.InviteRequest{}, crewKey(i))
		_, err := h.set.Admit(t.Context(), c.Context, inv, req)
		must(t, err)
		p.now = p.now.Add(time.Second)
		h.ok(c, "set", kv{"k", fmt.Sprint(i)})
		info := h.info(c)
		stamps = append(stamps, stamp{info.Root, h.last(c)})
	}
	for i, s := range stamps {
		past, err := h.set.At(t.Context(), c.Context, s.at)
		must(t, err)
		if past.Context.Root != s.root {
			t.Errorf("moment %d: root %x, want %x", i, past.Context.Root, s.root)
		}
		past.Close()
	}
}

// last is the place of the last delta in the state.
func (h *home) last(c replica.Created) delta.Place {
	h.t.Helper()
	view, err := h.store.View(c.Context)
	must(h.t, err)
	defer view.Close()
	return view.Context().Last
}

// TestDamagedMembership: a membership that was changed behind the store's back is not
// believed, is found, and is made again.
func TestDamagedMembership(t *testing.T) {
	p := newParty(t, members.Plain)
	h, c := p.homes[0], p.at[0]
	want := p.roles(0)
	for name, change := range map[string]func([]byte) []byte{
		"gone":    func([]byte) []byte { return nil },
		"garbage": func([]byte) []byte { return []byte("garbage") },
		"a role": func(b []byte) []byte {
			b = slices.Clone(b)
			b[1+32+4+64] = byte(members.Admin)
			return b
		},
	} {
		h.close()
		storetest.ChangeMembers(t, filepath.Join(h.dir, "db"), c.Context, change)
		h.open()
		if diff := cmp.Diff(want, p.roles(0)); diff != "" {
			t.Errorf("%s: it is believed:\n%s", name, diff)
		}
		h.ok(c, "set", kv{"k", name})
		rep, err := h.set.Verify(t.Context(), c.Context)
		if must(t, err); len(rep.Problems) != 1 || rep.Problems[0].What != "the stored membership is not what its hash says" {
			t.Errorf("%s: %+v", name, rep.Problems)
		}
		h.set.Scrub(t.Context())
		h.reopen()
		p.meet()
	}
}

// TestCanceledAdmission: who does not wait gets nothing, and nothing is written.
func TestCanceledAdmission(t *testing.T) {
	p := newParty(t)
	inv, req := p.ask(0, replica.InviteRequest{}, crewKey(0))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	before := len(p.homes[0].log(p.at[0]))
	if _, err := p.homes[0].set.Admit(ctx, inv.Context, inv, req); !errors.Is(err, context.Canceled) {
		t.Errorf("admission: %v", err)
	}
	if after := len(p.homes[0].log(p.at[0])); after != before {
		t.Errorf("%d deltas, then %d", before, after)
	}
}
