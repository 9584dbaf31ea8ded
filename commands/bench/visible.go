package bench

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
)

// pollTime is the least time from one look at the other node to the next. There is no
// route that waits for a change, so it is asked again and again while a write is on the
// way; more often would take the time of the nodes.
const pollTime = 500 * time.Microsecond

// measureVisible is P1.
func measureVisible(ctx context.Context, b *bench) error {
	return b.visibleAt(ctx, []float64{10}, func(app App, _ float64, times, polls []time.Duration) error {
		what := "one write visible on the other node, 10/s"
		middle := median("P1", what+", p50", app.Name, times).note(pollNote(polls))
		high := middle
		high.Measure, high.Value = what+", p99", middle.P99
		if app.Name == b.apps[0].Name {
			middle, high = middle.targets(3, 1.5), high.targets(8, 4)
		}
		return b.emitAll(middle, high)
	})
}

// measureVisibleBusy is P2.
func measureVisibleBusy(ctx context.Context, b *bench) error {
	goals := map[float64][2]float64{50: {10, 5}, 500: {25, 12}}
	return b.visibleAt(ctx, []float64{50, 500}, func(app App, rate float64, times, polls []time.Duration) error {
		r := median("P2", fmt.Sprintf("one write visible on the other node, %g/s, p99", rate), app.Name, times).note(pollNote(polls))
		r.Value = r.P99
		if app.Name == b.apps[0].Name {
			r = r.targets(goals[rate][0], goals[rate][1])
		}
		return b.emit(r)
	})
}

func pollNote(polls []time.Duration) string {
	slices.Sort(polls)
	return fmt.Sprintf("the last look included: p50 %.2f ms, at most one in %s", ms(percentile(polls, 50)), pollTime)
}

// visibleAt measures each application at rates per second, one after another.
func (b *bench) visibleAt(ctx context.Context, rates []float64, done func(app App, rate float64, times, polls []time.Duration) error) error {
	for _, app := range b.apps {
		err := b.meshed(ctx, app, 2, 1, func(g *group) error {
			written := 0
			for _, rate := range rates {
				n := max(int(rate*b.cfg.Size.Follow.Seconds()), 2)
				warm := max(n/4, 1)
				if _, _, err := g.visible(ctx, warm, rate, written); err != nil {
					return err
				}
				written += warm
				times, polls, err := g.visible(ctx, n, rate, written)
				if err != nil {
					return err
				}
				written += n
				if err := done(app, rate, times, polls); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// visible writes numbers on the first node, at a rate, and reads them on the second:
// who sees one sees those before it, which are its past. A write's time is from when it
// was due until the answer that shows it has come. They begin behind first.
//
// Writes go one after another. One that is late because the one before it took long is
// late for its client, too.
func (g *group) visible(ctx context.Context, n int, rate float64, first int) (times, polls []time.Duration, err error) {
	look, err := g.lookAt(ctx, 1, first)
	if err != nil {
		return nil, nil, err
	}
	due := make(chan time.Time, n)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(due)
		begin := time.Now()
		for i := range n {
			at := begin.Add(time.Duration(float64(i) / rate * float64(time.Second)))
			if err := sleep(ctx, time.Until(at)); err != nil {
				return err
			}
			due <- at // there is room for all
			if err := g.callers[0].post(ctx, g.shared[0][0].set(0, 0, first+i+1)); err != nil {
				return err
			}
		}
		return nil
	})
	group.Go(func() error {
		seen := 0
		for i := 0; ; i++ {
			at, open := <-due
			if !open {
				return nil
			}
			for seen <= i {
				begin := time.Now()
				number, err := look(ctx)
				if err != nil {
					return err
				}
				seen = number - first
				polls = append(polls, time.Since(begin))
				if seen <= i {
					if err := sleep(ctx, pollTime-time.Since(begin)); err != nil {
						return err
					}
				}
			}
			times = append(times, time.Since(at))
		}
	})
	return times, polls, group.Wait()
}

// lookAt is how the number of the newest write that a node shows is read: by get, or,
// of the floor, whose get does not tell, by the number of deltas that are folded.
// Writes begin behind first, and those before it are here.
func (g *group) lookAt(ctx context.Context, node, first int) (func(context.Context) (int, error), error) {
	in, client := g.shared[node][0], g.clients[node]
	if in.app.Name != floorName {
		c, get := g.callers[node], in.get(0)
		return func(ctx context.Context) (int, error) {
			answer, err := c.ask(ctx, get)
			return numberIn(answer), err
		}, nil
	}
	before, err := client.Context(ctx, in.context)
	return func(ctx context.Context) (int, error) {
		now, err := client.Context(ctx, in.context)
		return first + int(now.Deltas-before.Deltas), err
	}, err
}

// numberIn finds the number in a value that set of client 0 wrote, in an answer; 0: there
// is none.
func numberIn(answer []byte) int {
	_, rest, _ := bytes.Cut(answer, []byte(`"0/`))
	digits, _, _ := bytes.Cut(rest, []byte("/"))
	n, _ := strconv.Atoi(string(digits)) // no value yet
	return n
}
