package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"mero/blobkit"
	"mero/node/api"
	"mero/node/apps"
	"mero/node/events"
	"mero/node/ident"
	"mero/node/replica"
	"mero/node/store"
	"mero/node/vm"
)

// Stopped is what can be read of a node that does not run: its contexts, folded
// again if need be. Nothing of it runs by itself, and nobody calls it.
type Stopped struct {
	Store    *store.Store
	Contexts *replica.Set
}

// WithStopped opens the home of a node that is stopped, for as long as do runs.
// The error is an *InUseError while the node runs.
func WithStopped(ctx context.Context, home Home, cfg Config, do func(*Stopped) error) error {
	return withStore(ctx, home, cfg, func(db *store.Store) (err error) {
		log, metrics := zerolog.Nop(), prometheus.NewRegistry()
		blobs, err := blobkit.Open(home.BlobsDir(), blobkit.Deps{Log: log, Metrics: metrics}, cfg.Blobs)
		if err != nil {
			return fmt.Errorf("blobs: %w", err)
		}
		defer func() { err = errors.Join(err, blobs.Close()) }()
		engine, err := vm.New(cfg.Runtime, vm.Deps{CacheDir: home.CacheDir(), Log: log, Metrics: metrics})
		if err != nil {
			return fmt.Errorf("runtime: %w", err)
		}
		defer func() { err = errors.Join(err, engine.Close()) }()
		library := apps.New(apps.Deps{Store: db, Engine: engine, Blobs: blobs, Log: log})
		defer library.Close()
		return do(&Stopped{Store: db, Contexts: replica.NewSet(replica.Deps{
			Config: cfg.State, Store: db, Apps: library, Blobs: blobs, Events: events.New(events.DefaultQueue, metrics),
			Log: log, Metrics: metrics, Wall: time.Now,
		})})
	})
}

// LookupAlias finds what a name stands for in a home, as api.Client does on a
// running node; false when it stands for nothing.
func (s *Stopped) LookupAlias(_ context.Context, scope api.AliasScope, name string) (api.ID, bool, error) {
	kind, within := store.AliasContext, ident.ContextID{}
	switch scope.Kind {
	case api.AliasContext:
	case api.AliasApplication:
		kind = store.AliasApplication
	case api.AliasIdentity:
		kind, within = store.AliasIdentity, scope.Context
	}
	target, err := s.Store.Alias(kind, within, name)
	if errors.Is(err, store.ErrNotFound) {
		return api.ID{}, false, nil
	}
	if err != nil {
		return api.ID{}, false, fmt.Errorf("look up alias %s: %w", name, err)
	}
	return api.ID(target), true, nil
}
