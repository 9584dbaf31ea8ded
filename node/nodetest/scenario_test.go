package nodetest_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"mero/netkit/netsim"
	"mero/node/nodetest"
	"mero/node/sdk/examples"
)

// run is nodetest.Run with the key-value application.
func run(t *testing.T, opts nodetest.Options, scenario func(t *testing.T, c *nodetest.Cluster)) {
	t.Helper()
	opts.App = examples.KV()
	nodetest.Run(t, opts, scenario)
}

// rounds is how often a scenario is done, or how large it is: a little on each change,
// less with the race detector, in the long form (MERO_LONG) or by its own number
// (MERO_F8 and so on) more.
func rounds(t *testing.T, id string, few, many int) int {
	t.Helper()
	if text := os.Getenv("MERO_" + id); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("MERO_%s: %v", id, err)
		}
		return n
	}
	if os.Getenv("MERO_LONG") != "" {
		return many
	}
	if raced {
		return (few + 3) / 4
	}
	return few
}

// load is nodes that write, each about every pause, until stop is called.
type load struct {
	random *rand.Rand
	pause  time.Duration
	done   chan struct{}
	wg     sync.WaitGroup
}

func writers(c *nodetest.Cluster, random *rand.Rand, pause time.Duration) *load {
	l := &load{random: random, pause: pause, done: make(chan struct{})}
	for _, n := range c.Nodes {
		l.add(n)
	}
	return l
}

// add lets one more node write. While it is down it does not.
func (l *load) add(n *nodetest.Node) {
	random := rand.New(rand.NewPCG(l.random.Uint64(), 0))
	l.wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-l.done:
				return
			case <-time.After(time.Duration(random.Int64N(int64(2*l.pause)) + 1)):
			}
			n.Put(fmt.Sprint("k", random.IntN(20)), fmt.Sprintf("%d of node %d", i, n.Index))
		}
	})
}

func (l *load) stop() { close(l.done); l.wg.Wait() }

// halves are two groups of spots, each with at least one.
func halves(c *nodetest.Cluster, random *rand.Rand) (a, b []netsim.Spot) {
	order := random.Perm(len(c.Nodes))
	cut := 1 + random.IntN(len(order)-1)
	return c.Spots(order[:cut]...), c.Spots(order[cut:]...)
}

// TestF8: a partition into two groups, with writes on both sides, heals.
func TestF8(t *testing.T) {
	count := rounds(t, "F8", 5, 200)
	run(t, nodetest.Options{Nodes: 5}, func(t *testing.T, c *nodetest.Cluster) {
		random := c.Rand()
		c.Create()
		c.MustSettle(30 * time.Second)
		longest := 20 * time.Second
		if count > 5 {
			longest = 10 * time.Minute
		}
		for i := range count {
			a, b := halves(c, random)
			lasts := time.Second + time.Duration(random.Int64N(int64(longest)))
			c.Net.Partition(a, b)
			writing := writers(c, random, lasts/20)
			c.Wait(lasts)
			writing.stop()
			c.Net.Heal()
			took := c.MustSettle(time.Minute)
			t.Logf("round %d: %v | %v for %s: equal %s after it", i, a, b, lasts, took)
			if took > 3*time.Second {
				t.Errorf("round %d: equal %s after the heal, want 3 s", i, took)
			}
		}
	})
}

// TestF9: one direction of links is cut, or links come and go, with writes meanwhile.
func TestF9(t *testing.T) {
	count := rounds(t, "F9", 2, 100)
	run(t, nodetest.Options{Nodes: 5}, func(t *testing.T, c *nodetest.Cluster) {
		random := c.Rand()
		c.Create()
		c.MustSettle(30 * time.Second)
		for i := range count {
			sessions, start := c.Sessions(), time.Now()
			writing := writers(c, random, 500*time.Millisecond)
			for range 10 {
				a, b := c.Nodes[random.IntN(5)], c.Nodes[random.IntN(5)]
				switch {
				case a == b:
				case i%2 == 0:
					c.Net.Cut(a.Spot, b.Spot)
				default: // flapping
					c.Net.CutBoth(a.Spot, b.Spot)
				}
				c.Wait(time.Duration(random.Int64N(int64(4 * time.Second))))
				if i%2 == 1 {
					c.Net.Heal()
					c.Wait(time.Duration(random.Int64N(int64(4 * time.Second))))
				}
			}
			writing.stop()
			c.Net.Heal()
			took := c.MustSettle(time.Minute)
			rate := float64(c.Sessions()-sessions) / time.Since(start).Seconds()
			t.Logf("round %d: equal %s after the heal, %.2f sessions/s", i, took, rate)
			if took > 3*time.Second {
				t.Errorf("round %d: equal %s after the heal, want 3 s", i, took)
			}
			if rate >= 10 {
				t.Errorf("round %d: %.2f sessions/s, want < 10", i, rate)
			}
		}
	})
}

