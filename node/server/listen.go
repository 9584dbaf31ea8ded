package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"strings"
	"sync"
	"syscall"

	"github.com/rs/zerolog"
)

// AddrInUseError says which address another process has.
type AddrInUseError struct{ Addr string }

// Error names the address and what to do.
func (e *AddrInUseError) Error() string {
	return fmt.Sprintf("address %s is in use by another process; stop it, or choose another port with server.listen", e.Addr)
}

// Unwrap makes errors.Is(err, syscall.EADDRINUSE) true.
func (e *AddrInUseError) Unwrap() error { return syscall.EADDRINUSE }

// Listen binds every address of the configuration. A machine without IPv6 is
// no error while another address could be bound; a port in use is
// *AddrInUseError, with nothing left bound.
func Listen(ctx context.Context, cfg Config) ([]net.Listener, error) {
	var (
		bound   []net.Listener
		missing error
		lc      net.ListenConfig
	)
	for _, address := range cfg.Listen {
		l, err := lc.Listen(ctx, "tcp", address)
		switch {
		case err == nil:
			bound = append(bound, l)
			continue
		case errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EAFNOSUPPORT):
			missing = fmt.Errorf("listen on %s: this machine does not have the address: %w", address, err)
			continue
		case errors.Is(err, syscall.EADDRINUSE):
			err = &AddrInUseError{Addr: address}
		default:
			err = fmt.Errorf("listen on %s: %w", address, err)
		}
		for _, l := range bound {
			_ = l.Close()
		}
		return nil, err
	}
	if len(bound) == 0 {
		return nil, missing
	}
	return bound, nil
}

// limited accepts no more connections than there are slots; the others wait in
// the operating system's queue.
type limited struct {
	net.Listener

	slots  chan struct{}
	closed chan struct{}
	once   sync.Once
}

// Accept waits for a slot, then for a connection.
func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed: // http.Server.Shutdown waits for Accept to return
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &limitedConn{Conn: c, slots: l.slots}, nil
}

// Close also ends an Accept that waits for a slot.
func (l *limited) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// limitedConn gives its slot back once.
type limitedConn struct {
	net.Conn

	slots chan struct{}
	once  sync.Once
}

// Close frees the slot.
func (c *limitedConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() { <-c.slots })
	return err
}

// newErrorLog is where net/http reports broken connections: noise from the
// network, of interest when somebody looks for it.
func newErrorLog(to zerolog.Logger) *log.Logger {
	return log.New(errorLog{to}, "", 0)
}

type errorLog struct{ to zerolog.Logger }

var _ io.Writer = errorLog{}

// Write implements io.Writer, one call a line.
func (l errorLog) Write(line []byte) (int, error) {
	l.to.Debug().Str("cause", strings.TrimSpace(string(line))).Msg("connection failed")
	return len(line), nil
}
