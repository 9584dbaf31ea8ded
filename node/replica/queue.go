package replica

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"mero/node/delta"
	"mero/node/fold"
	"mero/node/history"
	"mero/node/ident"
	"mero/node/store"
)

// Limits of a context's queue and of one batch. A batch ends early rather than
// let a quick call wait for a slow one.
const (
	maxWaiting   = 1024
	maxBatch     = 64
	maxBatchTime = 10 * time.Millisecond
	maxBatchSize = 256 << 10
)

// errAborted answers the calls of a batch that ended by a panic.
var errAborted = errors.New("internal error: the batch of this call was aborted; nothing was written")

// replica is the queue of one context. One caller leads at a time; it runs the
// calls that wait as one batch and hands the lead to the next one.
type replica struct {
	set *Set
	id  ident.ContextID

	// app is what the context ran when it was last written; nil before. last is
	// the time of the last delta in the state then, and cost what the last roll-back
	// took, in nanoseconds.
	app  atomic.Pointer[ident.AppID]
	last atomic.Uint64
	cost atomic.Int64

	// These belong to whoever leads.
	history   *history.History // nil: not loaded
	spans     int              // how many undo spans were written since they were compacted
	spanBytes int              // and their bytes
	distrust  bool             // the undo spans do not fit the state
	fold      fold.Cost
	// gone: the context was removed from here. Should it come again, another queue
	// is made for it.
	gone bool
	// refolding is the job that goes on beside the live state. touched are the keys of the state
	// that were written meanwhile, and lowest how far the state was taken back.
	refolding *working
	touched   map[string]struct{}
	lowest    *delta.Place

	mu         sync.Mutex
	led        bool
	waiting    []*ticket
	inbox      []*arrival
	collecting bool // somebody sees to the inbox
	used       time.Time
	looked     time.Time // at what waits, unused, and with so many applications
	apps       int
}

// ticket is one place in the queue.
type ticket struct {
	method string
	run    func(*batch) (*Result, error) // nil: wants the lead for itself
	alone  bool                          // shares no batch; after an error nothing is written
	own    bool                          // of the node: few at a time, so never told that it is busy

	lead chan struct{} // closed when the holder is to lead
	done chan struct{} // closed when result and err are set

	result *Result
	err    error
}

func newTicket(method string, run func(*batch) (*Result, error)) *ticket {
	return &ticket{method: method, run: run, lead: make(chan struct{}), done: make(chan struct{})}
}

// submit runs a call in its turn and returns when its step is durable.
func (r *replica) submit(ctx context.Context, t *ticket) (*Result, error) {
	leads, err := r.wait(ctx, t)
	if err != nil {
		return nil, err
	}
	if leads {
		r.serve(t)
	}
	return t.result, t.err
}

// lock takes the lead without a call; the caller must unlock. It is refused by
// ErrContextNotFound when the context is not there any more, and only then or when
// ctx ends.
func (r *replica) lock(ctx context.Context) error {
	t := newTicket("", nil)
	t.own = true
	if _, err := r.wait(ctx, t); err != nil {
		return err
	}
	if r.gone {
		r.unlock()
		return fmt.Errorf("%w: %s", ErrContextNotFound, r.id)
	}
	return nil
}

// wait queues t until it leads (true) or a leader has answered it (false).
func (r *replica) wait(ctx context.Context, t *ticket) (bool, error) {
	r.mu.Lock()
	if !r.led {
		r.led = true
		r.mu.Unlock()
		return true, nil
	}
	if len(r.waiting) >= maxWaiting && !t.own {
		r.mu.Unlock()
		return false, ErrBusy
	}
	r.waiting = append(r.waiting, t)
	r.mu.Unlock()

	select {
	case <-t.lead:
		return true, nil
	case <-t.done:
		return false, nil
	case <-ctx.Done():
	}
	if r.withdraw(t) {
		return false, fmt.Errorf("waiting for the context: %w", ctx.Err())
	}
	select { // a leader has taken it or hands over: either comes soon
	case <-t.lead:
		return true, nil
	case <-t.done:
		return false, nil
	}
}

func (r *replica) withdraw(t *ticket) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.Index(r.waiting, t)
	if i < 0 {
		return false
	}
	r.waiting = slices.Delete(r.waiting, i, i+1)
	return true
}

// unlock hands the lead to whoever waits longest.
func (r *replica) unlock() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) == 0 {
		r.led = false
		return
	}
	next := r.waiting[0]
	r.waiting = slices.Delete(r.waiting, 0, 1)
	close(next.lead)
}

