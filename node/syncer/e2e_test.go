package syncer_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mero/node/delta"
	"mero/node/ident"
	"mero/node/members"
	"mero/node/replica"
	"mero/node/store"
	"mero/node/syncer"
)

// TestJoinAndWrite: a node joins by an invitation alone, gets application and state,
// and from then on what either writes is on both.
func TestJoinAndWrite(t *testing.T) {
	a, b := newNode(t, "a", options{}), newNode(t, "b", options{})
	ours := a.create()
	ours.set("before", "1")
	theirs := b.join(ours.invite(nil))
	theirs.sees("before", "1")
	equal(t, ours, theirs)
	ours.set("x", "from a")
	theirs.sees("x", "from a")
	theirs.set("y", "from b")
	ours.sees("y", "from b")
	equal(t, ours, theirs)
	for _, n := range []*node{a, b} {
		if n.metric("mero_syncer_refused_total") > 0 {
			t.Errorf("%s refused something", n.name)
		}
		if n.metric("mero_syncer_divergence_found_total") > 0 {
			t.Errorf("%s found a divergence", n.name)
		}
	}
}

// TestThree: a member that may invites another one, who knows only it; what the two
// ends write passes through the middle.
func TestThree(t *testing.T) {
	a, b, c := newNode(t, "a", options{}), newNode(t, "b", options{}), newNode(t, "c", options{})
	first := a.create()
	second := b.join(first.invite(func(r *replica.InviteRequest) { r.Role = members.Admin }))
	third := c.join(second.invite(nil))
	first.set("a", "1")
	third.set("c", "1")
	second.set("b", "1")
	for _, m := range []member{first, second, third} {
		m.sees("a", "1")
		m.sees("b", "1")
		m.sees("c", "1")
	}
	equal(t, first, second, third)
}

// TestChain: who was away while others invited others finds only the last of them, whose
// admission leads back to somebody known.
func TestChain(t *testing.T) {
	admin := func(r *replica.InviteRequest) { r.Role = members.Admin }
	a, b, c, d := newNode(t, "a", options{}), newNode(t, "b", options{}), newNode(t, "c", options{}), newNode(t, "d", options{})
	first := a.create()
	away := b.join(first.invite(nil))
	b.stop()
	second := c.join(first.invite(admin))
	equal(t, first, second)
	a.stop()
	third := d.join(second.invite(admin))
	third.set("k", "v")
	equal(t, second, third)
	c.stop()
	b.start(options{})
	_, err := b.net.Connect(t.Context(), d.net.Addrs())
	must(t, err)
	away.sees("k", "v")
	equal(t, away, third)
	away.set("k", "w")
	third.sees("k", "w")
}

// TestRestart: a node that was away, with writes of its own from before, finds its
// peers again by itself and catches up.
func TestRestart(t *testing.T) {
	a, b := newNode(t, "a", options{}), newNode(t, "b", options{})
	ours := a.create()
	theirs := b.join(ours.invite(nil))
	theirs.set("own", "before")
	equal(t, ours, theirs)
	b.stop()
	writeMany(t, ours, 500)
	b.start(options{})
	equal(t, ours, theirs)
	theirs.set("own", "after")
	ours.sees("own", "after")
}

// TestWayBack: a node that lost its peer book finds a member where its invitation led.
func TestWayBack(t *testing.T) {
	a, b := newNode(t, "a", options{}), newNode(t, "b", options{})
	ours := a.create()
	theirs := b.join(ours.invite(nil))
	equal(t, ours, theirs)
	a.stop() // else it finds b
	b.stop()
	must(t, os.RemoveAll(filepath.Join(a.home, "peers")))
	must(t, os.RemoveAll(filepath.Join(b.home, "peers")))
	a.start(options{})
	ours.set("k", "v")
	b.start(options{})
	theirs.sees("k", "v")
}

// TestLarge: a delta that is too large for gossip is on the other node at once all the
// same.
func TestLarge(t *testing.T) {
	a, b := newNode(t, "a", options{}), newNode(t, "b", options{})
	ours := a.create()
	theirs := b.join(ours.invite(nil))
	equal(t, ours, theirs)
	value := strings.Repeat("large ", 100_000)
	ours.set("large", value)
	theirs.sees("large", value)
	if a.metric("mero_syncer_gossip_deltas_total", "fate", "announced") != 1 {
		t.Error("it was not announced")
	}
}

// TestManyContexts: two nodes with many contexts compare all of them by one heartbeat.
func TestManyContexts(t *testing.T) {
	quick := options{tune: func(c *syncer.Config) { c.Heartbeat = 100 * time.Millisecond }}
	a, b := newNode(t, "a", quick), newNode(t, "b", quick)
	var ours, theirs []member
	for range 20 {
		m := a.create()
		ours = append(ours, m)
		theirs = append(theirs, b.join(m.invite(nil)))
	}
	for i := range ours {
		theirs[i].set("k", fmt.Sprint(i))
		ours[i].sees("k", fmt.Sprint(i))
	}
	eventually(t, func() error {
		for _, n := range []*node{a, b} {
			for _, st := range n.sync.Status() {
				if !st.Equal || st.Connected != 1 || st.Mesh != 1 {
					return fmt.Errorf("%s: context %s: equal %v, %d connected, mesh %d", n.name, st.Context, st.Equal, st.Connected, st.Mesh)
				}
			}
		}
		return nil
	})
}

