package syncer_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mero/netkit"
	"mero/node/delta"
	"mero/node/ident"
	"mero/node/members"
	"mero/node/replica"
	"mero/node/syncer"
	"mero/node/wire"
)

// answers makes a node whose syncer does not run speak a protocol as the test likes.
func (n *node) answers(name string, answer func(s *netkit.Stream)) {
	n.net.Handle(netkit.Protocol{ID: "/mero/" + name + "/1", MaxFrame: 32 << 20, MaxIn: 99, MaxPerPeer: 99}, func(_ context.Context, s *netkit.Stream) {
		answer(s)
		_ = s.Close() // the other side may be gone
	})
}

// reply writes a message, to whoever still listens.
func reply(t testing.TB, s *netkit.Stream, m wire.Message) {
	t.Helper()
	send(t, s, message(t, m))
}

// TestForeignAdmission: whoever is asked by a joiner can not make it a member of another
// context than its invitation is for.
func TestForeignAdmission(t *testing.T) {
	honest, joiner := newNode(t, "honest", options{}), newNode(t, "joiner", options{})
	evil := newNode(t, "evil", options{alone: true})
	good, trap := honest.create(), evil.create()
	key, err := joiner.set.NewIdentity(t.Context())
	must(t, err)
	bait := trap.invite(nil)
	request, err := joiner.set.Request(bait, key, joiner.net.PeerID())
	must(t, err)
	in, err := evil.set.Admit(t.Context(), trap.context, bait, request)
	must(t, err)
	evil.answers("join", func(s *netkit.Stream) {
		_, _ = s.Read()
		reply(t, s, &wire.Admitted{Genesis: in.Genesis, Admission: in.Delta, App: in.App, Code: in.Code})
	})
	inv := good.invite(func(r *replica.InviteRequest) { r.Addrs = evil.net.Addrs()[:1] })
	if _, err := joiner.sync.Join(t.Context(), inv, key); !errors.Is(err, syncer.ErrUnreachable) {
		t.Errorf("joined by a foreign admission: %v, want ErrUnreachable", err)
	}
	if _, err := joiner.set.Get(trap.context); !errors.Is(err, replica.ErrContextNotFound) {
		t.Errorf("the context of the one who was asked is here: %v", err)
	}
	good.usable()
	if _, err := joiner.sync.Join(t.Context(), good.invite(nil), key); err != nil {
		t.Errorf("the key can not be used any more: %v", err)
	}
}

// TestLyingRefusals: somebody who once saw an invitation, and so can show that he knows
// the context, does not end a join by what he says of another invitation.
func TestLyingRefusals(t *testing.T) {
	honest, joiner := newNode(t, "honest", options{}), newNode(t, "joiner", options{})
	m := honest.create()
	secret, err := honest.set.Secret(m.context)
	must(t, err)
	for _, code := range []wire.Code{wire.CodeRevoked, wire.CodeExpired, wire.CodeInvalid} {
		liar := newNode(t, "liar", options{alone: true})
		liar.answers("hello", func(s *netkit.Stream) {
			data, _ := s.Read()
			if got, err := wire.Decode(data); err == nil {
				hello := got.(*wire.Hello)
				reply(t, s, &wire.Tags{Tags: []wire.Tag{wire.Secret(secret).Tag(liar.net.PeerID(), joiner.net.PeerID(), hello.Nonce)}})
				_, _ = s.Read()
				reply(t, s, &wire.Bindings{})
			}
		})
		liar.answers("join", func(s *netkit.Stream) {
			_, _ = s.Read()
			reply(t, s, &wire.Refusal{Code: code, Words: "no"})
		})
		_, err := joiner.net.Connect(t.Context(), liar.net.Addrs())
		must(t, err)
	}
	_, err = joiner.net.Connect(t.Context(), honest.net.Addrs())
	must(t, err)
	inv := m.invite(func(r *replica.InviteRequest) { r.Addrs = nil })
	if _, err := joiner.tryJoin(inv); err != nil {
		t.Errorf("three liars are connected, and an honest member: %v", err)
	}
	must(t, honest.set.Revoke(t.Context(), m.context, m.key, inv.ID()))
	third := newNode(t, "third", options{})
	inv = m.invite(nil)
	must(t, honest.set.Revoke(t.Context(), m.context, m.key, inv.ID()))
	if _, err := third.tryJoin(inv); !errors.Is(err, members.ErrRevoked) {
		t.Errorf("the issuer's node refuses: %v, want ErrRevoked", err)
	}
}

