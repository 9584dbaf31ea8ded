package syncer_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"mero/netkit"
	"mero/node/delta"
	"mero/node/ident"
	"mero/node/members"
	"mero/node/wire"
)

// tolerant lets a peer break many rules in one test.
func tolerant(cfg *netkit.Config) { cfg.PenaltyLimit = 1 << 30 }

// outlaw is a node whose syncer does not run: the test speaks for it.
type outlaw struct {
	*node
	victim *node
	ours   member // the victim's
}

// newOutlaw makes a victim with a context, and somebody who is connected to it.
func newOutlaw(t *testing.T) *outlaw {
	t.Helper()
	victim := newNode(t, "victim", options{net: tolerant})
	o := &outlaw{node: newNode(t, "outlaw", options{alone: true}), victim: victim, ours: victim.create()}
	o.ours.set("k", "v")
	o.connect()
	return o
}

func (o *outlaw) connect() {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o.t.Context(), patience)
	defer cancel()
	_, err := o.net.Connect(ctx, o.victim.net.Addrs())
	must(o.t, err)
}

// wire opens a stream of a protocol to the victim.
func (o *outlaw) wire(name string) *netkit.Stream {
	o.t.Helper()
	return o.wireFor(name, patience)
}

func (o *outlaw) wireFor(name string, idle time.Duration) *netkit.Stream {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o.t.Context(), patience)
	defer cancel()
	s, err := o.net.Open(ctx, o.victim.net.PeerID(), netkit.Protocol{ID: "/mero/" + name + "/1", MaxFrame: 32 << 20, Idle: idle})
	must(o.t, err)
	o.t.Cleanup(s.Reset)
	return s
}

func send(t testing.TB, s *netkit.Stream, frames ...[]byte) {
	t.Helper()
	for _, f := range frames {
		if err := s.Write(f); err != nil {
			return // the victim has had enough
		}
	}
	_ = s.Flush() // likewise
}

func message(t testing.TB, m wire.Message) []byte {
	t.Helper()
	data, err := wire.Encode(m)
	must(t, err)
	return data
}

// read reads messages until one is of a type, or fails.
func read[M wire.Message](t testing.TB, s *netkit.Stream) M {
	t.Helper()
	for {
		m := readAny(t, s)
		if got, ok := m.(M); ok {
			return got
		}
		if r, ok := m.(*wire.Refusal); ok {
			t.Fatalf("refused: %s", r.Words)
		}
	}
}

func readAny(t testing.TB, s *netkit.Stream) wire.Message {
	t.Helper()
	data, err := s.Read()
	must(t, err)
	m, err := wire.Decode(data)
	must(t, err)
	return m
}

// refused reads until the other side refuses; 0 when it breaks the stream off.
func refused(t testing.TB, s *netkit.Stream) wire.Code {
	t.Helper()
	for {
		data, err := s.Read()
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, netkit.ErrReset) {
				t.Fatalf("read: %v", err)
			}
			return 0
		}
		m, err := wire.Decode(data)
		must(t, err)
		if r, ok := m.(*wire.Refusal); ok {
			if r.Words == "" {
				t.Error("a refusal without words")
			}
			return r.Code
		}
	}
}

// join makes the outlaw a member, as far as papers go.
func (o *outlaw) joinAs() member {
	o.t.Helper()
	m, err := o.tryJoin(o.ours.invite(nil))
	must(o.t, err)
	return m
}

// greet shows a binding in a hello, which may be somebody else's, and gives the
// victim's answer.
func (o *outlaw) greet(secret wire.Secret, bound ...wire.Bound) *wire.Bindings {
	o.t.Helper()
	s := o.wire("hello")
	hello := wire.Hello{Version: wire.Version, Nonce: [16]byte{1}}
	hello.Tags = []wire.Tag{secret.Tag(o.net.PeerID(), o.victim.net.PeerID(), hello.Nonce)}
	send(o.t, s, message(o.t, &hello))
	tags := read[*wire.Tags](o.t, s)
	if want := secret.Tag(o.victim.net.PeerID(), o.net.PeerID(), hello.Nonce); len(tags.Tags) != 1 || tags.Tags[0] != want {
		o.t.Fatalf("tags %x, want %x", tags.Tags, want)
	}
	send(o.t, s, message(o.t, &wire.Bindings{Bound: bound}))
	return read[*wire.Bindings](o.t, s)
}

