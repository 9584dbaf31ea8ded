package inspect

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mero/node/api"
	"mero/node/collections"
	"mero/node/delta"
	"mero/node/hosted"
	"mero/node/ident"
	"mero/node/layer"
	"mero/node/replica"
	"mero/node/store"
)

// Why a state is not shown.
var (
	// ErrStateNotFound says that a path leads to nothing.
	ErrStateNotFound = errors.New("nothing there")
	// ErrPath says that a path, or what to go on behind, cannot be.
	ErrPath = errors.New("malformed path")
	// ErrDamagedState says that collections cannot be read.
	ErrDamagedState = errors.New("the state is damaged")
)

// BeforeError says that a context did not exist yet.
type BeforeError struct {
	Asked, Began time.Time
	Genesis      delta.ID
}

// Error says from when there is state.
func (e *BeforeError) Error() string {
	return fmt.Sprintf("the context did not exist at %s: it began at %s, with delta %s",
		e.Asked.UTC().Format(time.RFC3339Nano), e.Began.Format(time.RFC3339Nano), e.Genesis)
}

// maxStateBytes bounds the keys and values of one answer, in bytes; what is asked
// for by its own path is shown in any case.
const maxStateBytes = 4 << 20

// State shows the state of a context, as it is or as it was. A past state is folded
// for it, one at a time. Errors: ErrContextNotFound; ErrDeltaNotFound or a
// *BeforeError for a place there is no state of; ErrPath and ErrStateNotFound; ErrDamagedState;
// those of replica.Set.At.
func (i *Inspector) State(ctx context.Context, id ident.ContextID, q api.StateQuery) (api.StatePage, error) {
	if q.Limit <= 0 {
		q.Limit = api.DefaultStatePage
	}
	until, err := i.place(id, &q)
	if err != nil {
		return api.StatePage{}, err
	}
	if until != latest() {
		select {
		case i.past <- struct{}{}:
			defer func() { <-i.past }()
		case <-ctx.Done():
			return api.StatePage{}, ctx.Err()
		}
	}
	past, err := i.contexts.At(ctx, id, until)
	if err != nil {
		return api.StatePage{}, fmt.Errorf("state of context %s: %w", id, err)
	}
	defer past.Close()
	log, err := i.view(id) // after the state, so that all its deltas are in it
	if err != nil {
		return api.StatePage{}, err
	}
	defer log.Close()
	page, err := i.show(ctx, past, log, &q)
	if errors.Is(err, collections.ErrDamaged) {
		err = fmt.Errorf("%w: %w", ErrDamagedState, err)
	}
	return page, err
}

// latest is a place behind all others.
func latest() delta.Place { return endOf(delta.MaxTime) }

// endOf is the place behind all deltas of a time.
func endOf(t delta.Time) delta.Place {
	p := delta.Place{Time: t}
	for i := range p.ID {
		p.ID[i] = 0xff
	}
	return p
}

// place is up to where a query wants the state folded.
func (i *Inspector) place(id ident.ContextID, q *api.StateQuery) (delta.Place, error) {
	view, err := i.view(id)
	if err != nil {
		return delta.Place{}, err
	}
	defer view.Close()
	switch {
	case q.At != nil:
		rec, err := view.Delta(delta.ID(*q.At))
		if errors.Is(err, store.ErrNotFound) {
			return delta.Place{}, fmt.Errorf("%w: %s", ErrDeltaNotFound, q.At)
		}
		if err != nil {
			return delta.Place{}, fmt.Errorf("read delta %s: %w", q.At, err)
		}
		return delta.Place{Time: rec.Time, ID: rec.ID}, nil
	case q.Time.IsZero():
		return latest(), nil
	}
	until := endOf(timeOf(q.Time))
	genesis, err := view.Delta(view.Context().Genesis)
	if err != nil {
		return delta.Place{}, fmt.Errorf("read the genesis: %w", err)
	}
	if genesis.Time > until.Time {
		return delta.Place{}, &BeforeError{Asked: q.Time, Began: genesis.Time.Wall(), Genesis: genesis.ID}
	}
	return until, nil
}