// TestNoProgress: a peer that keeps a session open with words that bring nothing, or with
// deltas that are here already, does not hold its place for ever.
func TestNoProgress(t *testing.T) {
	victim := newNode(t, "victim", options{net: tolerant, tune: func(c *syncer.Config) { c.Timeout = time.Second }})
	o := &outlaw{node: newNode(t, "outlaw", options{alone: true}), victim: victim, ours: victim.create()}
	for i := range 8 { // more than may be on the way
		o.ours.set(fmt.Sprint("k", i), strings.Repeat("v", 900<<10))
	}
	o.connect()
	m := o.bind()
	a, err := o.set.AdmissionOf(m.context, o.ours.key)
	must(t, err)
	for name, again := range map[string]wire.Message{
		"acknowledges nothing": &wire.Ack{},
		"repeats itself":       &wire.Batch{Envelopes: [][]byte{a.Genesis}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := o.wireFor("sync", patience)
			send(t, s, message(t, &wire.Open{Version: 1, Context: m.context}))
			read[*wire.Open](t, s)
			if again.Kind() == wire.KindAck {
				send(t, s, message(t, &wire.Sent{}))
			} else {
				send(t, s, message(t, again))
			}
			began, batches, folded := time.Now(), uint64(0), uint64(0)
			for time.Since(began) < 45*time.Second { // eight timeouts, on a slow machine
				data, err := s.Read()
				if err != nil {
					return
				}
				got, err := wire.Decode(data)
				must(t, err)
				switch got := got.(type) {
				case *wire.Refusal:
					return
				case *wire.Batch:
					if batches++; again.Kind() == wire.KindBatch {
						send(t, s, message(t, &wire.Ack{Batches: batches}))
					}
				case *wire.Ack: // every quarter of a second at least
					if again.Kind() == wire.KindAck || got.Batches > folded {
						send(t, s, message(t, again))
					}
					folded = got.Batches
				}
			}
			t.Errorf("the session goes on after %s", time.Since(began))
		})
	}
}

// TestBrokenCode: a member that lets somebody in and tells nobody, gives a wrong beginning of
// the application, and then breaks off, does not keep the node from getting all from others.
func TestBrokenCode(t *testing.T) {
	honest, joiner := newNode(t, "honest", options{}), newNode(t, "joiner", options{net: tolerant})
	evil := newNode(t, "evil", options{alone: true})
	m := honest.create()
	bad, err := evil.tryJoin(m.invite(func(r *replica.InviteRequest) { r.Role = members.Admin }))
	must(t, err)
	evil.create() // it has the application
	page, _, _, err := honest.set.Lacking(t.Context(), m.context, nil, delta.Place{}, 1<<20)
	must(t, err)
	_, err = evil.set.Receive(t.Context(), m.context, page)
	must(t, err)
	m.set("k", "v")
	secret, err := evil.set.Secret(bad.context)
	must(t, err)
	own, err := evil.set.AdmissionOf(bad.context, bad.key)
	must(t, err)
	evil.answers("join", func(s *netkit.Stream) {
		ask := read[*wire.Ask](t, s)
		inv, err := members.DecodeInvitation(ask.Invitation)
		must(t, err)
		request, err := members.DecodeJoinRequest(ask.Request)
		must(t, err)
		in, err := evil.set.Admit(t.Context(), inv.Context, inv, request)
		must(t, err)
		reply(t, s, &wire.Admitted{Genesis: in.Genesis, Admission: in.Delta, App: in.App})
	})
	evil.answers("hello", func(s *netkit.Stream) {
		data, _ := s.Read()
		got, err := wire.Decode(data)
		if err != nil {
			return
		}
		b, err := evil.set.Binding(bad.context, evil.net.PeerID(), time.Now())
		must(t, err)
		reply(t, s, &wire.Tags{Tags: []wire.Tag{wire.Secret(secret).Tag(evil.net.PeerID(), s.Peer(), got.(*wire.Hello).Nonce)}})
		_, _ = s.Read()
		reply(t, s, &wire.Bindings{Bound: []wire.Bound{{Binding: b.Encode(), Admissions: [][]byte{own.Delta}}}})
	})
	var asked atomic.Int64
	evil.answers("blob", func(s *netkit.Stream) {
		_, _ = s.Read()
		asked.Add(1)
		reply(t, s, &wire.Size{Bytes: 10 << 20})
		reply(t, s, &wire.Piece{Data: make([]byte, wire.MaxPiece)})
	})
	_, err = joiner.tryJoin(bad.invite(nil))
	must(t, err)
	_, err = joiner.net.Connect(t.Context(), honest.net.Addrs())
	must(t, err)
	owned, err := joiner.set.Owned(m.context)
	must(t, err)
	member{joiner, m.context, owned[0]}.sees("k", "v")
	t.Logf("the bad one was asked %d times", asked.Load())
}

