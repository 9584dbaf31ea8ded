package netkit_test

import (
	"context"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"mero/netkit"
)

func registry(d netkit.Deps) *prometheus.Registry { return d.Metrics.(*prometheus.Registry) }

// TestKeep follows a node that another keeps connected to while it goes and comes.
func TestKeep(t *testing.T) {
	keptDeps := deps(t)
	a, stop := start(t, local(), keptDeps)
	addrs := a.Addrs()
	b, _ := start(t, local(), deps(t))
	changed, end := b.Changes()
	defer end()
	if !b.Keep(a.PeerID(), addrs) || !b.Keep(a.PeerID(), nil) {
		t.Fatal("it is not kept")
	}
	await(t, "it is connected", func() bool { return connected(b, a) })
	<-changed
	stop()
	await(t, "its loss is seen", func() bool { return !connected(b, a) })
	<-changed
	cfg := local()
	cfg.Listen = []string{addrs[0][:len(addrs[0])-len("/p2p/"+a.PeerID())]}
	keptDeps.Metrics = prometheus.NewRegistry()
	again, stop := start(t, cfg, keptDeps)
	await(t, "it is connected again", func() bool { return connected(b, again) })
	b.Unkeep(a.PeerID())
	b.Unkeep(a.PeerID())
	stop()
	await(t, "its loss is seen again", func() bool { return !connected(b, again) })
}

// TestKeepBeforeRun keeps before Run, and finds the address by Kademlia.
func TestKeepBeforeRun(t *testing.T) {
	hub, _ := start(t, local(), deps(t))
	cfg := local()
	cfg.EntryPoints = hub.Addrs()
	a, _ := start(t, cfg, deps(t))
	await(t, "the hub has a in its table", func() bool { return hub.DHT().RoutingTable().Size() == 1 })
	b, err := netkit.New(cfg, deps(t))
	if err != nil {
		t.Fatal(err)
	}
	b.Keep(a.PeerID(), nil)
	run(t, b)
	await(t, "they are connected", func() bool { return connected(b, a) })
}

func TestKeepLimits(t *testing.T) {
	cfg, d := local(), deps(t)
	cfg.MaxKept = 2
	entry := newKey(t).PeerID()
	cfg.EntryPoints = []string{"/ip4/127.0.0.1/tcp/9/p2p/" + entry}
	n, err := netkit.New(cfg, d)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	ids := []string{newKey(t).PeerID(), newKey(t).PeerID(), newKey(t).PeerID()}
	for i, want := range []bool{true, true, false} {
		if got := n.Keep(ids[i], []string{"nonsense"}); got != want {
			t.Errorf("keep %d: %v, want %v", i, got, want)
		}
	}
	if n.Keep("nobody", nil) {
		t.Error("a malformed id is kept")
	}
	if !n.Keep(entry, nil) || !n.Keep(n.PeerID(), nil) || !n.Keep(ids[0], nil) {
		t.Error("an entry point, itself or who is kept needs no room")
	}
	n.Unkeep(ids[0])
	if !n.Keep(ids[2], nil) {
		t.Error("no room after unkeep")
	}
	if got := gather(t, registry(d))["mero_netkit_kept_refused_total"]; got != 1 {
		t.Errorf("metric is %v, want 1", got)
	}
}

func TestProviders(t *testing.T) {
	cfg := local()
	cfg.NodeType = netkit.TypeCoordinator
	hub, _ := start(t, cfg, deps(t))
	cfg = local()
	cfg.EntryPoints = hub.Addrs()
	var nodes []*netkit.Net
	for range 3 {
		n, _ := start(t, cfg, deps(t))
		nodes = append(nodes, n)
	}
	await(t, "the tables are filled", func() bool {
		return hub.DHT().RoutingTable().Size() == 3 && !slices.ContainsFunc(nodes, func(n *netkit.Net) bool { return n.DHT().RoutingTable().Size() == 0 })
	})
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	key := [32]byte{1, 2, 3}
	for _, n := range nodes[:2] {
		if err := n.Provide(ctx, key); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{nodes[0].PeerID(), nodes[1].PeerID()}
	slices.Sort(want)
	found, err := nodes[2].FindProviders(ctx, key, 0)
	slices.Sort(found)
	if err != nil || !slices.Equal(found, want) {
		t.Errorf("found %v, %v, want %v", found, err, want)
	}
	for _, id := range found {
		s, err := nodes[2].Open(ctx, id, echoProtocol)
		if err == nil {
			s.Reset()
		} else if !slices.ContainsFunc(nodes[2].Peers(), func(p netkit.Peer) bool { return p.ID == id }) {
			t.Errorf("who was found is not reached: %v", err)
		}
	}
	if found, err = nodes[0].FindProviders(ctx, key, 1); err != nil || len(found) != 1 || found[0] == nodes[0].PeerID() {
		t.Errorf("of the others at most one: %v, %v", found, err)
	}
	if found, err := nodes[2].FindProviders(ctx, [32]byte{9}, 0); err != nil || len(found) != 0 {
		t.Errorf("of a key that nobody provides: %v, %v", found, err)
	}
}

func TestAddrPeer(t *testing.T) {
	id := newKey(t).PeerID()
	if got, err := netkit.AddrPeer("/ip4/10.0.0.1/tcp/1/p2p/" + id); err != nil || got != id {
		t.Errorf("%q, %v", got, err)
	}
	for _, addr := range []string{"", "x", "/ip4/10.0.0.1/tcp/1", "/p2p/" + id, "/ip4/10.0.0.1/tcp/1/ws/p2p/" + id, "/ip4/10.0.0.1/tcp/1/p2p/Qm"} {
		if got, err := netkit.AddrPeer(addr); err == nil {
			t.Errorf("%q was taken: %q", addr, got)
		}
	}
}
