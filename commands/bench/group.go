package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"mero/commands/child"
	"mero/node/api"
	"mero/node/ident"
)

// group is some nodes that share contexts. All of them run unless a measure stops
// one.
type group struct {
	b       *bench
	homes   []*child.Home
	nodes   []*process
	clients []*api.Client
	callers []*caller
	// shared are the contexts, as each node calls them: shared[node][context].
	shared [][]instance
}

// meshed runs do beside n nodes that know the first one, and share contexts of an
// application. They are equal when it begins.
func (b *bench) meshed(ctx context.Context, app App, n, contexts int, do func(*group) error) error {
	return b.grouped(ctx, n, func(g *group) error {
		for i := range n {
			if err := g.startKnowing(ctx, i, g.addresses(i)...); err != nil {
				return err
			}
		}
		if err := g.share(ctx, app, contexts); err != nil {
			return err
		}
		return do(g)
	})
}

// addresses are where the first node is, for any other.
func (g *group) addresses(i int) []string {
	if i == 0 {
		return nil
	}
	return g.nodes[0].P2P
}

// grouped runs do beside n homes, whose nodes it may start.
func (b *bench) grouped(ctx context.Context, n int, do func(*group) error) (err error) {
	g := &group{
		b: b, homes: make([]*child.Home, n), nodes: make([]*process, n), clients: make([]*api.Client, n),
		callers: make([]*caller, n), shared: make([][]instance, n),
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, g.died())
		}
		err = errors.Join(err, g.stop())
		for _, h := range g.homes {
			if h != nil {
				remove(h)
			}
		}
	}()
	for i := range n {
		if g.homes[i], err = b.newHome(ctx, true); err != nil {
			return err
		}
	}
	return do(g)
}

// startKnowing starts a node that looks for others at addresses.
func (g *group) startKnowing(ctx context.Context, i int, addresses ...string) error {
	var flags []string
	if len(addresses) > 0 {
		flags = []string{"--swarm-addrs", strings.Join(addresses, ",")}
	}
	started, err := g.homes[i].Start(ctx, flags...)
	if err != nil {
		return err
	}
	p := newProcess(started)
	g.nodes[i], g.callers[i] = p, newCaller(p.url, p.token)
	g.clients[i], err = api.NewClient(api.ClientConfig{URL: p.url, Token: p.token})
	return err
}

// stop ends the nodes that run, at once.
func (g *group) stop() error {
	var stopping errgroup.Group
	for i, p := range g.nodes {
		if p != nil {
			g.callers[i].close()
			stopping.Go(p.Stop)
			g.nodes[i] = nil
		}
	}
	return stopping.Wait()
}

// stopOne ends one node, which may be started again.
func (g *group) stopOne(i int) error {
	p := g.nodes[i]
	g.nodes[i] = nil
	g.callers[i].close()
	return p.Stop()
}

// died tells of nodes that ended on their own.
func (g *group) died() error {
	var errs []error
	for i, p := range g.nodes {
		if p == nil {
			continue
		}
		select {
		case <-p.Ended():
			errs = append(errs, errors.New(child.Tail(g.homes[i].Log)))
		default:
		}
	}
	return errors.Join(errs...)
}

// share makes contexts on the first node and lets the others join.
func (g *group) share(ctx context.Context, app App, contexts int) error {
	list, err := g.nodes[0].instances(ctx, app, contexts)
	if err != nil {
		return err
	}
	// One write each: a joiner waits for a first state, and not every init makes one.
	if err := fill(ctx, g.callers[0], list, 1); err != nil {
		return err
	}
	g.shared[0] = list
	for i := range g.nodes[1:] {
		g.shared[i+1] = make([]instance, contexts)
	}
	for k := range list {
		invitation, err := g.invite(ctx, k)
		if err != nil {
			return err
		}
		group, joining := errgroup.WithContext(ctx)
		for i := range g.nodes[1:] {
			group.Go(func() error { return g.join(joining, i+1, k, invitation) })
		}
		if err := group.Wait(); err != nil {
			return err
		}
	}
	for k := range list {
		if err := g.equal(ctx, k); err != nil {
			return err
		}
	}
	return nil
}

// invite is a word by which any number may join a context of the first node.
func (g *group) invite(ctx context.Context, k int) (string, error) {
	var many uint32
	made, err := g.clients[0].Invite(ctx, g.shared[0][k].context, api.InviteRequest{Uses: &many})
	if err != nil {
		return "", fmt.Errorf("invite: %w", err)
	}
	return made.Invitation, nil
}

// join makes a node a member, whose state can be used; it is equal some time later.
func (g *group) join(ctx context.Context, i, k int, invitation string) error {
	joined, err := g.clients[i].Join(ctx, api.JoinRequest{Invitation: invitation})
	if err != nil {
		return fmt.Errorf("join: %w", err)
	}
	g.shared[i][k] = instance{app: g.shared[0][k].app, context: joined.ContextID, member: joined.MemberPublicKey}
	state, err := g.clients[i].WaitUsable(ctx, joined.ContextID, child.Patience)
	if err == nil && !state.Usable {
		err = errors.New(state.Missing)
	}
	if err != nil {
		return fmt.Errorf("a node has joined, but cannot use the context: %w", err)
	}
	return nil
}

const (
	// glance is how often nodes are asked whether they are equal: as exact are times
	// until they are.
	glance = 5 * time.Millisecond
	// equalTime is how long nodes may take to be equal after nobody writes any more.
	equalTime = 5 * time.Minute
)

// equal waits until a context is the same on all nodes: heads, root, number of deltas,
// and nothing that waits.
func (g *group) equal(ctx context.Context, k int) error {
	id := g.shared[0][k].context
	deadline := time.Now().Add(equalTime)
	for {
		same, words, err := g.same(ctx, id)
		if err != nil || same {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the nodes are not equal after %s: %s", equalTime, words)
		}
		if err := sleep(ctx, glance); err != nil {
			return err
		}
	}
}

func (g *group) same(ctx context.Context, id ident.ContextID) (same bool, words string, err error) {
	same = true
	var first api.Context
	for i, client := range g.clients {
		here, err := client.Context(ctx, id)
		if err != nil {
			return false, "", fmt.Errorf("look at a context: %w", err)
		}
		words += fmt.Sprintf("%d deltas and %d waiting on node %d; ", here.Deltas, here.Waiting, i+1)
		if i == 0 {
			first = here
		}
		same = same && here.RootHash == first.RootHash && here.Deltas == first.Deltas && here.Waiting == 0 &&
			slices.Equal(here.Heads(), first.Heads())
	}
	return same, words, nil
}

// sleep is time.Sleep that ends with ctx.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// paced calls op n times at a rate per second, each when it is due, whether those
// before are done or not, up to as many at a time as there are clients. op is told
// when its call was due.
func paced(ctx context.Context, n int, rate float64, op func(ctx context.Context, i int, due time.Time) error) error {
	begin := time.Now()
	group, calling := errgroup.WithContext(ctx)
	group.SetLimit(clients)
	for i := range n {
		due := begin.Add(time.Duration(float64(i) / rate * float64(time.Second)))
		if sleep(calling, time.Until(due)) != nil {
			break // the group, or ctx, has the reason
		}
		group.Go(func() error { return op(calling, i, due) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}
