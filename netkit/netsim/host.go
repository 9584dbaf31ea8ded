package netsim

import (
	"errors"
	"fmt"
	"net"

	"mero/netkit"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/p2p/net/connmgr"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/quicreuse"
	ma "github.com/multiformats/go-multiaddr"
)

// Net makes the node at a spot, which must be free, and plugs it in. Of cfg the
// listen addresses, mDNS and the limits of connections are left out; the key of
// deps too, since the peer id follows from the spot. The Net must be run or closed.
func (n *Network) Net(cfg netkit.Config, deps netkit.Deps, at Spot) (*netkit.Net, error) {
	cfg.MDNS = false // a socket of the machine
	h, err := n.host(cfg, at)
	if err != nil {
		return nil, err
	}
	node, err := netkit.FromHost(h, cfg, deps)
	if err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return node, nil
}

// simulated is a host that also closes what libp2p leaves to whoever replaces its
// sockets.
type simulated struct {
	host.Host

	sockets *quicreuse.ConnManager
}

// Close implements host.Host.
func (s *simulated) Close() error { return errors.Join(s.Host.Close(), s.sockets.Close()) }

// host makes a libp2p host at a spot, which is plugged in.
func (n *Network) host(cfg netkit.Config, at Spot) (host.Host, error) {
	n.mu.Lock()
	p := n.place(at)
	p.unplugged = false
	n.mu.Unlock()
	connections, err := connmgr.NewConnManager(cfg.LowWater, cfg.HighWater, connmgr.WithGracePeriod(cfg.GracePeriod))
	if err != nil {
		return nil, fmt.Errorf("simulated host: %w", err)
	}
	var sockets *quicreuse.ConnManager
	opts := []libp2p.Option{
		libp2p.Identity(p.key),
		libp2p.UserAgent("mero"),
		libp2p.NoListenAddrs, // later: when it fails, libp2p.New leaves goroutines behind
		libp2p.QUICReuse(quicreuse.NewConnManager,
			quicreuse.OverrideListenUDP(func(_ string, laddr *net.UDPAddr) (net.PacketConn, error) { return n.listen(p, laddr) }),
			quicreuse.OverrideSourceIPSelector(func() (quicreuse.SourceIPSelector, error) { return source(p.ip.AsSlice()), nil }),
			func(m *quicreuse.ConnManager) error { sockets = m; return nil },
		),
		libp2p.Transport(quic.NewTransport),
		libp2p.ConnectionManager(connections),
		libp2p.ResourceManager(&network.NullResourceManager{}),
		libp2p.DisableIdentifyAddressDiscovery(),
		libp2p.DisableMetrics(),
		libp2p.DisableRelay(),
		// As netkit.New does. Or it stops dialling after a partition: what it takes for a
		// network without UDP is one that was cut.
		libp2p.UDPBlackHoleSuccessCounter(nil),
		libp2p.IPv6BlackHoleSuccessCounter(nil),
	}
	h, err := libp2p.New(opts...)
	if err != nil {
		if sockets != nil {
			err = errors.Join(err, sockets.Close())
		}
		return nil, fmt.Errorf("simulated host at %s: %w", at, err)
	}
	s := &simulated{Host: h, sockets: sockets}
	addr, err := ma.NewMultiaddr(p.listen())
	if err == nil {
		err = h.Network().Listen(addr)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("simulated host at %s: %w", at, err), s.Close())
	}
	return s, nil
}

// source is the only address of a host.
type source net.IP

// PreferredSourceIPForDestination implements quicreuse.SourceIPSelector.
func (s source) PreferredSourceIPForDestination(*net.UDPAddr) (net.IP, error) { return net.IP(s), nil }
