package netsim_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mero/netkit"
	"mero/netkit/netsim"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// nets are nodes of netkit at spots 0, 1, …, which know each other through the first,
// and run until stop is called.
type nets struct {
	t      *testing.T
	net    *netsim.Network
	list   []*netkit.Net
	cancel context.CancelFunc
	done   chan error
}

func newNets(t *testing.T, n *netsim.Network, count int) *nets {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	all := &nets{t: t, net: n, cancel: cancel, done: make(chan error, count)}
	for i := range count {
		cfg := netkit.DefaultConfig()
		cfg.EntryPoints = []string{n.Addr(spot(0))}
		cfg.MDNS = true // has no effect here
		node, err := n.Net(cfg, netkit.Deps{Log: zerolog.Nop(), Metrics: prometheus.NewRegistry()}, spot(i))
		if err != nil {
			t.Fatal(err)
		}
		if got := node.PeerID(); got != n.PeerID(spot(i)) {
			t.Errorf("the node is %s, its spot says %s", got, n.PeerID(spot(i)))
		}
		all.list = append(all.list, node)
	}
	for _, node := range all.list {
		go func() { all.done <- node.Run(ctx) }()
	}
	return all
}

func (a *nets) stop() {
	a.cancel()
	for range a.list {
		if err := <-a.done; err != nil {
			a.t.Error(err)
		}
	}
}

// keep has every node stay connected to every other.
func (a *nets) keep() {
	for _, node := range a.list {
		for i := range a.list {
			node.Keep(a.net.PeerID(spot(i)), []string{a.net.Addr(spot(i))})
		}
	}
}

func (a *nets) linked(i, j int) bool {
	return slices.ContainsFunc(a.list[i].Peers(), func(p netkit.Peer) bool { return p.ID == a.list[j].PeerID() })
}

// TestNet: nodes find each other through one entry point, lose each other in a
// partition, and find each other again when it ends.
func TestNet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := netsim.New(1)
		n.SetAll(netsim.Link{Latency: 20 * time.Millisecond, Jitter: 10 * time.Millisecond, Loss: 0.02, Burst: 50 * time.Millisecond})
		all := newNets(t, n, 6)
		defer all.stop()
		<-time.After(time.Minute)
		for i := range all.list[1:] {
			if !all.linked(i+1, 0) {
				t.Errorf("node %d is not connected to the entry point", i+1)
			}
		}
		n.Partition([]netsim.Spot{spot(0), spot(1)})
		<-time.After(2 * time.Minute)
		if !all.linked(1, 0) || all.linked(2, 0) || all.linked(5, 1) {
			t.Error("the partition is not what it should be")
		}
		n.Heal()
		<-time.After(2 * time.Minute)
		for i := range all.list[1:] {
			if !all.linked(i+1, 0) {
				t.Errorf("node %d did not come back", i+1)
			}
		}
	})
}

// TestHeal: after a partition of minutes nodes that were connected before are
// connected again within seconds, entry points and kept peers.
func TestHeal(t *testing.T) {
	for name, keep := range map[string]bool{"entry point": false, "kept": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := netsim.New(1)
				n.SetAll(netsim.Link{Latency: 20 * time.Millisecond})
				all := newNets(t, n, 3)
				defer all.stop()
				from, to := 1, 0
				if keep {
					from, to = 2, 1
					all.keep()
				}
				<-time.After(time.Minute)
				for i := range 6 {
					<-time.After(30 * time.Second) // or it was no connection to count on
					n.Partition([]netsim.Spot{spot(from)})
					<-time.After(time.Duration(i+1) * 73 * time.Second)
					if all.linked(from, to) {
						t.Fatal("still connected in the partition")
					}
					n.Heal()
					start := time.Now()
					for !all.linked(from, to) {
						<-time.After(10 * time.Millisecond)
						if time.Since(start) > 3*time.Second {
							t.Fatalf("round %d: not connected 3 s after the heal", i)
						}
					}
				}
			})
		})
	}
}

// heard is who got what on a topic, and when.
type heard struct {
	mu   sync.Mutex
	when map[string]map[int]time.Time
}

func (h *heard) add(what string, node int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.when[what] == nil {
		h.when[what] = map[int]time.Time{}
	}
	h.when[what][node] = time.Now()
}

