package netkit

import (
	"sync"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// watcher turns libp2p's notices about connections into signals that never block
// it: who is busy dialling can not hold up the network.
type watcher struct {
	fresh chan peer.ID // somebody came

	mu      sync.Mutex
	wake    map[peer.ID]chan struct{}  // somebody that is kept came or went
	changed map[chan struct{}]struct{} // anybody came or went
}

func newWatcher() *watcher {
	return &watcher{
		fresh:   make(chan peer.ID, 64),
		wake:    make(map[peer.ID]chan struct{}),
		changed: make(map[chan struct{}]struct{}),
	}
}

// of is the channel that is signalled when a peer comes or goes, until forget.
func (w *watcher) of(id peer.ID) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := make(chan struct{}, 1)
	w.wake[id] = c
	return c
}

func (w *watcher) forget(id peer.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.wake, id)
}

func (w *watcher) notifiee(came func(network.Conn)) network.Notifiee {
	return &network.NotifyBundle{
		ConnectedF: func(_ network.Network, c network.Conn) {
			came(c)
			w.signal(c.RemotePeer())
			select {
			case w.fresh <- c.RemotePeer():
			default: // the next round measures it
			}
		},
		DisconnectedF: func(_ network.Network, c network.Conn) { w.signal(c.RemotePeer()) },
	}
}

func (w *watcher) signal(id peer.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	poke(w.wake[id]) // a nil channel never takes
	for c := range w.changed {
		poke(c)
	}
}

// poke signals without waiting: one signal that waits says as much as two.
func poke(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Changes gives a channel that gets a signal after peers have come or gone since
// the last one was taken; Peers tells who is there now. stop ends it.
func (n *Net) Changes() (changed <-chan struct{}, stop func()) {
	w := n.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	c := make(chan struct{}, 1)
	w.changed[c] = struct{}{}
	return c, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.changed, c)
	}
}
