package netkit_test

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/p2p/net/connmgr"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	tls "github.com/libp2p/go-libp2p/p2p/security/tls"
	"github.com/prometheus/client_golang/prometheus"

	"mero/netkit"
)

func securityOnly(name string) libp2p.Option {
	if name == "tls" {
		return libp2p.Security(tls.ID, tls.New)
	}
	return libp2p.Security(noise.ID, noise.New)
}

// crowd connects n hosts, one after the other, and counts those that were let in.
func crowd(t *testing.T, to *netkit.Net, n int) (hosts []host.Host) {
	t.Helper()
	for range n {
		h := dialer(t)
		if h.Connect(t.Context(), infoOf(t, to)) == nil {
			hosts = append(hosts, h)
		}
	}
	return hosts
}

func TestMaxConnections(t *testing.T) {
	cfg := local()
	cfg.LowWater, cfg.HighWater, cfg.MaxConnections = 4, 4, 4
	n, _ := start(t, cfg, deps(t))
	crowd(t, n, 8)
	await(t, "three are in", func() bool { return len(n.Peers()) == 3 })
	// The fourth is kept for what the node opens itself.
	outside, _ := start(t, local(), deps(t))
	if err := n.Host().Connect(t.Context(), infoOf(t, outside)); err != nil {
		t.Errorf("the node can not connect to others: %v", err)
	}
	further, _ := start(t, local(), deps(t))
	if err := n.Host().Connect(t.Context(), infoOf(t, further)); err == nil {
		t.Errorf("a fifth connection of %d was opened", cfg.MaxConnections)
	}
}

func TestMaxPerIP(t *testing.T) {
	ip := ownIP(t)
	cfg := local()
	cfg.Listen = []string{"/ip4/" + ip + "/tcp/0"}
	cfg.MaxPerIP = 2
	n, _ := start(t, cfg, deps(t))
	if in := crowd(t, n, 5); len(n.Peers()) > 2 {
		t.Errorf("%d hosts of one address are connected, %d were let in, want 2", len(n.Peers()), len(in))
	}
	cfg.MaxPerIP = 5
	n, _ = start(t, cfg, deps(t))
	crowd(t, n, 5)
	await(t, "five are in", func() bool { return len(n.Peers()) == 5 })
}

// ownIP is an IPv4 address of this machine outside of the loopback.
func ownIP(t *testing.T) string {
	t.Helper()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, addr := range addrs {
		if ip, ok := addr.(*net.IPNet); ok && ip.IP.To4() != nil && ip.IP.IsGlobalUnicast() {
			return ip.IP.String()
		}
	}
	t.Skip("this machine has no address but the loopback")
	return ""
}

// TestWaterMarks: connections over the low mark are closed once they are older
// than the grace period, but not those to an entry point.
func TestWaterMarks(t *testing.T) {
	entry, _ := start(t, local(), deps(t))
	cfg := local()
	cfg.LowWater, cfg.HighWater, cfg.GracePeriod = 2, 3, time.Nanosecond
	cfg.EntryPoints = entry.Addrs()
	n, stop := start(t, cfg, deps(t))
	await(t, "the entry point is connected", func() bool { return connected(n, entry) })
	crowd(t, n, 5)
	await(t, "all are connected", func() bool { return len(n.Peers()) == 6 })
	n.Host().ConnManager().TrimOpenConns(t.Context())
	await(t, "two and the entry point are left", func() bool { return len(n.Peers()) == 3 })
	if !connected(n, entry) {
		t.Error("the entry point is not among them")
	}

	stop() // or the next node finds it through the entry point

	cfg.GracePeriod = time.Hour
	n, _ = start(t, cfg, deps(t))
	await(t, "the entry point is connected", func() bool { return connected(n, entry) })
	crowd(t, n, 5)
	await(t, "all are connected", func() bool { return len(n.Peers()) == 6 })
	n.Host().ConnManager().TrimOpenConns(t.Context())
	if got := len(n.Peers()); got != 6 {
		t.Errorf("%d peers after trimming within the grace period, want 6", got)
	}
}

// TestHighWater: when the connection manager acts by itself is libp2p's to test
// (it looks every ten seconds); that it was told our marks is ours.
func TestHighWater(t *testing.T) {
	cfg := local()
	cfg.LowWater, cfg.HighWater, cfg.GracePeriod = 11, 22, 33*time.Second
	n, err := netkit.New(cfg, deps(t))
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	info := n.Host().ConnManager().(*connmgr.BasicConnMgr).GetInfo()
	if info.LowWater != 11 || info.HighWater != 22 || info.GracePeriod != 33*time.Second {
		t.Errorf("the connection manager has %+v", info)
	}
}

// TestTwoNodesOneProcess: each has its own registry, and nothing is in the
// global one.
func TestTwoNodesOneProcess(t *testing.T) {
	for range 2 {
		d := deps(t)
		start(t, local(), d)
		values := gather(t, d.Metrics.(*prometheus.Registry))
		if _, ok := values["mero_netkit_peers"]; !ok {
			t.Error("our metrics are missing")
		}
		if len(values) < 10 {
			t.Errorf("libp2p's metrics are missing: %v", values)
		}
	}
	families, err := prometheus.DefaultGatherer.Gather() //nolint:forbidigo // that nothing of ours is in it is what is tested
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if strings.HasPrefix(family.GetName(), "libp2p_eventbus_") {
			continue // of the host from which AutoNAT v2 dials back; libp2p lets nobody say where to
		}
		if name := family.GetName(); len(name) > 6 && (name[:6] == "libp2p" || name[:5] == "mero_") {
			t.Errorf("%s is in the global registry", name)
		}
	}
}
