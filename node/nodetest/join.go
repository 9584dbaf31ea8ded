package nodetest

import (
	"bytes"
	"context"
	"time"

	"mero/node/apps"
	"mero/node/delta"
	"mero/node/replica"
)

// Join makes this node a member of the cluster's context by an invitation that another
// node issues, and waits until it has everything.
func (n *Node) Join(ctx context.Context, by *Node) error {
	view, err := by.Store.View(n.cluster.Context)
	if err != nil {
		return err
	}
	defer view.Close()
	genesis, err := view.Delta(view.Context().Genesis)
	if err != nil {
		return err
	}
	key, err := view.EpochKey(view.Context().Epoch)
	if err != nil {
		return err
	}
	member, err := n.Set.NewIdentity(ctx)
	if err != nil {
		return err
	}
	if _, err := n.Set.Join(ctx, replica.Invitee{Genesis: genesis.Bytes, Keys: []delta.EpochKey{key}, Member: member}); err != nil {
		return err
	}
	app, err := n.Apps.Install(ctx, bytes.NewReader(n.cluster.code), apps.Source{URL: "file:///app.wasm"})
	_ = app
	if err != nil {
		return err
	}
	n.As = member
	for {
		info, err := n.Set.Get(n.cluster.Context)
		if err != nil || info.Initialised {
			return err
		}
		<-time.After(10 * time.Millisecond)
	}
}

func (n *Node) hand(ctx context.Context) error {
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		for _, o := range n.cluster.Nodes {
			if o == n || !o.Member() || !n.Member() || !n.cluster.Net.Reaches(o.Spot, n.Spot) {
				continue
			}
			k, err := n.Set.Known(ctx, n.cluster.Context)
			if err != nil {
				continue
			}
			page, _, _, err := o.Set.Lacking(ctx, n.cluster.Context, k.Tips, delta.Place{}, 1<<20)
			if err != nil || len(page) == 0 {
				continue
			}
			if _, err := n.Set.Receive(ctx, n.cluster.Context, page); err != nil && ctx.Err() == nil {
				n.cluster.T.Error(err)
			}
		}
	}
}
