package netkit

import (
	"bufio"
	"io"
	"time"

	dht "github.com/libp2p/go-libp2p-kad-dht"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
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

// Rank is when each address is dialled.
var Rank = rank

// MessageID is the gossip message id.
var MessageID = messageID

// LibraryHandler is what libp2p logs to.
var LibraryHandler = libraryHandler

// MaxStandings is how many peers with penalties are remembered.
const MaxStandings = maxStandings

// Standings is how many are.
func (n *Net) Standings() int {
	n.standings.mu.Lock()
	defer n.standings.mu.Unlock()
	return len(n.standings.peers)
}

// Refuses reports whether a peer is refused.
func (n *Net) Refuses(id string) bool {
	to, err := peer.Decode(id)
	return err == nil && n.standings.refuses(to)
}

// MaxProvidedPeer is how many provider records of a peer are kept.
const MaxProvidedPeer = maxProvidedPeer

// MaxBook is how many peers the book has.
const MaxBook = maxBook

// BookEntry is an entry of the book.
type BookEntry struct {
	Peer  string
	Addrs []string
	Seen  int64
	Kept  bool
}

// FillBook writes entries into a book, saves it, reads it again, and gives its
// peers, the best first.
func FillBook(file string, entries []BookEntry) (peers []string, err error) {
	b, err := openBook(file)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		id, err := peer.Decode(e.Peer)
		if err != nil {
			return nil, err
		}
		b.note(entry{Peer: id, Addrs: e.Addrs, Seen: e.Seen, Kept: e.Kept})
	}
	for _, id := range b.best() {
		peers = append(peers, id.String())
	}
	return peers, b.save()
}

// readOnly is a stream that gives what r gives.
type readOnly struct {
	network.Stream
	r io.Reader
}

func (s readOnly) Read(b []byte) (int, error) { return s.r.Read(b) }

func (readOnly) SetReadDeadline(time.Time) error { return nil }

// ReadFrames is a Stream that reads from r.
func ReadFrames(r io.Reader, p Protocol) *Stream {
	s := &Stream{raw: readOnly{r: r}, proto: p.withDefaults(), life: newPulse().of("")}
	s.r = bufio.NewReaderSize(countedReader{s}, 4<<10)
	return s
}
