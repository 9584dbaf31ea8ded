package bench

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// sample is what a load gave.
type sample struct {
	rate  float64 // per second, of all clients together
	times []time.Duration
}

// load runs a closed loop per client: for a while to warm up, then for at least
// length and one call. op is given the client and the number of its call. The
// first error ends all clients.
func load(ctx context.Context, clients int, length time.Duration, op func(ctx context.Context, client, i int) error) (sample, error) {
	var (
		mu  sync.Mutex
		all sample
	)
	begin := time.Now().Add(length / 4)
	end := begin.Add(length)
	group, ctx := errgroup.WithContext(ctx)
	for client := range clients {
		group.Go(func() error {
			var (
				times       []time.Duration
				first, last time.Time
			)
			for i := 0; len(times) == 0 || last.Before(end); i++ {
				started := time.Now()
				if err := op(ctx, client, i); err != nil {
					return err
				}
				if started.Before(begin) {
					continue
				}
				if first.IsZero() {
					first = started
				}
				last = time.Now()
				times = append(times, last.Sub(started))
			}
			mu.Lock()
			defer mu.Unlock()
			// Back to back, so a client's rate is exact however few calls it made.
			all.rate += float64(len(times)) / last.Sub(first).Seconds()
			all.times = append(all.times, times...)
			return nil
		})
	}
	return all, group.Wait()
}

// each runs op for 0 … n-1, several at a time.
func each(ctx context.Context, n, atOnce int, op func(ctx context.Context, i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i := range n {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return op(ctx, i)
		})
	}
	return group.Wait()
}
