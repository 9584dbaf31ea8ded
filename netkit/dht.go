package netkit

import (
	dht "github.com/libp2p/go-libp2p-kad-dht"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// newDHT starts Kademlia. A coordinator always serves; a peer serves unless
// libp2p finds that it can not be reached. (libp2p's plain automatic mode starts
// as a client and stays one until somebody confirms an address: two peers alone
// would find nothing, which is how the reference lost its blobs.)
func newDHT(h host.Host, nodeType string, entries []peer.AddrInfo) (*dht.IpfsDHT, error) {
	mode := dht.ModeAutoServer
	if nodeType == TypeCoordinator {
		mode = dht.ModeServer
	}
	return dht.New(h,
		dht.ProtocolPrefix(protocolPrefix),
		dht.Mode(mode),
		dht.BootstrapPeers(entries...),
		// Networks of one machine and one LAN are networks too.
		dht.AddressFilter(func(addrs []ma.Multiaddr) []ma.Multiaddr { return addrs }),
		dht.DisableValues(), // nobody needs them, and anybody could fill the memory with them
	)
}
