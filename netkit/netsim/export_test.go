package netsim

import (
	"time"

	"mero/netkit"

	"github.com/libp2p/go-libp2p/core/host"
)

// Host gives a bare libp2p host at a spot.
func (n *Network) Host(at Spot) (host.Host, error) { return n.host(netkit.DefaultConfig(), at) }

// Losses tells of packets that are sent each millisecond whether they are lost.
func Losses(l Link, count int) []bool {
	n := New(1)
	n.SetAll(l)
	p := n.path("a", "b")
	lost := make([]bool, count)
	for i := range lost {
		lost[i] = p.lost(time.Unix(0, 0).Add(time.Duration(i) * time.Millisecond))
	}
	return lost
}
