package replica

import (
	"context"
	"errors"
	"slices"

	"mero/node/apps"
	"mero/node/delta"
	"mero/node/history"
	"mero/node/ident"
	"mero/node/members"
	"mero/node/store"
)

// maxWants bounds what is wanted at a time, of each kind.
const maxWants = 64

// Wants is what this node lacks of a context that other members' nodes have.
type Wants struct {
	// Apps are applications that are not installed.
	Apps []delta.App
	// Epochs are those whose key is not here, ascending.
	Epochs []delta.EpochID
}

// Wants finds what the deltas of a context wait for, and the application that the
// context runs if it is not installed. Errors as of Known.
func (s *Set) Wants(ctx context.Context, id ident.ContextID) (Wants, error) {
	var byCode, byKey []delta.ID
	view, err := s.consult(ctx, id, func(_ *store.View, h *history.History) {
		for of, w := range h.Held {
			switch {
			case w.Kind == history.Code && len(byCode) < maxWants:
				byCode = append(byCode, of)
			case w.Kind == history.Key && len(byKey) < maxWants:
				byKey = append(byKey, of)
			}
		}
	})
	if err != nil {
		return Wants{}, err
	}
	defer view.Close()
	var w Wants
	if w.Epochs, err = history.EpochsOf(view, byKey); err != nil {
		return Wants{}, err
	}
	// What the context runs now, and what it is to run.
	genesis := view.Context().Genesis
	for _, of := range append(byCode, genesis) {
		app, ok, err := history.AppNamedBy(view, of)
		if err != nil {
			return Wants{}, err
		}
		if !ok || slices.Contains(w.Apps, app) || of == genesis && app.App != view.Context().App {
			continue
		}
		if _, err := s.deps.Apps.App(app.App); errors.Is(err, apps.ErrNotInstalled) {
			w.Apps = append(w.Apps, app)
		}
	}
	return w, nil
}

// RunsCode reports whether a blob is the code of an application that a context runs, or
// ran, or is to run, as far as this node knows: what members may ask it for.
func (s *Set) RunsCode(ctx context.Context, id ident.ContextID, blob [32]byte) (bool, error) {
	view, err := s.view(id)
	if err != nil {
		return false, err
	}
	defer view.Close()
	return history.NamesCode(ctx, view, blob)
}

// EpochKeys wraps keys of epochs that are here for a member of the context (R13).
// Errors: ErrContextNotFound, members.ErrNotMember, those of the store.
func (s *Set) EpochKeys(id ident.ContextID, member ident.PublicKey, epochs []delta.EpochID) ([]delta.WrappedKey, error) {
	list, err := s.Membership(id)
	if err != nil {
		return nil, err
	}
	at, found := slices.BinarySearchFunc(list, member, func(m members.Member, key ident.PublicKey) int { return m.Key.Compare(key) })
	if !found {
		return nil, members.ErrNotMember
	}
	seal := list[at].Seal
	view, err := s.view(id)
	if err != nil {
		return nil, err
	}
	defer view.Close()
	return history.WrapKeys(view, seal, epochs)
}

// TakeEpochKeys stores keys of epochs that were wrapped for a member of this node, and
// folds what waited for them. One that does not name its epoch is left out; taken is how
// many were not. Errors: ErrContextNotFound, *UnauthorizedError, those of Reconsider.
func (s *Set) TakeEpochKeys(ctx context.Context, id ident.ContextID, member ident.PublicKey, wrapped []delta.WrappedKey) (taken int, err error) {
	view, err := s.view(id)
	if err != nil {
		return 0, err
	}
	owned, err := view.Identities()
	view.Close()
	if err != nil {
		return 0, err
	}
	at := slices.IndexFunc(owned, func(i store.Identity) bool { return i.Public() == member })
	if at < 0 {
		return 0, &UnauthorizedError{Context: id, Key: member}
	}
	seal, err := ident.SealKeyFromSeed(owned[at].Seal)
	if err != nil {
		return 0, err
	}
	var step store.Step
	for _, w := range wrapped {
		if key, err := w.Unwrap(id, seal); err == nil {
			step.EpochKeys = append(step.EpochKeys, store.EpochKey{Context: id, Key: key})
		}
	}
	if len(step.EpochKeys) == 0 {
		return 0, nil
	}
	if err := s.deps.Store.Commit(ctx, &step); err != nil {
		return 0, err
	}
	return len(step.EpochKeys), s.Reconsider(ctx, id)
}
