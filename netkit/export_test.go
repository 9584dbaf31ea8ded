package netkit

import (
	dht "github.com/libp2p/go-libp2p-kad-dht"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/host"
)

// What the tests look at from outside; no user of the package can.

// Host gives the libp2p host.
func (n *Net) Host() host.Host { return n.host }

// Gossip waits until Run has started and gives the router.
func (n *Net) Gossip() *pubsub.PubSub { <-n.ready; return n.gossip }

// DHT waits until Run has started and gives Kademlia.
func (n *Net) DHT() *dht.IpfsDHT { <-n.ready; return n.dht }

// RetryAfter is the back-off.
var RetryAfter = retryAfter

// MessageID is the gossip message id.
var MessageID = messageID

// LibraryHandler is what libp2p logs to.
var LibraryHandler = libraryHandler
