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

// load runs a closed loop per client: a while to warm up, then for a length of
// time. op is given the client and the number of its call. The first error ends
// all clients.
//
// What counts are the calls that end within that time, whenever they began: so a
// call that takes long is neither lost nor makes room for another.
func load(ctx context.Context, clients int, length time.Duration, op func(ctx context.Context, client, i int) error) (sample, error) {
	var (
		mu            sync.Mutex
		counted, rest []time.Duration
	)
	begin := time.Now()
	from := begin.Add(length / 4)
	to := from.Add(length)
	group, ctx := errgroup.WithContext(ctx)
	for client := range clients {
		group.Go(func() error {
			var inside, outside []time.Duration
			for i := 0; ; i++ {
				started := time.Now()
				if err := op(ctx, client, i); err != nil {
					return err
				}
				ended := time.Now()
				if ended.Before(from) || ended.After(to) {
					outside = append(outside, ended.Sub(started))
				} else {
					inside = append(inside, ended.Sub(started))
				}
				if !ended.Before(to) {
					break
				}
			}
			mu.Lock()
			defer mu.Unlock()
			counted, rest = append(counted, inside...), append(rest, outside...)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return sample{}, err
	}
	if len(counted) == 0 { // a call takes longer than that: all there were
		return sample{rate: float64(len(rest)) / time.Since(begin).Seconds(), times: rest}, nil
	}
	return sample{rate: float64(len(counted)) / length.Seconds(), times: counted}, nil
}

// each runs op for 0 … n-1, as many at a time as there are clients.
func each(ctx context.Context, n int, op func(ctx context.Context, i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(clients)
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