// bind joins and shows the binding.
func (o *outlaw) bind() member {
	o.t.Helper()
	m := o.joinAs()
	secret, err := o.set.Secret(m.context)
	must(o.t, err)
	b, err := o.set.Binding(m.context, o.net.PeerID(), time.Now())
	must(o.t, err)
	if got := o.greet(secret, wire.Bound{Binding: b.Encode()}); len(got.Bound) != 1 {
		o.t.Fatalf("%d bindings in answer, want 1", len(got.Bound))
	}
	return m
}

// TestHostileFrames: frames that no honest node sends end their stream with a reason,
// cost the sender, and change nothing.
func TestHostileFrames(t *testing.T) {
	o := newOutlaw(t)
	m := o.bind()
	known := wire.Known{Heads: [32]byte{1}, Tips: []wire.Tip{{Author: ident.PublicKey{1}, Seq: 1, ID: delta.ID{1}}}}
	open := message(t, &wire.Open{Version: wire.Version, Context: m.context, Known: known})
	garbage := []byte("\x9f\x9f\x9f")
	nested := []byte("\x82\x09\xa1\x01" + strings.Repeat("\x81", 1000))
	tests := []struct {
		name, protocol string
		frames         [][]byte
		want           wire.Code
	}{
		{"nothing", "hello", [][]byte{{}}, wire.CodeMalformed},
		{"garbage", "hello", [][]byte{garbage}, wire.CodeMalformed},
		{"nested", "hello", [][]byte{nested}, wire.CodeMalformed},
		{"oversized", "hello", [][]byte{make([]byte, wire.MaxHelloFrame+1)}, wire.CodeMalformed},
		{"another message", "hello", [][]byte{message(t, &wire.Sent{})}, wire.CodeMalformed},
		{"two hellos", "hello", [][]byte{message(t, &wire.Hello{Version: 1}), message(t, &wire.Hello{Version: 1})}, wire.CodeMalformed},
		{"version 2", "hello", [][]byte{[]byte("\x82\x02\xa1\x01\x02")}, wire.CodeVersion},
		{"garbage", "join", [][]byte{garbage}, wire.CodeMalformed},
		{"oversized", "join", [][]byte{make([]byte, wire.MaxJoinFrame+1)}, wire.CodeMalformed},
		{"no invitation", "join", [][]byte{message(t, &wire.Ask{Version: 1, Invitation: []byte("x"), Request: []byte("y")})}, wire.CodeInvalid},
		{"version 2", "join", [][]byte{[]byte("\x82\x05\xa1\x01\x02")}, wire.CodeVersion},
		{"garbage", "sync", [][]byte{garbage}, wire.CodeMalformed},
		{"oversized", "sync", [][]byte{make([]byte, wire.MaxSyncFrame+1)}, wire.CodeMalformed},
		{"version 2", "sync", [][]byte{[]byte("\x82\x07\xa1\x01\x02")}, wire.CodeVersion},
		{"batch before open", "sync", [][]byte{message(t, &wire.Batch{Envelopes: [][]byte{{1}}})}, wire.CodeMalformed},
		{"another context", "sync", [][]byte{message(t, &wire.Open{Version: 1, Context: ident.ContextID{1}})}, wire.CodeUnbound},
		{"open twice", "sync", [][]byte{open, open}, wire.CodeMalformed},
		{"known within a round", "sync", [][]byte{open, message(t, &known)}, wire.CodeMalformed},
		{"acknowledges what was not sent", "sync", [][]byte{open, message(t, &wire.Ack{Batches: 99})}, wire.CodeMalformed},
		{"garbage within a round", "sync", [][]byte{open, garbage}, wire.CodeMalformed},
		{"nested within a round", "sync", [][]byte{open, nested}, wire.CodeMalformed},
		{"garbage", "heartbeat", [][]byte{garbage}, wire.CodeMalformed},
		{"version 2", "heartbeat", [][]byte{[]byte("\x82\x0c\xa1\x01\x02")}, wire.CodeVersion},
		{"another message", "heartbeat", [][]byte{message(t, &wire.Sent{})}, wire.CodeMalformed},
		{"garbage", "blob", [][]byte{garbage}, wire.CodeMalformed},
		{"another context", "blob", [][]byte{message(t, &wire.Want{Version: 1, Context: ident.ContextID{1}})}, wire.CodeUnbound},
		{"no code", "blob", [][]byte{message(t, &wire.Want{Version: 1, Context: m.context, Blob: [32]byte{1}})}, wire.CodeNotHere},
		{"garbage", "keys", [][]byte{garbage}, wire.CodeMalformed},
		{"another context", "keys", [][]byte{message(t, &wire.KeysAsk{Version: 1, Context: ident.ContextID{1}})}, wire.CodeUnbound},
		{"another member", "keys", [][]byte{message(t, &wire.KeysAsk{Version: 1, Context: m.context, Member: o.ours.key})}, wire.CodeUnbound},
	}
	for _, tt := range tests {
		t.Run(tt.protocol+" "+tt.name, func(t *testing.T) {
			before := o.victim.metric("mero_netkit_penalty_points_total")
			s := o.wire(tt.protocol)
			send(t, s, tt.frames...)
			if got := refused(t, s); got != tt.want {
				t.Errorf("refused by code %d, want %d", got, tt.want)
			}
			cost := o.victim.metric("mero_netkit_penalty_points_total") - before
			if wantCost := tt.want == wire.CodeMalformed || tt.want == wire.CodeUnbound; (cost > 0) != wantCost {
				t.Errorf("it cost %v points", cost)
			}
		})
	}
	if got := o.ours.get("k"); got != "v" {
		t.Errorf("k is %q, want v", got)
	}
}

