package netsim_test

import (
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"mero/netkit/netsim"

	"github.com/libp2p/go-libp2p/core/network"
)

// pair is two hosts that are connected and have talked.
func pair(t *testing.T, n *netsim.Network) (a, b func(size int, limit time.Duration) (time.Duration, error)) {
	t.Helper()
	h := hosts(t, n, 2)
	connect(t, h[0], h[1])
	<-time.After(10 * time.Second)
	a = func(size int, limit time.Duration) (time.Duration, error) {
		return call(t.Context(), h[0], h[1], size, limit)
	}
	b = func(size int, limit time.Duration) (time.Duration, error) {
		return call(t.Context(), h[1], h[0], size, limit)
	}
	if _, err := a(1, time.Minute); err != nil {
		t.Fatal(err)
	}
	return a, b
}

// TestLoss: the share that is set is lost, in bursts of the length that is set,
// and everything arrives all the same.
func TestLoss(t *testing.T) {
	for _, want := range []netsim.Link{
		{Loss: 0.01},
		{Loss: 0.25},
		{Loss: 0.1, Burst: 100 * time.Millisecond},
		{Loss: 0.25, Burst: 50 * time.Millisecond},
		{Loss: 0.3, Burst: 500 * time.Millisecond},
	} {
		t.Run(fmt.Sprintf("%v in %v", want.Loss, want.Burst), func(t *testing.T) {
			lost := netsim.Losses(want, 2_000_000)
			share, run := 0.0, 0.0
			for i, l := range lost {
				if l {
					share++
					if i == 0 || !lost[i-1] {
						run++
					}
				}
			}
			run = share / run
			share /= float64(len(lost))
			if math.Abs(share-want.Loss) > 0.1*want.Loss {
				t.Errorf("%.3f of the packets are lost, want %.3f", share, want.Loss)
			}
			mean := 1 / (1 - want.Loss)
			if want.Burst > 0 {
				mean = float64(want.Burst / time.Millisecond)
			}
			if math.Abs(run-mean) > 0.1*mean {
				t.Errorf("%.2f packets are lost in a row, want %.2f", run, mean)
			}
			synctest.Test(t, func(t *testing.T) {
				n := netsim.New(7)
				a, _ := pair(t, n)
				want.Latency, want.Jitter, want.Duplicate = 10*time.Millisecond, 50*time.Millisecond, 0.1
				n.SetAll(want)
				for range 20 {
					<-time.After(time.Second)
					if took, err := a(20_000, time.Hour); err != nil {
						t.Error(took, err)
					}
				}
				if s := n.Stats(); s.Lost == 0 {
					t.Errorf("nothing was lost: %+v", s)
				}
			})
		})
	}
}

// TestRate: a link and a line let through what they are set to.
func TestRate(t *testing.T) {
	const size = 64 << 10
	for name, slow := range map[string]func(*netsim.Network){
		"link":    func(n *netsim.Network) { n.SetLink(spot(0), spot(1), netsim.Link{Rate: 10_000}) },
		"up":      func(n *netsim.Network) { n.SetAccess(spot(0), netsim.Access{Up: 10_000}) },
		"down":    func(n *netsim.Network) { n.SetAccess(spot(1), netsim.Access{Down: 10_000}) },
		"1 KB/s":  func(n *netsim.Network) { n.SetAccess(spot(0), netsim.Access{Up: 1_000, Down: 1_000}) },
		"the way": func(n *netsim.Network) { n.SetLink(spot(1), spot(0), netsim.Link{Rate: 10_000}) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := netsim.New(1)
				a, _ := pair(t, n)
				slow(n)
				took, err := a(size, time.Hour)
				if err != nil {
					t.Fatal(err)
				}
				low, high := 6*time.Second, 10*time.Second
				if name == "1 KB/s" {
					low, high = 65*time.Second, 150*time.Second
				}
				if took < low || took > high {
					t.Errorf("%d bytes took %s, want %s to %s", size, took, low, high)
				}
				n.SetAccess(spot(0), netsim.Access{})
				n.SetAccess(spot(1), netsim.Access{})
				n.SetAll(netsim.Link{})
				<-time.After(time.Minute)
				// QUIC remembers the round trips for a while.
				if after, err := a(size, time.Hour); err != nil || after > took*2/3 {
					t.Errorf("%s after %s, %v", after, took, err)
				}
			})
		})
	}
}