// serve leads: it runs first and then whoever waits as one batch, makes the
// step durable, and answers them all. Nobody is answered well before that: a
// panic on the way leaves every ticket with errAborted.
func (r *replica) serve(first *ticket) {
	defer r.unlock()
	tickets := []*ticket{first}
	answered := false
	answer := func() {
		if !answered {
			answered = true
			for _, t := range tickets {
				close(t.done)
			}
		}
	}
	defer answer()
	if first.err = errAborted; r.gone {
		first.err = fmt.Errorf("%w: %s", ErrContextNotFound, r.id)
		return
	}
	view, err := r.set.view(r.id)
	if err != nil {
		first.err = err
		return
	}
	defer view.Close()
	b, err := r.set.newBatch(view)
	if err != nil {
		first.err = err
		return
	}
	b.history, b.distrust, b.lead = r.history, r.distrust, &r.fold
	b.dropMisfits()
	r.history = nil  // until it is known to be what the store has
	app := b.Rec.App // a copy: the batch is not to be kept
	r.app.Store(&app)
	var results []outcomeOf
	begun := time.Now()
	for t := first; t != nil; t = r.next(b, first, len(tickets), begun) {
		if t != first {
			t.err = errAborted
			tickets = append(tickets, t)
		}
		result, err := t.run(b)
		results = append(results, outcomeOf{result, err})
	}
	if first.alone && results[0].err != nil {
		first.err = results[0].err
		return
	}
	err = r.set.write(b)
	for i, t := range tickets {
		t.result, t.err = results[i].result, results[i].err
		if err != nil && t.err == nil {
			t.result, t.err = nil, err
		}
	}
	if err != nil {
		return
	}
	r.wrote(b)
	r.set.tell(b)
	answer()
	r.tidy(b.Rec.StateBytes)
}

// outcomeOf is what a call gave, before its step is durable.
type outcomeOf struct {
	result *Result
	err    error
}

// load makes the graph of a snapshot, unless it is there. The caller leads.
func (r *replica) load(view *store.View) error {
	if r.history != nil {
		return nil
	}
	h, err := history.Load(view, r.set.deps.Wall())
	if err != nil {
		return err
	}
	h.Remember(r.fold.Tried(), r.set.deps.Wall())
	r.history = h
	return nil
}

// wrote notes what a durable batch left.
func (r *replica) wrote(b *batch) {
	if !b.idle {
		r.mu.Lock()
		r.used = time.Now()
		r.mu.Unlock()
	}
	if r.touched != nil {
		for _, c := range b.step.State {
			r.touched[string(c.Key)] = struct{}{}
		}
		if b.Rolled && (r.lowest == nil || b.Lowest.Compare(*r.lowest) < 0) {
			r.lowest = &b.Lowest
		}
	}
	r.set.joined.Put(r.id, b.Rec.Members, b.View)
	if r.history = b.history; r.history != nil {
		r.history.Misfits = nil // they are dropped now
	}
	r.last.Store(uint64(b.Rec.Clock))
	r.distrust = b.distrust
	for _, u := range b.step.Undo {
		r.spans++
		r.spanBytes += u.Bytes
	}
	if b.took > 0 {
		r.cost.Store(int64(b.took))
	}
	if b.deep {
		r.set.deepen(r.id)
	}
}

// tidyAfter is how many spans are written before they are compacted, unless they are
// large; much more while a job goes on, whose spans had better fit behind them.
const tidyAfter = 256

// tidy compacts the undo spans now and then, in a step of its own: they are a
// cache, so a failure costs a longer roll-back at most.
func (r *replica) tidy(state uint64) {
	patience := 1
	if r.refolding != nil {
		patience = 4
	}
	if r.spans < patience*tidyAfter && r.spanBytes < patience*fold.SpanBudget(state) {
		return
	}
	r.spans, r.spanBytes = 0, 0
	err := r.set.compact(r.id)
	if err == nil {
		return
	}
	r.set.deps.Log.Warn().Err(err).Stringer("context", r.id).Msg("undo spans cannot be compacted")
	if fold.IsTrailFault(err) { // it would fail again and again
		r.distrust = true
		r.set.deepen(r.id)
	}
}

// next takes the call that is first in the queue, if the batch has room for it.
func (r *replica) next(b *batch, first *ticket, taken int, begun time.Time) *ticket {
	if first.alone || taken >= maxBatch || b.size() >= maxBatchSize || time.Since(begun) >= maxBatchTime {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) == 0 {
		return nil
	}
	t := r.waiting[0]
	if t.run == nil || t.alone || !r.set.writers.Quick(b.Rec.App, t.method) {
		return nil
	}
	r.waiting = slices.Delete(r.waiting, 0, 1)
	return t
}