// by is how many heard something, and how long after start the last of them did.
func (h *heard) by(what string, start time.Time) (count int, last time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, at := range h.when[what] {
		last = max(last, at.Sub(start))
	}
	return len(h.when[what]), last
}

// TestTopic: 20 nodes gossip over links of 20 ms; a partition splits the topic, and
// when it ends all hear all again.
func TestTopic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const count = 20
		n := netsim.New(1)
		n.SetAll(netsim.Link{Latency: 20 * time.Millisecond})
		all := newNets(t, n, count)
		defer all.stop()
		all.keep()
		got := &heard{when: map[string]map[int]time.Time{}}
		topics := make([]*netkit.Topic, count)
		for i, node := range all.list {
			var err error
			topics[i], err = node.Join(netkit.TopicOptions{
				Name:    "news",
				Allow:   func(string) bool { return true },
				Check:   func(string, []byte) netkit.Verdict { return netkit.Accept },
				Receive: func(_ string, data []byte) { got.add(string(data), i) },
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		<-time.After(30 * time.Second)
		say := func(i int, what string) (int, time.Duration) {
			start := time.Now()
			if err := topics[i].Publish(t.Context(), []byte(what)); err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Second)
			return got.by(what, start)
		}
		for i := range all.list {
			// One link from the publisher to everybody.
			if heard, last := say(i, fmt.Sprint("all ", i)); heard != count-1 || last > 25*time.Millisecond {
				t.Errorf("node %d was heard by %d others, the last after %s", i, heard, last)
			}
		}
		var group []netsim.Spot
		for i := range 7 {
			group = append(group, spot(i))
		}
		n.Partition(group)
		<-time.After(2 * time.Minute)
		for _, i := range []int{0, 19} {
			want := map[int]int{0: 6, 19: 12}[i]
			if heard, _ := say(i, fmt.Sprint("some ", i)); heard != want {
				t.Errorf("in the partition node %d was heard by %d others, want %d", i, heard, want)
			}
		}
		n.Heal()
		start := time.Now()
		for !all.linked(0, 19) || !all.linked(6, 7) {
			<-time.After(100 * time.Millisecond)
			if time.Since(start) > 2*time.Minute {
				t.Fatal("the halves do not find each other")
			}
		}
		t.Logf("the halves are connected %s after the partition", time.Since(start))
		<-time.After(2 * time.Minute)
		if heard, _ := say(3, "all again"); heard != count-1 {
			t.Errorf("after the partition node 3 was heard by %d others", heard)
		}
	})
}

// TestStreams: frames come whole and in order over links that lose, delay and repeat
// packets; a stream over a cut ends with an error.
func TestStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := netsim.New(1)
		all := newNets(t, n, 2)
		defer all.stop()
		protocol := netkit.Protocol{ID: "/test/echo/1", MaxFrame: 1 << 20, Idle: 10 * time.Second, MaxIn: 8, MaxPerPeer: 4}
		all.list[0].Handle(protocol, func(_ context.Context, s *netkit.Stream) {
			for {
				frame, err := s.Read()
				if err != nil {
					break
				}
				if err := errors.Join(s.Write(frame), s.Flush()); err != nil {
					return
				}
			}
			_ = s.Close()
		})
		<-time.After(10 * time.Second)
		n.SetAll(netsim.Link{
			Latency: 20 * time.Millisecond, Jitter: 60 * time.Millisecond, Reorder: true, Duplicate: 0.1,
			Loss: 0.1, Burst: 100 * time.Millisecond,
		})
		echo := func(size int) error {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			s, err := all.list[1].Open(ctx, all.list[0].PeerID(), protocol)
			if err != nil {
				return err
			}
			defer s.Reset()
			for i := range 5 {
				if err := errors.Join(s.Write(slices.Repeat([]byte{byte(i)}, size)), s.Flush()); err != nil {
					return err
				}
				frame, err := s.Read()
				if err != nil {
					return err
				}
				if len(frame) != size || size > 0 && frame[0] != byte(i) {
					return fmt.Errorf("frame %d came back as %d bytes", i, len(frame))
				}
			}
			return nil
		}
		for _, size := range []int{0, 1, 10_000, 300_000} {
			if err := echo(size); err != nil {
				t.Errorf("frames of %d bytes: %v", size, err)
			}
		}
		n.CutBoth(spot(0), spot(1))
		if err := echo(10); err == nil {
			t.Error("a stream goes over a cut")
		}
	})
}
