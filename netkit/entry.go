package netkit

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
)

const (
	// dialTimeout bounds one attempt over all addresses of a peer.
	dialTimeout = 15 * time.Second
	// protectTag keeps the connection manager off entry points.
	protectTag = "mero/entry-point"
	// steady is how long a connection must have lasted to count as a success. An
	// entry point that takes connections and drops them, because it is full or
	// does not want us, would else be dialled without a pause.
	steady = 10 * time.Second
)

var errLostSoon = errors.New("the connection was lost at once")

// keepEntry keeps this node connected to one entry point until ctx ends.
func (n *Net) keepEntry(ctx context.Context, entry peer.AddrInfo, wake <-chan struct{}) {
	n.host.Peerstore().AddAddrs(entry.ID, entry.Addrs, peerstore.PermanentAddrTTL)
	n.host.ConnManager().Protect(entry.ID, protectTag)
	defer n.host.ConnManager().Unprotect(entry.ID, protectTag)
	log := n.log.With().Stringer("entry", entry.ID).Strs("addrs", texts(entry.Addrs)).Logger()
	n.stayConnected(ctx, entry.ID, wake, keeping{
		dial:  func(ctx context.Context) error { return n.dial(ctx, entry) },
		known: func() peer.AddrInfo { return entry },
		tried: func(err error) {
			result := dialConnected
			if err != nil {
				result = dialFailed
			}
			n.metrics.dials.WithLabelValues(result).Inc()
		},
		connected: func() { log.Info().Msg("entry point connected") },
		failed: func(err error, failures int, wait time.Duration) {
			log.Warn().Str("reason", reason(err)).Int("failures", failures).Dur("next_try_ms", wait).Msg("entry point is not connected")
		},
	})
}

// isEntry reports whether a peer is one of the configured entry points.
func (n *Net) isEntry(id peer.ID) bool {
	return slices.ContainsFunc(n.entries, func(e peer.AddrInfo) bool { return e.ID == id })
}

// dial connects to a peer. libp2p refuses to dial an address again soon after a
// failure; when to try again is decided here, so that is cleared.
func (n *Net) dial(ctx context.Context, to peer.AddrInfo) error {
	if s, ok := n.host.Network().(interface{ Backoff() *swarm.DialBackoff }); ok {
		s.Backoff().Clear(to.ID)
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	return n.host.Connect(ctx, to)
}

// retrySoon is how long after the beginning of an attempt the next one is made, of a
// peer that was connected not long ago: less a random part of up to a quarter.
func retrySoon(every time.Duration) time.Duration {
	return every - rand.N(every/4+1) //nolint:gosec // nobody gains by foreseeing it
}

// reason is a dial's error on one line: what each address answered.
func reason(err error) string {
	dial := (*swarm.DialError)(nil)
	if !errors.As(err, &dial) || len(dial.DialErrors) == 0 {
		return err.Error()
	}
	var parts []string
	for _, e := range dial.DialErrors {
		parts = append(parts, e.Address.String()+": "+e.Cause.Error())
	}
	return strings.Join(parts, "; ")
}
