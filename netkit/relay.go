package netkit

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/host/autorelay"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/proto"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
)

const (
	// relays is how many relays a node that can not be reached asks for a place.
	relays = 2
	// relayRetry is how long a relay that refused is left alone.
	relayRetry = time.Minute
	// What a coordinator relays on one connection. libp2p's 128 KiB and 2 min do
	// for hole punching; where that fails, members still have to get in step.
	relayTime = 10 * time.Minute
	relayData = 8 << 20
	// relayPlaces is how many nodes a coordinator relays for, relayPlacesIP how
	// many behind one address.
	relayPlaces   = 256
	relayPlacesIP = 16
)

// natOptions are what makes a node reach others, and be reached, through NATs:
// AutoNAT finds out whether it can be reached; if not, it keeps a place at relays
// (circuit v2) and others reach it through them; connections that come so are
// replaced by direct ones where hole punching works.
func natOptions(cfg Config, at *hostRef) []libp2p.Option {
	opts := []libp2p.Option{libp2p.EnableRelay(), libp2p.EnableAutoNATv2(), libp2p.EnableHolePunching()}
	if cfg.NodeType != TypeCoordinator {
		return append(opts, libp2p.EnableAutoRelayWithPeerSource(at.relays,
			autorelay.WithNumRelays(relays),
			autorelay.WithMinCandidates(1), // a small network has no choice
			autorelay.WithBootDelay(0),
			autorelay.WithBackoff(relayRetry),
			autorelay.WithMinInterval(relayRetry/4),
		))
	}
	places := relay.DefaultResources()
	places.Limit = &relay.RelayLimit{Duration: relayTime, Data: relayData}
	places.MaxReservations = relayPlaces
	places.MaxReservationsPerIP = relayPlacesIP
	return append(opts,
		// libp2p relays only when it knows that it is reachable; that is what
		// makes a node a coordinator.
		libp2p.ForceReachabilityPublic(),
		libp2p.EnableNATService(),
		libp2p.EnableRelayService(relay.WithResources(places)),
	)
}

// hostRef is a host that its own options refer to.
type hostRef struct {
	mu   sync.Mutex
	host host.Host
}

func (r *hostRef) set(h host.Host) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.host = h
}

// relays is an autorelay.PeerSource: connected peers that relay, which are
// coordinators, in random order.
func (r *hostRef) relays(_ context.Context, most int) <-chan peer.AddrInfo {
	found := make(chan peer.AddrInfo, most)
	defer close(found)
	r.mu.Lock()
	h := r.host
	r.mu.Unlock()
	if h == nil {
		return found // it is just being made
	}
	ids := h.Network().Peers()
	rand.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] }) //nolint:gosec // nobody gains by foreseeing it
	for _, id := range ids {
		if len(found) == most {
			break
		}
		can, err := h.Peerstore().SupportsProtocols(id, proto.ProtoIDv2Hop)
		if err == nil && len(can) > 0 && h.Network().Connectedness(id) == network.Connected {
			found <- peer.AddrInfo{ID: id, Addrs: h.Peerstore().Addrs(id)}
		}
	}
	return found
}
