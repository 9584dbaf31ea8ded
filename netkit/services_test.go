package netkit_test

import (
	"context"
	"slices"
	"testing"

	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"

	"mero/netkit"
)

const kademlia protocol.ID = "/mero/kad/1.0.0"

func serves(n *netkit.Net, id protocol.ID) bool {
	return slices.Contains(n.Host().Mux().Protocols(), id)
}

func TestNodeType(t *testing.T) {
	cfg := local()
	ordinary, _ := start(t, cfg, deps(t))
	cfg.NodeType = netkit.TypeCoordinator
	coordinator, _ := start(t, cfg, deps(t))

	// A peer that learns that it can not be reached stops serving Kademlia; a
	// coordinator does not ask.
	for _, n := range []*netkit.Net{ordinary, coordinator} {
		if !serves(n, kademlia) {
			t.Error("a new node does not serve Kademlia")
		}
		emitter, err := n.Host().EventBus().Emitter(new(event.EvtLocalReachabilityChanged))
		if err != nil {
			t.Fatal(err)
		}
		defer emitter.Close()
		if n == coordinator {
			// libp2p's relay ends when it hears this, so it is asked before.
			relays(t, n, true)
		} else {
			relays(t, n, false)
		}
		if err := emitter.Emit(event.EvtLocalReachabilityChanged{Reachability: network.ReachabilityPrivate}); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "the peer has stopped serving", func() bool { return !serves(ordinary, kademlia) })
	if !serves(coordinator, kademlia) {
		t.Error("the coordinator has stopped serving")
	}
}

// relays asks a node for a relay reservation.
func relays(t *testing.T, n *netkit.Net, want bool) {
	t.Helper()
	if want {
		await(t, "the relay service is up", func() bool { return serves(n, "/libp2p/circuit/relay/0.2.0/hop") })
	}
	h := dialer(t)
	_, err := client.Reserve(t.Context(), h, infoOf(t, n))
	if want != (err == nil) {
		t.Errorf("relay reservation: %v, want success: %v", err, want)
	}
}

// TestKademlia: three nodes that know only a coordinator find each other.
func TestKademlia(t *testing.T) {
	cfg := local()
	cfg.NodeType = netkit.TypeCoordinator
	hub, _ := start(t, cfg, deps(t))
	cfg = local()
	cfg.EntryPoints = hub.Addrs()
	a, _ := start(t, cfg, deps(t))
	b, _ := start(t, cfg, deps(t))
	await(t, "the tables are filled", func() bool {
		return hub.DHT().RoutingTable().Size() == 2 && a.DHT().RoutingTable().Size() > 0 && b.DHT().RoutingTable().Size() > 0
	})
	id := infoOf(t, b).ID
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	if connected(a, b) {
		return // Kademlia was quick: nothing else has told them of each other
	}
	found, err := a.DHT().FindPeer(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Host().Connect(ctx, peer.AddrInfo{ID: id, Addrs: found.Addrs}); err != nil {
		t.Errorf("connect to what was found, %v: %v", found.Addrs, err)
	}
}

// TestMessageID: what differs in topic or content has another id; nothing else
// counts.
func TestMessageID(t *testing.T) {
	message := func(topic, data, from string) string {
		return netkit.MessageID(&pb.Message{Topic: &topic, Data: []byte(data), From: []byte(from)})
	}
	if message("t", "d", "x") != message("t", "d", "y") {
		t.Error("the sender changes the id")
	}
	seen := map[string]bool{}
	for _, m := range [][2]string{{"t", "d"}, {"t", "e"}, {"u", "d"}, {"td", ""}, {"", "td"}} {
		seen[message(m[0], m[1], "")] = true
	}
	if len(seen) != 5 {
		t.Errorf("%d ids for five messages", len(seen))
	}
}
