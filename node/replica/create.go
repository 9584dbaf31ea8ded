package replica

import (
	"context"
	"errors"
	"fmt"

	"mero/node/admit"
	"mero/node/apps"
	"mero/node/delta"
	"mero/node/fold"
	"mero/node/ident"
	"mero/node/store"
	"mero/node/vm"
)

// CreateRequest says what a new context runs.
type CreateRequest struct {
	App ident.AppID
	// Params is the input of the application's init method, JSON by convention.
	Params []byte
	// Seed, when given, fixes the context's key and so its id: the same seed
	// gives the same id everywhere, and works once per node.
	Seed *[32]byte
}

// Created names a new context and the member that this node is in it.
type Created struct {
	Context ident.ContextID
	Member  ident.PublicKey
}

// ErrInitOutput refuses an application whose init returns a value (wasm-abi 3).
var ErrInitOutput = errors.New("context initialization returned a value; it must return none")

// ErrNoInit says that parameters were given to an application without init.
var ErrNoInit = errors.New("the application has no init method, so it takes no parameters")

// Create makes a context: its key, its genesis delta, and, by the
// application's init, its first state. All of it is one step; after an error
// there is nothing. Errors are those of Execute, and ErrContextExists,
// ErrInitOutput, ErrNoInit.
func (s *Set) Create(ctx context.Context, req CreateRequest) (Created, error) {
	app, unpin, err := s.deps.Apps.Pin(req.App) // it must not be removed before the context names it
	if errors.Is(err, apps.ErrNotInstalled) {
		return Created{}, &AppMissingError{App: req.App}
	}
	if err != nil {
		return Created{}, err
	}
	defer unpin()
	s.writers.Forget(req.App)
	module, release, err := s.module(ctx, req.App)
	if err != nil {
		return Created{}, err
	}
	defer release()
	b, who, err := s.genesis(app, req.Seed)
	if err != nil {
		return Created{}, err
	}
	if err := b.initialise(ctx, module, who, req.Params); err != nil {
		return Created{}, err
	}
	err = s.write(b)
	if errors.Is(err, store.ErrExists) {
		return Created{}, ErrContextExists
	}
	if err != nil {
		return Created{}, err
	}
	s.tell(b)
	s.deps.Log.Info().Stringer("context", b.Rec.ID).Stringer("app", req.App).Msg("context created")
	return Created{Context: b.Rec.ID, Member: who.Public()}, nil
}

// genesis begins a batch for a context that does not exist yet, with its
// genesis delta folded. The context's private key ends with this function.
func (s *Set) genesis(app store.App, seed *[32]byte) (*batch, *store.Identity, error) {
	contextKey := ident.NewPrivateKey()
	if seed != nil {
		contextKey = ident.PrivateKeyFromSeed(*seed)
	}
	who, err := store.NewIdentity(s.deps.Wall())
	if err != nil {
		return nil, nil, err
	}
	who.Context = ident.ContextID(contextKey.Public())
	epochKey := delta.NewEpochKey()
	d, founder, err := admit.Genesis(app, contextKey, &who, epochKey, s.deps.Wall())
	if err != nil {
		return nil, nil, err
	}
	who.Seq = 1
	b := s.emptyBatch(store.Context{
		ID: who.Context, App: app.ID, Created: s.deps.Wall().UTC(), Genesis: d.ID(), Creator: who.Public(),
		Epoch: epochKey.ID(), StateQuota: admit.DefaultStateQuota, Layouts: fold.AllLayouts, Initialised: true,
	}, founder)
	b.identities[who.Public()], b.writers[who.Public()] = &who, &who
	b.keys[epochKey.ID()] = epochKey
	b.step.EpochKeys = []store.EpochKey{{Context: who.Context, Key: epochKey}}
	b.begin(d)
	b.made = append(b.made, d)
	return b, &who, nil
}

// initialise runs the application's init on the empty state.
func (b *batch) initialise(ctx context.Context, module *vm.Module, who *store.Identity, params []byte) error {
	if !module.Has(fold.InitMethod) {
		if len(params) > 0 {
			return ErrNoInit
		}
		return nil
	}
	if _, err := b.set.deps.Apps.Declared(b.Rec.App, module, fold.InitMethod, params); err != nil {
		return fmt.Errorf("init: %w", err)
	}
	res, err := b.call(ctx, input{module: module, who: who, method: fold.InitMethod, args: params})
	if err != nil {
		return fmt.Errorf("init: %w", err)
	}
	if res.HasOutput {
		return ErrInitOutput
	}
	for range res.ops { // there is no context yet that could ask
		b.set.metrics.operation(errNoMembership)
		b.set.deps.Log.Warn().Stringer("context", b.Rec.ID).Msg("an application's init asked for a change of contexts; it is not done")
	}
	return nil
}
