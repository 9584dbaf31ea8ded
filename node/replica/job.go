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
	"mero/node/ident"
	"mero/node/layer"
	"mero/node/members"
	"mero/node/store"
)

const (
	// lastBit is how many deltas a job folds at most while calls wait for it. When it
	// did not get that near in hurryAfter rounds, it takes no rest any more and is
	// content with hurriedBit; after maxRounds with whatever there is.
	lastBit    = 32
	hurriedBit = 4 * lastBit
	hurryAfter = 4
	maxRounds  = 64
	// maxRestarts is how often a job begins again.
	maxRestarts = 8
	// compactJob is after how many deltas a job compacts its own spans.
	compactJob = 4 * fold.SpansPerDelta
)

// job folds a context again beside its live state, from some place on or from
// genesis, and then takes the live state's place in one step. Calls and arrivals
// go on meanwhile; it folds what they added too.
type job struct {
	set *Set
	id  ident.ContextID
	r   *replica // the queue of the context; nil for one that is not to switch
	// base is the snapshot that the job's state lies over, from is where it began:
	// nothing after it was in the state. whole: it began with nothing.
	base  *store.View
	from  delta.Place
	whole bool
	// merged: what the base has and a whole job's state lacks is noted.
	merged bool
	b      *batch
	spilt  layer.Spill // what of the job's state was too much for memory
	// folded are the deltas that the state has, after from, in canonical order.
	folded []delta.ID
	// voids are those of them that are void, and why.
	voids map[delta.ID]string
	// late are those that waited for the order when it began. It puts no other late
	// ones into their places: else one after another could keep it from ending.
	late map[delta.ID]struct{}
	// held is what it could not fold for want of something on this node.
	held map[delta.ID]*history.Wait
	// log and labels are the membership at the deltas that it folded, and at what they
	// rest on before its beginning. They are its own: it makes them again from the deltas.
	log    *members.Log
	labels map[delta.ID]uint32

	pace bool // take a share of a core only
	work time.Duration
}

// errRestart says that the live state went back behind the job's beginning.
var errRestart = errors.New("the job has to begin again")

// newJob begins a job on a snapshot, which must stay open. Without a place it folds
// from genesis.
func (s *Set) newJob(view *store.View, from *delta.Place) (*job, error) {
	b, err := s.newBatch(view)
	if err != nil {
		return nil, err
	}
	founder, err := history.FounderOf(view)
	if err != nil {
		return nil, err
	}
	j := &job{
		set: s, id: view.Context().ID, base: view, b: b, spilt: layer.Spill{Store: s.deps.Store, Context: view.Context().ID}, late: make(map[delta.ID]struct{}), held: make(map[delta.ID]*history.Wait),
		voids: make(map[delta.ID]string), log: members.New(founder), labels: make(map[delta.ID]uint32),
	}
	if from != nil {
		if err := j.goBack(*from); !fold.IsTrailFault(err) {
			return j, err
		}
		if j.b, err = s.newBatch(view); err != nil {
			return nil, err
		}
	}
	j.whole = true
	b = j.b
	rec, local := view.Context(), b.Local
	b.State = fold.Empty(store.Context{
		ID: rec.ID, Created: rec.Created, Genesis: rec.Genesis, Epoch: rec.Epoch,
		StateQuota: rec.StateQuota, Creator: rec.Creator, Layouts: fold.AllLayouts, Step: rec.Step,
	}, founder, b.outside())
	b.Local = local
	return j, nil
}

// cutOf is the membership in the past of a delta that comes next.
func (j *job) cutOf(d *delta.Delta) (uint32, error) {
	label := members.First
	for i, p := range d.Header().Parents {
		if i == 0 {
			label = j.labels[p]
		}
		label = j.log.Union(label, j.labels[p])
	}
	if label == 0 {
		return 0, fmt.Errorf("%w: delta %s: its parents were not folded before it", ErrDamagedLog, d.ID())
	}
	return label, nil
}

// knows takes over the membership at deltas before the job's beginning.
func (j *job) knows(h *history.History, list []delta.ID) {
	if j.whole {
		return
	}
	h.Before(list, j.from, func(id delta.ID, v *members.View) { j.labels[id] = j.log.Label(v) })
}

// goBack takes the job's state back by the spans of its snapshot.
func (j *job) goBack(to delta.Place) error {
	for j.b.Rec.Last.Compare(to) >= 0 {
		if err := j.b.TakeBack(); err != nil {
			return err
		}
	}
	j.from = j.b.Rec.Last
	j.b.Trail.Detach() // what is older stays in the store as it is
	return nil
}

