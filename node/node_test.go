package node_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"mero/node"
	"mero/node/api"
	"mero/node/server"
)

// config is one for tests: loopback, free ports.
func config() node.Config {
	cfg := node.DefaultConfig()
	cfg.Server.Listen = []string{"127.0.0.1:0"}
	cfg.Network.Listen = []string{"/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"}
	return cfg
}

// running is a node that runs until stop.
type running struct {
	home   node.Home
	node   *node.Node
	cancel context.CancelFunc
	done   chan error
}

func open(t *testing.T, home node.Home, cfg node.Config) (*node.Node, error) {
	t.Helper()
	logs, err := node.NewLogs(io.Discard, node.LogConfig{Level: "trace", Format: "json"})
	if err != nil {
		t.Fatal(err)
	}
	return node.Open(t.Context(), home, cfg, logs)
}

func start(t *testing.T, home node.Home, cfg node.Config) *running {
	t.Helper()
	n, err := open(t, home, cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{home: home, node: n, cancel: cancel, done: make(chan error, 1)}
	ready := make(chan struct{})
	go func() {
		r.done <- n.Run(ctx, func() error { close(ready); return nil })
	}()
	select {
	case <-ready:
	case err := <-r.done:
		cancel()
		t.Fatalf("the node ended before it was ready: %v", err)
	}
	return r
}

func (r *running) stop(t *testing.T) {
	t.Helper()
	r.cancel()
	if err := <-r.done; err != nil {
		t.Fatalf("stop: %v", err)
	}
}

func (r *running) client(t *testing.T) *api.Client {
	t.Helper()
	addrs := r.home.APIAddrs()
	if len(addrs) == 0 {
		t.Fatal("a ready node has no addresses in its home")
	}
	client, err := api.NewClient(api.ClientConfig{URL: addrs[0], Token: r.home.Token()})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// TestTwoNodesInOneProcess runs two nodes side by side, stops them, and looks
// that nothing is left: no goroutine, no address, no lock.
func TestTwoNodesInOneProcess(t *testing.T) {
	warm := start(t, testHome(t), config()) // what libraries start once and keep
	warm.stop(t)
	before := runtime.NumGoroutine()

	one, two := start(t, testHome(t), config()), start(t, testHome(t), config())
	ids := make(map[string]bool)
	for _, r := range []*running{one, two} {
		status, err := r.client(t).Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ids[status.PeerID] = true
		if status.Version != node.Version || status.ReadOnly != "" || status.Memory.HeapBytes == 0 || status.Disk.FreeBytes == 0 {
			t.Errorf("the status is not filled in: %+v", status)
		}
		if got := r.home.P2PAddrs(); len(got) == 0 || !strings.Contains(got[0], status.PeerID) {
			t.Errorf("p2p.addr has %v, without %s", got, status.PeerID)
		}
	}
	if len(ids) != 2 {
		t.Fatalf("two nodes have the peer ids %v", ids)
	}
	// The token of one is worth nothing at the other.
	strange, err := api.NewClient(api.ClientConfig{URL: two.home.APIAddrs()[0], Token: one.home.Token()})
	if err != nil {
		t.Fatal(err)
	}
	var refused *api.Error
	if _, err := strange.Status(t.Context()); !errors.As(err, &refused) || refused.Status != 401 {
		t.Fatalf("the other node's token: got %v, want 401", err)
	}

	began := time.Now()
	one.stop(t)
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("an idle node took %s to stop", took)
	}
	if _, err := two.client(t).Status(t.Context()); err != nil {
		t.Fatalf("the second node after the first one stopped: %v", err)
	}
	two.stop(t)
	for _, r := range []*running{one, two} {
		if _, is := r.home.Running(); is {
			t.Error("a stopped node still has its home")
		}
		if _, err := os.Stat(r.home.APIAddrFile()); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("api.addr after the stop: %v", err)
		}
	}
	noGoroutines(t, before)
}

// noGoroutines waits until there are no more goroutines than before.
func noGoroutines(t *testing.T, before int) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for runtime.NumGoroutine() > before {
		select {
		case <-tick.C:
		case <-deadline:
			var stacks bytes.Buffer
			buf := make([]byte, 1<<20)
			stacks.Write(buf[:runtime.Stack(buf, true)])
			t.Fatalf("%d goroutines, %d before\n%s", runtime.NumGoroutine(), before, &stacks)
		}
	}
}

// TestRestart holds that a node is the same one after a stop: peer id, token.
func TestRestart(t *testing.T) {
	home := testHome(t)
	first := start(t, home, config())
	peer, token := first.node.PeerID(), home.Token()
	first.stop(t)
	second := start(t, home, config())
	defer second.stop(t)
	if second.node.PeerID() != peer || home.Token() != token || token == "" {
		t.Fatal("the node is another one after a restart")
	}
	if ok, err := second.client(t).IsAuthed(t.Context()); !ok || err != nil {
		t.Fatalf("the token after a restart: %v, %v", ok, err)
	}
}

// TestOpenFails holds that a failed Open leaves nothing taken.
func TestOpenFails(t *testing.T) {
	first := start(t, testHome(t), config())
	defer first.stop(t)

	if _, err := open(t, first.home, config()); !errors.As(err, new(*node.InUseError)) {
		t.Fatalf("the same home: got %v, want an InUseError", err)
	}
	home, taken := testHome(t), config()
	taken.Server.Listen = []string{strings.TrimPrefix(first.home.APIAddrs()[0], "http://")}
	if _, err := open(t, home, taken); !errors.As(err, new(*server.AddrInUseError)) {
		t.Fatalf("the same port: got %v, want an AddrInUseError", err)
	}
	start(t, home, config()).stop(t)
}

// TestReadyFails holds that a node whose ready line can not be written ends,
// and says why.
func TestReadyFails(t *testing.T) {
	home := testHome(t)
	n, err := open(t, home, config())
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken pipe")
	if err := n.Run(t.Context(), func() error { return broken }); !errors.Is(err, broken) {
		t.Fatalf("got %v, want %v", err, broken)
	}
	start(t, home, config()).stop(t)
}

func TestNodeWithoutRun(t *testing.T) {
	home := testHome(t)
	n, err := open(t, home, config())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	}
	start(t, home, config()).stop(t)
}
