package netkit_test

import (
	"bufio"
	"io"
	"strings"
	"testing"
	"time"

	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"mero/netkit"
)

// gossiper is a peer that speaks the gossip protocol by hand.
type gossiper struct {
	host.Host
	out network.Stream
	in  chan *pb.RPC // what the node sends it
}

func newGossiper(t *testing.T, to *netkit.Net) *gossiper {
	t.Helper()
	g := &gossiper{Host: dialer(t), in: make(chan *pb.RPC, 1000)}
	g.SetStreamHandler(netkit.GossipProtocol, func(s network.Stream) {
		r := bufio.NewReader(s)
		for {
			m, err := readFramed(r)
			if err != nil {
				return
			}
			g.in <- m
		}
	})
	if err := g.Connect(t.Context(), infoOf(t, to)); err != nil {
		t.Fatal(err)
	}
	g.out = stream(t, g.Host, to, netkit.GossipProtocol)
	g.next(t) // its first words: before them it has nobody to answer to
	return g
}

// next is what the node sends next.
func (g *gossiper) next(t *testing.T) *pb.RPC {
	t.Helper()
	select {
	case m := <-g.in:
		return m
	case <-time.After(deadline):
		t.Fatal("the node says nothing")
		return nil
	}
}

func readFramed(r *bufio.Reader) (*pb.RPC, error) {
	var prefix []byte
	for {
		b, err := r.ReadByte()
		if err != nil {
			return nil, err
		}
		if prefix = append(prefix, b); b < 0x80 {
			break
		}
	}
	n, _ := protowire.ConsumeVarint(prefix)
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, err
	}
	m := new(pb.RPC)
	return m, proto.Unmarshal(body, m)
}

func (g *gossiper) send(t *testing.T, m *pb.RPC) {
	t.Helper()
	if _, err := g.out.Write(framed(m)); err != nil {
		t.Fatal(err)
	}
}

// TestMeet: a subscription is answered with an empty announcement, an announcement
// is taken for a subscription.
func TestMeet(t *testing.T) {
	a := newMember(t, "topic")
	topic, foreign := "topic", "foreign"
	g := newGossiper(t, a.Net)
	g.send(t, subscribe(topic, topic, foreign))
	var have []*pb.ControlIHave
	for len(have) == 0 {
		have = g.next(t).GetControl().GetIhave()
	}
	if len(have) != 1 || have[0].GetTopicID() != topic || len(have[0].GetMessageIDs()) != 0 {
		t.Errorf("the answer is %v", have)
	}
	h := newGossiper(t, a.Net)
	h.send(t, &pb.RPC{Control: &pb.ControlMessage{Ihave: []*pb.ControlIHave{{TopicID: &topic}, {TopicID: &foreign}, {}}}})
	await(t, "both are peers of the topic", func() bool { return len(a.Topic.Peers()) == 2 })
	i := newGossiper(t, a.Net)
	i.send(t, &pb.RPC{Control: &pb.ControlMessage{Graft: []*pb.ControlGraft{{TopicID: &topic}, {TopicID: &foreign}, {}}}})
	await(t, "the third is as well", func() bool { return len(a.Topic.Peers()) == 3 })
}

// TestDuplicates: the same again, and what is malformed, does not fill the queues.
func TestDuplicates(t *testing.T) {
	a := newMember(t, "topic")
	g := newGossiper(t, a.Net)
	large := say("topic", strings.Repeat("x", 500<<10))
	signed := say("topic", strings.Repeat("y", 500<<10))
	signed.Publish[0].Signature = []byte("s")
	for range 100 { // 100 MB
		g.send(t, large)
		g.send(t, signed)
	}
	g.send(t, say("topic", "after"))
	a.gets(t, "after")
	for fate, want := range map[string]float64{"duplicate": 99, "rejected": 100, "accepted": 2, "lost": 0} {
		if got := a.metric(t, "mero_netkit_gossip_messages_total "+fate); got != want {
			t.Errorf("%v are %s, want %v", got, fate, want)
		}
	}
}