// foldTo brings the job's state to the given deltas, which follow its beginning in
// canonical order. read is where deltas are looked up.
func (j *job) foldTo(ctx context.Context, want []delta.ID, read *store.View) error {
	j.b.view = read
	if same := j.common(want); same < len(j.folded) {
		if err := j.unfold(same); err != nil {
			return err
		}
	}
	for _, id := range want[len(j.folded):] {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := j.foldOne(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// unfold takes the job's state back to its first keep deltas or further.
func (j *job) unfold(keep int) error {
	first, err := j.placeOf(j.folded[keep])
	if err != nil {
		return err
	}
	for j.b.Rec.Last.Compare(first) >= 0 {
		if j.b.Trail.Len() == 0 {
			return errRestart
		}
		if err := j.b.TakeBack(); err != nil {
			return err
		}
	}
	if j.b.Rec.Last == j.from {
		j.folded = j.folded[:0]
		return nil
	}
	at := slices.Index(j.folded, j.b.Rec.Last.ID)
	if at < 0 {
		return errRestart
	}
	j.folded = j.folded[:at+1]
	return nil
}

// spill moves the job's state out of memory when it is too much.
func (j *job) spill(ctx context.Context) (err error) {
	j.b.Values, err = j.spilt.Relieve(ctx, j.b.Values, j.below())
	return err
}

// below is what the job's state lies over.
func (j *job) below() layer.State {
	if j.whole && !j.merged {
		return layer.Getter(layer.Nothing)
	}
	return j.base
}

// end lets go what the job holds.
func (j *job) end(ctx context.Context) {
	if err := j.spilt.End(ctx); err != nil {
		j.set.deps.Log.Info().Err(err).Msg("leftovers of folding again will be swept later")
	}
}

func (j *job) placeOf(id delta.ID) (delta.Place, error) {
	_, rec, err := j.b.bytes(id)
	return delta.Place{Time: rec.Time, ID: id}, err
}

func (j *job) foldOne(ctx context.Context, id delta.ID) error {
	raw, rec, err := j.b.bytes(id)
	if err != nil {
		return err
	}
	d, err := delta.Reopen(raw)
	if err != nil {
		return fmt.Errorf("%w: delta %s: %w", ErrDamagedLog, id, err)
	}
	begun := time.Now()
	cut, err := j.cutOf(d)
	if err != nil {
		return err
	}
	done, payload, void, err := j.b.Judge(ctx, d, j.log.View(cut))
	if err != nil {
		return j.leaveOut(ctx, id, err)
	}
	j.labels[id] = j.log.With(cut, id, done.Change)
	if void == "" {
		if err := j.b.Unlocal(done); err != nil {
			return err
		}
	}
	j.b.fold(d, done, void)
	if void == "" && rec.Fate != store.FateFolded {
		j.b.news = append(j.b.news, news{id: id, events: payload.Events})
	}
	j.folded = append(j.folded, id)
	delete(j.b.records, id)
	if void != "" {
		j.voids[id] = void
	} else {
		delete(j.voids, id)
	}
	if err := j.spill(ctx); err != nil {
		return err
	}
	if j.b.Trail.Len() >= compactJob || j.b.Trail.IsHeavy(j.b.Rec.StateBytes) {
		if err := j.b.Trail.Compact(j.b.Rec.StateBytes); err != nil {
			return err
		}
	}
	return j.rest(ctx, time.Since(begun))
}

// leaveOut makes a delta wait that cannot be folded here, or has to be dropped.
func (j *job) leaveOut(ctx context.Context, id delta.ID, err error) error {
	if errors.Is(err, history.ErrStranger) {
		j.held[id] = &history.Wait{Kind: history.Key, Words: fold.Words(err), Stranger: err}
		return errHeld
	}
	kind, words := fold.Shortage(err)
	if kind == "" || ctx.Err() != nil {
		return fmt.Errorf("fold delta %s: %w", id, err)
	}
	j.held[id] = &history.Wait{Kind: kind, Words: words, Since: j.set.deps.Wall()}
	return errHeld
}

// rest keeps a job to its share of a core. It waits once enough has come
// together for that to be worth it.
func (j *job) rest(ctx context.Context, worked time.Duration) error {
	j.work += worked
	if !j.pace || j.work < 5*time.Millisecond {
		return nil
	}
	timer := time.NewTimer(j.set.pace.After(j.work))
	defer timer.Stop()
	j.work = 0
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// errHeld says that a job met a delta that this node cannot fold now: what is to
// be folded has to be looked up again.
var errHeld = errors.New("a delta has to wait")

// refold does what a deep roll-back or a rebuild needs: it folds again from a
// place, or from genesis, and switches to the result.
func (s *Set) refold(ctx context.Context, id ident.ContextID, genesis, pace bool) error {
	r := s.replica(id)
	ctx, done, err := r.takeOver(ctx, pace)
	if err != nil {
		return err
	}
	defer done()
	for range maxRestarts {
		err := s.refoldOnce(ctx, r, genesis, pace)
		if !errors.Is(err, errRestart) {
			return err
		}
	}
	return errRestart
}

// working is a job of a context that runs.
type working struct {
	paced bool
	end   context.CancelFunc
	done  chan struct{}
}

// takeOver begins the work of a job. Only one may run: a paced one waits for its turn;
// but somebody waits for one without a pace, which therefore ends a paced one. done
// must be called.
func (r *replica) takeOver(ctx context.Context, pace bool) (_ context.Context, done func(), _ error) {
	ctx, cancel := context.WithCancel(ctx)
	mine := &working{paced: pace, end: cancel, done: make(chan struct{})}
	for {
		other, err := r.refolds(ctx, mine)
		if err == nil && other == nil {
			return ctx, func() {
				_, _ = r.refolds(context.WithoutCancel(ctx), nil)
				close(mine.done)
				cancel()
			}, nil
		}
		if err == nil && !pace && !other.paced {
			err = ErrBusyFolding
		}
		if err != nil {
			cancel()
			return nil, nil, err
		}
		if !pace {
			other.end()
		}
		select {
		case <-other.done:
		case <-ctx.Done():
		}
	}
}

// refolds notes under the lead that a job runs, or with nil that none does, unless
// there is another one.
func (r *replica) refolds(ctx context.Context, w *working) (other *working, err error) {
	if err := r.lock(ctx); err != nil {
		return nil, err
	}
	defer r.unlock()
	if w != nil && r.refolding != nil {
		return r.refolding, nil
	}
	r.refolding, r.touched, r.lowest = w, nil, nil
	return nil, nil
}

func (s *Set) refoldOnce(ctx context.Context, r *replica, genesis, pace bool) error {
	j, err := s.beginRefold(ctx, r, genesis)
	if err != nil || j == nil {
		return err
	}
	defer j.base.Close()
	defer j.end(ctx)
	j.pace = pace
	for round := range maxRounds {
		want, read, err := s.look(ctx, r, j)
		if err != nil {
			return err
		}
		if left := len(want) - j.common(want); left <= lastBit || round >= hurryAfter && left <= hurriedBit {
			read.Close()
			break
		}
		err = j.foldTo(ctx, want, read)
		read.Close()
		j.b.view = j.base
		if err != nil && !errors.Is(err, errHeld) {
			return err
		}
		// Whoever falls behind has to hurry.
		j.pace = j.pace && round < hurryAfter
	}
	if j.whole {
		if err := j.dropRest(ctx); err != nil {
			return err
		}
	}
	return r.alone(ctx, func(b *batch) error { return j.finish(ctx, b) })
}

// common is how many deltas at the front of want the job's state has.
func (j *job) common(want []delta.ID) int {
	n := 0
	for n < len(want) && n < len(j.folded) && want[n] == j.folded[n] {
		n++
	}
	return n
}

// beginRefold looks, under the lead, from where a job has to fold. There is no job
// when nothing waits for one.
func (s *Set) beginRefold(ctx context.Context, r *replica, genesis bool) (*job, error) {
	if err := r.lock(ctx); err != nil {
		return nil, err
	}
	defer r.unlock()
	view, err := s.view(r.id)
	if err != nil {
		return nil, err
	}
	if err := r.load(view); err != nil {
		view.Close()
		return nil, err
	}
	var from *delta.Place
	if !genesis && !r.distrust {
		for id, w := range r.history.Held {
			if place := r.history.Place(id); w.Kind == history.Order && (from == nil || place.Compare(*from) < 0) {
				from = &place
			}
		}
		if from == nil {
			view.Close()
			return nil, nil
		}
	}
	j, err := s.newJob(view, from)
	if err != nil {
		view.Close()
		return nil, err
	}
	j.r = r
	for id, w := range r.history.Held {
		if w.Kind == history.Order {
			j.late[id] = struct{}{}
		}
	}
	r.touched, r.lowest = make(map[string]struct{}), nil
	return j, nil
}

// look gives what belongs into the state now, and a snapshot that has it.
func (s *Set) look(ctx context.Context, r *replica, j *job) ([]delta.ID, *store.View, error) {
	if err := r.lock(ctx); err != nil {
		return nil, nil, err
	}
	defer r.unlock()
	view, err := s.view(r.id)
	if err != nil {
		return nil, nil, err
	}
	if err := r.load(view); err != nil {
		view.Close()
		return nil, nil, err
	}
	if j.isBehind() {
		view.Close()
		return nil, nil, errRestart
	}
	list := r.history.Wanted(j.from, j.held, j.late)
	j.knows(r.history, list)
	return list, view, nil
}

// isBehind reports that the live state went back behind the job's beginning since:
// then that may not be what it was. The caller leads.
func (j *job) isBehind() bool { return j.r.lowest != nil && j.r.lowest.Compare(j.from) < 0 }
