package replica

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"mero/node/delta"
	"mero/node/fold"
	"mero/node/history"
	"mero/node/store"
)

// arrival is what one caller of Receive handed in.
type arrival struct {
	parcels []history.Parcel
	refused []Refusal // what was no delta at all
	got     Received
	waits   []delta.Place // those that waited after the first step
	err     error
	lead    chan struct{} // closed when this caller is to take in what lies in the inbox
	done    chan struct{} // closed when got and err are set
}

func (a *arrival) bytes() (n int) {
	for _, p := range a.parcels {
		n += len(p.Raw)
	}
	return n
}

// The time for which late deltas are gathered, so that they share a roll-back (R8).
const (
	minGather = 2 * time.Millisecond
	maxGather = 250 * time.Millisecond
)

// deliver puts an arrival into the inbox and returns when it was taken in, or ctx
// ends. One caller at a time takes in all that lies there.
func (r *replica) deliver(ctx context.Context, parcels []history.Parcel, refused []Refusal) (*Received, error) {
	a := &arrival{parcels: parcels, refused: refused, lead: make(chan struct{}), done: make(chan struct{})}
	r.mu.Lock()
	r.inbox = append(r.inbox, a)
	leads := !r.collecting
	r.collecting = true
	r.mu.Unlock()
	if !leads {
		select {
		case <-a.done:
			return &a.got, a.err
		case <-a.lead:
		case <-ctx.Done():
			if r.leave(a) {
				return &Received{Refused: refused}, fmt.Errorf("waiting for the context: %w", ctx.Err())
			}
		}
	}
	r.gather(ctx)
	r.takeIn(ctx)
	return &a.got, a.err
}

// leave takes back an arrival whose caller gives up, or leaves it to whoever takes
// it in just now. It reports false for one that was told to lead.
func (r *replica) leave(a *arrival) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-a.lead:
		return false
	default:
	}
	r.inbox = slices.DeleteFunc(r.inbox, func(other *arrival) bool { return other == a })
	return true
}

// gather waits for more, if what came makes a roll-back necessary.
func (r *replica) gather(ctx context.Context) {
	last := delta.Time(r.last.Load())
	r.mu.Lock()
	late := slices.ContainsFunc(r.inbox, func(a *arrival) bool {
		return slices.ContainsFunc(a.parcels, func(p history.Parcel) bool { return p.Header.Time <= last })
	})
	r.mu.Unlock()
	if !late {
		return
	}
	timer := time.NewTimer(min(max(time.Duration(r.cost.Load()), minGather), maxGather))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// takeIn folds what lies in the inbox as one step, and hands the rest on.
func (r *replica) takeIn(ctx context.Context) {
	r.mu.Lock()
	n, parcels, bytes := 0, 0, 0
	for n < len(r.inbox) && (n == 0 || parcels+len(r.inbox[n].parcels) <= history.MaxLot && bytes+r.inbox[n].bytes() <= history.MaxLotBytes) {
		parcels += len(r.inbox[n].parcels)
		bytes += r.inbox[n].bytes()
		n++
	}
	list := slices.Clone(r.inbox[:n])
	r.inbox = slices.Delete(r.inbox, 0, n)
	r.mu.Unlock()

	err := errAborted
	defer func() { // after a panic too: others wait
		r.mu.Lock()
		if r.collecting = len(r.inbox) > 0; r.collecting {
			close(r.inbox[0].lead)
		}
		r.mu.Unlock()
		for _, a := range list {
			a.err = err
			close(a.done)
		}
	}()
	more := false
	err = r.trusting(ctx, func(b *batch) error {
		err := b.receive(ctx, list)
		more = b.more
		return err
	})
	if err == nil && more {
		err = r.recount(list)
	}
}

// trusting folds by work, in as many steps as that takes.
func (r *replica) trusting(ctx context.Context, work func(*batch) error) error {
	for {
		more := false
		err := r.foldStep(ctx, func(b *batch) error {
			err := work(b)
			more = b.more
			return err
		})
		if err != nil || !more {
			return err
		}
		work = func(b *batch) error { return b.reconsider(ctx) }
	}
}

// foldStep is alone, and once more otherwise when a roll-back turns out not to be one
// to do at once: without the undo spans if they do not fit.
func (r *replica) foldStep(ctx context.Context, work func(*batch) error) error {
	var depth uint64
	err := r.alone(ctx, func(b *batch) error {
		err := work(b)
		depth = b.depth
		return err
	})
	log := r.set.deps.Log.With().Stringer("context", r.id).Logger()
	switch {
	case errors.Is(err, errDeep):
		log.Info().Uint64("deltas", depth).Msg("a roll-back takes long; it will be done beside the live state")
		return r.alone(ctx, func(b *batch) error {
			b.lead.GaveUp(depth)
			b.shy = true
			return work(b)
		})
	case fold.IsTrailFault(err):
		r.set.metrics.damage.Inc()
		log.Error().Err(err).Msg("undo spans are damaged; the state will be folded again from genesis")
		return r.alone(ctx, func(b *batch) error {
			b.distrust = true
			return work(b)
		})
	}
	return err
}

// alone runs work that is a batch of its own.
func (r *replica) alone(ctx context.Context, work func(*batch) error) error {
	t := newTicket("", func(b *batch) (*Result, error) { return nil, work(b) })
	t.alone, t.own = true, true
	_, err := r.submit(context.WithoutCancel(ctx), t)
	return err
}

// recount takes off those that the steps after the first have seen to.
func (r *replica) recount(list []*arrival) error {
	view, err := r.set.view(r.id)
	if err != nil {
		return err
	}
	defer view.Close()
	for _, a := range list {
		for _, place := range a.waits {
			rec, err := view.Head(place)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
			if err != nil || rec.Fate != store.FateWaiting {
				a.got.Waiting--
			}
		}
	}
	return nil
}
