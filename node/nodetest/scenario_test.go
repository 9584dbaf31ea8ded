package nodetest_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"mero/netkit/netsim"
	"mero/node/nodetest"
)

// rounds is how often a scenario is done: a few times on each change, in the long
// form (MERO_LONG) or by its own number (MERO_F8 and so on) more often.
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
	return few
}

// writers writes on all nodes until stop is called, on each about every pause.
func writers(c *nodetest.Cluster, random *rand.Rand, pause time.Duration) (stop func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	for _, n := range c.Nodes {
		random := rand.New(rand.NewPCG(random.Uint64(), 0)) //nolint:gosec // it has to repeat
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				case <-time.After(time.Duration(random.Int64N(int64(2*pause)) + 1)):
				}
				if n.Member() {
					n.Put(fmt.Sprint("k", random.IntN(20)), fmt.Sprintf("%d of node %d", i, n.Index))
				}
			}
		})
	}
	return func() { close(done); wg.Wait() }
}

// halves are two groups of spots, each with at least one.
func halves(c *nodetest.Cluster, random *rand.Rand) (a, b []netsim.Spot) {
	order := random.Perm(len(c.Nodes))
	cut := 1 + random.IntN(len(order)-1)
	return c.Spots(order[:cut]...), c.Spots(order[cut:]...)
}

// TestF8: a partition into two groups, with writes on both sides, heals.
func TestF8(t *testing.T) {
	count := rounds(t, "F8", 5, 200)
	nodetest.Run(t, nodetest.Options{Nodes: 5}, func(c *nodetest.Cluster) {
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
			stop := writers(c, random, lasts/20)
			c.Wait(lasts)
			stop()
			c.Net.Heal()
			took := c.MustSettle(time.Minute)
			t.Logf("round %d: %v | %v for %s: equal %s after it", i, a, b, lasts, took)
			if took > 3*time.Second {
				t.Errorf("round %d: equal %s after the heal, want 3 s", i, took)
			}
		}
	})
}