// grades are what F10 and F16 do to links.
var grades = []netsim.Link{
	{Latency: 12 * time.Millisecond, Jitter: 12 * time.Millisecond, Loss: 0.01, Burst: 50 * time.Millisecond},
	{Latency: 40 * time.Millisecond, Jitter: 60 * time.Millisecond, Loss: 0.1, Burst: 200 * time.Millisecond, Reorder: true},
	{Latency: 80 * time.Millisecond, Jitter: 150 * time.Millisecond, Loss: 0.25, Burst: 300 * time.Millisecond, Reorder: true, Duplicate: 0.05},
}

// TestF10: links lose and delay packets all the time, while nodes join, fetch the
// application, and write.
func TestF10(t *testing.T) {
	for i, link := range grades {
		t.Run(fmt.Sprintf("loss %v", link.Loss), func(t *testing.T) {
			if raced && i != 1 {
				t.Skip("the race detector sees the same code in one grade")
			}
			run(t, nodetest.Options{Nodes: 5, Link: link, Seed: uint64(i + 1)}, func(t *testing.T, c *nodetest.Cluster) {
				start := time.Now()
				c.Create()
				t.Logf("all joined after %s", time.Since(start))
				writing := writers(c, c.Rand(), time.Second)
				c.Wait(30 * time.Second)
				writing.stop()
				t.Logf("equal after %s", c.MustSettle(2*time.Minute))
			})
		})
	}
}

// TestF12: a peer with 1 KB/s does not slow down the others.
func TestF12(t *testing.T) {
	run(t, nodetest.Options{Nodes: 5}, func(t *testing.T, c *nodetest.Cluster) {
		c.Create()
		c.MustSettle(time.Minute)
		measure := func() time.Duration {
			var lags []time.Duration
			for i := range rounds(t, "F12", 100, 2000) {
				id := c.Nodes[i%4].Put(fmt.Sprint("k", i%10), fmt.Sprint(i))
				lag, err := c.Reached(id, time.Minute, c.Nodes[0], c.Nodes[1], c.Nodes[2], c.Nodes[3])
				if err != nil {
					t.Fatal(err)
				}
				lags = append(lags, lag)
				c.Wait(200 * time.Millisecond)
			}
			slices.Sort(lags)
			return lags[len(lags)*99/100]
		}
		all := measure()
		c.Net.SetAccess(c.Nodes[4].Spot, netsim.Access{Up: 1000, Down: 1000})
		slow := measure()
		t.Logf("p99 %s; with a slow peer %s", all, slow)
		if slow > all*6/5 {
			t.Errorf("a slow peer makes p99 of the others %s, without it is %s", slow, all)
		}
		c.Net.SetAccess(c.Nodes[4].Spot, netsim.Access{})
		t.Logf("equal %s after it is fast again", c.MustSettle(5*time.Minute))
	})
}

// TestF15: a node joins while another writes 500 times a second. It may take twice as
// long as when nobody writes.
func TestF15(t *testing.T) {
	before := rounds(t, "F15", 500, 100_000) // deltas that are there
	join := func(t *testing.T, busy bool) (took time.Duration) {
		run(t, nodetest.Options{Nodes: 2}, func(t *testing.T, c *nodetest.Cluster) {
			c.Create()
			for i := range before {
				c.Nodes[i%2].Put(fmt.Sprint("k", i%100), fmt.Sprint(i))
			}
			c.MustSettle(time.Minute)
			late := c.Add()
			c.Wait(5 * time.Second)
			done := make(chan struct{})
			var wg sync.WaitGroup
			wg.Go(func() {
				for i := 0; busy; i++ {
					select {
					case <-done:
						return
					case <-time.After(2 * time.Millisecond):
						c.Nodes[0].Put(fmt.Sprint("k", i%100), fmt.Sprint("busy", i))
					}
				}
			})
			start := time.Now()
			if err := late.Join(t.Context(), c.Nodes[0]); err != nil {
				t.Error(err)
			}
			took = time.Since(start)
			close(done)
			wg.Wait()
			t.Logf("busy %v: joined in %s; all equal %s after the last write", busy, took, c.MustSettle(10*time.Second))
		})
		return took
	}
	idle := join(t, false)
	if busy := join(t, true); busy > 2*idle {
		t.Errorf("joining takes %s while another writes, %s otherwise", busy, idle)
	}
}