// TestPlaces: the nodes of one member do not take the places of all others.
func TestPlaces(t *testing.T) {
	o := newOutlaw(t)
	m := o.bind()
	open := func() wire.Code {
		s := o.wire("sync")
		send(t, s, message(t, &wire.Open{Version: 1, Context: m.context, Known: wire.Known{Heads: [32]byte{1}}}))
		switch got := readAny(t, s).(type) {
		case *wire.Open:
			return 0
		case *wire.Refusal:
			return got.Code
		default:
			t.Fatalf("%T in answer", got)
			return 0
		}
	}
	for i := range 4 {
		if got, want := open(), [...]wire.Code{3: wire.CodeBusy}[i]; got != want {
			t.Errorf("session %d of a member: refused by code %d, want %d", i, got, want)
		}
	}
}

// TestLargeDeltas: deltas that are larger than a batch go one by one, and all arrive.
func TestLargeDeltas(t *testing.T) {
	a, b := newNode(t, "a", options{}), newNode(t, "b", options{})
	m, large := a.create(), strings.Repeat("v", 1<<20-100)
	for i := range 6 {
		m.set(fmt.Sprint("large", i), large)
		m.set(fmt.Sprint("small", i), "v")
	}
	friend := b.join(m.invite(nil))
	friend.sees("large5", large)
	equal(t, m, friend)
}

// TestFalseVoucher: a member that may not admit makes nobody somebody to be asked.
func TestFalseVoucher(t *testing.T) {
	o := newOutlaw(t)
	m := o.bind()
	view, err := o.store.View(m.context)
	must(t, err)
	defer view.Close()
	own, err := view.Identities()
	must(t, err)
	key, err := view.EpochKey(view.Context().Epoch)
	must(t, err)
	puppet := ident.NewPrivateKey()
	seal, err := ident.NewSealKey()
	must(t, err)
	form, err := delta.EncodeMember(delta.Member{Admit: &delta.Admit{
		Key: puppet.Public(), Seal: seal.Public(), Role: uint8(members.Plain), Invitation: []byte("i"), Request: []byte("r"),
	}})
	must(t, err)
	d, err := delta.Seal(delta.Header{
		Context: m.context, Kind: delta.KindMember, Author: m.key, Incarnation: own[0].Incarnation, Seq: 1,
		Time: delta.NextTime(time.Now()), Parents: []delta.ID{{1}},
	}, form, key, nil, own[0].PrivateKey(), nil)
	must(t, err)
	now := time.Now().UTC().Truncate(time.Second)
	b := members.Binding{Context: m.context, Peer: o.net.PeerID(), Role: members.Plain, Time: now, Expires: now.Add(time.Hour)}
	must(t, b.Sign(puppet))
	secret, err := o.set.Secret(m.context)
	must(t, err)
	if got := o.greet(secret, wire.Bound{Binding: b.Encode(), Admissions: [][]byte{d.Bytes()}}); len(got.Bound) != 0 {
		t.Errorf("the victim takes the puppet of a plain member for somebody: %d bindings in answer", len(got.Bound))
	}
}
