package netkit_test

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	mocknet "github.com/libp2p/go-libp2p/p2p/net/mock"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"mero/netkit"
)

// goroutines is the stacks of all goroutines but those of tests.
func goroutines() (stacks []string) {
	buf := make([]byte, 4<<20)
	buf = buf[:runtime.Stack(buf, true)]
	for stack := range strings.SplitSeq(string(buf), "\n\n") {
		if !strings.Contains(stack, "testing.") && !strings.Contains(stack, "runtime.ensureSigM") {
			stacks = append(stacks, stack)
		}
	}
	return stacks
}

// TestNoGoroutineLeft runs and closes nodes of both kinds that talk to each other.
func TestNoGoroutineLeft(t *testing.T) {
	before := len(goroutines())
	ctx, cancel := context.WithCancel(t.Context())
	cfg := local()
	cfg.Listen = append(cfg.Listen, "/ip4/127.0.0.1/udp/0/quic-v1")
	cfg.NodeType = netkit.TypeCoordinator
	hub, err := netkit.New(cfg, deps(t))
	if err != nil {
		t.Fatal(err)
	}
	cfg.NodeType = netkit.TypePeer
	cfg.EntryPoints = append(hub.Addrs(), "/ip4/127.0.0.1/tcp/9/p2p/"+newKey(t).PeerID())
	n, err := netkit.New(cfg, deps(t))
	if err != nil {
		t.Fatal(err)
	}
	unused, err := netkit.New(cfg, deps(t))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 2)
	go func() { done <- hub.Run(ctx) }()
	go func() { done <- n.Run(ctx) }()
	await(t, "they are connected", func() bool { return connected(n, hub) && connected(hub, n) })
	cancel()
	if err := errors.Join(<-done, <-done, unused.Close()); err != nil {
		t.Fatal(err)
	}
	// libp2p ends some of its goroutines a moment after its Close.
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(deadline); ; <-tick.C {
		left := goroutines()
		if len(left) <= before {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d goroutines, were %d:\n%s", len(left), before, strings.Join(left, "\n\n"))
		}
	}
}

func TestClose(t *testing.T) {
	n, err := netkit.New(local(), deps(t))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- n.Run(t.Context()) }()
	n.DHT()
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Errorf("run that was closed: %v", err)
	}
	if err := n.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
	if err := n.Run(t.Context()); !errors.Is(err, netkit.ErrClosed) {
		t.Errorf("run after close: %v, want ErrClosed", err)
	}
	if len(n.Peers()) != 0 {
		t.Errorf("peers after close: %v", n.Peers())
	}

	idle, err := netkit.New(local(), deps(t))
	if err != nil {
		t.Fatal(err)
	}
	addr := strings.TrimSuffix(idle.Addrs()[0], "/p2p/"+idle.PeerID())
	if err := idle.Close(); err != nil {
		t.Fatal(err)
	}
	cfg := local()
	cfg.Listen = []string{addr}
	again, err := netkit.New(cfg, deps(t))
	if err != nil {
		t.Fatalf("the port is not free after close: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestFromHost runs two nodes on hosts without sockets, in fake time: the entry
// point can not be reached for ten minutes, then it can.
func TestFromHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := mocknet.New()
		defer sim.Close()
		hostA, err := sim.GenPeer()
		if err != nil {
			t.Fatal(err)
		}
		hostB, err := sim.GenPeer()
		if err != nil {
			t.Fatal(err)
		}
		var seen logs
		cfg := netkit.DefaultConfig()
		a, err := netkit.FromHost(hostA, cfg, netkit.Deps{Log: zerolog.Nop(), Metrics: prometheus.NewRegistry()})
		if err != nil {
			t.Fatal(err)
		}
		cfg.EntryPoints = a.Addrs()
		b, err := netkit.FromHost(hostB, cfg, netkit.Deps{Log: zerolog.New(&seen), Metrics: prometheus.NewRegistry()})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan error, 2)
		go func() { done <- a.Run(ctx) }()
		go func() { done <- b.Run(ctx) }()

		<-time.After(10 * time.Minute) // fake
		// 1, 2, 4, 8, 16, 32 s and then a minute each, less up to a half.
		if got := len(seen.lines("entry point is not connected")); got < 15 || got > 27 {
			t.Errorf("%d attempts in ten minutes, want 15 to 27", got)
		}
		if _, err := sim.LinkPeers(hostA.ID(), hostB.ID()); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		if !connected(b, a) {
			t.Error("not connected a minute after it was possible")
		}
		<-time.After(time.Minute) // a connection that is lost soon counts as a failure
		before := len(seen.lines("entry point is not connected"))
		if err := sim.DisconnectPeers(hostA.ID(), hostB.ID()); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Second)
		if !connected(b, a) {
			t.Error("not connected a second after the loss")
		}
		if after := len(seen.lines("entry point is not connected")); after != before {
			t.Errorf("%d failures after the loss", after-before)
		}
		cancel()
		if err := errors.Join(<-done, <-done); err != nil {
			t.Error(err)
		}
	})
}

// TestDroppingEntryPoint: an entry point that closes every connection at once is
// dialled with the same back-off as one that does not answer.
func TestDroppingEntryPoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := mocknet.New()
		defer sim.Close()
		entry, err := sim.GenPeer()
		if err != nil {
			t.Fatal(err)
		}
		own, err := sim.GenPeer()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sim.LinkPeers(entry.ID(), own.ID()); err != nil {
			t.Fatal(err)
		}
		drops := 0
		entry.Network().Notify(&network.NotifyBundle{ConnectedF: func(_ network.Network, c network.Conn) {
			drops++
			go c.Close()
		}})
		cfg := netkit.DefaultConfig()
		cfg.EntryPoints = []string{entry.Addrs()[0].String() + "/p2p/" + entry.ID().String()}
		n, err := netkit.FromHost(own, cfg, netkit.Deps{Log: zerolog.Nop(), Metrics: prometheus.NewRegistry()})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- n.Run(ctx) }()
		<-time.After(10 * time.Minute) // fake
		synctest.Wait()
		if drops < 10 || drops > 60 {
			t.Errorf("%d connections in ten minutes, want 10 to 60", drops)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestReadyLog(t *testing.T) {
	var seen logs
	d := deps(t)
	d.Log = zerolog.New(&seen)
	n, _ := start(t, local(), d)
	await(t, "the log says so", func() bool { return len(seen.lines("network is up", n.Addrs()[0], `"type":"peer"`)) == 1 })
	if bytes.Contains([]byte(seen.lines("network is up")[0]), []byte("error")) {
		t.Error("it says so with an error")
	}
}
