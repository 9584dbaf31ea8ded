package bench

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"time"
)

// measurePartition is P10: two nodes that are members, and connected, are cut from each
// other, are both written to, and heal.
//
// A proxy between them would be dialled past, since nodes tell each other where they
// are. So the first one, who invited the other, is started again on another port, and
// forgets where the other is, while its old address refuses, by way of a proxy. The
// other has lost a connection, and does whatever it does about that. The link heals when
// the old address leads to the first node. It is TCP alone.
func measurePartition(ctx context.Context, b *bench) error {
	return b.grouped(ctx, 2, func(g *group) error {
		for i, h := range g.homes {
			if err := h.Mero(ctx, "node", "config", "network.listen=/ip4/127.0.0.1/tcp/0"); err != nil {
				return err
			}
			if err := g.startKnowing(ctx, i); err != nil {
				return err
			}
		}
		if err := g.share(ctx, b.apps[0], 1); err != nil {
			return err
		}
		return b.apart(ctx, g)
	})
}

// cut moves the first node to another place; at the old one there is a proxy, which
// refuses until it is told the new one.
func (g *group) cut(ctx context.Context) (link *proxy, moved string, err error) {
	old, err := tcpAddress(g.nodes[0].P2P)
	if err != nil {
		return nil, "", err
	}
	if err := g.stopOne(0); err != nil {
		return nil, "", err
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", old)
	if err != nil {
		return nil, "", fmt.Errorf("listen in a node's place: %w", err)
	}
	link = proxyAt(listener)
	defer func() {
		if err != nil {
			link.close()
		}
	}()
	if err := os.Remove(g.homes[0].Node.PeerBookFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, "", err
	}
	if err := g.startKnowing(ctx, 0); err != nil {
		return nil, "", err
	}
	moved, err = tcpAddress(g.nodes[0].P2P)
	if err == nil && moved == old {
		err = errConnected
	}
	return link, moved, err
}

// errConnected says that a partition is none.
var errConnected = errors.New("the nodes are connected, although they are to be apart")

// apart cuts the nodes off, writes, and connects them again.
func (b *bench) apart(ctx context.Context, g *group) error {
	n, length := b.cfg.Size.Writes, b.cfg.Size.Apart
	begin := time.Now()
	link, moved, err := g.cut(ctx)
	if err != nil {
		return err
	}
	defer link.close()
	if _, err := g.both(ctx, n, float64(n)/length.Seconds()); err != nil {
		return err
	}
	if err := sleep(ctx, time.Until(begin.Add(length))); err != nil {
		return err
	}
	for _, client := range g.clients {
		if count, err := client.PeerCount(ctx); err != nil || count > 0 {
			return errors.Join(errConnected, err)
		}
	}
	healed := time.Now()
	met := link.connect(moved)
	dialled, quit := make(chan time.Time, 1), make(chan struct{})
	go func() { // ends with quit
		select {
		case <-met:
		case <-quit:
		}
		dialled <- time.Now()
	}()
	err = g.equal(ctx, 0)
	equal := time.Now()
	close(quit)
	first := <-dialled
	if err != nil {
		return err
	}
	after := fmt.Sprintf("equal after %s apart with %d writes on each side", length, n)
	whole := Result{ID: "P10", Measure: after + ", from the heal", App: b.apps[0].Name, Value: round(ms(equal.Sub(healed))), Unit: millis, Better: Less}.
		note(fmt.Sprintf("%.0f ms until one node dials the other", ms(first.Sub(healed))))
	if n >= designWrites && length >= designApart {
		whole = whole.targets(1000, 400)
	}
	rest := Result{ID: "P10", Measure: after + ", from the first dial", App: b.apps[0].Name, Value: round(ms(equal.Sub(first))), Unit: millis, Better: Less}
	return b.emitAll(whole, rest)
}
