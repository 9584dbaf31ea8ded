package replica

import (
	"context"
	"errors"
	"fmt"

	"mero/node/apps"
	"mero/node/delta"
	"mero/node/hosted"
	"mero/node/ident"
	"mero/node/vm"
)

// Why an application update is void (R10).
var (
	errNotHolder  = errors.New("only the creator of the context may change its application")
	errOtherState = errors.New("one application keeps its state in host-managed collections, the other does not")
	errMigration  = errors.New("only applications with host-managed collections are migrated by a method")
)

// judgeApp gives the verdict about an application update at its place. What follows
// it there is folded by the new code, which the state is brought into the form of
// by its migration, as a part of folding the update.
func (b *batch) judgeApp(ctx context.Context, d *delta.Delta, form []byte) (applied, string, error) {
	update, err := delta.DecodeApp(form)
	if errors.Is(err, delta.ErrUpgrade) {
		return applied{}, "", err
	}
	if err != nil {
		return applied{}, words(err), nil
	}
	done, err := b.applyApp(ctx, d, update)
	void, err := verdict(err)
	return done, void, err
}

func (b *batch) applyApp(ctx context.Context, d *delta.Delta, update delta.App) (applied, error) {
	h := d.Header()
	if h.Author != b.rec.Creator {
		return applied{}, &VoidError{Cause: errNotHolder}
	}
	before, release, err := b.set.module(ctx, b.rec.App)
	if err != nil {
		return applied{}, err
	}
	defer release()
	after, release, err := b.set.module(ctx, update.App)
	if err != nil {
		return applied{}, err
	}
	defer release()
	done := applied{out: &vm.Outcome{Root: b.rec.GuestRoot}, layouts: allLayouts, app: update.App}
	switch {
	case before.HostManaged() != after.HostManaged() && b.rec.StateBytes > 0:
		return applied{}, &VoidError{Cause: errOtherState}
	case update.Migrate == "":
		return done, nil
	case !after.HostManaged():
		return applied{}, &VoidError{Cause: errMigration}
	}
	tx := hosted.Begin(b.state, h.Writer(), h.Time)
	_, err = after.Run(ctx, vm.Call{
		Mode: vm.ModeApply, Method: update.Migrate,
		Context: b.rec.ID, Executor: h.Author, Time: uint64(h.Time), Random: hosted.Random(d.ID()),
		Members: b.members, Collections: tx, Timeout: applyWatchdog,
	})
	switch {
	case err != nil && isShortage(err):
		return applied{}, err
	case err != nil:
		return applied{}, &VoidError{Cause: fmt.Errorf("migration: %w", err)}
	}
	if done.out.Writes, err = tx.Writes(); err != nil {
		return applied{}, err
	}
	return done, b.checkSize(done.out)
}

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
	if b.rec.App == update.App {
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
	done, err := b.applyApp(ctx, d, update)
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
	return b.answer(in, done.out, d), nil
}
