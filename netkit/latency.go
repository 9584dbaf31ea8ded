package netkit

import (
	"context"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sync/errgroup"
)

const (
	// measureEvery is how often round trips are measured again.
	measureEvery = 30 * time.Second
	measureLimit = 5 * time.Second
	// measuring is how many peers are measured at once.
	measuring = 8
)

// measure keeps the round-trip time of every peer: once when it has connected,
// and from time to time. libp2p keeps the average.
func (n *Net) measure(ctx context.Context, fresh <-chan peer.ID) {
	var pings errgroup.Group
	defer func() { _ = pings.Wait() }() // pings return no error
	pings.SetLimit(measuring)
	start := func(id peer.ID) {
		pings.Go(func() error { n.ping(ctx, id); return nil })
	}
	for _, id := range n.host.Network().Peers() {
		start(id)
	}
	again := time.NewTicker(measureEvery)
	defer again.Stop()
	for {
		select {
		case id := <-fresh:
			start(id)
		case <-again.C:
			for _, id := range n.host.Network().Peers() {
				start(id)
			}
		case <-ctx.Done():
			return
		}
	}
}

// ping measures once. Of those who are kept, who does not answer is disconnected; others
// are left to the transports, whose own keep-alive closes what is dead.
func (n *Net) ping(ctx context.Context, id peer.ID) {
	if !n.isKept(id) {
		_ = n.ask(ctx, id, measureLimit) // it is measured again
	} else if s := n.pulse.of(id); !s.probing.Swap(true) {
		n.probe(ctx, id, s)
	}
}