// TestCuts: each kind of cut stops packets, and only those that it should.
func TestCuts(t *testing.T) {
	for name, tc := range map[string]struct{ cut, mend func(*netsim.Network) }{
		"one way there": {
			func(n *netsim.Network) { n.Cut(spot(0), spot(1)) },
			func(n *netsim.Network) { n.Mend(spot(1), spot(0)) },
		},
		"one way back": {
			func(n *netsim.Network) { n.Cut(spot(1), spot(0)) },
			func(n *netsim.Network) { n.Heal() },
		},
		"both ways": {
			func(n *netsim.Network) { n.CutBoth(spot(1), spot(0)) },
			func(n *netsim.Network) { n.Mend(spot(1), spot(0)) },
		},
		"partition": {
			func(n *netsim.Network) { n.Partition([]netsim.Spot{spot(0), spot(2)}) },
			func(n *netsim.Network) { n.Heal() },
		},
		"another partition": {
			func(n *netsim.Network) {
				n.Partition([]netsim.Spot{spot(2)})
				n.Partition([]netsim.Spot{spot(2)}, []netsim.Spot{spot(1)})
			},
			func(n *netsim.Network) { n.Partition([]netsim.Spot{spot(2)}) },
		},
		"unplugged": {
			func(n *netsim.Network) { n.Unplug(spot(0)) },
			func(n *netsim.Network) { n.Plug(spot(0)) },
		},
		"other peer unplugged": {
			func(n *netsim.Network) { n.Unplug(spot(1)) },
			func(n *netsim.Network) { n.Plug(spot(1)) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := netsim.New(1)
				a, b := pair(t, n)
				h2 := hostAt(t, n, spot(2))
				h3 := hostAt(t, n, spot(3))
				n.Partition([]netsim.Spot{spot(3)}, []netsim.Spot{spot(2)})
				n.Heal()
				connect(t, h2, h3)
				tc.cut(n)
				if _, err := a(1, 5*time.Second); err == nil {
					t.Error("the cut lets calls through")
				}
				if _, err := b(1, 5*time.Second); err == nil {
					t.Error("the cut lets calls through, the other way")
				}
				if n.Stats().Cut == 0 {
					t.Error("no packet counts as cut")
				}
				tc.mend(n)
				<-time.After(time.Second)
				if _, err := a(1, time.Minute); err != nil {
					t.Errorf("after it ended: %v", err)
				}
				n.Heal()
				if _, err := call(t.Context(), h2, h3, 1, time.Minute); err != nil {
					t.Errorf("two others: %v", err)
				}
			})
		})
	}
}

// TestDeath: a host that is unplugged and closed is gone without a word; one at
// the same spot later is the same peer, and found at the same address.
func TestDeath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := netsim.New(1)
		a := hostAt(t, n, "a")
		b, err := n.Host("b")
		if err != nil {
			t.Fatal(err)
		}
		id, addr := b.ID(), n.Addr("b")
		connect(t, a, b)
		if _, err := n.Host("b"); err == nil {
			t.Error("two hosts at one spot")
		}
		n.Unplug("b")
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		<-time.After(10 * time.Second)
		if a.Network().Connectedness(id) != network.Connected {
			t.Error("the death was noticed at once")
		}
		<-time.After(time.Minute)
		if a.Network().Connectedness(id) == network.Connected {
			t.Error("the death was never noticed")
		}
		b = hostAt(t, n, "b")
		if b.ID() != id || n.Addr("b") != addr {
			t.Errorf("the new host is %s at %s, the old one was %s at %s", b.ID(), n.Addr("b"), id, addr)
		}
		connect(t, a, b)
		if _, err := call(t.Context(), a, b, 1, time.Minute); err != nil {
			t.Error(err)
		}
	})
}

// TestFirewall: nobody connects to a host behind a firewall, but it to others,
// and they answer.
func TestFirewall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := netsim.New(1)
		h := hosts(t, n, 2)
		n.Firewall(spot(0), true)
		h[1].Peerstore().AddAddrs(h[0].ID(), h[0].Addrs(), time.Hour)
		if _, err := call(t.Context(), h[1], h[0], 1, time.Minute); err == nil {
			t.Error("it let a stranger in")
		}
		connect(t, h[0], h[1])
		<-time.After(10 * time.Minute) // kept alive
		if _, err := call(t.Context(), h[1], h[0], 1, time.Minute); err != nil {
			t.Error(err)
		}
		n.Firewall(spot(0), false)
		if err := h[0].Network().ClosePeer(h[1].ID()); err != nil {
			t.Fatal(err)
		}
		connect(t, h[1], h[0])
	})
}

// TestSeed: a seed gives the same peers and the same losses, another seed others.
func TestSeed(t *testing.T) {
	a, b, c := netsim.New(1), netsim.New(1), netsim.New(2)
	if a.PeerID("x") != b.PeerID("x") || a.Addr("y") != b.Addr("y") {
		t.Error("one seed gives two networks")
	}
	if a.PeerID("x") == c.PeerID("x") || a.PeerID("x") == a.PeerID("y") {
		t.Error("two peers have one id")
	}
}
