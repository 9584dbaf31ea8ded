package netkit

import (
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

// The values of Config.NodeType.
const (
	// TypePeer is an ordinary node.
	TypePeer = "peer"
	// TypeCoordinator is an entry point: it serves Kademlia and relays.
	TypeCoordinator = "coordinator"
)

// Config is the section `network`.
type Config struct {
	Listen          []string      `koanf:"listen" comment:"Multiaddresses to listen on, TCP (/ip4/…/tcp/PORT) and QUIC (/ip4/…/udp/PORT/quic-v1). Port 0 takes a free one. A port in use is an error; an IPv6 address on a machine without IPv6 is left out with a warning."`
	EntryPoints     []string      `koanf:"entry_points" comment:"Multiaddresses with /p2p/PEERID of nodes to join the network through. They are dialled at the start and again whenever they are lost. None: the node waits for others."`
	NodeType        string        `koanf:"node_type" comment:"peer, or coordinator for a node that everybody can reach: it always serves Kademlia and relays for those who can not be reached."`
	MDNS            bool          `koanf:"mdns" comment:"Find nodes on the local network by multicast DNS. Off by default, because it tells the whole network that this node is here."`
	MaxConnections  int           `koanf:"max_connections" comment:"Most connections at a time, a hard limit. A quarter is kept for those that this node opens. Default 512, about 100 MB if all are used."`
	MaxPerIP        int           `koanf:"max_per_ip" comment:"Most connections from one IPv4 address or one IPv6 /64, loopback excepted. Default 64: a site behind one address, but not a flood."`
	LowWater        int           `koanf:"low_water" comment:"Down to how many connections idle ones are closed once there are high_water. Default 192."`
	HighWater       int           `koanf:"high_water" comment:"From how many connections on idle ones are closed. Default 256."`
	GracePeriod     time.Duration `koanf:"grace_period" comment:"How long a new connection is safe from being closed as idle. Default 20s, enough to say what it is for."`
	MaxKept         int           `koanf:"max_kept" comment:"Most peers, besides entry points, that this node stays connected to because they share a context. Default 128."`
	PenaltyLimit    int           `koanf:"penalty_limit" comment:"How many points for broken rules a peer may have before it is disconnected and refused. A malformed frame or a forged message costs 10 or more. Default 100."`
	PenaltyHalfLife time.Duration `koanf:"penalty_half_life" comment:"After how long half of a peer's points are forgotten. Default 10m."`
	RefuseFor       time.Duration `koanf:"refuse_for" comment:"How long such a peer is refused. Default 15m."`
	DialRetryMin    time.Duration `koanf:"dial_retry_min" comment:"Wait before an entry point or such a peer is dialled again that has not been connected lately; doubles with each failure, a random part of up to a half is taken off. Default 1s."`
	DialRetryMax    time.Duration `koanf:"dial_retry_max" comment:"Longest wait before an entry point or such a peer is dialled again that has not been connected lately. Default 1m."`
	DialRetryRecent time.Duration `koanf:"dial_retry_recent" comment:"How often one of them is dialled that was connected less than dial_recent ago, less a random part of up to a quarter: so they find each other soon after a fault of the network. An attempt that hangs is given up after 2.5s or 8 round trips. Default 2s."`
	DialRecent      time.Duration `koanf:"dial_recent" comment:"How long after such a connection was lost dial_retry_recent holds; 0: never. Default 15m."`
}

// DefaultConfig is what a node uses when nothing is configured.
func DefaultConfig() Config {
	return Config{
		Listen: []string{
			"/ip4/0.0.0.0/tcp/2428", "/ip4/0.0.0.0/udp/2428/quic-v1",
			"/ip6/::/tcp/2428", "/ip6/::/udp/2428/quic-v1",
		},
		NodeType:        TypePeer,
		MaxConnections:  512,
		MaxPerIP:        64,
		LowWater:        192,
		HighWater:       256,
		GracePeriod:     20 * time.Second,
		MaxKept:         128,
		PenaltyLimit:    100,
		PenaltyHalfLife: 10 * time.Minute,
		RefuseFor:       15 * time.Minute,
		DialRetryMin:    time.Second,
		DialRetryMax:    time.Minute,
		DialRetryRecent: 2 * time.Second,
		DialRecent:      15 * time.Minute,
	}
}

// Validate reports the first setting that can not work, by its key.
func (c Config) Validate() error {
	if _, err := c.listen(); err != nil {
		return err
	}
	if _, err := c.entryPoints(); err != nil {
		return err
	}
	if c.NodeType != TypePeer && c.NodeType != TypeCoordinator {
		return fmt.Errorf("network.node_type: %q is neither %s nor %s", c.NodeType, TypePeer, TypeCoordinator)
	}
	if err := c.validateConnections(); err != nil {
		return err
	}
	return c.validatePeers()
}

// validateConnections is the part of Validate about how many connections there are.
func (c Config) validateConnections() error {
	switch {
	case c.LowWater < 1:
		return fmt.Errorf("network.low_water: %d is less than 1", c.LowWater)
	case c.HighWater < c.LowWater:
		return fmt.Errorf("network.high_water: %d is less than low_water, %d", c.HighWater, c.LowWater)
	case c.MaxConnections < c.HighWater:
		return fmt.Errorf("network.max_connections: %d is less than high_water, %d", c.MaxConnections, c.HighWater)
	case c.MaxPerIP < 1:
		return fmt.Errorf("network.max_per_ip: %d is less than 1", c.MaxPerIP)
	case c.GracePeriod < 0:
		return fmt.Errorf("network.grace_period: %s is negative", c.GracePeriod)
	case c.MaxKept < 1:
		return fmt.Errorf("network.max_kept: %d is less than 1", c.MaxKept)
	}
	return nil
}

// validatePeers is the part of Validate about single peers.
func (c Config) validatePeers() error {
	switch {
	case c.PenaltyLimit < 1:
		return fmt.Errorf("network.penalty_limit: %d is less than 1", c.PenaltyLimit)
	case c.PenaltyHalfLife <= 0:
		return fmt.Errorf("network.penalty_half_life: %s is not positive", c.PenaltyHalfLife)
	case c.RefuseFor <= 0:
		return fmt.Errorf("network.refuse_for: %s is not positive", c.RefuseFor)
	case c.DialRetryMin <= 0:
		return fmt.Errorf("network.dial_retry_min: %s is not positive", c.DialRetryMin)
	case c.DialRetryMax < c.DialRetryMin:
		return fmt.Errorf("network.dial_retry_max: %s is less than dial_retry_min, %s", c.DialRetryMax, c.DialRetryMin)
	case c.DialRetryRecent <= 0:
		return fmt.Errorf("network.dial_retry_recent: %s is not positive", c.DialRetryRecent)
	case c.DialRecent < 0:
		return fmt.Errorf("network.dial_recent: %s is negative", c.DialRecent)
	}
	return nil
}

// listen parses Listen. Only what the transports of this package can do is let
// through, or the fault would show as "no transport" at the start.
func (c Config) listen() ([]ma.Multiaddr, error) {
	var addrs []ma.Multiaddr
	for _, text := range c.Listen {
		addr, err := ma.NewMultiaddr(text)
		if err != nil {
			return nil, fmt.Errorf("network.listen: %q is no multiaddress: %w", text, err)
		}
		if !canListen(addr) {
			return nil, fmt.Errorf("network.listen: %q is neither /ip4 or /ip6 with /tcp/PORT nor with /udp/PORT/quic-v1", text)
		}
		addrs = append(addrs, addr)
	}
	return addrs, nil
}

// entryPoints parses EntryPoints and gathers the addresses of each peer.
func (c Config) entryPoints() ([]peer.AddrInfo, error) {
	var addrs []ma.Multiaddr
	for _, text := range c.EntryPoints {
		addr, err := parseAddr(text)
		if err != nil {
			return nil, fmt.Errorf("network.entry_points: %w", err)
		}
		addrs = append(addrs, addr)
	}
	return peer.AddrInfosFromP2pAddrs(addrs...)
}

// transportOf names the transport of an address: tcp, quic, relay, or nothing
// when it is one that this package does not speak.
func transportOf(addr ma.Multiaddr) string {
	var last string
	for _, c := range addr {
		switch c.Protocol().Code {
		case ma.P_CIRCUIT:
			return "relay"
		case ma.P_TCP:
			last = "tcp"
		case ma.P_QUIC_V1:
			last = "quic"
		case ma.P_WS, ma.P_WSS, ma.P_WEBTRANSPORT, ma.P_WEBRTC_DIRECT:
			return ""
		}
	}
	return last
}

// canListen reports whether an address is an IP address and a port of TCP or QUIC,
// and nothing else.
func canListen(addr ma.Multiaddr) bool {
	if len(addr) < 2 || addr[0].Protocol().Code != ma.P_IP4 && addr[0].Protocol().Code != ma.P_IP6 {
		return false
	}
	switch addr[1].Protocol().Code {
	case ma.P_TCP:
		return len(addr) == 2
	case ma.P_UDP:
		return len(addr) == 3 && addr[2].Protocol().Code == ma.P_QUIC_V1
	default:
		return false
	}
}