// TestP23: one write on 20 nodes whose links take 20 ms.
func TestP23(t *testing.T) {
	nodes := rounds(t, "P23_NODES", 20, 20)
	run(t, nodetest.Options{Nodes: nodes, Link: netsim.Link{Latency: 20 * time.Millisecond}}, func(t *testing.T, c *nodetest.Cluster) {
		c.Create()
		c.MustSettle(time.Minute)
		c.Wait(time.Minute)
		var longest time.Duration
		for i := range rounds(t, "P23", 5, 100) {
			n := c.Nodes[(i*7)%len(c.Nodes)]
			n.Put("k", fmt.Sprint(i))
			took := c.MustSettle(time.Minute)
			t.Logf("write on node %d: all have it after %s", n.Index, took)
			longest = max(longest, took)
			c.Wait(10 * time.Second)
		}
		if longest > 65*time.Millisecond {
			t.Errorf("a write took %s until all had it, want 65 ms", longest)
		}
	})
}

// TestF16: everything at once, on hosts: bad links, partitions, crashes, restarts,
// joins and leaves.
func TestF16(t *testing.T) {
	nodes := rounds(t, "F16_NODES", 20, 100)
	for seed := range rounds(t, "F16", 3, 50) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			run(t, nodetest.Options{Nodes: nodes * 3 / 4, Seed: uint64(seed + 1)}, func(t *testing.T, c *nodetest.Cluster) {
				c.Create()
				start := time.Now()
				m := &mess{c: c, random: c.Rand(), nodes: nodes}
				m.writing = writers(c, m.random, 2*time.Second)
				for range 20 {
					m.step()
					c.Wait(time.Duration(m.random.Int64N(int64(4 * time.Second))))
				}
				c.Net.Heal()
				c.Net.SetAll(netsim.Link{Latency: 20 * time.Millisecond})
				c.RestartAll()
				m.writing.stop()
				lasted, equal := time.Since(start), c.MustSettle(5*time.Minute)
				m.joins.Wait()
				c.MustSettle(time.Minute)
				t.Logf("%d writes on %d nodes in %s; equal %s after the last", c.Acknowledged(), len(c.Nodes), lasted, equal)
			})
		})
	}
}

// mess is what happens to a cluster in F16.
type mess struct {
	c       *nodetest.Cluster
	random  *rand.Rand
	nodes   int // most
	writing *load
	joins   sync.WaitGroup
}

// step does one random thing. The first node, by which others join, stays up, and so
// do those that are joining.
func (m *mess) step() {
	c := m.c
	n := c.Nodes[1+m.random.IntN(len(c.Nodes)-1)]
	dice := m.random.IntN(10)
	if dice < 3 && !n.Joined() {
		return
	}
	switch dice {
	case 0:
		n.Crash()
	case 1:
		if err := n.Stop(); err != nil {
			c.T.Error(err)
		}
	case 2:
		c.Remove(n) // leaves
	case 3, 4:
		c.RestartAll()
	case 5:
		a, b := halves(c, m.random)
		c.Net.Partition(a, b)
	case 6:
		c.Net.Heal()
	case 7:
		c.Net.SetAll(grades[m.random.IntN(len(grades))])
	case 8:
		c.Net.Cut(n.Spot, c.Nodes[m.random.IntN(len(c.Nodes))].Spot)
	default:
		m.join()
	}
}

