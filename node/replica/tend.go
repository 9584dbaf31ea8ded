package replica

import (
	"context"
	"errors"
	"sync"
	"time"

	"mero/node/delta"
	"mero/node/fold"
	"mero/node/history"
	"mero/node/ident"
	"mero/node/store"
)

const (
	// tendEvery is how often is looked whether what deltas wait for has come.
	tendEvery = 10 * time.Second
	// idleHistory is how long the graph of a context stays in memory unused.
	idleHistory = 5 * time.Minute
)

// Refusal is something that was handed in as a delta and is none, or may not wait
// here any more.
type Refusal = history.Refusal

// Refusals are the last 64 of a context since the node started, oldest first.
func (s *Set) Refusals(id ident.ContextID) []Refusal { return s.refusals.Of(id) }

// refusal is what to tell people of a delta that was dropped.
func (s *Set) refusal(d history.Dropped) Refusal {
	return Refusal{At: s.deps.Wall(), Delta: d.ID, Author: d.Author, Reason: fold.Words(d.Err)}
}

// refused remembers a refusal.
func (s *Set) refused(id ident.ContextID, r Refusal) {
	s.deps.Log.Warn().Stringer("context", id).Stringer("delta", r.Delta).Str("reason", r.Reason).Msg("delta refused")
	s.refusals.Add(id, r)
}

// deepen asks for a deep roll-back of a context.
func (s *Set) deepen(id ident.ContextID) {
	s.mu.Lock()
	s.deep[id] = struct{}{}
	s.mu.Unlock()
	select {
	case s.late <- struct{}{}:
	default:
	}
}

// Run does what needs no caller until ctx ends: queued calls between contexts,
// deep roll-backs, another look at what waits, and the scrub.
func (s *Set) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { s.runQueue(ctx) })
	wg.Go(func() { s.runDeep(ctx) })
	wg.Go(func() { s.runTend(ctx) })
	if s.deps.Config.Scrub > 0 {
		wg.Go(func() { s.runScrub(ctx) })
	}
	wg.Wait()
	return nil
}

// runDeep does deep roll-backs.
func (s *Set) runDeep(ctx context.Context) {
	for {
		s.Deepen(ctx)
		select {
		case <-s.late:
		case <-ctx.Done():
			return
		}
	}
}

// atOnce is how many contexts have a deep roll-back at the same time, so that a long
// one does not keep all others waiting.
const atOnce = 4

// Deepen does the deep roll-backs that are due, with at most a quarter of a core
// together, and returns when they are done or ctx ends. Run calls it; whoever has no
// Run may.
func (s *Set) Deepen(ctx context.Context) {
	var wg sync.WaitGroup
	for range atOnce {
		wg.Go(func() {
			for ctx.Err() == nil {
				id, due := s.nextDeep()
				if !due {
					return
				}
				s.deepenOne(ctx, id)
			}
		})
	}
	wg.Wait()
}

func (s *Set) nextDeep() (id ident.ContextID, due bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id = range s.deep {
		delete(s.deep, id)
		return id, true
	}
	return id, false
}

func (s *Set) deepenOne(ctx context.Context, id ident.ContextID) {
	begun := time.Now()
	log := s.deps.Log.With().Stringer("context", id).Logger()
	log.Info().Msg("late deltas: the state is folded again beside the live one")
	err := s.refold(ctx, id, false, true)
	switch {
	case err == nil:
		s.metrics.refolds.WithLabelValues("done").Inc()
		log.Info().Dur("took", time.Since(begun)).Msg("late deltas are in their place")
	case ctx.Err() != nil, errors.Is(err, ErrContextNotFound):
	case errors.Is(err, context.Canceled): // by a rebuild, which takes the late ones along
	default:
		s.metrics.refolds.WithLabelValues("failed").Inc()
		log.Warn().Err(err).Msg("late deltas cannot be put into their place now; that is tried again")
	}
}

