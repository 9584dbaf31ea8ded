package syncer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"mero/blobkit"
	"mero/netkit"
	"mero/node/apps"
	"mero/node/delta"
	"mero/node/events"
	"mero/node/ident"
	"mero/node/members"
	"mero/node/replica"
	"mero/node/sdk/examples"
	"mero/node/store"
	"mero/node/syncer"
	"mero/node/vm"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// node is everything of a node that syncing needs, over real loopback connections.
type node struct {
	t      testing.TB
	skew   atomic.Int64
	name   string
	key    netkit.Key
	home   string
	listen []string
	net    *netkit.Net
	store  *store.Store
	blobs  *blobkit.Store
	apps   *apps.Library
	set    *replica.Set
	bus    *events.Bus
	sync   *syncer.Syncer
	reg    *prometheus.Registry
	stop   func()
}

// options of a node; the zero value is a node as users have it, without fsync.
type options struct {
	fsync bool
	alone bool // the syncer does not run
	tune  func(*syncer.Config)
	net   func(*netkit.Config)
}

func newNode(t testing.TB, name string, opts options) *node {
	t.Helper()
	n := &node{t: t, name: name, home: t.TempDir()}
	var err error
	n.key, err = netkit.NewKey()
	must(t, err)
	n.start(opts)
	t.Cleanup(func() { n.stop() })
	return n
}

// start opens and runs the node in its home.
func (n *node) start(opts options) {
	n.t.Helper()
	reg := prometheus.NewRegistry()
	log := zerolog.Nop()
	if os.Getenv("MERO_LOG") != "" {
		log = zerolog.New(zerolog.NewTestWriter(n.t)).With().Str("node", n.name).Timestamp().Logger()
	}
	cfg := store.DefaultConfig()
	cfg.Fsync = opts.fsync
	var err error
	n.reg = reg
	n.store, err = store.Open(filepath.Join(n.home, "db"), cfg, store.Deps{Log: log, Metrics: reg})
	must(n.t, err)
	n.blobs, err = blobkit.Open(filepath.Join(n.home, "blobs"), blobkit.Deps{Log: log, Metrics: reg}, blobkit.DefaultConfig())
	must(n.t, err)
	engine, err := vm.New(vm.DefaultConfig(), vm.Deps{CacheDir: filepath.Join(os.TempDir(), "mero-syncer-test-cache"), Log: log, Metrics: reg})
	must(n.t, err)
	n.apps = apps.New(apps.Deps{Store: n.store, Engine: engine, Blobs: n.blobs, Log: log})
	n.bus = events.New(events.DefaultQueue, reg)
	n.set = replica.NewSet(replica.Deps{
		Store: n.store, Apps: n.apps, Blobs: n.blobs, Events: n.bus, Log: log, Metrics: reg,
		Wall: n.wall, OnCommit: func(d *delta.Delta) { n.sync.Announce(d) },
		Skew: func() (time.Duration, bool) { return n.sync.Skew() },
	})
	netCfg := netkit.DefaultConfig()
	netCfg.Listen = []string{"/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"}
	if n.listen != nil { // after a restart it is where it was
		netCfg.Listen = n.listen
	}
	if opts.net != nil {
		opts.net(&netCfg)
	}
	n.net, err = netkit.New(netCfg, netkit.Deps{Key: n.key, Log: log, Metrics: reg, BookFile: filepath.Join(n.home, "peers")})
	must(n.t, err)
	n.listen = nil
	for _, addr := range n.net.Addrs() {
		at, _, _ := strings.Cut(addr, "/p2p/")
		n.listen = append(n.listen, at)
	}
	syncCfg := syncer.DefaultConfig()
	if opts.tune != nil {
		opts.tune(&syncCfg)
	}
	must(n.t, syncCfg.Validate())
	n.sync = syncer.New(syncCfg, syncer.Deps{
		Net: n.net, Contexts: n.set, Apps: n.apps, Blobs: n.blobs, Log: log.With().Str("pkg", "syncer").Logger(), Metrics: reg, Wall: n.wall,
	})
	n.run(opts, engine)
}

func (n *node) run(opts options, engine *vm.Engine) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(n.t.Context()))
	parts := []func(context.Context) error{n.net.Run, n.set.Run, n.store.Run}
	if !opts.alone {
		parts = append(parts, n.sync.Run)
	}
	ended := make(chan error, len(parts))
	for _, run := range parts {
		go func() { ended <- run(ctx) }()
	}
	n.stop = func() {
		n.t.Helper()
		cancel()
		for range parts {
			must(n.t, <-ended)
		}
		n.apps.Close()
		must(n.t, engine.Close())
		must(n.t, n.blobs.Close())
		must(n.t, n.store.Close())
		n.stop = func() {}
	}
}

