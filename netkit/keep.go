package netkit

import (
	"context"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"mero/node/task"
)

const (
	// keptTag keeps the connection manager off the peers of Keep.
	keptTag = "mero/kept"
	// maxAddrs is how many addresses of one peer are taken from others.
	maxAddrs = 16
)

// kept is a peer that this node wants to stay connected to.
type kept struct {
	wake <-chan struct{}
	stop func() // nil while Run does not run
}

// Keep keeps this node connected to a peer from now on, while Run runs: it is
// dialled at these and all known addresses, or where Kademlia finds it, again
// and again with growing pauses, and the connection manager leaves it alone. A
// malformed address is left out. Called again it adds addresses. It reports
// false, and does nothing, when the id is malformed, or network.max_kept peers
// are kept already.
func (n *Net) Keep(to string, addrs []string) bool {
	id, err := peer.Decode(to)
	if err != nil {
		return false
	}
	if id == n.host.ID() {
		return true
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, ok := n.kept[id]; !ok && !n.isEntry(id) {
		if len(n.kept) >= n.cfg.MaxKept {
			n.metrics.keptFull.Inc()
			return false
		}
		k := &kept{wake: n.watch.of(id)}
		n.kept[id] = k
		n.host.ConnManager().Protect(id, keptTag)
		n.keepNow(id, k)
		poke(n.book.keeps)
	}
	var good []ma.Multiaddr
	for _, text := range addrs {
		addr, err := parseAddr(text)
		if err != nil {
			continue
		}
		if where, of := peer.SplitAddr(addr); of == id && len(good) < maxAddrs {
			good = append(good, where)
		}
	}
	n.host.Peerstore().AddAddrs(id, good, foundTTL)
	return true
}

// Unkeep ends Keep. The connection stays until the connection manager needs the
// room.
func (n *Net) Unkeep(to string) {
	id, err := peer.Decode(to)
	if err != nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	k, ok := n.kept[id]
	if !ok {
		return
	}
	delete(n.kept, id)
	n.watch.forget(id)
	n.host.ConnManager().Unprotect(id, keptTag)
	if k.stop != nil {
		k.stop()
	}
}

// isKept reports whether this node wants to stay connected to a peer.
func (n *Net) isKept(id peer.ID) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	_, ok := n.kept[id]
	return ok || n.isEntry(id)
}

// keepNow starts to keep a peer, if Run runs. n.mu is held.
func (n *Net) keepNow(id peer.ID, k *kept) {
	if n.spawn == nil {
		return
	}
	log := n.log.With().Stringer("peer", id).Logger()
	k.stop = n.spawn(func(ctx context.Context) {
		n.stayConnected(ctx, id, k.wake, keeping{
			dial:      func(ctx context.Context) error { return n.reach(ctx, id) },
			known:     func() peer.AddrInfo { return n.knownAddrs(id) },
			tried:     func(error) {},
			connected: func() { log.Debug().Msg("kept peer connected") },
			failed: func(err error, failures int, wait time.Duration) {
				log.Debug().Str("reason", reason(err)).Int("failures", failures).Dur("next_try_ms", wait).Msg("kept peer is not connected")
			},
		})
	})
}

// keeping is what differs between those that this node stays connected to.
type keeping struct {
	dial      func(context.Context) error // at all addresses that can be found
	known     func() peer.AddrInfo        // where it was
	tried     func(error)                 // after each attempt
	connected func()
	failed    func(err error, failures int, wait time.Duration)
}

const (
	// hangs is how long an attempt may take that is made again soon, or hangsTrips
	// round trips if that is more: a new one tells sooner that the network is well
	// again than one whose packets are repeated with growing pauses.
	hangs      = 2500 * time.Millisecond
	hangsTrips = 8
	// soonest is the shortest pause between two of these attempts.
	soonest = 250 * time.Millisecond
	// lookFirst and lookEvery say before which of them Kademlia is asked where the peer is.
	lookFirst = 4
	lookEvery = 32
)

// stayConnected keeps this node connected to one peer until ctx ends.
func (n *Net) stayConnected(ctx context.Context, id peer.ID, wake <-chan struct{}, k keeping) {
	failures := 0
	var last time.Time // when it was connected for some time
	for {
		began := time.Now()
		recent := !last.IsZero() && began.Sub(last) < n.cfg.DialRecent
		dial := k.dial
		if recent {
			dial = func(ctx context.Context) error { return n.dialRecent(ctx, k.known(), failures) }
		}
		err := dial(ctx)
		k.tried(err)
		if err == nil {
			k.connected()
			since := time.Now()
			n.awaitLoss(ctx, id, wake)
			if time.Since(since) >= steady {
				failures, last = 0, time.Now()
				continue
			}
			err = errLostSoon
		}
		if ctx.Err() != nil {
			return
		}
		wait := task.Backoff(failures+1, n.cfg.DialRetryMin, n.cfg.DialRetryMax)
		if recent {
			wait = min(wait, max(soonest, retrySoon(n.cfg.DialRetryRecent)-time.Since(began)))
		}
		failures++
		k.failed(err, failures, wait)
		n.pause(ctx, wait, id, wake)
	}
}

// dialRecent dials a peer that was connected not long ago, where it was. Kademlia is
// asked meanwhile, now and then, whether it is somewhere else.
func (n *Net) dialRecent(ctx context.Context, to peer.AddrInfo, failures int) error {
	if n.standings.refuses(to.ID) {
		return ErrRefused
	}
	if n.isConnected(to.ID) {
		return nil
	}
	// The search dials whom it meets, with more patience, and libp2p makes one dial of two:
	// it is not begun where nobody could answer.
	if failures%lookEvery == lookFirst && len(n.host.Network().Peers()) > 0 {
		n.start(func(ctx context.Context) { n.lookUp(ctx, to) }) // which remembers what it finds
	}
	limit := max(hangs, hangsTrips*n.host.Peerstore().LatencyEWMA(to.ID))
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return n.dial(ctx, to)
}

// awaitLoss returns when the peer is no longer connected, or ctx has ended.
func (n *Net) awaitLoss(ctx context.Context, id peer.ID, wake <-chan struct{}) {
	for n.isConnected(id) {
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
	for !n.isConnected(id) {
		select {
		case <-wake:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}
