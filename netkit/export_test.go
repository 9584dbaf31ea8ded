package netkit

import (
	dht "github.com/libp2p/go-libp2p-kad-dht"
	"github.com/libp2p/go-libp2p/core/host"
)

// What the tests look at from outside; no user of the package can.

// Host gives the libp2p host.
func (n *Net) Host() host.Host { return n.host }

// Mesh is who is in the mesh of a topic.
func (n *Net) Mesh(topic string) (peers []string) {
	n.gossip.mu.RLock()
	defer n.gossip.mu.RUnlock()
	for id := range n.gossip.mesh[topic] {
		peers = append(peers, id.String())
	}
	return peers
}

// GossipProtocol is the protocol of the gossip router.
const GossipProtocol = gossipProtocol

// DHT waits until Run has started and gives Kademlia.
func (n *Net) DHT() *dht.IpfsDHT { <-n.ready; return n.dht }

// RetryAfter is the back-off.
var RetryAfter = retryAfter

// MessageID is the gossip message id.
var MessageID = messageID

// LibraryHandler is what libp2p logs to.
var LibraryHandler = libraryHandler
