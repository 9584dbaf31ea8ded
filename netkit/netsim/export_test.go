package netsim

import (
	"mero/netkit"

	"github.com/libp2p/go-libp2p/core/host"
)

// Host gives a bare libp2p host at a spot.
func (n *Network) Host(at Spot) (host.Host, error) { return n.host(netkit.DefaultConfig(), at) }
