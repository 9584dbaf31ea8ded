package nodetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"mero/netkit/netsim"
	"mero/node/delta"
	"mero/node/ident"
	"mero/node/members"
	"mero/node/syncer"
)

// Options are what a cluster is made of. The zero value of each means its default.
type Options struct {
	// Nodes is how many nodes there are at the beginning; default 3.
	Nodes int
	// Seed is that of the network; default Seed(), or what MERO_SEED says.
	Seed uint64
	// Link is every link at the beginning; default 5 ms.
	Link netsim.Link
	// App is the application of the context, as WebAssembly. It is required.
	App []byte
	// Admins is how many nodes besides the first, the creator, are admins; the others
	// are plain members.
	Admins int
	// Sync configures the syncers; default syncer.DefaultConfig.
	Sync *syncer.Config
	// Log has the nodes log to the test, as lines of JSON; default false, or what
	// MERO_LOG says.
	Log bool
}

// Cluster is nodes in one bubble. Its methods are called by one goroutine, but for
// Write and what is said otherwise. What fails that is not what is tested ends the
// test.
type Cluster struct {
	T     testing.TB
	Net   *netsim.Network
	Nodes []*Node

	opts  Options
	cache string
	// Context is what Create made.
	Context ident.ContextID
	code    []byte

	ledger ledger
}

// Run makes a cluster in a bubble of its own, in which the scenario runs, and closes
// it. Time in it is fake: see the package. The scenario uses its own t: what belongs to
// the one outside, its Context above all, does not work in the bubble.
func Run(t *testing.T, opts Options, scenario func(t *testing.T, c *Cluster)) {
	t.Helper()
	opts = opts.filled()
	cache := compiled(t)
	t.Logf("repeat with MERO_SEED=%d", opts.Seed)
	synctest.Test(t, func(t *testing.T) {
		c := &Cluster{T: t, Net: netsim.New(opts.Seed), opts: opts, cache: cache, code: opts.App}
		c.Net.SetAll(opts.Link)
		defer c.close()
		for range opts.Nodes {
			c.Add()
		}
		scenario(t, c)
	})
}

func (o Options) filled() Options {
	if o.Nodes == 0 {
		o.Nodes = 3
	}
	if text := os.Getenv("MERO_SEED"); text != "" {
		if seed, err := strconv.ParseUint(text, 10, 64); err == nil {
			o.Seed = seed
		}
	}
	if o.Seed == 0 {
		o.Seed = 1
	}
	if o.Link == (netsim.Link{}) {
		o.Link = netsim.Link{Latency: 5 * time.Millisecond}
	}
	if os.Getenv("MERO_LOG") != "" {
		o.Log = true
	}
	if o.Sync == nil {
		cfg := syncer.DefaultConfig()
		o.Sync = &cfg
	}
	return o
}

// compiled is where all tests of this machine share compiled modules: compiling a Go
// guest takes longer than most scenarios.
func compiled(t testing.TB) string {
	t.Helper()
	base, err := os.UserCacheDir()
	if err != nil {
		return t.TempDir()
	}
	return filepath.Join(base, "mero-nodetest")
}

// Add makes a node in a new home and starts it. The first one is the entry point of
// all others.
func (c *Cluster) Add() *Node {
	c.T.Helper()
	n := &Node{cluster: c, Index: len(c.Nodes), dir: c.T.TempDir()}
	n.Spot = netsim.Spot(fmt.Sprint(n.Index))
	c.Nodes = append(c.Nodes, n)
	if err := n.Start(); err != nil {
		c.T.Fatal(err)
	}
	return n
}

// Remove stops a node for good and forgets its home.
func (c *Cluster) Remove(n *Node) {
	c.T.Helper()
	if err := errors.Join(n.Stop(), os.RemoveAll(n.dir)); err != nil {
		c.T.Fatal(err)
	}
	n.gone = true
}

// RestartAll starts all nodes that are down and not gone for good.
func (c *Cluster) RestartAll() {
	c.T.Helper()
	for _, n := range c.Nodes {
		if !n.Up() && !n.gone {
			n.Restart()
		}
	}
}

// Sessions is how many sessions that nodes which run have begun have ended, in their
// present lives.
func (c *Cluster) Sessions() int {
	sum := 0.0
	for _, n := range c.Nodes {
		if n.Up() {
			sum += n.Count("mero_syncer_sessions_total", "by", "us")
		}
	}
	return int(sum)
}

