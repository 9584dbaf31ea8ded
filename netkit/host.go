package netkit

import (
	"errors"
	"fmt"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/connmgr"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	tls "github.com/libp2p/go-libp2p/p2p/security/tls"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/rs/zerolog"
)

// userAgent is what a node says of itself to those who connect.
const userAgent = "mero"

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
func newHost(cfg Config, deps Deps) (host.Host, error) {
	resources, err := newResources(cfg)
	if err != nil {
		return nil, err
	}
	connections, err := connmgr.NewConnManager(cfg.LowWater, cfg.HighWater, connmgr.WithGracePeriod(cfg.GracePeriod))
	if err != nil {
		return nil, errors.Join(err, resources.Close())
	}
	opts := []libp2p.Option{
		libp2p.Identity(deps.Key.private),
		libp2p.UserAgent(userAgent),
		libp2p.NoListenAddrs, // one by one later: libp2p tells nothing of an address that fails if another works
		// Without SO_REUSEPORT: with it two nodes of one user share a port, each
		// gets half of the connections, and neither is told.
		libp2p.Transport(tcp.NewTCPTransport, tcp.DisableReuseport()),
		libp2p.Transport(quic.NewTransport),
		libp2p.Security(tls.ID, tls.New),
		libp2p.Security(noise.ID, noise.New),
		libp2p.Muxer(yamux.ID, yamux.DefaultTransport),
		libp2p.ResourceManager(resources),
		libp2p.ConnectionManager(connections),
		libp2p.PrometheusRegisterer(deps.Metrics),
		libp2p.DisableRelay(), // the client's side; it comes together with hole punching
	}
	if cfg.NodeType == TypeCoordinator {
		// libp2p relays only when it knows that it is reachable; that is what
		// makes a node a coordinator.
		opts = append(opts, libp2p.EnableRelayService(), libp2p.ForceReachabilityPublic())
	}
	return libp2p.New(opts...)
}

// newResources makes libp2p's resource manager: its limits of memory and streams
// for this machine, our limits of connections.
func newResources(cfg Config) (network.ResourceManager, error) {
	scaling := rcmgr.DefaultLimits
	libp2p.SetDefaultServiceLimits(&scaling)
	limits := rcmgr.PartialLimitConfig{System: rcmgr.ResourceLimits{
		Conns:         rcmgr.LimitVal(cfg.MaxConnections),
		ConnsInbound:  rcmgr.LimitVal(max(1, cfg.MaxConnections*3/4)),
		ConnsOutbound: rcmgr.LimitVal(cfg.MaxConnections),
	}}
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
	swarm, ok := h.Network().(interface{ AddListenAddr(ma.Multiaddr) error })
	if !ok {
		return errors.New("the host can not listen")
	}
	var left error
	bound := 0
	for _, addr := range addrs {
		err := swarm.AddListenAddr(addr)
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