// TestWindow: a peer that sends more batches than it may is refused, whatever they
// hold.
func TestWindow(t *testing.T) {
	o := newOutlaw(t)
	m := o.bind()
	s := o.wireFor("sync", time.Second) // the victim does not read all of it
	send(t, s, message(t, &wire.Open{Version: 1, Context: m.context, Known: wire.Known{Heads: [32]byte{1}}}))
	batch := message(t, &wire.Batch{Envelopes: [][]byte{make([]byte, 1000)}})
	for range 1000 {
		send(t, s, batch)
	}
	if got := refused(t, s); got != wire.CodeMalformed && got != 0 {
		t.Errorf("refused by code %d, want %d", got, wire.CodeMalformed)
	}
	eventually(t, func() error {
		if o.victim.metric("mero_syncer_sessions") > 0 {
			return errors.New("the session goes on")
		}
		return nil
	})
}

// TestStrangers: who has shown no binding gets nothing, in any protocol, and nothing
// of it is read.
func TestStrangers(t *testing.T) {
	o := newOutlaw(t)
	for protocol, m := range map[string]wire.Message{
		"sync":      &wire.Open{Version: 1, Context: o.ours.context},
		"heartbeat": &wire.Beat{Version: 1, Shared: 1},
		"blob":      &wire.Want{Version: 1, Context: o.ours.context},
		"keys":      &wire.KeysAsk{Version: 1, Context: o.ours.context, Member: o.ours.key},
	} {
		s := o.wire(protocol)
		send(t, s, message(t, m))
		if got := refused(t, s); got != wire.CodeUnbound && got != 0 {
			t.Errorf("%s: refused by code %d, want %d", protocol, got, wire.CodeUnbound)
		}
	}
	// A hello tells somebody without the secret nothing.
	s := o.wire("hello")
	hello := wire.Hello{Version: 1, Nonce: [16]byte{1}}
	for i := range 100 {
		hello.Tags = append(hello.Tags, wire.Secret{byte(i)}.Tag(o.net.PeerID(), o.victim.net.PeerID(), hello.Nonce))
	}
	send(t, s, message(t, &hello))
	if tags := read[*wire.Tags](t, s); len(tags.Tags) > 0 {
		t.Errorf("a stranger learns of %d contexts", len(tags.Tags))
	}
}

// TestBindings: a binding counts only on the connection of the peer that it names, for
// a member, and while it is good.
func TestBindings(t *testing.T) {
	o := newOutlaw(t)
	m := o.joinAs()
	secret, err := o.set.Secret(m.context)
	must(t, err)
	ours, err := o.victim.set.Binding(m.context, o.victim.net.PeerID(), time.Now())
	must(t, err)
	stranger := ident.NewPrivateKey()
	forged := members.Binding{
		Context: m.context, Peer: o.net.PeerID(), Role: members.Creator,
		Time: time.Now().UTC().Truncate(time.Second), Expires: time.Now().UTC().Truncate(time.Second).Add(time.Hour),
	}
	must(t, forged.Sign(stranger))
	old, err := o.set.Binding(m.context, o.net.PeerID(), time.Now().Add(-25*time.Hour))
	must(t, err)
	elsewhere := forged
	elsewhere.Context = ident.ContextID{1}
	must(t, elsewhere.Sign(stranger))
	stolen := forged
	stolen.Member = o.ours.key
	for name, bound := range map[string]wire.Bound{
		"replayed of another peer":               {Binding: ours.Encode()},
		"of no member":                           {Binding: forged.Encode()},
		"of no member, with an admission":        {Binding: forged.Encode(), Admissions: [][]byte{[]byte("not a delta")}},
		"expired":                                {Binding: old.Encode()},
		"of a context that is not here":          {Binding: elsewhere.Encode()},
		"in another's name":                      {Binding: stolen.Encode()},
		"that is none":                           {Binding: []byte("binding")},
		"of no member, with another's admission": {Binding: forged.Encode(), Admissions: [][]byte{admissionOf(t, o.ours, m.key)}},
	} {
		answer := o.greet(secret, bound)
		if len(answer.Bound) > 0 {
			t.Errorf("a binding %s is answered by one", name)
		}
		s := o.wire("sync")
		send(t, s, message(t, &wire.Open{Version: 1, Context: m.context}))
		if got := refused(t, s); got != wire.CodeUnbound && got != 0 {
			t.Errorf("with a binding %s: refused by code %d, want %d", name, got, wire.CodeUnbound)
		}
	}
}

