package netkit_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"mero/netkit"
)

// deadline bounds every wait; it is never reached when all is well.
const deadline = 20 * time.Second

// await waits until cond holds.
func await(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	end := time.NewTimer(deadline)
	defer end.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-end.C:
			t.Fatalf("not within %s: %s", deadline, what)
		}
	}
}

// logs gathers what a node logs.
type logs struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// lines are the log lines that hold all of parts.
func (l *logs) lines(parts ...string) (found []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
next:
	for line := range strings.Lines(l.buf.String()) {
		for _, part := range parts {
			if !strings.Contains(line, part) {
				continue next
			}
		}
		found = append(found, line)
	}
	return found
}

func newKey(t *testing.T) netkit.Key {
	t.Helper()
	key, err := netkit.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// local is a config of one TCP port of the loopback, with quick retries.
func local() netkit.Config {
	cfg := netkit.DefaultConfig()
	cfg.Listen = []string{"/ip4/127.0.0.1/tcp/0"}
	cfg.DialRetryMin, cfg.DialRetryMax = 5*time.Millisecond, 40*time.Millisecond
	return cfg
}

func deps(t *testing.T) netkit.Deps {
	t.Helper()
	return netkit.Deps{Key: newKey(t), Log: zerolog.Nop(), Metrics: prometheus.NewRegistry()}
}

// start runs a node until the test ends or stop is called.
func start(t *testing.T, cfg netkit.Config, d netkit.Deps) (n *netkit.Net, stop func()) {
	t.Helper()
	n, err := netkit.New(cfg, d)
	if err != nil {
		t.Fatal(err)
	}
	return n, run(t, n)
}

func run(t *testing.T, n *netkit.Net) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	n.DHT() // it has started
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// dialer is a plain libp2p host that listens nowhere.
func dialer(t *testing.T, opts ...libp2p.Option) host.Host {
	t.Helper()
	h, err := libp2p.New(append([]libp2p.Option{libp2p.NoListenAddrs, libp2p.PrometheusRegisterer(prometheus.NewRegistry())}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

func infoOf(t *testing.T, n *netkit.Net) peer.AddrInfo {
	t.Helper()
	var addrs []ma.Multiaddr
	for _, text := range n.Addrs() {
		addrs = append(addrs, ma.StringCast(text))
	}
	infos, err := peer.AddrInfosFromP2pAddrs(addrs...)
	if err != nil || len(infos) != 1 {
		t.Fatalf("addresses %v: %v", n.Addrs(), err)
	}
	return infos[0]
}

func connected(n *netkit.Net, to *netkit.Net) bool {
	for _, p := range n.Peers() {
		if p.ID == to.PeerID() {
			return true
		}
	}
	return false
}

func TestTransports(t *testing.T) {
	for _, tt := range []struct{ name, listen, transport string }{
		{"tcp", "/ip4/127.0.0.1/tcp/0", "tcp"},
		{"quic", "/ip4/127.0.0.1/udp/0/quic-v1", "quic"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := local()
			cfg.Listen = []string{tt.listen}
			a, _ := start(t, cfg, deps(t))
			if len(a.Addrs()) != 1 || strings.Contains(a.Addrs()[0], "/0/") || !strings.HasSuffix(a.Addrs()[0], "/p2p/"+a.PeerID()) {
				t.Fatalf("addresses %v, want one with a port and /p2p/%s", a.Addrs(), a.PeerID())
			}
			cfg.EntryPoints = a.Addrs()
			b, _ := start(t, cfg, deps(t))
			await(t, "both sides see and measure each other", func() bool {
				pa, pb := a.Peers(), b.Peers()
				return len(pa) == 1 && len(pb) == 1 && pa[0].Latency > 0 && pb[0].Latency > 0 && pa[0].Agent != "" && pb[0].Agent != ""
			})
			pa, pb := a.Peers()[0], b.Peers()[0]
			if pa.ID != b.PeerID() || pa.Direction != "inbound" || pa.Transport != tt.transport || pa.Agent != "mero" {
				t.Errorf("the entry point sees %+v", pa)
			}
			if pb.ID != a.PeerID() || pb.Direction != "outbound" || pb.Transport != tt.transport || pb.Agent != "mero" {
				t.Errorf("the other sees %+v", pb)
			}
			if want := strings.TrimSuffix(a.Addrs()[0], "/p2p/"+a.PeerID()); pb.Addr != want {
				t.Errorf("it is connected to %s, want %s", pb.Addr, want)
			}
		})
	}
}

func TestVersion(t *testing.T) {
	d := deps(t)
	d.Version = "1.2.3"
	a, _ := start(t, local(), d)
	b, _ := start(t, local(), deps(t))
	join(t, b, a)
	await(t, "it is told", func() bool { return b.Peers()[0].Agent == "mero/1.2.3" })
}

// TestSecurity connects with each security protocol alone.
func TestSecurity(t *testing.T) {
	n, _ := start(t, local(), deps(t))
	for _, name := range []string{"tls", "noise"} {
		h := dialer(t, securityOnly(name))
		if err := h.Connect(t.Context(), infoOf(t, n)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestListenAll(t *testing.T) {
	cfg := local()
	cfg.Listen = []string{"/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1", "/ip4/127.0.0.1/tcp/0"}
	n, _ := start(t, cfg, deps(t))
	if len(n.Addrs()) != 3 {
		t.Fatalf("addresses %v, want three", n.Addrs())
	}
	for _, addr := range n.Addrs() {
		info, err := peer.AddrInfoFromString(addr)
		if err != nil {
			t.Fatal(err)
		}
		if err := dialer(t).Connect(t.Context(), *info); err != nil {
			t.Errorf("%s: %v", addr, err)
		}
	}
}

func TestUnspecified(t *testing.T) {
	cfg := local()
	cfg.Listen = []string{"/ip4/0.0.0.0/tcp/0"}
	n, _ := start(t, cfg, deps(t))
	for _, addr := range n.Addrs() {
		if strings.Contains(addr, "0.0.0.0") {
			t.Errorf("%s can not be dialled", addr)
		}
	}
	if len(n.Addrs()) == 0 {
		t.Error("no addresses")
	}
}

// TestIPv6 must pass with and without IPv6 on the machine.
func TestIPv6(t *testing.T) {
	cfg := local()
	cfg.Listen = append(cfg.Listen, "/ip6/::/tcp/0", "/ip6/::/udp/0/quic-v1")
	n, _ := start(t, cfg, deps(t))
	if !strings.HasPrefix(n.Addrs()[0], "/ip4/127.0.0.1/") && len(n.Addrs()) < 2 {
		t.Errorf("addresses %v", n.Addrs())
	}
}

func TestAddrInUse(t *testing.T) {
	tcp, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	udp, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	other, _ := start(t, local(), deps(t))
	for name, taken := range map[string]string{
		"tcp":          "/ip4/127.0.0.1/tcp/" + strconv.Itoa(tcp.Addr().(*net.TCPAddr).Port),
		"quic":         "/ip4/127.0.0.1/udp/" + strconv.Itoa(udp.LocalAddr().(*net.UDPAddr).Port) + "/quic-v1",
		"another node": strings.TrimSuffix(other.Addrs()[0], "/p2p/"+other.PeerID()),
	} {
		cfg := local()
		cfg.Listen = append(cfg.Listen, taken)
		_, err := netkit.New(cfg, deps(t))
		inUse := (*netkit.AddrInUseError)(nil)
		if !errors.As(err, &inUse) {
			t.Errorf("%s: %v, want an AddrInUseError", name, err)
			continue
		}
		if inUse.Addr != taken || !strings.Contains(err.Error(), taken) {
			t.Errorf("%s: %v names %s, want %s", name, err, inUse.Addr, taken)
		}
	}
}

func TestListenElsewhere(t *testing.T) {
	cfg := local()
	cfg.Listen = append(cfg.Listen, "/ip4/192.0.2.1/tcp/0") // TEST-NET-1 is nobody's
	if _, err := netkit.New(cfg, deps(t)); err == nil || !strings.Contains(err.Error(), "192.0.2.1") {
		t.Errorf("an address of another machine: %v, want an error that names it", err)
	}
}

// TestEntryPoint follows a node whose entry point is not there, comes, goes, and
// comes again.
func TestEntryPoint(t *testing.T) {
	entryDeps := deps(t)
	cfg := local()
	entry, err := netkit.New(cfg, entryDeps)
	if err != nil {
		t.Fatal(err)
	}
	addr := entry.Addrs()[0]
	if err := entry.Close(); err != nil {
		t.Fatal(err)
	}
	var seen logs
	d := deps(t)
	d.Log = zerolog.New(&seen)
	cfg.EntryPoints = []string{addr}
	n, _ := start(t, cfg, d)
	await(t, "three failures in the log", func() bool { return len(seen.lines("entry point is not connected")) >= 3 })
	for _, line := range seen.lines("entry point is not connected") {
		for _, part := range []string{entry.PeerID(), addr[:strings.Index(addr, "/p2p/")], "reason", "connection refused", "next_try_ms"} {
			if !strings.Contains(line, part) {
				t.Errorf("a failure does not say %q: %s", part, line)
			}
		}
	}
	for round := range 2 {
		cfg := local()
		cfg.Listen = []string{addr[:strings.Index(addr, "/p2p/")]}
		entryDeps.Metrics = prometheus.NewRegistry()
		again, stop := start(t, cfg, entryDeps)
		await(t, "the entry point is connected", func() bool { return connected(n, again) && connected(again, n) })
		if round == 0 {
			stop()
			await(t, "the loss is seen", func() bool { return len(n.Peers()) == 0 })
		}
	}
	await(t, "both connections are in the log", func() bool { return len(seen.lines("entry point connected")) == 2 })
	values := gather(t, d.Metrics.(*prometheus.Registry))
	if values["mero_netkit_entry_dials_total connected"] != 2 || values["mero_netkit_entry_dials_total failed"] < 3 ||
		values["mero_netkit_peers"] != 1 || values["mero_netkit_connections"] < 1 {
		t.Errorf("metrics are %v", values)
	}
}

// TestSeveralEntryPoints: one that is dead does not hold up the other, and the
// node itself is not one.
func TestSeveralEntryPoints(t *testing.T) {
	alive, _ := start(t, local(), deps(t))
	dead, err := netkit.New(local(), deps(t))
	if err != nil {
		t.Fatal(err)
	}
	cfg, d := local(), deps(t)
	cfg.EntryPoints = append(dead.Addrs(), alive.Addrs()...)
	cfg.EntryPoints = append(cfg.EntryPoints, "/ip4/127.0.0.1/tcp/9/p2p/"+d.Key.PeerID())
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	var seen logs
	d.Log = zerolog.New(&seen)
	n, _ := start(t, cfg, d)
	await(t, "the live one is connected", func() bool { return connected(n, alive) })
	if lines := seen.lines("entry point", `"entry":"`+d.Key.PeerID()); len(lines) > 0 {
		t.Errorf("the node dials itself: %v", lines)
	}
}

// gather is every metric of a registry, by its name and label values.
func gather(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]float64)
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			name := family.GetName()
			for _, label := range metric.GetLabel() {
				name += " " + label.GetValue()
			}
			got[name] = metric.GetCounter().GetValue() + metric.GetGauge().GetValue()
		}
	}
	return got
}
