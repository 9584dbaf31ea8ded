package nodetest

import (
	"context"
	"fmt"
	"time"

	"mero/node/members"
	"mero/node/replica"
)

// joinTime bounds Join, in fake time: links that lose a quarter of all packets carry
// few KB a second, and an application has megabytes.
const joinTime = 30 * time.Minute

// Join makes this node a member of the cluster's context by an invitation of another
// node, and waits until it can work with it: with the application, and all that the
// other has. It fails after half an hour of fake time.
func (n *Node) Join(ctx context.Context, by *Node) error { return n.JoinAs(ctx, by, members.Plain) }

// JoinAs is Join with a role.
func (n *Node) JoinAs(ctx context.Context, by *Node, role members.Role) error {
	ctx, cancel := context.WithTimeout(ctx, joinTime)
	defer cancel()
	invitation, err := by.Set.Invite(ctx, replica.InviteRequest{
		Context: n.cluster.Context, Executor: by.As(), Role: role, Addrs: by.Net.Addrs(),
	})
	if err != nil {
		return fmt.Errorf("invite: %w", err)
	}
	member, err := n.Set.NewIdentity(ctx)
	if err != nil {
		return err
	}
	joined, err := n.Sync.Join(ctx, invitation, member)
	if err != nil {
		return fmt.Errorf("join: %w", err)
	}
	if err := n.Sync.WaitUsable(ctx, joined.Context); err != nil {
		return fmt.Errorf("wait for the state: %w", err)
	}
	n.as.Store(&joined.Member)
	return nil
}

// Count is the sum of a family of counters, over the samples that have a label's value;
// of all of them if label is empty.
func (n *Node) Count(family, label, value string) float64 {
	families, err := n.Metrics.Gather()
	if err != nil {
		n.cluster.T.Errorf("node %d: %v", n.Index, err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() != family {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if label == "" || l.GetName() == label && l.GetValue() == value {
					sum += m.GetCounter().GetValue()
					break
				}
			}
		}
	}
	return sum
}
