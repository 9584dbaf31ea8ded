package netkit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	dht "github.com/libp2p/go-libp2p-kad-dht"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"
)

// protocolPrefix keeps our Kademlia apart from everybody else's.
const protocolPrefix = "/mero"

// ErrClosed says that the Net was closed, or ran already, before.
var ErrClosed = errors.New("network closed")

// Deps is what a Net needs from its owner. Those without a remark are required;
// FromHost does not look at key and version.
type Deps struct {
	Key     Key
	Log     zerolog.Logger
	Metrics prometheus.Registerer
	// BookFile is where peers are remembered over restarts; empty: nowhere.
	BookFile string
	// Version is told to peers, as mero/VERSION; empty: mero alone.
	Version string
}

// Net is a node's place in the network. Its methods may be called by many
// goroutines at once.
type Net struct {
	cfg       Config
	log       zerolog.Logger
	metrics   *metrics
	host      host.Host
	entries   []peer.AddrInfo
	watch     *watcher
	gossip    *gossip
	book      *book
	standings *standings
	pulse     *pulse
	lookUps   chan struct{} // one for each search for a peer's addresses

	closing chan struct{} // closed by Close
	closed  func() error  // closes the host, once
	ready   chan struct{} // closed when Run has started its parts
	dht     *dht.IpfsDHT  // set by Run before that

	mu     sync.Mutex
	ran    bool
	served map[protocol.ID]*served
	kept   map[peer.ID]*kept
	// spawn runs f in a goroutine that Run waits for; nil unless Run runs. stop
	// ends the context of f.
	spawn func(f func(context.Context)) (stop func())
}

// New binds the configured addresses: *AddrInUseError when a port is taken.
// Others can connect from then on. The Net must be run or closed.
func New(cfg Config, deps Deps) (*Net, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.Key.private == nil {
		return nil, errors.New("network: no peer key")
	}
	addrs, err := cfg.listen()
	if err != nil {
		return nil, err
	}
	who := newStandings(cfg)
	h, err := newHost(cfg, deps, who)
	if err != nil {
		return nil, fmt.Errorf("network: %w", err)
	}
	if err := listen(h, addrs, deps.Log); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	n, err := newNet(h, cfg, deps, who)
	if err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return n, nil
}

// FromHost is New on a host that exists, for simulated networks. The Net takes
// it over and closes it. Of cfg, what concerns the host itself (listen,
// max_connections, max_per_ip, the water marks, relays and NATs) was for its maker
// to do; who is refused can connect there, and is disconnected at once.
func FromHost(h host.Host, cfg Config, deps Deps) (*Net, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return newNet(h, cfg, deps, newStandings(cfg))
}

func newNet(h host.Host, cfg Config, deps Deps, who *standings) (*Net, error) {
	entries, err := cfg.entryPoints()
	if err != nil {
		return nil, err
	}
	book, err := openBook(deps.BookFile)
	if err != nil {
		return nil, fmt.Errorf("network: peer book: %w", err)
	}
	n := &Net{
		cfg: cfg, log: deps.Log, host: h,
		metrics: newMetrics(deps.Metrics, h.Network(), who),
		entries: slices.DeleteFunc(entries, func(e peer.AddrInfo) bool { return e.ID == h.ID() }),
		watch:   newWatcher(), standings: who, book: book, pulse: newPulse(),
		lookUps: make(chan struct{}, maxLookUps),
		closing: make(chan struct{}),
		closed:  sync.OnceValue(h.Close),
		ready:   make(chan struct{}),
		served:  make(map[protocol.ID]*served),
		kept:    make(map[peer.ID]*kept),
	}
	n.gossip = newGossip(n)
	return n, nil
}

// Run takes part in the network until ctx ends or Close is called, and then
// closes everything. It returns an error only when a part can not start: that an
// entry point does not answer is none. It can be called once.
func (n *Net) Run(ctx context.Context) error {
	n.mu.Lock()
	if n.ran || n.isClosing() {
		n.mu.Unlock()
		return ErrClosed
	}
	n.ran = true
	n.mu.Unlock()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	err := n.run(ctx, cancel)
	cancel()
	return errors.Join(err, n.Close())
}

