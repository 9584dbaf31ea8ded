package netsim

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Spot is a place in the network, by name.
type Spot string

// port is where every node listens.
const port = 2428

// Stats counts packets since the network was made.
type Stats struct {
	Sent, Bytes uint64 // handed to the network, and their bytes
	Delivered   uint64
	Lost        uint64 // by Link.Loss
	Cut         uint64 // by Cut, Partition, Unplug and Firewall
	Full        uint64 // by a full queue of a limited rate
	Nobody      uint64 // nobody was there
}

// Network is a simulated network. Its methods may be called by many goroutines at
// once.
type Network struct {
	seed uint64

	mu      sync.Mutex
	normal  Link
	spots   map[Spot]*place
	byIP    map[netip.Addr]*place
	conns   map[netip.AddrPort]*conn
	paths   map[[2]Spot]*path
	cut     map[[2]Spot]bool
	group   map[Spot]int // by Partition; nil: one network
	stats   Stats
	packets uint64 // gives packets that arrive at one instant an order
}

// place is what the network knows of a spot.
type place struct {
	spot      Spot
	ip        netip.Addr
	key       crypto.PrivKey
	id        peer.ID
	access    Access
	up, down  pipe
	unplugged bool
	firewall  bool
	asked     map[netip.Addr]time.Time // whom it sent to, and when
	nextPort  uint16
}

// New makes a network without faults: every link takes 1 ms. The seed decides
// peer ids, and what is lost and delayed.
func New(seed uint64) *Network {
	return &Network{
		seed:   seed,
		normal: Link{Latency: time.Millisecond},
		spots:  map[Spot]*place{},
		byIP:   map[netip.Addr]*place{},
		conns:  map[netip.AddrPort]*conn{},
		paths:  map[[2]Spot]*path{},
		cut:    map[[2]Spot]bool{},
	}
}

// PeerID is the peer id of the node at a spot, whether there is one or not.
func (n *Network) PeerID(at Spot) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.place(at).id.String()
}

// Addr is the multiaddress of the node at a spot, with its peer id: what goes
// into network.entry_points of others.
func (n *Network) Addr(at Spot) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.place(at)
	return fmt.Sprintf("%s/p2p/%s", p.listen(), p.id)
}

// Stats tells what became of the packets.
func (n *Network) Stats() Stats {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.stats
}

func (p *place) listen() string { return fmt.Sprintf("/ip4/%s/udp/%d/quic-v1", p.ip, port) }

// place gives the place of a spot, and makes it when it is named first.
func (n *Network) place(at Spot) *place {
	if p := n.spots[at]; p != nil {
		return p
	}
	seed := n.hash("key", string(at))
	key, err := crypto.UnmarshalEd25519PrivateKey(ed25519.NewKeyFromSeed(seed[:]))
	if err != nil {
		panic(err) //nolint:forbidigo // a key that was just made has the length of one
	}
	id, err := peer.IDFromPrivateKey(key)
	if err != nil {
		panic(err) //nolint:forbidigo // as above
	}
	// Public addresses, each in a /16 of its own: for libp2p they are neighbours
	// in nothing.
	i := len(n.spots)
	p := &place{
		spot: at, key: key, id: id, nextPort: 40000,
		ip:    netip.AddrFrom4([4]byte{byte(20 + i>>8), byte(i), 0, 1}),
		asked: map[netip.Addr]time.Time{},
	}
	n.spots[at] = p
	n.byIP[p.ip] = p
	return p
}

// path gives one direction of a link, and makes it when it is used first.
func (n *Network) path(from, to Spot) *path {
	p := n.paths[[2]Spot{from, to}]
	if p == nil {
		seed := n.hash("path", string(from), string(to))
		p = &path{rand: rand.New(rand.NewChaCha8(seed))} //nolint:gosec // it has to repeat
		p.set(n.normal)
		n.paths[[2]Spot{from, to}] = p
	}
	return p
}

func (n *Network) hash(parts ...string) [32]byte {
	h := sha256.New()
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], n.seed)
	h.Write(b[:])
	for _, part := range parts {
		binary.BigEndian.PutUint64(b[:], uint64(len(part)))
		h.Write(b[:])
		h.Write([]byte(part))
	}
	return [32]byte(h.Sum(nil))
}
