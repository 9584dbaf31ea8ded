package netsim_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"mero/netkit"
	"mero/netkit/netsim"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// TestNet: nodes find each other through one entry point, lose each other in a
// partition, and find each other again when it ends.
func TestNet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		n := netsim.New(1)
		n.SetAll(netsim.Link{Latency: 20 * time.Millisecond, Jitter: 10 * time.Millisecond, Loss: 0.02, Burst: 50 * time.Millisecond})
		const count = 6
		nets := make([]*netkit.Net, count)
		done := make(chan error, count)
		for i := range nets {
			cfg := netkit.DefaultConfig()
			cfg.EntryPoints = []string{n.Addr(spot(0))}
			cfg.MDNS = true // has no effect here
			var err error
			nets[i], err = n.Net(cfg, netkit.Deps{Log: zerolog.Nop(), Metrics: prometheus.NewRegistry()}, spot(i))
			if err != nil {
				t.Fatal(err)
			}
			if got := nets[i].PeerID(); got != n.PeerID(spot(i)) {
				t.Errorf("the node is %s, its spot says %s", got, n.PeerID(spot(i)))
			}
			go func() { done <- nets[i].Run(ctx) }()
		}
		linked := func(i, j int) bool {
			for _, p := range nets[i].Peers() {
				if p.ID == nets[j].PeerID() {
					return true
				}
			}
			return false
		}
		<-time.After(time.Minute)
		for i := range nets[1:] {
			if !linked(i+1, 0) {
				t.Errorf("node %d is not connected to the entry point", i+1)
			}
		}
		n.Partition([]netsim.Spot{spot(0), spot(1)})
		<-time.After(2 * time.Minute)
		if !linked(1, 0) || linked(2, 0) || linked(5, 1) {
			t.Error("the partition is not what it should be")
		}
		n.Heal()
		<-time.After(2 * time.Minute)
		for i := range nets[1:] {
			if !linked(i+1, 0) {
				t.Errorf("node %d did not come back", i+1)
			}
		}
		cancel()
		for range nets {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}
