package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// proxy is an address at which a node seems to be. It refuses connections until it is
// told where the node really is, and counts what goes through them.
type proxy struct {
	listeners []net.Listener
	bytes     atomic.Int64 // both ways, without what TCP adds
	wg        sync.WaitGroup

	mu   sync.Mutex
	to   string        // empty: the link is cut
	met  chan struct{} // closed by the first connection since connect
	seen bool          // met is closed
	open map[net.Conn]struct{}
}

// newProxy listens on a free port of loopback, until close.
func newProxy(ctx context.Context) (*proxy, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return proxyAt(listener), nil
}

// proxyAt is one at some addresses. It closes them.
func proxyAt(listeners ...net.Listener) *proxy {
	p := &proxy{listeners: listeners, open: map[net.Conn]struct{}{}}
	for _, l := range listeners {
		p.wg.Go(func() { p.serve(l) })
	}
	return p
}

// address is the multiaddress at which a peer seems to be.
func (p *proxy) address(peer string) string {
	_, port, _ := net.SplitHostPort(p.listeners[0].Addr().String()) // of a listener of ours
	return "/ip4/127.0.0.1/tcp/" + port + "/p2p/" + peer
}

// tcpAddress is the address of TCP, with the port, among those of a node.
func tcpAddress(addresses []string) (string, error) {
	for _, address := range addresses {
		parts := strings.Split(address, "/")
		if len(parts) >= 5 && parts[1] == "ip4" && parts[3] == "tcp" {
			return net.JoinHostPort(parts[2], parts[4]), nil
		}
	}
	return "", fmt.Errorf("no address of TCP among %v", addresses)
}

// connect lets connections through, to an address with a port, and tells of the first.
func (p *proxy) connect(to string) (met <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.to, p.met, p.seen = to, make(chan struct{}), false
	return p.met
}

// cut ends all connections, and refuses others.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.to = ""
	for conn := range p.open {
		_ = conn.Close() // whoever reads it ends
	}
}

// through is how many bytes went through, -1 while nobody is connected.
func (p *proxy) through() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.open) == 0 {
		return -1
	}
	return p.bytes.Load()
}

// close ends all connections.
func (p *proxy) close() {
	for _, l := range p.listeners {
		_ = l.Close() // nobody needs it any more
	}
	p.cut()
	p.wg.Wait()
}

func (p *proxy) serve(l net.Listener) {
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // a client that left before
		}
		p.wg.Go(func() { p.pass(conn) })
	}
}

// pass connects one who came with the node, until either ends.
func (p *proxy) pass(conn net.Conn) {
	defer conn.Close() //nolint:errcheck // nothing is lost with it
	p.mu.Lock()
	to := p.to
	p.mu.Unlock()
	if to == "" {
		return
	}
	dialer := net.Dialer{Timeout: time.Second}
	ahead, err := dialer.DialContext(context.Background(), "tcp", to) // of this machine; nobody waits for it
	if err != nil {
		return // refused, as the node would
	}
	defer ahead.Close() //nolint:errcheck // nothing is lost with it
	if !p.admit(to, conn, ahead) {
		return
	}
	var back sync.WaitGroup
	back.Go(func() { p.copy(conn, ahead) })
	p.copy(ahead, conn)
	back.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, conn)
	delete(p.open, ahead)
}

// admit notes a connection, unless the link was cut meanwhile.
func (p *proxy) admit(to string, conn, ahead net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.to != to {
		return false
	}
	p.open[conn], p.open[ahead] = struct{}{}, struct{}{}
	if !p.seen {
		p.seen = true
		close(p.met)
	}
	return true
}

// copy moves and counts bytes; at the end of one direction both end.
func (p *proxy) copy(to, from net.Conn) {
	_, _ = io.Copy(counted{to, &p.bytes}, from) // that it ends is all that matters
	_, _ = to.Close(), from.Close()
}

// counted counts what is written.
type counted struct {
	io.Writer
	bytes *atomic.Int64
}

// Write counts what has been taken.
func (c counted) Write(data []byte) (int, error) {
	n, err := c.Writer.Write(data)
	c.bytes.Add(int64(n))
	return n, err
}
