package fold

import (
	"context"
	"errors"
	"fmt"

	"mero/node/delta"
	"mero/node/hosted"
	"mero/node/members"
	"mero/node/vm"
)

// judgeApp gives the verdict about an application update at its place. What follows
// it there is folded by the new code, which the state is brought into the form of
// by its migration, as a part of folding the update.
func (s *State) judgeApp(ctx context.Context, d *delta.Delta, form []byte, cut *members.View) (Effect, string, error) {
	update, err := delta.DecodeApp(form)
	if errors.Is(err, delta.ErrUpgrade) {
		return Effect{}, "", err
	}
	if err != nil {
		return Effect{}, Words(err), nil
	}
	done, err := s.ApplyApp(ctx, d, update, cut)
	void, err := verdict(err)
	return done, void, err
}

// ApplyApp finds what an application update does to the state as it is now: the
// migration's writes, and the application from there on. Errors as of Apply.
func (s *State) ApplyApp(ctx context.Context, d *delta.Delta, update delta.App, cut *members.View) (Effect, error) {
	h := d.Header()
	before, release, err := s.outside.Module(ctx, s.Rec.App)
	if err != nil {
		return Effect{}, err
	}
	defer release()
	after, release, err := s.outside.Module(ctx, update.App)
	if err != nil {
		return Effect{}, err
	}
	defer release()
	done := s.same()
	done.Layouts, done.App = AllLayouts, update.App
	switch {
	case before.HostManaged() != after.HostManaged() && s.Rec.StateBytes > 0:
		return Effect{}, &VoidError{Cause: errOtherState}
	case update.Migrate == "":
		return done, nil
	case !after.HostManaged():
		return Effect{}, &VoidError{Cause: errMigration}
	}
	if err := checkMigration(after, update); err != nil {
		return Effect{}, err
	}
	tx := hosted.Begin(s.Values, h.Writer(), h.Time)
	_, err = after.Run(ctx, vm.Call{
		Mode: vm.ModeApply, Method: update.Migrate,
		Context: s.Rec.ID, Executor: h.Author, Time: uint64(h.Time), Random: hosted.Random(d.ID()),
		Members: cut, Collections: tx, Timeout: Watchdog,
	})
	switch {
	case err != nil && isShortage(err):
		return Effect{}, err
	case err != nil:
		return Effect{}, &VoidError{Cause: fmt.Errorf("migration: %w", inWords(err))}
	}
	if done.Out.Writes, err = tx.Writes(); err != nil {
		return Effect{}, err
	}
	return done, s.CheckSize(done.Out)
}

// checkMigration reports whether the method of an update may be its migration. The
// error is a *VoidError, or a *CodeError about this node.
func checkMigration(code *vm.Module, update delta.App) error {
	err := hosted.CheckMigration(code, update.Migrate)
	if Reserved(update.Migrate) {
		err = fmt.Errorf("%w: only the node calls %s", hosted.ErrMigration, update.Migrate)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, hosted.ErrMigration):
		return &VoidError{Cause: err}
	}
	return &CodeError{App: update.App, Cause: err}
}
