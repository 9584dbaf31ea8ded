package bench

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

// measureFollow is P3: what many clients write on one node, until the other is equal.
// So a lag that grows counts.
func measureFollow(ctx context.Context, b *bench) error {
	for i, app := range b.apps {
		err := b.meshed(ctx, app, 2, 1, func(g *group) error {
			if _, _, err := g.follow(ctx, b.cfg.Size.Sample/4); err != nil {
				return err
			}
			wrote, r, err := g.follow(ctx, b.cfg.Size.Sample)
			if err != nil {
				return err
			}
			result := rate("P3", "writes of 16 clients until the other node is equal", app.Name, r).note(wrote)
			if i == 0 {
				result = result.targets(1500, 4000)
			}
			return b.emit(result)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// follow writes for a time. The rate is of all that was written, over the time until
// both are equal; wrote tells the two parts of it.
func (g *group) follow(ctx context.Context, length time.Duration) (wrote string, r sample, err error) {
	run := int(time.Now().UnixMilli()) // no two samples write the same values
	begin := time.Now()
	type one struct{ took []time.Duration }
	all := make([]one, clients)
	group, writing := errgroup.WithContext(ctx)
	for client := range clients {
		group.Go(func() error {
			for i := 0; time.Since(begin) < length; i++ {
				began := time.Now()
				if err := g.callers[0].post(writing, g.shared[0][0].set((client+i*clients)%fewKeys, client, run+i)); err != nil {
					return err
				}
				all[client].took = append(all[client].took, time.Since(began))
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return "", r, err
	}
	ended := time.Now()
	if err := g.equal(ctx, 0); err != nil {
		return "", r, err
	}
	for _, c := range all {
		r.times = append(r.times, c.took...)
	}
	r.rate = float64(len(r.times)) / time.Since(begin).Seconds()
	return fmt.Sprintf("written at %.0f/s, equal %.0f ms later; p50 and p99 are of the writes",
		float64(len(r.times))/ended.Sub(begin).Seconds(), ms(time.Since(ended))), r, nil
}

// measureFresh is P4. The application is compiled there; it comes from the other node
// nevertheless.
func measureFresh(ctx context.Context, b *bench) error {
	n := b.cfg.Size.Joined
	for i, app := range b.apps {
		var times []time.Duration
		err := b.meshed(ctx, app, 1, 1, func(g *group) error {
			err := each(ctx, n, func(ctx context.Context, i int) error {
				return g.callers[0].post(ctx, g.shared[0][0].set(i%fewKeys, clients, i))
			})
			if err != nil {
				return err
			}
			for range b.cfg.Size.Fresh {
				took, err := g.fresh(ctx)
				if err != nil {
					return err
				}
				times = append(times, took)
			}
			return nil
		})
		if err != nil {
			return err
		}
		r := median("P4", fmt.Sprintf("a fresh node joins and is equal, %d deltas", n), app.Name, times).
			note(fmt.Sprintf("looked at every %s", glance))
		if i == 0 && n >= designJoined {
			r = r.targets(4000, 1500)
		}
		if err := b.emit(r); err != nil {
			return err
		}
	}
	return nil
}

// fresh is how long a new node needs that knows nothing but an invitation. It runs
// already.
func (g *group) fresh(ctx context.Context) (took time.Duration, err error) {
	invitation, err := g.invite(ctx, 0)
	if err != nil {
		return 0, err
	}
	err = g.b.grouped(ctx, 1, func(fresh *group) error {
		if err := fresh.startKnowing(ctx, 0); err != nil {
			return err
		}
		both := &group{
			clients: append(g.clients[:1:1], fresh.clients[0]), shared: [][]instance{g.shared[0], make([]instance, 1)},
		}
		begin := time.Now()
		if err := both.join(ctx, 1, 0, invitation); err != nil {
			return err
		}
		if err := both.equal(ctx, 0); err != nil {
			return err
		}
		took = time.Since(begin)
		return nil
	})
	return took, err
}

// bothRate is at how many writes a second each of two nodes is written to.
const bothRate = 200

// measureBoth is P6. The rate is given, so the floor would say nothing new.
func measureBoth(ctx context.Context, b *bench) error {
	n := b.cfg.Size.Writes
	for i, app := range b.apps[:len(b.apps)-1] {
		err := b.meshed(ctx, app, 2, 1, func(g *group) error {
			begin := time.Now()
			wrote, err := g.both(ctx, n, bothRate)
			if err != nil {
				return err
			}
			ended := time.Now()
			if err := g.equal(ctx, 0); err != nil {
				return err
			}
			r := Result{
				ID: "P6", Measure: fmt.Sprintf("%d writes on each of two nodes at %d/s, until equal", n, bothRate), App: app.Name,
				Value: round(ms(time.Since(begin))), Unit: millis, Better: Less,
			}.times(wrote).note(fmt.Sprintf("equal %.0f ms after the last write; p50 and p99 are of the writes", ms(time.Since(ended))))
			if i == 0 && n >= designWrites {
				r = r.targets(5300, 5100)
			}
			return b.emit(r)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// both writes on two nodes at once, n on each, and says how long the writes took since
// they were due.
func (g *group) both(ctx context.Context, n int, perSecond float64) (took []time.Duration, err error) {
	took = make([]time.Duration, 2*n)
	group, ctx := errgroup.WithContext(ctx)
	for node := range 2 {
		group.Go(func() error {
			return paced(ctx, n, perSecond, func(ctx context.Context, i int, due time.Time) error {
				if err := g.callers[node].post(ctx, g.shared[node][0].set(i%fewKeys, node, i)); err != nil {
					return err
				}
				took[node*n+i] = time.Since(due)
				return nil
			})
		})
	}
	return took, group.Wait()
}
