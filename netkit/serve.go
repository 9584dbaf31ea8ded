package netkit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

var (
	// ErrUnreachable says that no address of a peer answered, or that none is known.
	ErrUnreachable = errors.New("peer is unreachable")
	// ErrRefused says that this node has nothing to do with a peer for now, because
	// of its penalties.
	ErrRefused = errors.New("peer is refused")
)

// served is a protocol that this node answers.
type served struct {
	Protocol
	serve func(context.Context, *Stream)

	mu    sync.Mutex
	open  []*place // by age, the oldest first
	peers map[peer.ID]int
}

// place is one of the streams of a protocol.
type place struct {
	stream *Stream
	peer   peer.ID
	kept   bool
	gone   bool
}

// enter counts a stream in, or says over which limit it is. yields is another one that
// has to go for it.
func (h *served) enter(p *place) (yields *Stream, over string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.peers[p.peer] >= h.MaxPerPeer {
		return nil, refusedPeer
	}
	if len(h.open) >= h.MaxIn {
		i := slices.IndexFunc(h.open, func(o *place) bool { return !o.kept })
		if i < 0 || !h.GiveWay {
			return nil, refusedFull
		}
		yields = h.open[i].stream
		h.drop(h.open[i])
	}
	h.open = append(h.open, p)
	h.peers[p.peer]++
	return yields, ""
}

// leave counts a stream out, unless it gave way before.
func (h *served) leave(p *place) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !p.gone {
		h.drop(p)
	}
}

// drop forgets a stream. The lock is held.
func (h *served) drop(p *place) {
	p.gone = true
	i := slices.Index(h.open, p)
	h.open = slices.Delete(h.open, i, i+1)
	if h.peers[p.peer]--; h.peers[p.peer] == 0 {
		delete(h.peers, p.peer)
	}
}

// Handle answers streams of a protocol while Run runs; it may be called before,
// and streams that come before Run wait for it. A stream over the limits is reset (ErrBusy on the other side) and counted.
// serve runs in a goroutine that Run waits for; its context ends with Run, when
// the stream is reset as well. When serve returns without Close, the stream is
// reset. The last serve for a protocol id counts.
func (n *Net) Handle(p Protocol, serve func(ctx context.Context, s *Stream)) {
	h := &served{Protocol: p.withDefaults(), serve: serve, peers: make(map[peer.ID]int)}
	n.metrics.protocol(h.ID)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.served[protocol.ID(h.ID)] = h
	n.host.SetStreamHandler(protocol.ID(h.ID), n.answer(h))
}

// answer is the stream handler of a protocol.
func (n *Net) answer(h *served) network.StreamHandler {
	return func(raw network.Stream) {
		s := newStream(raw, h.Protocol, n.pulse.of(raw.Conn().RemotePeer()))
		id := raw.Conn().RemotePeer()
		if n.standings.refuses(id) {
			s.reset(network.StreamGated)
			return
		}
		at := &place{stream: s, peer: id, kept: n.isKept(id)}
		yields, over := h.enter(at)
		if over != "" {
			n.metrics.refused.WithLabelValues(h.ID, over).Inc()
			s.reset(network.StreamResourceLimitExceeded)
			return
		}
		if yields != nil {
			n.metrics.refused.WithLabelValues(h.ID, refusedFull).Inc()
			yields.reset(network.StreamResourceLimitExceeded)
		}
		// Who comes between New and Run is answered when Run has started: to say
		// that the protocol is not spoken would keep him away for long.
		select {
		case <-n.ready:
		case <-n.closing:
		}
		started := n.start(func(ctx context.Context) {
			n.metrics.streams.WithLabelValues(h.ID).Inc()
			defer n.metrics.streams.WithLabelValues(h.ID).Dec()
			defer h.leave(at)
			// What waits for the other side must not hold up the end of Run.
			broken := context.AfterFunc(ctx, func() { s.reset(network.StreamShutdown) })
			h.serve(ctx, s)
			broken()
			if !s.ended.Load() {
				s.Reset()
			}
			n.metrics.transferred(h.ID, s)
		})
		if !started {
			h.leave(at)
			s.reset(network.StreamShutdown)
		}
	}
}

// Open opens a stream to a peer, dialling it when it is not connected: at the
// addresses that are known, and when there are none, or none answers, at those
// that Kademlia knows. The caller closes or resets the stream. Errors:
// ErrUnreachable, ErrRefused, ErrProtocol, ErrClosed, that of ctx; ErrBusy may come from the
// first Read instead, as may ErrProtocol.
func (n *Net) Open(ctx context.Context, to string, p Protocol) (*Stream, error) {
	id, err := peer.Decode(to)
	if err != nil {
		return nil, fmt.Errorf("%q is no peer id: %w", to, err)
	}
	if err := n.reach(ctx, id); err != nil {
		return nil, err
	}
	p = p.withDefaults()
	// A relayed connection is better than none; what it is used for is up to the caller.
	ctx = network.WithAllowLimitedConn(network.WithNoDial(ctx, "connected already"), p.ID)
	life := n.pulse.of(id)
	life.sent(len(p.ID)) // the request for the protocol
	raw, err := n.host.NewStream(ctx, id, protocol.ID(p.ID))
	if err != nil {
		return nil, fmt.Errorf("open %s to %s: %w", p.ID, to, streamError(err))
	}
	return newStream(raw, p, life), nil
}

// reach connects to a peer unless it is connected.
func (n *Net) reach(ctx context.Context, id peer.ID) error {
	switch {
	case n.isClosing():
		return ErrClosed
	case id == n.host.ID():
		return fmt.Errorf("%w: it is this node", ErrUnreachable)
	case n.standings.refuses(id):
		return fmt.Errorf("%w: %s", ErrRefused, id)
	case n.isConnected(id):
		return nil
	}
	known := n.knownAddrs(id)
	err := errors.New("no address is known")
	if len(known.Addrs) > 0 {
		if err = n.dial(ctx, known); err == nil {
			return nil
		}
	}
	if found, ok := n.lookUp(ctx, known); ok {
		if err = n.dial(ctx, found); err == nil {
			return nil
		}
	}
	switch {
	case n.isConnected(id): // it was quicker
		return nil
	case n.isClosing():
		return ErrClosed
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return fmt.Errorf("%w: %s: %s", ErrUnreachable, id, reason(err))
}

// knownAddrs are the addresses of a peer that somebody told, or that it had before.
func (n *Net) knownAddrs(id peer.ID) peer.AddrInfo {
	return peer.AddrInfo{ID: id, Addrs: append(n.host.Peerstore().Addrs(id), n.book.addrs(id)...)}
}

// isConnected reports whether there is a connection, be it through a relay.
func (n *Net) isConnected(id peer.ID) bool {
	c := n.host.Network().Connectedness(id)
	return c == network.Connected || c == network.Limited
}