// wall is the node's clock, which a test may set wrong.
func (n *node) wall() time.Time { return time.Now().Add(time.Duration(n.skew.Load())) }

// member is a context as one node acts in it.
type member struct {
	node    *node
	context ident.ContextID
	key     ident.PublicKey
}

// create makes a context of the key-value application.
func (n *node) create() member {
	n.t.Helper()
	app, err := n.apps.Install(n.t.Context(), bytes.NewReader(examples.KV()), apps.Source{Package: "com.example.kv", Version: "1.0.0"})
	must(n.t, err)
	made, err := n.set.Create(n.t.Context(), replica.CreateRequest{App: app.ID})
	must(n.t, err)
	return member{n, made.Context, made.Member}
}

// invite makes an invitation that names this node.
func (m member) invite(change func(*replica.InviteRequest)) members.Invitation {
	m.node.t.Helper()
	req := replica.InviteRequest{Context: m.context, Executor: m.key, Addrs: m.node.net.Addrs()[:1]}
	if change != nil {
		change(&req)
	}
	inv, err := m.node.set.Invite(m.node.t.Context(), req)
	must(m.node.t, err)
	return inv
}

// tryJoin joins by an invitation with a new key.
func (n *node) tryJoin(inv members.Invitation) (member, error) {
	n.t.Helper()
	key, err := n.set.NewIdentity(n.t.Context())
	must(n.t, err)
	ctx, cancel := context.WithTimeout(n.t.Context(), patience)
	defer cancel()
	got, err := n.sync.Join(ctx, inv, key)
	return member{n, got.Context, got.Member}, err
}

// join joins, and waits until the context can be used.
func (n *node) join(inv members.Invitation) member {
	n.t.Helper()
	m, err := n.tryJoin(inv)
	must(n.t, err)
	m.usable()
	return m
}

func (m member) usable() {
	m.node.t.Helper()
	ctx, cancel := context.WithTimeout(m.node.t.Context(), patience)
	defer cancel()
	must(m.node.t, m.node.sync.WaitUsable(ctx, m.context))
}

// set writes a key.
func (m member) set(key, value string) {
	m.node.t.Helper()
	must(m.node.t, m.trySet(key, value))
}

func (m member) trySet(key, value string) error {
	input, err := json.Marshal(map[string]string{"key": key, "value": value})
	if err != nil {
		return err
	}
	_, err = m.node.set.Execute(m.node.t.Context(), replica.Request{Context: m.context, Method: "set", Input: input, Executor: m.key})
	return err
}

// get reads a key; empty when it is not there.
func (m member) get(key string) string {
	m.node.t.Helper()
	input, err := json.Marshal(map[string]string{"key": key})
	must(m.node.t, err)
	res, err := m.node.set.Execute(m.node.t.Context(), replica.Request{Context: m.context, Method: "get", Input: input, Executor: m.key})
	if err != nil {
		return "error: " + err.Error()
	}
	var value *string
	must(m.node.t, json.Unmarshal(res.Output, &value))
	if value == nil {
		return ""
	}
	return *value
}

// sees waits until a key has a value.
func (m member) sees(key, value string) {
	m.node.t.Helper()
	eventually(m.node.t, func() error {
		if got := m.get(key); got != value {
			return fmt.Errorf("%s: %s is %q, want %q", m.node.name, key, got, value)
		}
		return nil
	})
}

// equal waits until all have the same folded heads and root, and that on the first
// state.
func equal(t testing.TB, all ...member) {
	t.Helper()
	eventually(t, func() error { return differ(all...) })
}

func differ(all ...member) error {
	first, err := all[0].node.set.Get(all[0].context)
	if err != nil {
		return err
	}
	for _, m := range all[1:] {
		info, err := m.node.set.Get(m.context)
		if err != nil {
			return err
		}
		if fmt.Sprint(info.Heads) != fmt.Sprint(first.Heads) || info.Root != first.Root {
			return fmt.Errorf("%s has %d deltas (%d wait), root %x; %s has %d (%d wait), root %x", all[0].node.name, first.Deltas, first.Waiting,
				first.Root[:4], m.node.name, info.Deltas, info.Waiting, info.Root[:4])
		}
	}
	return nil
}

// eventually waits until there is no error any more.
func eventually(t testing.TB, check func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %s: %v", patience, err)
		}
		<-tick.C
	}
}

// metric is the sum of a family's values over the given labels.
func (n *node) metric(name string, labels ...string) float64 {
	n.t.Helper()
	families, err := n.reg.Gather()
	must(n.t, err)
	sum := 0.0
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			found := 0
			for _, l := range m.GetLabel() {
				if i := slices.Index(labels, l.GetName()); i >= 0 && i%2 == 0 && labels[i+1] == l.GetValue() {
					found++
				}
			}
			if found == len(labels)/2 {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return sum
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