// runTend looks now and then at what waits.
func (s *Set) runTend(ctx context.Context) {
	tick := time.NewTicker(tendEvery)
	defer tick.Stop()
	for {
		s.tend(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// tend looks at every context in which deltas wait, and drops graphs that nobody
// has used for a while, or that are too much together.
func (s *Set) tend(ctx context.Context) {
	defer s.trim(maxGraphs)
	records, err := s.deps.Store.Contexts()
	if err != nil {
		s.deps.Log.Warn().Err(err).Msg("contexts cannot be listed")
		return
	}
	installed, err := s.deps.Apps.List()
	if err != nil {
		s.deps.Log.Warn().Err(err).Msg("applications cannot be listed")
		return
	}
	for _, rec := range records {
		if ctx.Err() != nil {
			return
		}
		if s.replica(rec.ID).rests(len(installed)) || rec.Waiting == 0 {
			continue
		}
		if err := s.Reconsider(ctx, rec.ID); err != nil && ctx.Err() == nil && !errors.Is(err, ErrContextNotFound) {
			s.deps.Log.Warn().Err(err).Stringer("context", rec.ID).Msg("deltas that wait cannot be looked at")
		}
	}
}

// rests drops the graph of a context that has not been used for a while, and reports
// whether that is so. What waits there is looked at again once in such a while, and
// when there is another number of applications.
func (r *replica) rests(apps int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.led || time.Since(r.used) <= idleHistory {
		return false
	}
	r.history = nil
	if r.apps == apps && time.Since(r.looked) <= idleHistory {
		return true
	}
	r.apps, r.looked = apps, time.Now()
	return false
}

// Reconsider looks again at what deltas of a context wait for, and folds those
// for which it has come: the clock, a key, the application, a second try of what
// took too long. Errors as of Receive.
func (s *Set) Reconsider(ctx context.Context, id ident.ContextID) error {
	return s.replica(id).trusting(ctx, func(b *batch) error { return b.reconsider(ctx) })
}

func (b *batch) reconsider(ctx context.Context) error {
	if err := b.loadHistory(); err != nil {
		return err
	}
	free, err := b.retry()
	if err != nil || len(free) == 0 {
		b.idle = true
		return err
	}
	return b.advance(ctx, free)
}

// retry releases the held deltas that need not wait any more.
func (b *batch) retry() ([]delta.Place, error) {
	h, now := b.history, b.set.deps.Wall()
	var released []delta.Place
	for id, w := range h.Held {
		if w.Kind == history.Order {
			if place := h.Place(id); place.Compare(b.Rec.Last) > 0 { // it needs no roll-back
				h.Release(id)
				released = append(released, place)
			} else {
				b.deep = true
			}
			continue
		}
		header, newer, err := b.header(id)
		if err != nil {
			return nil, err
		}
		still, err := b.mustWait(header, newer)
		if err != nil {
			return nil, err
		}
		switch {
		case still != nil && still.Kind != w.Kind:
			b.hold(id, header.Time, still.Kind, still.Words)
		case still == nil && b.due(w, now):
			h.Release(id)
			released = append(released, delta.Place{Time: header.Time, ID: id})
		}
	}
	free := h.Settle()
	for _, p := range released {
		if h.IsBlocked(p.ID) {
			b.rests(p.ID, p.Time)
		}
	}
	return free, nil
}

// due reports whether it is time to try a delta again that this node could not
// fold.
func (b *batch) due(w *history.Wait, now time.Time) bool {
	switch w.Kind {
	case history.Code:
		_, err := b.set.deps.Apps.App(b.Rec.App)
		return err == nil
	case history.Upgrade:
		return w.Fresh // only another release, in another process, can know more
	case history.Watchdog, history.Memory:
		return w.IsDue(now)
	}
	return true
}

// runScrub hashes the state of all contexts again and again (R9).
func (s *Set) runScrub(ctx context.Context) {
	timer := time.NewTimer(s.deps.Config.Scrub)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		begun := time.Now()
		s.Scrub(ctx)
		timer.Reset(max(s.deps.Config.Scrub-time.Since(begun), time.Second))
	}
}

// Scrub hashes the state of every context again, compares it with the root, and
// folds again from the deltas what is damaged. Run does it every Config.Scrub.
func (s *Set) Scrub(ctx context.Context) {
	records, err := s.deps.Store.Contexts()
	if err != nil {
		s.deps.Log.Warn().Err(err).Msg("contexts cannot be listed")
		return
	}
	for _, rec := range records {
		if ctx.Err() != nil {
			return
		}
		if err := s.scrubOne(ctx, rec.ID); err != nil && ctx.Err() == nil && !errors.Is(err, ErrContextNotFound) {
			s.deps.Log.Error().Err(err).Stringer("context", rec.ID).Msg("a context cannot be checked")
		}
	}
}

func (s *Set) scrubOne(ctx context.Context, id ident.ContextID) error {
	rep, err := s.inspected(id, func(view *store.View, rep *Report) error { return rep.CheckState(ctx, view) })
	if err != nil {
		return err
	}
	s.metrics.scrubs.Inc()
	if len(rep.Problems) > 0 {
		_, err = s.Repair(ctx, id)
	}
	return err
}

// Repair is Verify, and folds the context again when its state is not right. The
// report says what was wrong, and whether it is right now.
func (s *Set) Repair(ctx context.Context, id ident.ContextID) (Report, error) {
	rep, err := s.Verify(ctx, id)
	if err != nil || len(rep.Problems) == 0 {
		return rep, err
	}
	s.metrics.damage.Inc()
	s.verdicts.Clear()
	for _, p := range rep.Problems {
		log := s.deps.Log.Error().Stringer("context", id).Str("what", p.What)
		if p.Key != nil {
			log = log.Hex("key", p.Key)
		}
		if !p.Delta.IsZero() {
			log = log.Stringer("delta", p.Delta)
		}
		log.Msg("the stored context is damaged")
	}
	again, err := s.Rebuild(ctx, id)
	if err != nil {
		return rep, err
	}
	rep.Repaired, rep.Root, rep.Took = again.Repaired, again.Root, rep.Took+again.Took
	return rep, nil
}
