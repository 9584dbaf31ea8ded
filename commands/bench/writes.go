package bench

import (
	"context"
	"fmt"
	"time"
)

// fewKeys is the size of the map where the cost of the application's own map is
// not what is asked for.
const fewKeys = 10

// writeContexts is how many contexts many clients write to.
const writeContexts = 4

// measureWrites is P7.
func measureWrites(ctx context.Context, b *bench) error {
	for i, app := range b.apps {
		h, err := b.newHome(ctx, true)
		if err != nil {
			return err
		}
		err = while(ctx, h, func(p *process) error {
			return b.writesOf(ctx, p, app, i == 0)
		})
		remove(h)
		if err != nil {
			return err
		}
	}
	return nil
}

// writesOf measures one application; the targets are for the embedded one.
func (b *bench) writesOf(ctx context.Context, p *process, app App, targets bool) error {
	c := newCaller(p.url, p.token)
	defer c.close()
	sizes := append([]int{fewKeys}, b.cfg.Size.Keys...)
	if app.Name == floorName {
		sizes = sizes[:1]
	}
	for _, keys := range sizes {
		b.say(fmt.Sprintf("P7: %s with %d keys", app.Name, keys))
		list, err := p.instances(ctx, app, writeContexts)
		if err != nil {
			return err
		}
		if err := fill(ctx, c, list, keys); err != nil {
			return err
		}
		one, err := b.write(ctx, c, list[:1], keys, 1)
		if err != nil {
			return err
		}
		many, err := b.write(ctx, c, list, keys, clients)
		if err != nil {
			return err
		}
		if keys != fewKeys {
			at := fmt.Sprintf(", %d keys", keys)
			err = b.emitAll(rate("P7", "durable writes, 1 client"+at, app.Name, one), rate("P7", "durable writes, 16 clients on 4 contexts"+at, app.Name, many))
			if err != nil {
				return err
			}
			continue
		}
		together, err := b.write(ctx, c, list[:1], keys, clients)
		if err != nil {
			return err
		}
		first, second := rate("P7", "durable writes, 1 client", app.Name, one), rate("P7", "durable writes, 16 clients on 4 contexts", app.Name, many)
		if targets {
			first, second = first.targets(1000, 2000), second.targets(5000, 15000)
		}
		if err := b.emitAll(first, second, rate("P7", "durable writes, 16 clients on 1 context", app.Name, together)); err != nil {
			return err
		}
	}
	return nil
}

// write overwrites keys in turn, each client in one of the contexts.
func (b *bench) write(ctx context.Context, c *caller, list []instance, keys, n int) (sample, error) {
	run := int(time.Now().UnixMilli()) // no two samples write the same values
	return load(ctx, n, b.cfg.Size.Sample, func(ctx context.Context, client, i int) error {
		return c.post(ctx, list[client%len(list)].set((client+i*n)%keys, client, run+i))
	})
}

func (b *bench) emitAll(results ...Result) error {
	for _, r := range results {
		if err := b.emit(r); err != nil {
			return err
		}
	}
	return nil
}
