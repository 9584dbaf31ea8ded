package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"mero/node/api"
)

// readyTime bounds the first request to the node's own API.
const readyTime = 10 * time.Second

// Run runs the node until ctx ends or a part fails, and closes it. ready is
// called once the API answers and the address files are there; its error stops
// the node.
//
// The API stops first: it takes no new requests and lets running ones finish,
// which ends the last calls, while the parts behind it still run.
func (n *Node) Run(ctx context.Context, ready func() error) (err error) {
	defer func() { err = errors.Join(err, n.Close()) }()
	group, ctx := errgroup.WithContext(ctx)
	behind, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()

	n.part(group, "api", func() error {
		defer stop()
		return n.server.Serve(ctx, n.listen...)
	})
	n.part(group, "network", func() error { return n.network.Run(behind) })
	n.part(group, "sync", func() error { return n.syncer.Run(behind) })
	n.part(group, "contexts", func() error { return n.contexts.Run(behind) })
	n.part(group, "store", func() error { return n.store.Run(behind) })
	n.part(group, "memory", func() error { return n.trimMemory(behind) })
	n.part(group, "ready", func() error { return n.announce(ctx, ready) })

	err = group.Wait()
	n.log.Info().Dur("uptime", time.Since(n.started)).Msg("node stopped")
	return err
}

// part starts one part by its name, which its error carries.
func (n *Node) part(group *errgroup.Group, name string, run func() error) {
	group.Go(func() error {
		if err := run(); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		n.log.Debug().Str("part", name).Msg("part ended")
		return nil
	})
}

// announce writes the address files once the API answers.
func (n *Node) announce(ctx context.Context, ready func() error) error {
	addrs := n.APIAddrs()
	client, err := api.NewClient(api.ClientConfig{URL: addrs[0]})
	if err != nil {
		return err
	}
	first, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	if err := client.Health(first); err != nil {
		if ctx.Err() != nil {
			return nil // stopped before it was ready
		}
		return fmt.Errorf("the node does not answer itself: %w", err)
	}
	if err := writeLines(n.home.P2PAddrFile(), n.P2PAddrs()); err != nil {
		return err
	}
	if err := writeLines(n.home.APIAddrFile(), addrs); err != nil {
		return err
	}
	n.log.Info().Strs("api", addrs).Str("peer", n.PeerID()).
		Dur("took", time.Since(n.started)).Msg("node ready")
	return ready()
}

// PeerID is the node's identity among peers.
func (n *Node) PeerID() string { return n.network.PeerID() }

// P2PAddrs are the addresses at which other nodes reach this one.
func (n *Node) P2PAddrs() []string { return n.network.Addrs() }

// APIAddrs are the addresses of the API, http://HOST:PORT. Where it listens on
// all addresses, the loopback one stands for them.
func (n *Node) APIAddrs() []string {
	addrs := make([]string, 0, len(n.listen))
	for _, l := range n.listen {
		address := l.Addr().String()
		if tcp, ok := l.Addr().(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
			// A listener on :: serves IPv4 too, on most systems, and IPv6 may be
			// switched off where it does; both loopbacks can not be had at once.
			host := "127.0.0.1"
			if tcp.IP.To4() == nil && len(n.listen) > 1 {
				host = "::1"
			}
			address = net.JoinHostPort(host, fmt.Sprint(tcp.Port))
		}
		addrs = append(addrs, "http://"+address)
	}
	return addrs
}

// Status describes the node as it is now.
func (n *Node) Status() api.Status {
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	s := api.Status{
		Name: n.home.Name(), Version: Version, PeerID: n.PeerID(), API: n.APIAddrs(), P2P: n.P2PAddrs(),
		Auth: n.cfg.Auth.Mode, StartedAt: n.started.UTC(), UptimeSeconds: int64(time.Since(n.started).Seconds()),
		Peers:  len(n.network.Peers()),
		Memory: api.MemoryStatus{HeapBytes: mem.HeapAlloc, SystemBytes: mem.Sys - mem.HeapReleased, Goroutines: runtime.NumGoroutine()},
		Disk:   n.disk.status(n.store.FreeBytes),
	}
	if err := n.store.Writable(); err != nil {
		s.ReadOnly = err.Error()
	}
	if contexts, err := n.store.Contexts(); err == nil {
		s.Contexts = len(contexts)
	}
	if list, err := n.apps.List(); err == nil {
		s.Applications = len(list)
	}
	s.Sync = n.syncHealth()
	return s
}

func (n *Node) syncHealth() api.SyncHealth {
	var h api.SyncHealth
	now := time.Now()
	for _, c := range n.syncer.Status() {
		switch {
		case c.Connected == 0:
			h.Alone++
		case c.Equal:
			h.Equal++
		default:
			h.Behind++
		}
		for i := range c.Links {
			if l := &c.Links[i]; l.Connected && !l.Behind.IsZero() {
				h.LagMs = max(h.LagMs, float64(now.Sub(l.Behind))/float64(time.Millisecond))
			}
		}
	}
	return h
}

func (n *Node) peers() []api.Peer {
	connected := n.network.Peers()
	peers := make([]api.Peer, 0, len(connected))
	for _, p := range connected {
		peers = append(peers, api.Peer{
			ID: p.ID, Addr: p.Addr, Transport: p.Transport, Direction: p.Direction,
			LatencyMs: float64(p.Latency) / float64(time.Millisecond), Agent: p.Agent,
		})
	}
	return peers
}
