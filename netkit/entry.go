package netkit

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
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

// watcher turns libp2p's notices about connections into signals that never block
// it: a keeper that is dialling can not hold up the network.
type watcher struct {
	wake  map[peer.ID]chan struct{} // an entry point came or went
	fresh chan peer.ID              // somebody came
	bundl *network.NotifyBundle
}

func newWatcher(entries []peer.AddrInfo) *watcher {
	w := &watcher{wake: make(map[peer.ID]chan struct{}), fresh: make(chan peer.ID, 64)}
	for _, entry := range entries {
		w.wake[entry.ID] = make(chan struct{}, 1)
	}
	signal := func(id peer.ID) {
		select {
		case w.wake[id] <- struct{}{}: // a nil channel, of no entry point, never takes
		default:
		}
	}
	w.bundl = &network.NotifyBundle{
		ConnectedF: func(_ network.Network, c network.Conn) {
			signal(c.RemotePeer())
			select {
			case w.fresh <- c.RemotePeer():
			default: // the next round measures it
			}
		},
		DisconnectedF: func(_ network.Network, c network.Conn) { signal(c.RemotePeer()) },
	}
	return w
}

func (w *watcher) notifiee() network.Notifiee { return w.bundl }

// keepEntry keeps this node connected to one entry point until ctx ends.
func (n *Net) keepEntry(ctx context.Context, entry peer.AddrInfo, wake <-chan struct{}) {
	n.host.Peerstore().AddAddrs(entry.ID, entry.Addrs, peerstore.PermanentAddrTTL)
	n.host.ConnManager().Protect(entry.ID, protectTag)
	defer n.host.ConnManager().Unprotect(entry.ID, protectTag)
	log := n.log.With().Stringer("entry", entry.ID).Logger()
	failures := 0
	for {
		err := n.dial(ctx, entry)
		if err == nil {
			n.metrics.dials.WithLabelValues(dialConnected).Inc()
			log.Info().Strs("addrs", texts(entry.Addrs)).Msg("entry point connected")
			since := time.Now()
			n.awaitLoss(ctx, entry.ID, wake)
			if time.Since(since) >= steady {
				failures = 0
				continue
			}
			err = errLostSoon
		} else {
			n.metrics.dials.WithLabelValues(dialFailed).Inc()
		}
		if ctx.Err() != nil {
			return
		}
		wait := retryAfter(n.cfg.DialRetryMin, n.cfg.DialRetryMax, failures)
		failures++
		log.Warn().Strs("addrs", texts(entry.Addrs)).Str("reason", reason(err)).
			Int("failures", failures).Dur("next_try_ms", wait).Msg("entry point is not connected")
		n.pause(ctx, wait, entry.ID, wake)
	}
}

// awaitLoss returns when the peer is no longer connected, or ctx has ended.
func (n *Net) awaitLoss(ctx context.Context, id peer.ID, wake <-chan struct{}) {
	for n.host.Network().Connectedness(id) == network.Connected {
		select {
		case <-wake:
		case <-ctx.Done():
			return
		}
	}
}

// pause returns after wait, when the peer has connected to us, or when ctx ends.
func (n *Net) pause(ctx context.Context, wait time.Duration, id peer.ID, wake <-chan struct{}) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for n.host.Network().Connectedness(id) != network.Connected {
		select {
		case <-wake:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
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

// retryAfter is how long to wait after the failure number failures (from 0): the
// minimum doubled each time up to the maximum, less a random part of up to a
// half, so that nodes that lost a coordinator together do not return together.
func retryAfter(low, high time.Duration, failures int) time.Duration {
	wait := high
	if failures < 32 && low<<failures>>failures == low {
		wait = min(high, low<<failures)
	}
	return wait - rand.N(wait/2+1) //nolint:gosec // nobody gains by foreseeing it
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