func (c *Cluster) close() {
	for _, n := range c.Nodes {
		if err := n.Stop(); err != nil {
			c.T.Error(err)
		}
	}
}

// Spots are the places of nodes, for Partition and Cut of Net.
func (c *Cluster) Spots(nodes ...int) []netsim.Spot {
	spots := make([]netsim.Spot, len(nodes))
	for i, n := range nodes {
		spots[i] = c.Nodes[n].Spot
	}
	return spots
}

// Create makes the context of the cluster on the first node, and has all others join
// it through the first.
func (c *Cluster) Create() {
	c.T.Helper()
	if err := c.Nodes[0].create(); err != nil {
		c.T.Fatal(err)
	}
	for i, n := range c.Nodes[1:] {
		role := members.Plain
		if i < c.opts.Admins {
			role = members.Admin
		}
		if err := n.JoinAs(c.T.Context(), c.Nodes[0], role); err != nil {
			c.T.Fatalf("node %d: %v", n.Index, err)
		}
	}
}

// Rand is randomness that follows from the seed: the choices of a scenario.
func (c *Cluster) Rand() *rand.Rand {
	return rand.New(rand.NewPCG(c.opts.Seed, 0)) //nolint:gosec // it has to repeat
}

// Wait lets fake time pass.
func (*Cluster) Wait(d time.Duration) { <-time.After(d) }

// Settle lets time pass until all nodes that run are equal, and tells how long that
// took. It is an error, with what differs, if that takes longer than bound.
func (c *Cluster) Settle(bound time.Duration) (time.Duration, error) {
	start := time.Now()
	for {
		err := c.alike()
		took := time.Since(start)
		if err == nil {
			return took, c.Equal()
		}
		if took >= bound {
			return took, fmt.Errorf("not equal after %s: %w", bound, err)
		}
		c.Wait(max(time.Millisecond, took/100))
	}
}

// MustSettle is Settle, and the test ends if the nodes do not become equal.
func (c *Cluster) MustSettle(bound time.Duration) time.Duration {
	c.T.Helper()
	took, err := c.Settle(bound)
	if err != nil {
		c.T.Fatal(err)
	}
	return took
}

// alike compares heads and roots only.
func (c *Cluster) alike() error {
	var first *Node
	for _, n := range c.Nodes {
		if !n.Member() {
			continue
		}
		if first == nil {
			first = n
		}
		if err := n.alike(first); err != nil {
			return err
		}
	}
	return nil
}

// Equal compares all nodes that run: the same folded heads, the same root, the same
// state byte for byte, nothing that waits, and every acknowledged write in all of them.
func (c *Cluster) Equal() error {
	if err := c.alike(); err != nil {
		return err
	}
	acknowledged := c.ledger.all()
	var states [][]byte
	var errs []error
	for _, n := range c.Nodes {
		if !n.Member() {
			continue
		}
		state, err := n.state()
		if err != nil {
			return err
		}
		states = append(states, state)
		if string(state) != string(states[0]) {
			errs = append(errs, fmt.Errorf("node %d has another state under the same root", n.Index))
		}
		errs = append(errs, n.holds(acknowledged))
	}
	return errors.Join(errs...)
}

// Reached lets time pass until the nodes have folded a delta, and tells how long that
// took. It is an error if that takes longer than bound.
func (c *Cluster) Reached(id delta.ID, bound time.Duration, nodes ...*Node) (time.Duration, error) {
	start := time.Now()
	for {
		took := time.Since(start)
		nodes = slices.DeleteFunc(nodes, func(n *Node) bool { return n.Has(id) })
		if len(nodes) == 0 {
			return took, nil
		}
		if took >= bound {
			return took, fmt.Errorf("delta %s is not on %d nodes after %s, node %d among them", id, len(nodes), bound, nodes[0].Index)
		}
		c.Wait(time.Millisecond)
	}
}

// Acknowledged is how many writes were, so far.
func (c *Cluster) Acknowledged() int { return len(c.ledger.all()) }

// ids makes a set.
func ids(list []delta.ID) map[delta.ID]bool {
	set := make(map[delta.ID]bool, len(list))
	for _, id := range list {
		set[id] = true
	}
	return set
}
