package nodetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"mero/blobkit"
	"mero/netkit"
	"mero/netkit/netsim"
	"mero/node/apps"
	"mero/node/delta"
	"mero/node/events"
	"mero/node/ident"
	"mero/node/replica"
	"mero/node/store"
	"mero/node/syncer"
	"mero/node/vm"
)

// ErrDown says that a node does not run, or is not a member.
var ErrDown = errors.New("the node is down")

// Node is one node. Its fields are those of its present life.
type Node struct {
	Index   int
	Spot    netsim.Spot
	Store   *store.Store
	Apps    *apps.Library
	Set     *replica.Set
	Net     *netkit.Net
	Sync    *syncer.Syncer
	Metrics *prometheus.Registry

	cluster *Cluster
	dir     string
	skew    atomic.Int64                    // of its clock
	as      atomic.Pointer[ident.PublicKey] // nil: no member yet
	gone    bool                            // for good
	life    life
	closers []func() error
	cancel  context.CancelFunc
	parts   *errgroup.Group
}

// Wall is the node's clock.
func (n *Node) Wall() time.Time { return time.Now().Add(time.Duration(n.skew.Load())) }

// Skew sets the node's clock ahead of that of others, or back.
func (n *Node) Skew(by time.Duration) { n.skew.Store(int64(by)) }

// Up says whether the node runs.
func (n *Node) Up() bool { return n.life.is() }

// As is the member that the node is in the cluster's context; zero: it is none yet.
func (n *Node) As() ident.PublicKey {
	if as := n.as.Load(); as != nil {
		return *as
	}
	return ident.PublicKey{}
}

// Joined says whether the node is in the cluster's context.
func (n *Node) Joined() bool { return n.as.Load() != nil }

// Member says whether the node runs and is in the cluster's context.
func (n *Node) Member() bool { return n.Up() && n.Joined() }

// Start opens the node's home and runs it, plugged in.
func (n *Node) Start() error {
	if n.Up() || n.gone {
		return fmt.Errorf("node %d runs already, or is gone for good", n.Index)
	}
	if err := n.open(); err != nil {
		return errors.Join(fmt.Errorf("node %d: %w", n.Index, err), n.closeAll())
	}
	ctx, cancel := context.WithCancel(context.Background())
	n.cancel = cancel
	n.parts = &errgroup.Group{}
	n.parts.Go(func() error { return n.Net.Run(ctx) })
	n.parts.Go(func() error { return n.Set.Run(ctx) })
	n.parts.Go(func() error { return n.Store.Run(ctx) })
	n.parts.Go(func() error { return n.Sync.Run(ctx) })
	n.life.begin()
	return nil
}

// open opens the parts from the bottom up, as node.Open does.
func (n *Node) open() error {
	reg := prometheus.NewRegistry()
	log := n.log()
	cfg := store.DefaultConfig()
	cfg.Fsync = false // the machine does not lose power
	var err error
	n.Metrics = reg
	n.Store, err = store.Open(filepath.Join(n.dir, "db"), cfg, store.Deps{Log: log, Metrics: reg})
	if err != nil {
		return err
	}
	n.closers = append(n.closers, n.Store.Close)
	blobs, err := blobkit.Open(filepath.Join(n.dir, "blobs"), blobkit.Deps{Log: log, Metrics: reg}, blobkit.DefaultConfig())
	if err != nil {
		return err
	}
	n.closers = append(n.closers, blobs.Close)
	engine, err := vm.New(vm.DefaultConfig(), vm.Deps{CacheDir: n.cluster.cache, Log: log, Metrics: reg})
	if err != nil {
		return err
	}
	n.closers = append(n.closers, engine.Close)
	n.Apps = apps.New(apps.Deps{Store: n.Store, Engine: engine, Blobs: blobs, Log: log})
	n.closers = append(n.closers, func() error { n.Apps.Close(); return nil })
	var sync *syncer.Syncer
	n.Set = replica.NewSet(replica.Deps{
		Config: replica.DefaultConfig(), Store: n.Store, Apps: n.Apps, Blobs: blobs,
		Events: events.New(events.DefaultQueue, reg), Log: log, Metrics: reg, Wall: n.Wall,
		OnCommit: func(d *delta.Delta) { sync.Announce(d) },
		Skew:     func() (time.Duration, bool) { return sync.Skew() },
	})
	network := netkit.DefaultConfig()
	if n.Index > 0 {
		network.EntryPoints = []string{n.cluster.Net.Addr(n.cluster.Nodes[0].Spot)}
	}
	n.Net, err = n.cluster.Net.Net(network, netkit.Deps{
		Log: log, Metrics: reg, BookFile: filepath.Join(n.dir, "peers"),
	}, n.Spot)
	if err != nil {
		return err
	}
	n.closers = append(n.closers, n.Net.Close)
	n.Sync = syncer.New(*n.cluster.opts.Sync, syncer.Deps{
		Net: n.Net, Contexts: n.Set, Apps: n.Apps, Blobs: blobs, Log: log, Metrics: reg, Wall: n.Wall,
	})
	sync = n.Sync
	return nil
}

