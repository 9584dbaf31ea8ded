package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"mero/blobkit"
	"mero/node/apps"
	"mero/node/events"
	"mero/node/ident"
	"mero/node/replica"
	"mero/node/store"
	"mero/node/vm"
)

// local is the part of a node below its server, opened in this process, with
// one context.
type local struct {
	dir   string
	close func() error
	set   *replica.Set
	app   ident.AppID
	made  replica.Created
}

// openLocal builds it as node.Open does.
func (b *bench) openLocal(ctx context.Context, app App) (_ *local, err error) {
	l := &local{dir: b.newDir()}
	var closers []func() error
	l.close = func() error {
		var errs []error
		for i := range closers {
			errs = append(errs, closers[len(closers)-1-i]())
		}
		return errors.Join(append(errs, os.RemoveAll(l.dir))...)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close())
		}
	}()
	cache := filepath.Join(l.dir, "cache")
	if err := b.fillCache(ctx, cache); err != nil {
		return nil, err
	}
	log, metrics := zerolog.Nop(), prometheus.NewRegistry()
	db, err := store.Open(filepath.Join(l.dir, "db"), store.DefaultConfig(), store.Deps{Log: log, Metrics: metrics}) //nolint:contextcheck // opening takes no context
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	closers = append(closers, db.Close)
	blobs, err := blobkit.Open(filepath.Join(l.dir, "blobs"), blobkit.Deps{Log: log, Metrics: metrics}, blobkit.DefaultConfig())
	if err != nil {
		return nil, fmt.Errorf("blobs: %w", err)
	}
	closers = append(closers, blobs.Close)
	engine, err := vm.New(vm.DefaultConfig(), vm.Deps{CacheDir: cache, Log: log, Metrics: metrics})
	if err != nil {
		return nil, fmt.Errorf("runtime: %w", err)
	}
	closers = append(closers, engine.Close)
	library := apps.New(apps.Deps{Store: db, Engine: engine, Blobs: blobs, Log: log})
	closers = append(closers, func() error { library.Close(); return nil })
	l.set = replica.NewSet(replica.Deps{
		Store: db, Apps: library, Blobs: blobs, Events: events.New(events.DefaultQueue, metrics),
		Log: log, Metrics: metrics, Wall: time.Now,
	})
	installed, err := library.Install(ctx, bytes.NewReader(app.Code), apps.Source{URL: "file:///" + app.Name})
	if err != nil {
		return nil, fmt.Errorf("install %s: %w", app.Name, err)
	}
	l.app = installed.ID
	l.made, err = l.set.Create(ctx, replica.CreateRequest{App: installed.ID, Params: []byte("{}")})
	if err != nil {
		return nil, fmt.Errorf("make a context of %s: %w", app.Name, err)
	}
	return l, nil
}

func (l *local) call(ctx context.Context, method string, a args) error {
	_, err := l.set.Execute(ctx, replica.Request{
		Context: l.made.Context, Executor: l.made.Member, Method: method, Input: a.json(),
	})
	return err
}
