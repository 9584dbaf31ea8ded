package netkit_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	mocknet "github.com/libp2p/go-libp2p/p2p/net/mock"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"mero/netkit"
)

// TestPenalize: at the limit a peer is disconnected, refused whoever dials, and
// taken back when the time is over.
func TestPenalize(t *testing.T) {
	cfg, d := local(), deps(t)
	cfg.RefuseFor = 300 * time.Millisecond
	var seen logs
	d.Log = zerolog.New(&seen)
	a, _ := start(t, cfg, d)
	b, _ := start(t, local(), deps(t))
	join(t, b, a)
	for range 3 {
		a.Penalize(b.PeerID(), 30, "frame")
	}
	a.Penalize(b.PeerID(), math.NaN(), "frame")
	a.Penalize(b.PeerID(), math.Inf(1), "frame")
	a.Penalize(b.PeerID(), -1000, "frame")
	a.Penalize("nobody", 1000, "frame")
	a.Penalize(a.PeerID(), 1000, "itself")
	if !connected(a, b) || len(seen.lines("peer is refused")) != 0 {
		t.Fatal("below the limit it is refused")
	}
	a.Penalize(b.PeerID(), 30, "session")
	refused := time.Now()
	await(t, "it is disconnected", func() bool { return !connected(a, b) && !connected(b, a) })
	if lines := seen.lines("peer is refused", b.PeerID(), `"last":"session"`); len(lines) != 1 {
		t.Errorf("the log says %q", lines)
	}
	if _, err := a.Open(t.Context(), b.PeerID(), echoProtocol); !errors.Is(err, netkit.ErrRefused) {
		t.Errorf("open to it: %v, want ErrRefused", err)
	}
	values := gather(t, registry(d))
	if values["mero_netkit_refused_peers"] != 1 || values["mero_netkit_penalty_points_total session"] != 30 {
		t.Errorf("metrics are %v", values)
	}
	await(t, "it is let in again", func() bool {
		_, err := b.Connect(t.Context(), a.Addrs())
		return err == nil && connected(a, b) && connected(b, a)
	})
	if waited := time.Since(refused); waited < cfg.RefuseFor {
		t.Errorf("it was let in after %s", waited)
	}
}

// TestPenaltyDecays in fake time, on a host without a gate.
func TestPenaltyDecays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, link := simulated(t)
		link()
		if _, err := b.Connect(t.Context(), a.Addrs()); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			a.Penalize(b.PeerID(), 49, "frame")
			<-time.After(10 * time.Minute) // fake; half of them is gone
		}
		if !connected(a, b) {
			t.Error("points do not decay")
		}
		a.Penalize(b.PeerID(), 60, "frame")
		synctest.Wait()
		if connected(a, b) {
			t.Error("it is not disconnected")
		}
		_, _ = b.Connect(t.Context(), a.Addrs())
		synctest.Wait()
		if connected(a, b) {
			t.Error("it is let in at once")
		}
		<-time.After(15 * time.Minute)
		if _, err := b.Connect(t.Context(), a.Addrs()); err != nil || !connected(a, b) {
			t.Errorf("it is not let in after the time: %v", err)
		}
	})
}

// simulated are two nodes on hosts without sockets; link lets them connect.
func simulated(t *testing.T) (a, b *netkit.Net, link func()) {
	t.Helper()
	sim := mocknet.New()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	var nets []*netkit.Net
	for range 2 {
		h, err := sim.GenPeer()
		if err != nil {
			t.Fatal(err)
		}
		n, err := netkit.FromHost(h, netkit.DefaultConfig(), netkit.Deps{Log: zerolog.Nop(), Metrics: prometheus.NewRegistry()})
		if err != nil {
			t.Fatal(err)
		}
		nets = append(nets, n)
		go func() { done <- n.Run(ctx) }()
		n.DHT()
	}
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, <-done, sim.Close()); err != nil {
			t.Error(err)
		}
	})
	return nets[0], nets[1], func() {
		if err := sim.LinkAll(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSimulated: streams, topics and kept peers on hosts of others, in fake time.
func TestSimulated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		netA, netB, link := simulated(t)
		a, b := &member{Net: netA}, &member{Net: netB}
		a.join(t, "topic")
		b.join(t, "topic")
		netA.Handle(echoProtocol, echo)
		if !netB.Keep(netA.PeerID(), netA.Addrs()) {
			t.Fatal("not kept")
		}
		<-time.After(time.Hour)
		link()
		<-time.After(2 * time.Minute) // longer than the longest pause
		synctest.Wait()
		if !connected(netB, netA) {
			t.Fatal("it is not connected")
		}
		s := open(t, netB, netA, echoProtocol)
		if err := errors.Join(s.Write([]byte("x")), s.Flush()); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Read(); err != nil || string(got) != "x" {
			t.Errorf("%q, %v", got, err)
		}
		s.Close()
		b.publish(t, "hello")
		synctest.Wait()
		if got := a.received(); len(got) != 1 || got[0] != "hello" {
			t.Errorf("a got %q", got)
		}
	})
}

// TestRejectCosts: who forwards what Check rejects is refused in the end.
func TestRejectCosts(t *testing.T) {
	a, b := newMember(t, "topic"), newMember(t, "topic")
	b.connect(t, a)
	b.sees(t, a)
	a.sees(t, b)
	for i := range 11 { // the first has decayed a little when the tenth comes
		b.publish(t, fmt.Sprint("bad ", i))
	}
	await(t, "it is refused", func() bool { return !connected(a.Net, b.Net) })
	if got := a.received(); len(got) != 0 {
		t.Errorf("a got %q", got)
	}
}

// TestManyStandings: a crowd with penalties is not remembered without end, but who
// is refused rather than others.
func TestManyStandings(t *testing.T) {
	n, err := netkit.New(local(), deps(t))
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	worst := newKey(t).PeerID()
	n.Penalize(worst, 1000, "frame")
	for range netkit.MaxStandings + 100 {
		n.Penalize(newKey(t).PeerID(), 1, "frame")
	}
	if got := n.Standings(); got > netkit.MaxStandings {
		t.Errorf("%d are remembered, want at most %d", got, netkit.MaxStandings)
	}
	if !n.Refuses(worst) {
		t.Error("who is refused is forgotten")
	}
	for i := range 100 {
		n.Penalize(worst, 1, fmt.Sprint("reason", i))
	}
	n.Penalize(worst, 1, strings.Repeat("x", 1000))
}

func TestPenaltyReasons(t *testing.T) {
	d := deps(t)
	n, err := netkit.New(local(), d)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	id := newKey(t).PeerID()
	for i := range 1000 {
		n.Penalize(id, 1, fmt.Sprint("reason", i))
	}
	n.Penalize(id, 1, strings.Repeat("x", 1000))
	count, other := 0, 0.0
	for name, value := range gather(t, registry(d)) {
		if strings.HasPrefix(name, "mero_netkit_penalty_points_total") {
			count++
			if strings.HasSuffix(name, " other") {
				other = value
			}
		}
	}
	if count > 33 || other < 900 {
		t.Errorf("%d reasons, %v points of others", count, other)
	}
}
