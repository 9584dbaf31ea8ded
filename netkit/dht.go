package netkit

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"

	dht "github.com/libp2p/go-libp2p-kad-dht"
	pb "github.com/libp2p/go-libp2p-kad-dht/pb"
	"github.com/libp2p/go-libp2p-kad-dht/records"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

const (
	// provideFor is how long this node keeps what others provide, and provideGC
	// how often what is older is removed.
	provideFor = 24 * time.Hour
	provideGC  = time.Hour
	// maxProvided is how many records of others this node keeps, and
	// maxProvidedPeer how many of one peer. Kademlia itself has no limit, and
	// looks through all of them for a key that it does not find.
	maxProvided     = 16 << 10
	maxProvidedPeer = 512
)

// newDHT starts Kademlia. A coordinator always serves; a peer serves unless
// libp2p finds that it can not be reached. (libp2p's plain automatic mode starts
// as a client and stays one until somebody confirms an address: two peers alone
// would find nothing, which is how the reference lost its blobs.)
func newDHT(h host.Host, nodeType string, entries []peer.AddrInfo, m *metrics) (*dht.IpfsDHT, error) {
	mode := dht.ModeAutoServer
	if nodeType == TypeCoordinator {
		mode = dht.ModeServer
	}
	kept := newProvided(m)
	return dht.New(h,
		dht.ProtocolPrefix(protocolPrefix),
		dht.Mode(mode),
		dht.BootstrapPeers(entries...),
		// Networks of one machine and one LAN are networks too.
		dht.AddressFilter(func(addrs []ma.Multiaddr) []ma.Multiaddr { return addrs }),
		dht.DisableValues(), // nobody needs them, and anybody could fill the memory with them
		dht.ProviderManagerOpts(records.ProvideValidity(provideFor), records.CleanupInterval(provideGC)),
		dht.OnRequestHook(kept.inspect),
	)
}

// provided bounds the provider records that others leave here. It knows of each
// record only when it will be gone.
type provided struct {
	metrics *metrics

	mu      sync.Mutex
	records map[[sha256.Size]byte]provision
	peers   map[peer.ID]int
	swept   time.Time
}

type provision struct {
	by  peer.ID
	end time.Time
}

func newProvided(m *metrics) *provided {
	return &provided{metrics: m, records: make(map[[sha256.Size]byte]provision), peers: make(map[peer.ID]int)}
}

// inspect takes the content out of a request that is over a limit. Kademlia finds
// that it names no provider, and refuses it.
func (p *provided) inspect(_ context.Context, s network.Stream, request *pb.Message) {
	if request.GetType() == pb.Message_ADD_PROVIDER && !p.admit(s.Conn().RemotePeer(), request.GetKey()) {
		p.metrics.provideRefused.Inc()
		request.ProviderPeers = nil
	}
}

// admit counts a record, or says that there are too many.
func (p *provided) admit(by peer.ID, key []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := time.Now()
	id := sha256.Sum256(append([]byte(by), key...))
	if _, known := p.records[id]; !known {
		if len(p.records) >= maxProvided || p.peers[by] >= maxProvidedPeer {
			p.expire(t)
		}
		if len(p.records) >= maxProvided || p.peers[by] >= maxProvidedPeer {
			return false
		}
		p.peers[by]++
	}
	p.records[id] = provision{by, t.Add(provideFor + provideGC)}
	return true
}

// expire removes what is gone, at most once a minute: a flood must not make it cost.
func (p *provided) expire(t time.Time) {
	if t.Sub(p.swept) < time.Minute {
		return
	}
	p.swept = t
	for id, record := range p.records {
		if record.end.After(t) {
			continue
		}
		delete(p.records, id)
		if p.peers[record.by]--; p.peers[record.by] == 0 {
			delete(p.peers, record.by)
		}
	}
}
