package netkit

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"time"

	dht "github.com/libp2p/go-libp2p-kad-dht"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

const (
	// MaxGossip is the length in bytes of the longest gossip message. Deltas of
	// more than 256 KiB are announced by id and pulled (R16); the rest is room
	// for what frames them.
	MaxGossip = 512 << 10

	// heartbeat is how often the mesh is repaired. libp2p's second is for large
	// open networks; two nodes are our normal case.
	heartbeat      = 250 * time.Millisecond
	firstHeartbeat = 20 * time.Millisecond
	// gossipQueue is how many messages may wait for one peer, and for
	// validation. With libp2p's 32, messages are lost from 2,000 a second on.
	gossipQueue = 1024
	// regraft is how long a peer that was pruned is not taken back. libp2p's
	// minute leaves the mesh of two nodes empty after a reconnect.
	regraft = time.Second
)

// newGossip starts the gossip router (R16). It ends with ctx.
func newGossip(ctx context.Context, h host.Host) (*pubsub.PubSub, error) {
	params := pubsub.DefaultGossipSubParams()
	params.HeartbeatInterval = heartbeat
	params.HeartbeatInitialDelay = firstHeartbeat
	params.PruneBackoff = regraft
	params.UnsubscribeBackoff = regraft
	// These two are counted in heartbeats; keep their length in time.
	params.HistoryLength *= int(time.Second / heartbeat)
	params.HistoryGossip *= int(time.Second / heartbeat)
	return pubsub.NewGossipSub(ctx, h,
		pubsub.WithGossipSubParams(params),
		pubsub.WithFloodPublish(true),
		pubsub.WithPeerOutboundQueueSize(gossipQueue),
		pubsub.WithValidateQueueSize(gossipQueue),
		pubsub.WithMaxMessageSize(MaxGossip),
		// What travels is signed by its author; the router's own signatures are
		// half of the cost of a message.
		pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign),
		pubsub.WithNoAuthor(),
		pubsub.WithMessageIdFn(messageID),
	)
}

// messageID is the hash of topic and content. The router marks ids as seen
// before anything is checked, so an id that a sender chooses would let a
// stranger suppress messages of others.
func messageID(m *pb.Message) string {
	h := sha256.New()
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(m.GetTopic())))
	h.Write(n[:])
	h.Write([]byte(m.GetTopic()))
	h.Write(m.GetData())
	return string(h.Sum(nil))
}

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
	)
}
