package netkit_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	dhtpb "github.com/libp2p/go-libp2p-kad-dht/pb"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
	ma "github.com/multiformats/go-multiaddr"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"mero/netkit"
)

// heap is how much memory is in use, after what is garbage was collected.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what had a finalizer
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// attacker is a plain host that is connected to a node.
func attacker(t *testing.T, to *netkit.Net) host.Host {
	t.Helper()
	h := dialer(t)
	if err := h.Connect(t.Context(), infoOf(t, to)); err != nil {
		t.Fatal(err)
	}
	return h
}

func stream(t *testing.T, from host.Host, to *netkit.Net, id protocol.ID) network.Stream {
	t.Helper()
	s, err := from.NewStream(t.Context(), infoOf(t, to).ID, id)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// framed is a protobuf message as gossip and Kademlia send it.
func framed(m proto.Message) []byte {
	body, err := proto.Marshal(m)
	if err != nil {
		panic(err)
	}
	return append(protowire.AppendVarint(nil, uint64(len(body))), body...)
}

func subscribe(topics ...string) *pb.RPC {
	yes := true
	m := new(pb.RPC)
	for _, topic := range topics {
		m.Subscriptions = append(m.Subscriptions, &pb.RPC_SubOpts{Topicid: &topic, Subscribe: &yes})
	}
	return m
}

func say(topic, text string) *pb.RPC {
	return &pb.RPC{Publish: []*pb.Message{{Topic: &topic, Data: []byte(text)}}}
}

// TestManyTopics: a stranger subscribes to 100,000 topics (CVE-2026-46679), and
// grafts, announces and publishes on as many. Nothing of it is kept.
func TestManyTopics(t *testing.T) {
	a, b := newMember(t, "topic"), newMember(t, "topic")
	b.connect(t, a)
	a.sees(t, b)
	// The stranger is not allowed; that he subscribes to "topic" at the end shows
	// that everything before has been read.
	a.allow(b.PeerID())
	s := stream(t, attacker(t, a.Net), a.Net, netkit.GossipProtocol)
	send := func(m *pb.RPC) {
		if _, err := s.Write(framed(m)); err != nil {
			t.Fatal(err)
		}
	}
	before := heap()
	const each = 1000
	for i := range 100 {
		names := make([]string, each)
		control := new(pb.ControlMessage)
		for j := range names {
			names[j] = fmt.Sprintf("%064d", i*each+j)
			control.Graft = append(control.Graft, &pb.ControlGraft{TopicID: &names[j]})
			control.Ihave = append(control.Ihave, &pb.ControlIHave{TopicID: &names[j], MessageIDs: []string{names[j]}})
		}
		m := subscribe(names...)
		m.Control = control
		send(m)
		send(say(names[0], "x"))
	}
	if got := a.metric(t, "mero_netkit_penalty_points_total topic"); got > 1.001 {
		t.Errorf("a few messages of other topics cost %v points", got)
	}
	send(say("topic", "the end"))
	await(t, "everything is read", func() bool { return a.metric(t, "mero_netkit_gossip_messages_total stranger") == 101 })
	if grown := heap() - before; grown > 4<<20 {
		t.Errorf("the heap has grown by %d KiB", grown>>10)
	}
	b.publish(t, "still here")
	a.gets(t, "still here")
}

// TestTopicFlood: who sends messages of other topics without end is refused.
func TestTopicFlood(t *testing.T) {
	a := newMember(t, "topic")
	g := newGossiper(t, a.Net)
	m := new(pb.RPC)
	for i := range 1000 {
		m.Publish = append(m.Publish, say(fmt.Sprint("topic", i), "x").Publish...)
	}
	for range 11 {
		if _, err := g.out.Write(framed(m)); err != nil {
			break
		}
	}
	await(t, "it is refused", func() bool { return a.Refuses(g.ID().String()) && len(a.Net.Peers()) == 0 })
}

// TestStrangerSuppresses: a stranger who says first what a member says later does not
// keep it from being heard.
func TestStrangerSuppresses(t *testing.T) {
	a, b := newMember(t, "topic"), newMember(t, "topic")
	a.allow(b.PeerID())
	b.connect(t, a)
	a.sees(t, b)
	s := stream(t, attacker(t, a.Net), a.Net, netkit.GossipProtocol)
	if _, err := s.Write(framed(say("topic", "mine"))); err != nil {
		t.Fatal(err)
	}
	await(t, "it is read", func() bool { return a.metric(t, "mero_netkit_gossip_messages_total stranger") == 1 })
	b.sees(t, a)
	b.publish(t, "mine")
	a.gets(t, "mine")
}

// TestGossipQueues: what waits is bounded in bytes, and what is over it is counted
// as lost; when Check and Receive go on, so does everything.
func TestGossipQueues(t *testing.T) {
	for name, stuck := range map[string]func(*netkit.TopicOptions, func()){
		"check": func(o *netkit.TopicOptions, wait func()) {
			check := o.Check
			o.Check = func(f string, d []byte) netkit.Verdict { wait(); return check(f, d) }
		},
		"receive": func(o *netkit.TopicOptions, wait func()) {
			get := o.Receive
			o.Receive = func(f string, d []byte) { wait(); get(f, d) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := newMember(t, ""), newMember(t, "topic")
			goOn := make(chan struct{})
			opts := a.options("topic")
			stuck(&opts, func() { <-goOn })
			var err error
			if a.Topic, err = a.Join(opts); err != nil {
				t.Fatal(err)
			}
			b.connect(t, a)
			b.sees(t, a)
			const size = 500 << 10
			text := strings.Repeat("x", size)
			before := heap()
			for i := range 200 { // 100 MB
				b.publish(t, fmt.Sprint(i, text))
			}
			const published = "mero_netkit_gossip_messages_total "
			await(t, "something is lost", func() bool { return a.metric(t, published+"lost") > 0 })
			// b holds what it has published as well, for those who ask again.
			if grown := heap() - before; grown > 200*size+(80<<20) {
				t.Errorf("the heap has grown by %d MiB", grown>>20)
			}
			close(goOn)
			await(t, "what was not lost comes, or more is lost", func() bool {
				return float64(len(a.received()))+a.metric(t, published+"lost") == 200
			})
			b.publish(t, "after")
			a.gets(t, "after")
			if got := len(a.received()); got < 60 {
				t.Errorf("only %d messages came", got)
			}
		})
	}
}

// TestLyingFrames: a hundred frames that say to be 64 MiB.
func TestLyingFrames(t *testing.T) {
	d := deps(t)
	a, _ := start(t, local(), d)
	p := netkit.Protocol{ID: "/mero/test/lies/1", MaxFrame: 64 << 20, MaxPerPeer: 100}
	a.Handle(p, func(_ context.Context, s *netkit.Stream) { _, _ = s.Read() })
	before := heap()
	for range 5 {
		h := attacker(t, a)
		for range 20 {
			s := stream(t, h, a, protocol.ID(p.ID))
			if _, err := s.Write(append(binary.BigEndian.AppendUint32(nil, 64<<20), make([]byte, 1000)...)); err != nil {
				t.Fatal(err)
			}
		}
	}
	await(t, "all are read", func() bool { return gather(t, registry(d))["mero_netkit_streams "+p.ID] == 100 })
	if grown := heap() - before; grown > 32<<20 {
		t.Errorf("the heap has grown by %d MiB", grown>>20)
	}
}

// TestManyStreams: one peer opens a thousand streams.
func TestManyStreams(t *testing.T) {
	d := deps(t)
	a, _ := start(t, local(), d)
	p := netkit.Protocol{ID: "/mero/test/many/1", MaxPerPeer: 5}
	a.Handle(p, func(_ context.Context, s *netkit.Stream) { _, _ = s.Read() })
	h := attacker(t, a)
	for range 1000 {
		s, err := h.NewStream(t.Context(), infoOf(t, a).ID, protocol.ID(p.ID))
		if err == nil {
			_, _ = s.Write([]byte{0})
		}
	}
	const refused = "mero_netkit_streams_refused_total /mero/test/many/1 peer"
	await(t, "most are refused", func() bool { return gather(t, registry(d))[refused] > 100 })
	if got := gather(t, registry(d))["mero_netkit_streams "+p.ID]; got > 5 {
		t.Errorf("%v streams are open", got)
	}
	// Others are served.
	a.Handle(echoProtocol, echo)
	b, _ := start(t, local(), deps(t))
	join(t, b, a)
	s := open(t, b, a, echoProtocol)
	if err := errors.Join(s.Write([]byte("x")), s.Flush()); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Read(); err != nil || string(got) != "x" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestManyProvided: one peer provides thousands of keys, of which few are kept.
func TestManyProvided(t *testing.T) {
	cfg, d := local(), deps(t)
	cfg.NodeType = netkit.TypeCoordinator
	a, _ := start(t, cfg, d)
	h := attacker(t, a)
	addr := ma.StringCast("/ip4/10.0.0.1/tcp/1")
	for i := range 600 {
		s := stream(t, h, a, kademlia)
		m := dhtpb.NewMessage(dhtpb.Message_ADD_PROVIDER, []byte(fmt.Sprintf("key %d", i)), 0)
		m.ProviderPeers = []*dhtpb.Message_Peer{{Id: []byte(h.ID()), Addrs: [][]byte{addr.Bytes()}}}
		if _, err := s.Write(framed(m)); err != nil {
			t.Fatal(err)
		}
		s.CloseWrite()
		_, _ = s.Read(make([]byte, 1)) // it has been handled
		_ = s.Reset()
	}
	kept := 0
	for i := range 600 {
		found, err := a.DHT().ProviderStore().GetProviders(t.Context(), []byte(fmt.Sprintf("key %d", i)))
		if err != nil {
			t.Fatal(err)
		}
		kept += len(found)
	}
	if kept != netkit.MaxProvidedPeer {
		t.Errorf("%d records are kept, want %d", kept, netkit.MaxProvidedPeer)
	}
	if got := gather(t, registry(d))["mero_netkit_provide_refused_total"]; got != float64(600-kept) {
		t.Errorf("metric is %v, want %d", got, 600-kept)
	}
}

// TestSilentFlood: a thousand connections that say nothing. The node can still
// connect to others, and others to it when they are gone.
func TestSilentFlood(t *testing.T) {
	a, _ := start(t, local(), deps(t))
	where := strings.TrimSuffix(strings.TrimPrefix(a.Addrs()[0], "/ip4/127.0.0.1/tcp/"), "/p2p/"+a.PeerID())
	before := heap()
	var conns []net.Conn
	for range 1000 {
		c, err := net.DialTimeout("tcp", "127.0.0.1:"+where, time.Second)
		if err != nil {
			break // it takes no more
		}
		conns = append(conns, c)
	}
	if grown := heap() - before; grown > 64<<20 {
		t.Errorf("the heap has grown by %d MiB", grown>>20)
	}
	b, _ := start(t, local(), deps(t))
	join(t, a, b)
	for _, c := range conns {
		c.Close()
	}
	c, _ := start(t, local(), deps(t))
	await(t, "others are let in again", func() bool {
		_, err := c.Connect(t.Context(), a.Addrs())
		return err == nil
	})
}

// TestFlood: a thousand peers connect. Most are refused, the node keeps its own
// connections and opens others, and its memory stays.
func TestFlood(t *testing.T) {
	if testing.Short() {
		t.Skip("a thousand hosts take 15 s")
	}
	cfg, d := local(), deps(t)
	entry, _ := start(t, local(), deps(t))
	cfg.EntryPoints = entry.Addrs()
	cfg.MaxConnections, cfg.HighWater, cfg.LowWater = 64, 48, 32
	a, _ := start(t, cfg, d)
	await(t, "the entry point is connected", func() bool { return connected(a, entry) })
	info := infoOf(t, a)
	in := 0
	for range 1000 {
		h := dialer(t)
		if h.Connect(t.Context(), info) == nil {
			in++
		}
		if len(a.Peers()) > cfg.MaxConnections {
			t.Fatalf("%d peers are connected", len(a.Peers()))
		}
		if !slices.ContainsFunc(a.Peers(), func(p netkit.Peer) bool { return p.ID == h.ID().String() }) {
			h.Close() // it was refused
		}
	}
	if !connected(a, entry) {
		t.Error("the entry point was pushed out")
	}
	b, _ := start(t, local(), deps(t))
	join(t, a, b)
	t.Logf("%d of 1000 were let in for a moment, %d are connected", in, len(a.Peers()))
}
