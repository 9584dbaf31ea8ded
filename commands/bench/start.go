package bench

import (
	"context"
	"fmt"
	"time"

	"mero/commands/child"
)

// measureStart is P15.
func measureStart(ctx context.Context, b *bench) error {
	h, err := b.newHome(ctx, true)
	if err != nil {
		return err
	}
	defer remove(h)
	times, err := b.starts(ctx, h)
	if err != nil {
		return err
	}
	if err := b.emit(median("P15", "start to ready, empty", "", times).targets(80, 40)); err != nil {
		return err
	}
	n, app := b.cfg.Size.Contexts, b.apps[0]
	err = while(ctx, h, func(p *process) error {
		_, err := p.instances(ctx, app, n)
		return err
	})
	if err != nil {
		return err
	}
	if times, err = b.starts(ctx, h); err != nil {
		return err
	}
	r := median("P15", fmt.Sprintf("start to ready, %d contexts", n), app.Name, times)
	if n >= designContexts {
		r = r.targets(250, 120)
	}
	return b.emit(r)
}

// starts times starts; the one before them, which makes what is not there yet,
// does not count.
func (b *bench) starts(ctx context.Context, h *child.Home) ([]time.Duration, error) {
	var times []time.Duration
	for i := range b.cfg.Size.Starts + 1 {
		p, err := h.Start(ctx)
		if err != nil {
			return nil, err
		}
		if err := p.Stop(); err != nil {
			return nil, fmt.Errorf("stop: %w", err)
		}
		if i > 0 {
			times = append(times, p.Took)
		}
	}
	return times, nil
}

// measureCommand is P18: what a person at a shell waits for.
func measureCommand(ctx context.Context, b *bench) error {
	h, err := b.newHome(ctx, false)
	if err != nil {
		return err
	}
	defer remove(h)
	return while(ctx, h, func(*process) error {
		var times []time.Duration
		for i := range b.cfg.Size.Commands + 1 {
			cmd := b.program.Command(ctx, h.Words("node", "status")...)
			begin := time.Now()
			if err := cmd.Run(); err != nil {
				return fmt.Errorf("mero node status: %w", err)
			}
			if i > 0 {
				times = append(times, time.Since(begin))
			}
		}
		return b.emit(median("P18", "one command: mero node status", "", times).targets(15, 8))
	})
}
