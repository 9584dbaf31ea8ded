package netkit_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/network"

	"mero/netkit"
)

// TestRelay: a node that can not be reached keeps a place at a coordinator, and
// others reach it there.
func TestRelay(t *testing.T) {
	cfg := local()
	cfg.NodeType = netkit.TypeCoordinator
	hub, _ := start(t, cfg, deps(t))
	await(t, "the hub relays", func() bool { return serves(hub, "/libp2p/circuit/relay/0.2.0/hop") })
	cfg = local()
	cfg.EntryPoints = hub.Addrs()
	cfg.Listen = nil
	hidden, _ := start(t, cfg, deps(t))
	hidden.Handle(echoProtocol, echo)
	emitter, err := hidden.Host().EventBus().Emitter(new(event.EvtLocalReachabilityChanged))
	if err != nil {
		t.Fatal(err)
	}
	defer emitter.Close()
	await(t, "it is connected to the hub", func() bool { return connected(hidden, hub) })
	if err := emitter.Emit(event.EvtLocalReachabilityChanged{Reachability: network.ReachabilityPrivate}); err != nil {
		t.Fatal(err)
	}
	// libp2p lets a node tell others of its place only where the relay has a public
	// address; here the address is put together.
	relayed := []string{hub.Addrs()[0] + "/p2p-circuit/p2p/" + hidden.PeerID()}
	other, _ := start(t, local(), deps(t))
	await(t, "it is reached through its place at the hub", func() bool {
		_, err := other.Connect(t.Context(), relayed)
		return err == nil
	})
	if p := other.Peers(); p[slices.IndexFunc(p, func(p netkit.Peer) bool { return p.ID == hidden.PeerID() })].Transport != "relay" {
		t.Errorf("the peers are %+v", p)
	}
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	s, err := other.Open(ctx, hidden.PeerID(), echoProtocol)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Reset()
	if err := errors.Join(s.Write([]byte("through")), s.Flush()); err != nil {
		t.Fatal(err)
	}
	got, err := s.Read()
	if err != nil || string(got) != "through" {
		t.Fatalf("%q, %v", got, err)
	}
	if !s.Limited() {
		t.Error("the stream does not say that it is relayed")
	}
}
