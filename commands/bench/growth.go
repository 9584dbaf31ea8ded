package bench

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// smallMap is what P25 compares a large map with.
const smallMap = 1000

// measureGrowth is P25, with reads beside it: one client in this process, on
// maps of several sizes, with fsync.
func measureGrowth(ctx context.Context, b *bench) error {
	for i, app := range b.apps {
		if app.Name == floorName {
			continue // it has no map
		}
		if err := b.growthOf(ctx, app, i == 0); err != nil {
			return err
		}
	}
	return nil
}

// growthOf fills one map more and more; the target is for the embedded
// application.
func (b *bench) growthOf(ctx context.Context, app App, target bool) (err error) {
	l, err := b.openLocal(ctx, app)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	hosted, err := l.set.HostManaged(ctx, l.app)
	if err != nil {
		return err
	}
	filled, p50 := 0, map[int]time.Duration{}
	for _, entries := range b.cfg.Size.Entries {
		if entries > b.cfg.Size.GuestEntries && !hosted {
			break // each set costs the guest by the entry: filling would take hours
		}
		b.say(fmt.Sprintf("P25: %s with %d entries", app.Name, entries))
		if err := l.fill(ctx, filled, entries); err != nil {
			return err
		}
		filled = entries
		set, get, err := b.callsAt(ctx, l, max(entries, 1))
		if err != nil {
			return err
		}
		at := fmt.Sprintf(", in process, %d entries", entries)
		if err := b.emitAll(median("P25", "set"+at, app.Name, set.times), median("P25", "get"+at, app.Name, get.times)); err != nil {
			return err
		}
		p50[entries] = percentile(set.times, 50)
	}
	return b.compareGrowth(app, p50, target)
}

// compareGrowth emits what a set costs on larger maps than the small one.
func (b *bench) compareGrowth(app App, p50 map[int]time.Duration, target bool) error {
	small, ok := p50[smallMap]
	for _, entries := range slices.Sorted(maps.Keys(p50)) {
		if !ok || entries <= smallMap {
			continue
		}
		r := Result{
			ID: "P25", Measure: fmt.Sprintf("set, %d entries against %d", entries, smallMap), App: app.Name,
			Value: round(float64(p50[entries]) / float64(small)), Unit: factor, Better: Less,
		}
		if target && entries == 100*smallMap {
			r = r.targets(1.3, 1.1)
		}
		if err := b.emit(r); err != nil {
			return err
		}
	}
	return nil
}

// callsAt times overwriting and reading of keys in turn.
func (b *bench) callsAt(ctx context.Context, l *local, entries int) (set, get sample, err error) {
	run := time.Now().UnixMilli() // no two samples write the same values
	set, err = load(ctx, 1, b.cfg.Size.Sample, func(ctx context.Context, _, i int) error {
		return l.call(ctx, "set", args{key(i * 7919 % entries), fmt.Sprintf("value-%d", run+int64(i))})
	})
	if err != nil {
		return set, get, err
	}
	get, err = load(ctx, 1, b.cfg.Size.Sample, func(ctx context.Context, _, i int) error {
		return l.call(ctx, "get", args{Key: key(i * 7919 % entries)})
	})
	return set, get, err
}

// fill sets the keys from one number up to another.
func (l *local) fill(ctx context.Context, from, to int) error {
	return each(ctx, to-from, func(ctx context.Context, i int) error {
		return l.call(ctx, "set", args{key(from + i), "value"})
	})
}
