package netkit

import (
	"errors"
	"fmt"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/host/peerstore/pstoremem"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/connmgr"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	tls "github.com/libp2p/go-libp2p/p2p/security/tls"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/rs/zerolog"
)

const (
	// userAgent is what a node says of itself to those who connect.
	userAgent = "mero"
	// maxKnownAddrs is how many addresses of peers that are not connected are
	// remembered. libp2p's million is a quarter of a gigabyte.
	maxKnownAddrs = 32 << 10
)

// AddrInUseError says that another program has the port of a listen address.
type AddrInUseError struct {
	Addr string // the multiaddress as configured
	Err  error  // of the operating system
}

// Error implements error.
func (e *AddrInUseError) Error() string {
	return fmt.Sprintf("listen on %s: the port is in use by another program", e.Addr)
}

// Unwrap gives the operating system's error.
func (e *AddrInUseError) Unwrap() error { return e.Err }

// newHost makes a host that does not listen yet.
func newHost(cfg Config, deps Deps, who *standings) (host.Host, error) {
	resources, err := newResources(cfg)
	if err != nil {
		return nil, err
	}
	connections, err := connmgr.NewConnManager(cfg.LowWater, cfg.HighWater, connmgr.WithGracePeriod(cfg.GracePeriod))
	if err != nil {
		return nil, errors.Join(err, resources.Close())
	}
	addrs, err := pstoremem.NewPeerstore(pstoremem.WithMaxAddresses(maxKnownAddrs), pstoremem.WithMaxSignedPeerRecords(maxKnownAddrs))
	if err != nil {
		return nil, errors.Join(err, connections.Close(), resources.Close())
	}
	agent := userAgent
	if deps.Version != "" {
		agent += "/" + deps.Version
	}
	self := new(hostRef)
	opts := append(natOptions(cfg, self),
		libp2p.Identity(deps.Key.private),
		libp2p.UserAgent(agent),
		libp2p.NoListenAddrs, // one by one later: libp2p tells nothing of an address that fails if another works
		// Without SO_REUSEPORT: with it two nodes of one user share a port, each
		// gets half of the connections, and neither is told.
		libp2p.Transport(tcp.NewTCPTransport, tcp.DisableReuseport()),
		libp2p.Transport(quic.NewTransport),
		libp2p.SwarmOpts(swarm.WithDialRanker(rank)),
		libp2p.Security(tls.ID, tls.New),
		libp2p.Security(noise.ID, noise.New),
		libp2p.Muxer(yamux.ID, yamux.DefaultTransport),
		libp2p.Peerstore(addrs),
		libp2p.ResourceManager(resources),
		libp2p.ConnectionManager(connections),
		libp2p.ConnectionGater(gate{who}),
		libp2p.PrometheusRegisterer(deps.Metrics),
		// When most of 100 dials by QUIC failed, libp2p takes QUIC for blocked and refuses
		// to dial, also who answers: a node that was offline for a minute, or knows peers
		// that are gone, gets there. We wait between dials ourselves.
		libp2p.UDPBlackHoleSuccessCounter(nil),
		libp2p.IPv6BlackHoleSuccessCounter(nil),
	)
	h, err := libp2p.New(opts...)
	if err != nil {
		return nil, err
	}
	self.set(h)
	return h, nil
}

// newResources makes libp2p's resource manager: its limits of memory and streams
// for this machine, our limits of connections.
func newResources(cfg Config) (network.ResourceManager, error) {
	scaling := rcmgr.DefaultLimits
	libp2p.SetDefaultServiceLimits(&scaling)
	limits := rcmgr.PartialLimitConfig{
		System: rcmgr.ResourceLimits{
			Conns:         rcmgr.LimitVal(cfg.MaxConnections),
			ConnsInbound:  rcmgr.LimitVal(max(1, cfg.MaxConnections*3/4)),
			ConnsOutbound: rcmgr.LimitVal(cfg.MaxConnections),
		},
		// The router needs one stream of each peer, and a moment two; each keeps a
		// goroutine and a buffer. Those of Handle are limited by Protocol.
		ProtocolPeer: map[protocol.ID]rcmgr.ResourceLimits{
			gossipProtocol:                {StreamsInbound: 4},
			protocolPrefix + "/kad/1.0.0": {StreamsInbound: 32},
		},
	}
	return rcmgr.NewResourceManager(
		rcmgr.NewFixedLimiter(limits.Build(scaling.AutoScale())),
		rcmgr.WithLimitPerSubnet(
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 32, ConnCount: cfg.MaxPerIP}},
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 64, ConnCount: cfg.MaxPerIP}},
		),
	)
}

// listen binds the addresses. A port in use is always an error. A family that
// the machine does not have is left out, if another address works.
func listen(h host.Host, addrs []ma.Multiaddr, log zerolog.Logger) error {
	listener, ok := h.Network().(interface{ AddListenAddr(ma.Multiaddr) error })
	if !ok {
		return errors.New("the host can not listen")
	}
	var left error
	bound := 0
	for _, addr := range addrs {
		err := listener.AddListenAddr(addr)
		switch {
		case err == nil:
			bound++
		case errors.Is(err, errInUse):
			return &AddrInUseError{Addr: addr.String(), Err: err}
		case errors.Is(err, errNoFamily), isUnspecified(addr) && errors.Is(err, errNotOurAddress):
			left = fmt.Errorf("listen on %s: %w", addr, err)
			log.Warn().Err(err).Stringer("addr", addr).Msg("address left out, this machine does not have its family")
		default:
			return fmt.Errorf("listen on %s: %w", addr, err)
		}
	}
	if bound == 0 {
		return left
	}
	return nil
}

func isUnspecified(addr ma.Multiaddr) bool {
	return addr[0].Value() == "0.0.0.0" || addr[0].Value() == "::"
}