// TestRefusedJoins: what is wrong with an invitation is told as what it is, and nothing
// is left of the attempt.
func TestRefusedJoins(t *testing.T) {
	a, b, c := newNode(t, "a", options{}), newNode(t, "b", options{}), newNode(t, "c", options{})
	ours := a.create()
	other := ident.NewPrivateKey().Public()
	once := ours.invite(func(r *replica.InviteRequest) { r.Uses = 1 })
	c.join(once)
	revoked := ours.invite(nil)
	must(t, a.set.Revoke(t.Context(), ours.context, ours.key, revoked.ID()))
	expired := ours.invite(func(r *replica.InviteRequest) { r.TTL = time.Second })
	forged := ours.invite(nil)
	forged.Role = members.Admin
	nobody := ours.invite(func(r *replica.InviteRequest) { r.Addrs = []string{"/ip4/127.0.0.1/tcp/1/p2p/" + b.net.PeerID()} })
	eventually(t, func() error {
		if !expired.IsExpired(time.Now()) {
			return errors.New("not expired yet")
		}
		return nil
	})
	for _, tt := range []struct {
		name string
		inv  members.Invitation
		want error
	}{
		{"used up", once, members.ErrUsedUp},
		{"revoked", revoked, members.ErrRevoked},
		{"expired", expired, members.ErrExpired},
		{"for another key", ours.invite(func(r *replica.InviteRequest) { r.To = other }), members.ErrNotForYou},
		{"changed", forged, members.ErrSignature},
	} {
		_, err := b.tryJoin(tt.inv)
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	fresh := newNode(t, "fresh", options{})
	if _, err := fresh.tryJoin(nobody); !errors.Is(err, syncer.ErrUnreachable) {
		t.Errorf("nobody there: %v, want ErrUnreachable", err)
	}
	for _, n := range []*node{b, fresh} {
		if list, err := n.set.List(); err != nil || len(list) > 0 {
			t.Errorf("%s holds %d contexts, %v", n.name, len(list), err)
		}
	}
}

// TestAskIssuer: an invitation with a count that another member's node is shown leads
// to the issuer.
func TestAskIssuer(t *testing.T) {
	a, b, c := newNode(t, "a", options{}), newNode(t, "b", options{}), newNode(t, "c", options{})
	ours := a.create()
	theirs := b.join(ours.invite(func(r *replica.InviteRequest) { r.Role = members.Admin }))
	equal(t, ours, theirs)
	inv := ours.invite(func(r *replica.InviteRequest) {
		r.Uses, r.Addrs = 1, b.net.Addrs()[:1]
	})
	third := c.join(inv)
	third.set("k", "v")
	ours.sees("k", "v")
	theirs.sees("k", "v")
}

// TestJoinByConnectedPeer: an invitation without addresses is shown to connected peers
// that hold the context, and to nobody else.
func TestJoinByConnectedPeer(t *testing.T) {
	a, b := newNode(t, "a", options{}), newNode(t, "b", options{})
	stranger := newNode(t, "stranger", options{})
	ours := a.create()
	for _, n := range []*node{a, stranger} {
		_, err := b.net.Connect(t.Context(), n.net.Addrs())
		must(t, err)
	}
	theirs := b.join(ours.invite(func(r *replica.InviteRequest) { r.Addrs = nil }))
	equal(t, ours, theirs)
	if stranger.metric("mero_syncer_refused_total") > 0 {
		t.Error("a stranger was asked for more than whether it holds the context")
	}
	again, err := b.sync.Join(t.Context(), ours.invite(nil), theirs.key)
	if err != nil || !again.Already || again.Member != theirs.key {
		t.Errorf("joined again: %+v, %v, want it to be there already", again, err)
	}
}

// TestOperators: a session that is asked for says what it did, a comparison says what
// each side lacks, and neither works with strangers.
func TestOperators(t *testing.T) {
	slow := options{tune: func(c *syncer.Config) { c.Interval, c.RetryMax = time.Hour, time.Hour }}
	a, b := newNode(t, "a", slow), newNode(t, "b", slow)
	ours := a.create()
	if _, err := a.sync.Now(t.Context(), ours.context, ""); !errors.Is(err, syncer.ErrNoPeer) {
		t.Errorf("alone: %v, want ErrNoPeer", err)
	}
	if _, err := a.sync.Now(t.Context(), ident.ContextID{1}, ""); !errors.Is(err, replica.ErrContextNotFound) {
		t.Errorf("no such context: %v, want ErrContextNotFound", err)
	}
	theirs := b.join(ours.invite(nil))
	equal(t, ours, theirs)
	if _, err := a.sync.Now(t.Context(), ours.context, "12D3KooWStranger"); !errors.Is(err, syncer.ErrStranger) {
		t.Errorf("a stranger: %v, want ErrStranger", err)
	}
	r, err := b.sync.Now(t.Context(), ours.context, "")
	must(t, err)
	if !r.Equal || r.Outcome != syncer.OutcomeEqual || r.Peer != a.net.PeerID() || r.Reason != "" {
		t.Errorf("report %+v, want equal with a", r)
	}
	d, err := b.sync.Diff(t.Context(), ours.context, a.net.PeerID())
	must(t, err)
	if !d.Equal || !d.SameHeads || len(d.Writers) > 0 || d.OursOnly+d.TheirsOnly > 0 {
		t.Errorf("difference %+v, want none", d)
	}
	for _, p := range b.sync.Peers() {
		if p.Peer == a.net.PeerID() && (!p.Connected || len(p.Links) != 1 || p.Links[0].Member != ours.key || p.Links[0].Role != "creator") {
			t.Errorf("peer %+v, want the creator's node, connected", p)
		}
	}
}

// TestKeys: a delta under an epoch whose key did not come is folded when the key was
// pulled from a member.
func TestKeys(t *testing.T) {
	a, b := newNode(t, "a", options{}), newNode(t, "b", options{})
	ours := a.create()
	theirs := b.join(ours.invite(nil))
	equal(t, ours, theirs)
	key := delta.NewEpochKey()
	must(t, a.store.Commit(t.Context(), &store.Step{EpochKeys: []store.EpochKey{{Context: ours.context, Key: key}}}))
	envelope := a.sealUnder(ours, key)
	for _, m := range []member{ours, theirs} {
		got, err := m.node.set.Receive(t.Context(), m.context, [][]byte{envelope})
		must(t, err)
		if got.New != 1 {
			t.Fatalf("%s: received %+v", m.node.name, got)
		}
	}
	r, err := b.sync.Now(t.Context(), ours.context, "")
	must(t, err)
	if r.Outcome != syncer.OutcomeWaiting || r.Held["key"] != 1 {
		t.Errorf("report %+v, want one that waits for a key", r)
	}
	equal(t, ours, theirs)
	if b.metric("mero_syncer_exchanges_total", "protocol", "keys", "outcome", "ok") == 0 {
		t.Error("no key was pulled")
	}
}

// sealUnder makes a delta of a new writer under an epoch.
func (n *node) sealUnder(m member, key delta.EpochKey) []byte {
	n.t.Helper()
	view, err := n.store.View(m.context)
	must(n.t, err)
	defer view.Close()
	owned, err := view.Identities()
	must(n.t, err)
	payload, err := delta.EncodeState(delta.State{Events: []delta.Event{{Kind: "k", Data: []byte("d")}}})
	must(n.t, err)
	d, err := delta.Seal(delta.Header{
		Context: m.context, Kind: delta.KindState, Parents: view.Context().Heads, Author: m.key,
		Incarnation: delta.NewIncarnation(), Seq: 1, Time: delta.NextTime(time.Now(), view.Context().Clock),
	}, payload, key, nil, owned[0].PrivateKey(), nil)
	must(n.t, err)
	return d.Bytes()
}

// TestClock: a node whose clock is far from that of most others refuses to write, and
// says so (R2); the others go on.
func TestClock(t *testing.T) {
	quick := options{tune: func(c *syncer.Config) { c.Heartbeat = 100 * time.Millisecond }}
	a, b, c := newNode(t, "a", quick), newNode(t, "b", quick), newNode(t, "c", quick)
	first := a.create()
	second := b.join(first.invite(nil))
	third := c.join(first.invite(nil))
	_, err := c.net.Connect(t.Context(), b.net.Addrs())
	must(t, err)
	equal(t, first, second, third)
	eventually(t, func() error {
		if skew, known := c.sync.Skew(); !known || skew.Abs() > time.Second {
			return fmt.Errorf("skew %s, known %v", skew, known)
		}
		return nil
	})
	for _, skew := range []time.Duration{2 * time.Minute, -2 * time.Minute} {
		c.skew.Store(int64(skew))
		var clock *replica.ClockError
		if err := third.trySet("k", "wrong"); !errors.As(err, &clock) || (clock.Skew-skew).Abs() > time.Second {
			t.Errorf("clock set by %s: %v, want a ClockError of that", skew, err)
		}
		must(t, first.trySet("k", fmt.Sprint(skew)))
	}
	c.skew.Store(0)
	third.set("k", "right")
	first.sees("k", "right")
}

// TestStop: Run ends soon whatever is under way, and leaves nothing behind.
func TestStop(t *testing.T) {
	a, b := newNode(t, "a", options{}), newNode(t, "b", options{})
	ours := a.create()
	theirs := b.join(ours.invite(nil))
	writeMany(t, ours, 200)
	begun := time.Now()
	a.stop()
	b.stop()
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("stopping took %s", took)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_ = theirs.node.sync.WaitUsable(ctx, ours.context) // ends by itself
}