func (n *Node) log() zerolog.Logger {
	if !n.cluster.opts.Log {
		return zerolog.Nop()
	}
	return zerolog.New(lines{n.cluster.T}).With().Int("node", n.Index).Logger().Hook(zerolog.HookFunc(func(e *zerolog.Event, _ zerolog.Level, _ string) {
		e.Str("at", time.Now().Format("15:04:05.000"))
	}))
}

// lines gives what is logged to the test.
type lines struct{ t testing.TB }

// Write implements io.Writer.
func (l lines) Write(p []byte) (int, error) {
	l.t.Log(string(bytes.TrimSpace(p)))
	return len(p), nil
}

// Stop ends the node in good order, after the calls that run. A node that does not
// run stays so.
func (n *Node) Stop() error {
	if !n.life.end() {
		return nil
	}
	n.cancel()
	err := errors.Join(n.parts.Wait(), n.closeAll())
	if err != nil {
		return fmt.Errorf("stop node %d: %w", n.Index, err)
	}
	return nil
}

func (n *Node) closeAll() error {
	var errs []error
	for _, do := range slices.Backward(n.closers) {
		errs = append(errs, do())
	}
	n.closers = nil
	return errors.Join(errs...)
}

// Crash ends the node so that others hear nothing of it. (Its files are closed: what
// kill -9 leaves is tested with processes.)
func (n *Node) Crash() {
	n.cluster.T.Helper()
	n.cluster.Net.Unplug(n.Spot)
	if err := n.Stop(); err != nil {
		n.cluster.T.Fatal(err)
	}
}

// Restart starts a node that is down in its home, as the same peer.
func (n *Node) Restart() {
	n.cluster.T.Helper()
	if err := n.Start(); err != nil {
		n.cluster.T.Fatal(err)
	}
}

// create makes the cluster's context here.
func (n *Node) create() error {
	ctx := n.cluster.T.Context()
	app, err := n.Apps.Install(ctx, bytes.NewReader(n.cluster.code), apps.Source{URL: "file:///app.wasm"})
	if err != nil {
		return err
	}
	made, err := n.Set.Create(ctx, replica.CreateRequest{App: app.ID})
	if err != nil {
		return err
	}
	n.cluster.Context = made.Context
	n.as.Store(&made.Member)
	return nil
}

// Write calls a method with a value as its JSON arguments. What is acknowledged is in
// the ledger. It may be called by many goroutines.
func (n *Node) Write(method string, args any) (*replica.Result, error) {
	if !n.Joined() || !n.life.enter() {
		return nil, ErrDown
	}
	defer n.life.leave()
	input, err := json.Marshal(args)
	if err != nil {
		return nil, err
	}
	res, err := n.Set.Execute(n.cluster.T.Context(), replica.Request{
		Context: n.cluster.Context, Executor: n.As(), Method: method, Input: input,
	})
	if err == nil && res.Changed {
		n.cluster.ledger.add(res.Delta)
	}
	return res, err
}

