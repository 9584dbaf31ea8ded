package netsim

import (
	"bytes"
	"container/heap"
	"errors"
	"net"
	"net/netip"
	"os"
	"time"
)

var errInUse = errors.New("address already in use")

// conn is a UDP socket in the network. What was sent to it waits in it until its
// time has come: the network needs no goroutine for that.
type conn struct {
	net   *Network
	place *place
	addr  netip.AddrPort
	wake  chan struct{} // something changed that ReadFrom waits for

	// guarded by net.mu
	inbox    inbox
	deadline time.Time
	closed   bool
}

// packet is on its way.
type packet struct {
	at   time.Time
	n    uint64
	from *place
	addr netip.AddrPort // it came from
	data []byte
}

// listen opens a socket at a place: at its own address whatever the host asked
// for, and at any port when it asked for 0.
func (n *Network) listen(p *place, laddr *net.UDPAddr) (net.PacketConn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	at := netip.AddrPortFrom(p.ip, uint16(laddr.Port))
	if at.Port() == 0 {
		at = netip.AddrPortFrom(p.ip, p.nextPort)
		p.nextPort++
	}
	if n.conns[at] != nil {
		return nil, &net.OpError{Op: "listen", Net: "udp4", Addr: net.UDPAddrFromAddrPort(at), Err: errInUse}
	}
	c := &conn{net: n, place: p, addr: at, wake: make(chan struct{}, 1)}
	n.conns[at] = c
	return c, nil
}

// WriteTo implements net.PacketConn. It never waits: a full queue drops.
func (c *conn) WriteTo(data []byte, addr net.Addr) (int, error) {
	udp, ok := addr.(*net.UDPAddr)
	if !ok {
		return 0, &net.AddrError{Err: "not a UDP address", Addr: addr.String()}
	}
	to := udp.AddrPort()
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	n := c.net
	n.mu.Lock()
	defer n.mu.Unlock()
	if c.closed {
		return 0, net.ErrClosed
	}
	n.stats.Sent++
	n.stats.Bytes += uint64(len(data))
	target := n.byIP[to.Addr()]
	switch {
	case len(data) > maxPacket: // as a router does that may not cut it in pieces
	case target == nil:
		n.stats.Nobody++
	case n.blocked(c.place, target):
		n.stats.Cut++
	default:
		n.send(c, target, to, data)
	}
	return len(data), nil
}

func (n *Network) send(c *conn, target *place, to netip.AddrPort, data []byte) {
	now := time.Now()
	if c.place.firewall {
		c.place.asked[target.ip] = now
	}
	path := n.path(c.place.spot, target.spot)
	at, ok := c.place.up.through(now, len(data), c.place.access.Up, c.place.access.Queue)
	if ok {
		at, ok = path.queue.through(at, len(data), path.link.Rate, path.link.Queue)
	}
	if !ok {
		n.stats.Full++
		return
	}
	if path.lost(now) {
		n.stats.Lost++
		return
	}
	copies := 1
	if path.link.Duplicate > 0 && path.rand.Float64() < path.link.Duplicate {
		copies = 2
	}
	data = bytes.Clone(data)
	for range copies {
		arrives, ok := target.down.through(path.arrival(at), len(data), target.access.Down, target.access.Queue)
		if !ok {
			n.stats.Full++
			continue
		}
		receiver := n.conns[to]
		if receiver == nil {
			n.stats.Nobody++
			return
		}
		n.packets++
		heap.Push(&receiver.inbox, packet{at: arrives, n: n.packets, from: c.place, addr: c.addr, data: data})
		if receiver.inbox[0].n == n.packets {
			receiver.signal()
		}
	}
}

// ReadFrom implements net.PacketConn.
func (c *conn) ReadFrom(into []byte) (int, net.Addr, error) {
	for {
		p, wait, err := c.next()
		switch {
		case err != nil:
			return 0, nil, err
		case wait == 0:
			return copy(into, p.data), net.UDPAddrFromAddrPort(p.addr), nil
		case wait < 0:
			<-c.wake
		default:
			timer := time.NewTimer(wait)
			select {
			case <-c.wake:
			case <-timer.C:
			}
			timer.Stop()
		}
	}
}

// next takes the first packet that has arrived. Without one it tells how long to
// wait for one or for the deadline; negative: until something changes.
func (c *conn) next() (packet, time.Duration, error) {
	n := c.net
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	for {
		if c.closed {
			return packet{}, 0, net.ErrClosed
		}
		if !c.deadline.IsZero() && !now.Before(c.deadline) {
			return packet{}, 0, os.ErrDeadlineExceeded
		}
		if len(c.inbox) == 0 || c.inbox[0].at.After(now) {
			break
		}
		p, _ := heap.Pop(&c.inbox).(packet)
		if n.blocked(p.from, c.place) || c.place.firewall && !n.expects(c.place, p) {
			n.stats.Cut++
			continue
		}
		n.stats.Delivered++
		return p, 0, nil
	}
	wait := time.Duration(-1)
	if len(c.inbox) > 0 {
		wait = c.inbox[0].at.Sub(now)
	}
	if !c.deadline.IsZero() && (wait < 0 || c.deadline.Sub(now) < wait) {
		wait = c.deadline.Sub(now)
	}
	return packet{}, wait, nil
}

// expects tells whether the firewall of a place lets a packet in.
func (n *Network) expects(at *place, p packet) bool {
	asked, ok := at.asked[p.addr.Addr()]
	return ok && time.Since(asked) < memory
}

func (c *conn) signal() {
	select {
	case c.wake <- struct{}{}:
	default: // it is awake
	}
}

// Close implements net.PacketConn.
func (c *conn) Close() error {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	c.inbox = nil
	delete(c.net.conns, c.addr)
	close(c.wake)
	return nil
}

// LocalAddr implements net.PacketConn.
func (c *conn) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(c.addr) }

// SetDeadline implements net.PacketConn; nothing waits to write.
func (c *conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// SetReadDeadline implements net.PacketConn.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	c.deadline = t
	c.signal()
	return nil
}

// SetWriteDeadline implements net.PacketConn.
func (c *conn) SetWriteDeadline(time.Time) error { return nil }

// SetReadBuffer keeps QUIC from complaining that it can not have a larger one.
func (c *conn) SetReadBuffer(int) error { return nil }

// SetWriteBuffer is as SetReadBuffer.
func (c *conn) SetWriteBuffer(int) error { return nil }

// inbox is what is on its way to a socket, the next to arrive first.
type inbox []packet

// Len implements heap.Interface.
func (b inbox) Len() int { return len(b) }

// Less implements heap.Interface.
func (b inbox) Less(i, j int) bool {
	if !b[i].at.Equal(b[j].at) {
		return b[i].at.Before(b[j].at)
	}
	return b[i].n < b[j].n
}

// Swap implements heap.Interface.
func (b inbox) Swap(i, j int) { b[i], b[j] = b[j], b[i] }

// Push implements heap.Interface.
func (b *inbox) Push(x any) {
	if p, ok := x.(packet); ok {
		*b = append(*b, p)
	}
}

// Pop implements heap.Interface.
func (b *inbox) Pop() any {
	last := len(*b) - 1
	p := (*b)[last]
	(*b)[last] = packet{}
	*b = (*b)[:last]
	return p
}
