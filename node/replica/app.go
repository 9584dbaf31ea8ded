package replica

import (
	"context"
	"errors"

	"mero/node/apps"
	"mero/node/delta"
	"mero/node/ident"
)

// UpdateRequest asks for another application in a context.
type UpdateRequest struct {
	Context ident.ContextID
	App     ident.AppID
	// Migrate is the method of the new application that brings the state into its
	// form; empty: none.
	Migrate  string
	Executor ident.PublicKey
}

// ErrSameApp says that the context runs the application already.
var ErrSameApp = errors.New("the context runs this application already")

// UpdateApp makes a context run another application from here on (R10), on every
// member's node. Errors are those of Execute; a *VoidError says why the update would
// be void everywhere.
func (s *Set) UpdateApp(ctx context.Context, req UpdateRequest) (*Result, error) {
	app, unpin, err := s.deps.Apps.Pin(req.App) // it must not be removed before the context names it
	if errors.Is(err, apps.ErrNotInstalled) {
		return nil, &AppMissingError{App: req.App}
	}
	if err != nil {
		return nil, err
	}
	defer unpin()
	view, err := s.view(req.Context)
	if err != nil {
		return nil, err
	}
	view.Close()
	return s.replica(req.Context).submit(ctx, newTicket("", func(b *batch) (*Result, error) {
		return b.update(ctx, req, delta.App{
			App: app.ID, Code: app.Blob, Package: app.Package, Version: app.Version, Migrate: req.Migrate,
		})
	}))
}

func (b *batch) update(ctx context.Context, req UpdateRequest, update delta.App) (*Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	who, ok := b.identities[req.Executor]
	if !ok {
		return nil, &UnauthorizedError{Context: req.Context, Key: req.Executor}
	}
	if b.Rec.App == update.App {
		return nil, ErrSameApp
	}
	now, err := b.time()
	if err != nil {
		return nil, err
	}
	if err := b.checkWriter(who); err != nil {
		return nil, err
	}
	form, err := delta.EncodeApp(update)
	if err != nil {
		return nil, err
	}
	d, err := b.seal(who, now, delta.KindApp, form)
	if err != nil {
		return nil, err
	}
	done, err := b.ApplyApp(ctx, d, update, b.cut(d))
	if err != nil {
		return nil, err
	}
	module, release, err := b.set.module(ctx, update.App)
	if err != nil {
		return nil, err
	}
	defer release()
	in := input{module: module, who: who}
	if err := b.keep(in, d, done, nil); err != nil {
		return nil, err
	}
	return b.answer(in, done.Out, d), nil
}

// HostManaged reports whether an application keeps its state in collections of the
// host. Errors: *AppMissingError, and those of compiling it.
func (s *Set) HostManaged(ctx context.Context, app ident.AppID) (bool, error) {
	module, release, err := s.module(ctx, app)
	if err != nil {
		return false, err
	}
	defer release()
	return module.HostManaged(), nil
}