// Put sets a key of the key-value application and tells the delta. The test fails if
// that fails on a node that runs.
func (n *Node) Put(key, value string) delta.ID {
	n.cluster.T.Helper()
	res, err := n.Write("set", map[string]string{"key": key, "value": value})
	if err != nil && !errors.Is(err, ErrDown) {
		n.cluster.T.Errorf("node %d: set %s: %v", n.Index, key, err)
	}
	if err != nil {
		return delta.ID{}
	}
	return res.Delta
}

// Has says whether a delta is folded here.
func (n *Node) Has(id delta.ID) bool {
	view, err := n.Store.View(n.cluster.Context)
	if err != nil {
		return false
	}
	defer view.Close()
	d, err := view.Delta(id)
	return err == nil && d.Fate == store.FateFolded
}

// alike compares heads and root with another node.
func (n *Node) alike(other *Node) error {
	a, err := n.Set.Get(n.cluster.Context)
	if err != nil {
		return fmt.Errorf("node %d: %w", n.Index, err)
	}
	b, err := other.Set.Get(n.cluster.Context)
	if err != nil {
		return fmt.Errorf("node %d: %w", other.Index, err)
	}
	describe := func(n *Node, i replica.Info) string {
		return fmt.Sprintf("node %d: %d folded, %d void, %d waiting, %d heads, root %x", n.Index, i.Deltas, i.Voids, i.Waiting, len(i.Heads), i.Root[:4])
	}
	if a.Root != b.Root || a.Waiting+b.Waiting > 0 || !sameIDs(a.Heads, b.Heads) || a.Deltas != b.Deltas || a.Voids != b.Voids {
		return fmt.Errorf("%s; %s", describe(n, a), describe(other, b))
	}
	return nil
}

func sameIDs(a, b []delta.ID) bool {
	set := ids(a)
	return len(a) == len(b) && !slices.ContainsFunc(b, func(id delta.ID) bool { return !set[id] })
}

// state is all keys and values in their order.
func (n *Node) state() ([]byte, error) {
	view, err := n.Store.View(n.cluster.Context)
	if err != nil {
		return nil, err
	}
	defer view.Close()
	var out []byte
	for kv, err := range view.StateAll() {
		if err != nil {
			return nil, err
		}
		out = fmt.Appendf(out, "%d %x %d ", len(kv.Key), kv.Key, len(kv.Value))
		out = append(out, kv.Value...)
	}
	return out, nil
}

// holds tells which deltas of a list are not folded here.
func (n *Node) holds(list []delta.ID) error {
	view, err := n.Store.View(n.cluster.Context)
	if err != nil {
		return err
	}
	defer view.Close()
	missing := ids(list)
	for d, err := range view.Fates(0) {
		if err != nil {
			return err
		}
		if d.Fate == store.FateFolded {
			delete(missing, d.ID)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("node %d lacks %d of %d acknowledged writes", n.Index, len(missing), len(list))
	}
	return nil
}

// life is whether a node runs, and how many calls it has to finish.
type life struct {
	mu    sync.Mutex
	up    bool
	calls int
	idle  chan struct{} // closed when the last call has ended, if the life has
}

func (l *life) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.up, l.idle = true, make(chan struct{})
}

func (l *life) is() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.up
}

func (l *life) enter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.up {
		l.calls++
	}
	return l.up
}

func (l *life) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls--
	if !l.up && l.calls == 0 {
		close(l.idle)
	}
}

// end lets no new call begin and waits for those that run: on a channel, since fake
// time would stand still for a mutex. It tells whether there was a life to end.
func (l *life) end() bool {
	l.mu.Lock()
	was, calls := l.up, l.calls
	l.up = false
	l.mu.Unlock()
	if was && calls > 0 {
		<-l.idle
	}
	return was
}

// ledger is what clients saw acknowledged.
type ledger struct {
	mu   sync.Mutex
	list []delta.ID
}

func (l *ledger) add(id delta.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, id)
}

func (l *ledger) all() []delta.ID {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.list)
}