// admissionOf is the envelope that admitted a member.
func admissionOf(t testing.TB, m member, key ident.PublicKey) []byte {
	t.Helper()
	list, err := m.node.set.Membership(m.context)
	must(t, err)
	for _, who := range list {
		if who.Key == key {
			envelopes, err := m.node.set.Envelopes(t.Context(), m.context, []delta.ID{who.Admission}, 1<<20)
			must(t, err)
			return envelopes[0]
		}
	}
	t.Fatalf("%s is no member", key)
	return nil
}

// TestBanned: who goes on breaking rules is let go of.
func TestBanned(t *testing.T) {
	victim := newNode(t, "victim", options{})
	o := &outlaw{node: newNode(t, "outlaw", options{alone: true}), victim: victim, ours: victim.create()}
	o.connect()
	eventually(t, func() error {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		s, err := o.net.Open(ctx, victim.net.PeerID(), netkit.Protocol{ID: "/mero/hello/1"})
		if err == nil {
			send(t, s, []byte("garbage"))
			_, _ = s.Read()
			s.Reset()
		}
		if victim.metric("mero_netkit_refused_peers") == 0 {
			return fmt.Errorf("the peer is still served, after %v points", victim.metric("mero_netkit_penalty_points_total"))
		}
		return nil
	})
	must(t, o.ours.trySet("k", "after")) // nothing else suffers
}

// TestForgedDeltas: what a member sends that is no delta is refused and costs it; what
// it sends that is one is taken.
func TestForgedDeltas(t *testing.T) {
	o := newOutlaw(t)
	m := o.bind()
	before, err := o.victim.set.Get(m.context)
	must(t, err)
	s := o.wire("sync")
	send(t, s, message(t, &wire.Open{Version: 1, Context: m.context, Known: wire.Known{Heads: [32]byte{1}}}))
	read[*wire.Open](t, s)
	broken := admissionOf(t, o.ours, m.key)
	broken[60] ^= 1
	send(t, s, message(t, &wire.Batch{Envelopes: [][]byte{[]byte("no delta"), broken}}), message(t, &wire.Sent{Deltas: 2}))
	read[*wire.Sent](t, s)
	send(t, s, message(t, &wire.Ack{Batches: 1}), message(t, &wire.Known{Heads: [32]byte{1}}))
	read[*wire.Known](t, s)
	eventually(t, func() error {
		if o.victim.metric("mero_netkit_penalty_points_total", "reason", "delta") == 0 {
			return errors.New("it cost nothing")
		}
		return nil
	})
	after, err := o.victim.set.Get(m.context)
	must(t, err)
	if before.Root != after.Root || before.Waiting != after.Waiting {
		t.Error("something of it was kept")
	}
	if n := len(o.victim.set.Refusals(m.context)); n != 2 {
		t.Errorf("%d refusals are on record, want 2", n)
	}
}

// TestDivergence: a peer with the same heads and another root is counted, and this
// node checks itself.
func TestDivergence(t *testing.T) {
	o := newOutlaw(t)
	m := o.bind()
	known, err := o.victim.set.Known(t.Context(), m.context)
	must(t, err)
	s := o.wire("sync")
	mine := wire.Known{Heads: wire.Sum(known.Heads), Root: [32]byte{66}, Deltas: known.Deltas}
	for _, tip := range known.Tips {
		mine.Tips = append(mine.Tips, wire.Tip{Author: tip.Writer.Author, Incarnation: tip.Writer.Incarnation, Seq: tip.Seq, ID: tip.ID})
	}
	send(t, s, message(t, &wire.Open{Version: 1, Context: m.context, Known: mine}))
	read[*wire.Open](t, s)
	eventually(t, func() error {
		if n := o.victim.metric("mero_syncer_sessions_total", "outcome", "diverged"); n == 0 {
			return errors.New("the session does not say so")
		}
		if n := o.victim.metric("mero_syncer_divergence_found_total"); n != 1 {
			return fmt.Errorf("%v divergences found, want 1", n)
		}
		return nil
	})
	if n := o.victim.metric("mero_syncer_divergence_repaired_total"); n > 0 {
		t.Error("a replica that was right was repaired")
	}
}