func (i *Inspector) show(ctx context.Context, past *replica.Past, log *store.View, q *api.StateQuery) (api.StatePage, error) {
	rec := &past.Context
	page := api.StatePage{ContextID: rec.ID, ApplicationID: rec.App, RootHash: api.Hash(rec.Root), Path: q.Path}
	if page.Path == nil {
		page.Path = []string{}
	}
	if !rec.Last.ID.IsZero() {
		page.AsOf = &api.StatePlace{ID: api.Hash(rec.Last.ID), Time: rec.Last.Time.Wall()}
	}
	managed, err := i.contexts.HostManaged(ctx, rec.App)
	if missing := (*replica.AppMissingError)(nil); errors.As(err, &missing) {
		managed, err = hosted.Managed(past)
	}
	if err != nil {
		return page, err
	}
	page.HostManaged = managed
	if !managed {
		page.State, err = keys(past, q)
		return page, err
	}
	page.State, err = newSight(past, log).show(q)
	return page, err
}

// sight shows collections.
type sight struct {
	look   *hosted.Look
	log    *store.View
	writes map[moment]*api.StateWrite
}

// moment is when somebody wrote.
type moment struct {
	time delta.Time
	tag  [8]byte
}

func newSight(state layer.State, log *store.View) *sight {
	return &sight{look: hosted.NewLook(state), log: log, writes: make(map[moment]*api.StateWrite)}
}

func (s *sight) show(q *api.StateQuery) (api.StateNode, error) {
	at := s.look.Root()
	for depth, word := range q.Path {
		next, ok, err := s.step(at, word)
		if err != nil {
			return api.StateNode{}, err
		}
		if !ok {
			return api.StateNode{}, fmt.Errorf("%w: no %.100q in %s", ErrStateNotFound, word, where(q.Path[:depth], at.Kind))
		}
		at = next
	}
	start, err := s.start(&at, q.After)
	if err != nil {
		return api.StateNode{}, err
	}
	tree, err := s.look.Tree(at, start, q.Limit, maxStateBytes)
	if err != nil {
		return api.StateNode{}, fmt.Errorf("read collections: %w", err)
	}
	return s.node(tree, nil, start)
}

// where names a collection that was come to.
func where(path []string, kind collections.Kind) string {
	if len(path) == 0 {
		return "the state"
	}
	return fmt.Sprintf("%q, %s", path, kind)
}

// step goes one word further.
func (s *sight) step(at hosted.Node, word string) (hosted.Node, bool, error) {
	if at.Kind == collections.List {
		index, err := elementIndex(word)
		if err != nil {
			return hosted.Node{}, false, err
		}
		return s.look.At(at, index)
	}
	if !at.IsKeyed() {
		return hosted.Node{}, false, nil
	}
	key, err := key(&at, word)
	if err != nil {
		return hosted.Node{}, false, err
	}
	next, ok, err := s.look.In(at, key)
	if errors.Is(err, collections.ErrKeySize) || errors.Is(err, collections.ErrName) {
		return hosted.Node{}, false, fmt.Errorf("%w: %w", ErrPath, err)
	}
	return next, ok, err
}

// start is what to go on behind.
func (s *sight) start(at *hosted.Node, after string) (start hosted.Start, err error) {
	switch {
	case after == "":
	case at.IsKeyed():
		start.After, err = key(at, after)
	case at.Kind == collections.List, at.Kind == collections.Text:
		start.Index, err = elementIndex(after)
		start.Index++
	default:
		err = fmt.Errorf("%w: there is nothing to go on with in %s", ErrPath, at.Kind)
	}
	return start, err
}

// key reads the word of a key.
func key(in *hosted.Node, word string) ([]byte, error) {
	if in.Kind == collections.Members {
		if member, err := ident.ParsePublicKey(word); err == nil {
			return member[:], nil
		}
	}
	key, err := api.ParseKeyWord(word)
	if err != nil {
		return nil, fmt.Errorf("%w: %.100q: %w", ErrPath, word, err)
	}
	return key, nil
}
