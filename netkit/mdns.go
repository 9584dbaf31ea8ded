package netkit

import (
	"context"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/discovery/mdns"
	"golang.org/x/sync/errgroup"
)

const (
	// mdnsService is our name on the local network, apart from other libp2p programs.
	mdnsService = "_mero._udp"
	// mdnsDials is how many found peers are dialled at once; the rest is found
	// again with the next answer.
	mdnsDials = 8
)

// found hands on what mDNS finds without blocking it.
type found chan peer.AddrInfo

// HandlePeerFound implements mdns.Notifee.
func (f found) HandlePeerFound(info peer.AddrInfo) {
	select {
	case f <- info:
	default:
	}
}

// discoverLocal finds nodes on the local network and connects to them, until
// ctx ends. A network without multicast is a warning: the node works without.
func (n *Net) discoverLocal(ctx context.Context) error {
	peers := make(found, mdnsDials)
	service := mdns.NewMdnsService(n.host, mdnsService, peers)
	defer service.Close() //nolint:errcheck // it ends with the node
	if err := service.Start(); err != nil {
		n.log.Warn().Err(err).Msg("nodes on the local network can not be found by mDNS")
		return nil
	}
	var dials errgroup.Group
	defer func() { _ = dials.Wait() }() // dials return no error
	dials.SetLimit(mdnsDials)
	for {
		select {
		case info := <-peers:
			if n.host.Network().Connectedness(info.ID) == network.Connected {
				continue
			}
			dials.TryGo(func() error {
				if err := n.dial(ctx, info); err != nil && ctx.Err() == nil {
					n.log.Debug().Stringer("peer", info.ID).Str("reason", reason(err)).Msg("node on the local network does not answer")
				}
				return nil
			})
		case <-ctx.Done():
			return nil
		}
	}
}