// join lets a new node join, as often as it takes, and write.
func (m *mess) join() {
	if len(m.c.Nodes) == m.nodes {
		return
	}
	n := m.c.Add()
	m.joins.Go(func() {
		for err := n.Join(m.c.T.Context(), m.c.Nodes[0]); err != nil; err = n.Join(m.c.T.Context(), m.c.Nodes[0]) {
			m.c.T.Logf("node %d: %v", n.Index, err)
			m.c.Wait(10 * time.Second)
		}
	})
	m.writing.add(n)
}

// TestColdJoins: nodes join at random times, over links that lose 30 %, by one of
// those who are there; then they leave, so that not too many are there at once.
func TestColdJoins(t *testing.T) {
	count := rounds(t, "JOINS", 20, 1000)
	const atOnce = 10
	link := netsim.Link{Latency: 20 * time.Millisecond, Jitter: 20 * time.Millisecond, Loss: 0.3, Burst: 100 * time.Millisecond}
	run(t, nodetest.Options{Nodes: 3, Admins: 2}, func(t *testing.T, c *nodetest.Cluster) {
		random := c.Rand()
		c.Create()
		c.MustSettle(time.Minute)
		c.Net.SetAll(link)
		for i := 0; i < count; i += atOnce {
			var wg sync.WaitGroup
			var mu sync.Mutex
			var took []time.Duration
			var fresh []*nodetest.Node
			for range min(atOnce, count-i) {
				fresh = append(fresh, c.Add())
			}
			for _, n := range fresh {
				by, wait := c.Nodes[random.IntN(3)], time.Duration(random.Int64N(int64(10*time.Second)))
				wg.Go(func() {
					<-time.After(wait)
					start := time.Now()
					if err := n.Join(t.Context(), by); err != nil {
						t.Errorf("node %d: %v", n.Index, err)
						return
					}
					mu.Lock()
					defer mu.Unlock()
					took = append(took, time.Since(start))
				})
			}
			wg.Wait()
			c.Nodes[random.IntN(3)].Put("k", fmt.Sprint(i))
			equal := c.MustSettle(2 * time.Minute)
			slices.Sort(took)
			t.Logf("%d joined, in %s to %s; all equal after %s", i+len(took), took[0], took[len(took)-1], equal)
			for _, n := range fresh {
				c.Remove(n)
			}
		}
	})
}

// TestF11: the clock of one node is wrong. It notices, and refuses to write (R2); the
// others go on, and it is equal again when its clock is right. (A day ahead its bindings
// have expired, nobody tells it the time, and nobody takes what it writes: there it
// does not write.)
func TestF11(t *testing.T) {
	for name, skew := range map[string]time.Duration{
		"50 s ahead":    50 * time.Second,
		"50 s behind":   -50 * time.Second,
		"2 min ahead":   2 * time.Minute,
		"2 min behind":  -2 * time.Minute,
		"an hour ahead": time.Hour,
		"a year ahead":  365 * 24 * time.Hour,
		"a year behind": -365 * 24 * time.Hour,
	} {
		t.Run(name, func(t *testing.T) {
			if raced && name != "2 min ahead" {
				t.Skip("the race detector sees the same code in one case")
			}
			run(t, nodetest.Options{Nodes: 4}, func(t *testing.T, c *nodetest.Cluster) {
				c.Create()
				c.MustSettle(time.Minute)
				wrong := c.Nodes[3]
				wrong.Skew(skew)
				c.Wait(time.Minute) // heartbeats tell
				const writes = 20
				refused := 0
				for i := range writes {
					id := c.Nodes[i%3].Put(fmt.Sprint("k", i%5), fmt.Sprint(i))
					if _, err := c.Reached(id, 10*time.Second, c.Nodes[0], c.Nodes[1], c.Nodes[2]); err != nil {
						t.Error(err)
					}
					if skew > 24*time.Hour {
						refused++
					} else if _, err := wrong.Write("set", map[string]string{"key": "k", "value": fmt.Sprint(i)}); err != nil {
						refused++
					}
					c.Wait(3 * time.Second)
				}
				want := writes
				if skew.Abs() < time.Minute {
					want = 0
				}
				if refused != want {
					t.Errorf("%d of %d writes of the node with the wrong clock were refused, want %d", refused, writes, want)
				}
				wrong.Skew(0)
				t.Logf("equal %s after the clock was set", c.MustSettle(5*time.Minute))
				c.Wait(time.Minute)
				wrong.Put("k", "right again")
				c.MustSettle(time.Minute)
			})
		})
	}
}
