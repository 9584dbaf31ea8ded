package inspect_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"mero/node/api"
	"mero/node/delta"
	"mero/node/replica"
)

// TestMemberDeltas: what changes the membership says how.
func TestMemberDeltas(t *testing.T) {
	a, b := newHome(t), newHome(t)
	c := a.create()
	joined := b.join(a, c)
	inv, err := a.set.Invite(t.Context(), replica.InviteRequest{Context: c.Context, Executor: c.Member})
	must(t, err)
	must(t, a.set.Revoke(t.Context(), c.Context, c.Member, inv.ID()))
	var got []*api.MemberPayload
	for _, d := range a.log(c.Context) {
		if d.Header().Kind != delta.KindMember {
			continue
		}
		detail, err := a.in.Delta(t.Context(), c.Context, api.Hash(d.ID()))
		must(t, err)
		got = append(got, detail.Payload.Member)
	}
	list, err := a.set.Membership(c.Context)
	must(t, err)
	var came, revoked api.Hash
	for _, m := range list {
		if m.Key == joined.Member {
			came = m.Invitation
		}
	}
	revoked = inv.ID()
	want := []*api.MemberPayload{
		{Admit: &api.AdmitPayload{Member: joined.Member, Role: "member", Invitation: &came, Inviter: &c.Member}},
		{Revoked: &revoked},
	}
	if diff := cmp.Diff(want, got); diff != "" || came.IsZero() {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