func (n *Net) run(ctx context.Context, cancel context.CancelFunc) (err error) {
	parts, ctx := errgroup.WithContext(ctx)
	if err := n.gossip.run(ctx); err != nil {
		return fmt.Errorf("start gossip: %w", err)
	}
	defer n.gossip.end()
	n.dht, err = newDHT(n.host, n.cfg.NodeType, n.entries, n.metrics)
	if err != nil {
		return fmt.Errorf("start kademlia: %w", err)
	}
	defer func() { err = errors.Join(err, n.dht.Close()) }()

	watch := n.watch.notifiee(n.turnAway)
	n.host.Network().Notify(watch)
	defer n.host.Network().StopNotify(watch)

	n.open(ctx, parts)
	if err := n.gossip.open(); err != nil {
		cancel()
		n.shut()
		return errors.Join(err, parts.Wait())
	}
	parts.Go(func() error {
		select {
		case <-ctx.Done():
		case <-n.closing:
			cancel()
		}
		n.shut()
		return nil
	})
	if n.cfg.MDNS {
		parts.Go(func() error { return n.discoverLocal(ctx) })
	}
	for _, entry := range n.entries {
		wake := n.watch.of(entry.ID)
		parts.Go(func() error { n.keepEntry(ctx, entry, wake); return nil })
	}
	parts.Go(func() error { n.measure(ctx, n.watch.fresh); return nil })
	parts.Go(func() error { n.watchPulse(ctx); return nil })
	parts.Go(func() error { return n.keepBook(ctx) })
	parts.Go(func() error { n.useBook(ctx); return nil })
	close(n.ready)
	n.log.Info().Str("peer", n.PeerID()).Strs("addrs", n.Addrs()).Str("type", n.cfg.NodeType).Msg("network is up")
	return parts.Wait()
}

// open starts what was asked for before Run, and lets goroutines be started.
func (n *Net) open(ctx context.Context, parts *errgroup.Group) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.spawn = func(f func(context.Context)) func() {
		ctx, cancel := context.WithCancel(ctx)
		parts.Go(func() error {
			defer cancel()
			f(ctx)
			return nil
		})
		return cancel
	}
	for id, k := range n.kept {
		n.keepNow(id, k)
	}
}

// shut lets no more goroutines be started: Run waits for those that are there.
func (n *Net) shut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.spawn = nil
	for id := range n.served {
		n.host.RemoveStreamHandler(id)
	}
}

// start runs f in a goroutine that Run waits for, and whose context ends with
// it. It reports false when Run does not run.
func (n *Net) start(f func(context.Context)) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.spawn == nil {
		return false
	}
	n.spawn(f)
	return true
}

// Close ends Run, if it runs, and closes all listeners and connections. It may be
// called more than once.
func (n *Net) Close() error {
	n.mu.Lock()
	if !n.isClosing() {
		close(n.closing)
	}
	n.mu.Unlock()
	return n.closed()
}

func (n *Net) isClosing() bool {
	select {
	case <-n.closing:
		return true
	default:
		return false
	}
}

// PeerID is this node's peer id in its usual text form.
func (n *Net) PeerID() string { return n.host.ID().String() }

// Addrs are the addresses that others can dial, each with /p2p/PEERID. An
// unspecified listen address stands for all addresses of the machine.
func (n *Net) Addrs() []string {
	addrs, err := peer.AddrInfoToP2pAddrs(host.InfoFromHost(n.host))
	if err != nil {
		return nil // a peer id of our own is never malformed
	}
	return texts(addrs)
}

// Peer is a peer that this node is connected to.
type Peer struct {
	ID        string
	Addr      string        // where it is connected from or to
	Transport string        // tcp, quic or relay
	Direction string        // inbound or outbound
	Latency   time.Duration // round trip, a moving average; 0 until it was measured
	Agent     string        // what it says it is; empty until it said so
}

// Peers lists who is connected, ascending by id. Of several connections to a
// peer the oldest direct one is shown.
func (n *Net) Peers() []Peer {
	var infos []Peer
	for _, id := range n.host.Network().Peers() {
		conns := n.host.Network().ConnsToPeer(id)
		if len(conns) == 0 {
			continue // it has just gone
		}
		slices.SortStableFunc(conns, func(a, b network.Conn) int {
			if a.Stat().Limited != b.Stat().Limited {
				if a.Stat().Limited {
					return 1
				}
				return -1
			}
			return a.Stat().Opened.Compare(b.Stat().Opened)
		})
		addr := conns[0].RemoteMultiaddr()
		info := Peer{
			ID: id.String(), Addr: addr.String(), Transport: transportOf(addr),
			Direction: "inbound", Latency: n.host.Peerstore().LatencyEWMA(id),
		}
		if conns[0].Stat().Direction == network.DirOutbound {
			info.Direction = "outbound"
		}
		if agent, err := n.host.Peerstore().Get(id, "AgentVersion"); err == nil {
			info.Agent, _ = agent.(string)
		}
		infos = append(infos, info)
	}
	slices.SortFunc(infos, func(a, b Peer) int { return strings.Compare(a.ID, b.ID) })
	return infos
}

func texts(addrs []ma.Multiaddr) []string {
	list := make([]string, len(addrs))
	for i, addr := range addrs {
		list[i] = addr.String()
	}
	return list
}
