package bench

import (
	"context"

	"mero/commands/child"
)

// nodeName is the name of every node here.
const nodeName = "bench"

// newHome creates a node on free ports of loopback. With apps it finds the
// applications compiled.
func (b *bench) newHome(ctx context.Context, apps bool) (*child.Home, error) {
	h, err := b.program.NewHome(ctx, b.newDir(), nodeName)
	if err != nil {
		return nil, err
	}
	if apps {
		err = b.fillCache(ctx, h.Node.CacheDir())
	}
	return h, err
}

// remove deletes what a home has on disk; the run's end deletes what stays.
func remove(h *child.Home) { _ = h.Remove() }

// process is a running node.
type process struct {
	*child.Node

	url   string
	token string
}

func newProcess(n *child.Node) *process { return &process{Node: n, url: n.URL(), token: n.Token} }

// while runs do beside a node of a home.
func while(ctx context.Context, h *child.Home, do func(*process) error) error {
	return h.While(ctx, func(n *child.Node) error { return do(newProcess(n)) })
}
