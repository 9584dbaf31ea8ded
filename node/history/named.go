package history

import (
	"context"
	"errors"
	"slices"

	"mero/node/delta"
	"mero/node/ident"
	"mero/node/store"
)

// AppNamedBy is the application that a genesis or app delta names; false for others,
// and while it can not be read.
func AppNamedBy(view *store.View, id delta.ID) (delta.App, bool, error) {
	rec, err := view.Delta(id)
	if err != nil {
		return delta.App{}, false, err
	}
	d, err := delta.Reopen(rec.Bytes)
	if err != nil {
		return delta.App{}, false, nil //nolint:nilerr // of a newer release
	}
	h := d.Header()
	if h.Kind != delta.KindGenesis && h.Kind != delta.KindApp {
		return delta.App{}, false, nil
	}
	key, err := view.EpochKey(h.Epoch)
	if errors.Is(err, store.ErrNotFound) {
		return delta.App{}, false, nil
	}
	if err != nil {
		return delta.App{}, false, err
	}
	payload, err := d.Payload(key)
	if err != nil {
		return delta.App{}, false, nil //nolint:nilerr // it will be void
	}
	if h.Kind == delta.KindApp {
		app, err := delta.DecodeApp(payload)
		return app, err == nil, nil
	}
	g, err := delta.DecodeGenesis(payload)
	return delta.App{App: g.App, Code: g.Code, Package: g.Package, Version: g.Version}, err == nil, nil
}

// NamesCode reports whether the genesis or an app delta of a context, whatever its fate,
// names a blob as the code of an application, as far as this node has the keys.
func NamesCode(ctx context.Context, view *store.View, blob [32]byte) (bool, error) {
	for rec, err := range view.Headers(0) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return false, err
		}
		h, _, err := delta.HeaderOf(rec.Bytes)
		if err != nil || h.Kind != delta.KindApp && h.Kind != delta.KindGenesis {
			continue
		}
		app, ok, err := AppNamedBy(view, rec.ID)
		if err != nil {
			return false, err
		}
		if ok && app.Code == blob {
			return true, nil
		}
	}
	return false, nil
}

// EpochsOf are the epochs under which some deltas were sealed, ascending.
func EpochsOf(view *store.View, ids []delta.ID) (epochs []delta.EpochID, err error) {
	for _, id := range ids {
		rec, err := view.Delta(id)
		if err != nil {
			return nil, err
		}
		if h, _, err := delta.HeaderOf(rec.Bytes); err == nil {
			epochs = append(epochs, h.Epoch)
		}
	}
	slices.SortFunc(epochs, delta.EpochID.Compare)
	return slices.Compact(epochs), nil
}

// WrapKeys wraps the keys of epochs that are here for a member's sealing key (R13).
func WrapKeys(view *store.View, seal ident.SealPublicKey, epochs []delta.EpochID) (out []delta.WrappedKey, err error) {
	for _, epoch := range epochs {
		key, err := view.EpochKey(epoch)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		w, err := delta.WrapKey(view.Context().ID, key, seal)
		if err != nil {
			return nil, err
		}
		out = append(out, w)
	}
	return out, nil
}