// TestHeartbeatDivergence: the same by a heartbeat's details.
func TestHeartbeat(t *testing.T) {
	o := newOutlaw(t)
	m := o.bind()
	s := o.wire("heartbeat")
	send(t, s, message(t, &wire.Beat{Version: 1, Shared: 1, Digest: [32]byte{1}, Clock: uint64(time.Now().Add(time.Hour).UnixMilli())}))
	detail := read[*wire.Detail](t, s)
	info, err := o.victim.set.Get(m.context)
	must(t, err)
	if len(detail.States) != 1 || detail.States[0].Context != m.context || detail.States[0].Root != info.Root || detail.States[0].Heads != wire.Sum(info.Heads) {
		t.Errorf("details %+v are not where the context stands", detail.States)
	}
	for _, p := range o.victim.sync.Peers() {
		if p.Peer == o.net.PeerID() && (p.Clock < 59*time.Minute || p.Clock > 61*time.Minute) {
			t.Errorf("its clock is %s ahead, want an hour", p.Clock)
		}
	}
}

// shout publishes on the context's topic, which the outlaw knows the name of, until
// the victim's counter moves, or for as many tries as there are.
func (o *outlaw) shout(m member, tries int, data func(i int) []byte, heard func() bool) bool {
	o.t.Helper()
	secret, err := o.set.Secret(m.context)
	must(o.t, err)
	topic, err := o.net.Join(netkit.TopicOptions{
		Name: wire.Secret(secret).Topic(), Allow: func(string) bool { return true },
		Check: func(string, []byte) netkit.Verdict { return netkit.Ignore }, Receive: func(string, []byte) {},
	})
	must(o.t, err)
	defer topic.Leave()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for i := range tries {
		must(o.t, topic.Publish(o.t.Context(), data(i)))
		<-tick.C
		if heard() {
			return true
		}
	}
	return heard()
}

// TestHostileGossip: what is no message of deltas of this context is rejected and
// costs the forwarder; from somebody who is not bound it is not even looked at.
func TestHostileGossip(t *testing.T) {
	o := newOutlaw(t)
	m := o.joinAs()
	other := o.victim.create()
	foreign, err := o.victim.set.Known(t.Context(), other.context)
	must(t, err)
	envelopes, err := o.victim.set.Envelopes(t.Context(), other.context, []delta.ID{foreign.Heads[0]}, 1<<20)
	must(t, err)
	forged := admissionOf(t, o.ours, m.key)
	forged[60] ^= 1
	rejected := func() float64 { return o.victim.metric("mero_syncer_gossip_deltas_total", "fate", "rejected") }
	garbage := func(i int) []byte { return []byte(fmt.Sprint("garbage", i)) }
	if o.shout(m, 20, garbage, func() bool { return rejected() > 0 }) {
		t.Error("gossip of somebody who is not bound is looked at")
	}
	secret, err := o.set.Secret(m.context)
	must(t, err)
	b, err := o.set.Binding(m.context, o.net.PeerID(), time.Now())
	must(t, err)
	o.greet(secret, wire.Bound{Binding: b.Encode()})
	for name, data := range map[string]func(i int) []byte{
		"garbage":                    func(i int) []byte { return []byte(fmt.Sprint("more garbage", i)) },
		"a message of a stream":      func(i int) []byte { return message(t, &wire.Ack{Batches: uint64(i + 1)}) },
		"no delta":                   func(i int) []byte { return message(t, &wire.Publish{Envelopes: [][]byte{fmt.Append(nil, i)}}) },
		"a delta of another context": func(i int) []byte { return message(t, &wire.Publish{Envelopes: repeat(envelopes[0], i+1)}) },
		"a forged delta":             func(i int) []byte { return message(t, &wire.Publish{Envelopes: repeat(forged, i+1)}) },
	} {
		before, cost := rejected(), o.victim.metric("mero_netkit_penalty_points_total")
		if !o.shout(m, 100, data, func() bool { return rejected() > before }) {
			t.Errorf("%s is not rejected", name)
		}
		if o.victim.metric("mero_netkit_penalty_points_total") <= cost {
			t.Errorf("%s costs nothing", name)
		}
	}
}

func repeat(data []byte, n int) (out [][]byte) {
	for range n {
		out = append(out, data)
	}
	return out
}
