package delta_test

import (
	"errors"
	"testing"

	"mero/node/delta"
	"mero/node/ident"
)

// TestWrappedKey: only its member gets the key, only in its context, and only under
// the name of its epoch.
func TestWrappedKey(t *testing.T) {
	ours, err := ident.NewSealKey()
	if err != nil {
		t.Fatal(err)
	}
	others, err := ident.NewSealKey()
	if err != nil {
		t.Fatal(err)
	}
	context, key := ident.ContextID{1}, delta.NewEpochKey()
	w, err := delta.WrapKey(context, key, ours.Public())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := w.Unwrap(context, ours); err != nil || got != key {
		t.Errorf("unwrapped another key, %v", err)
	}
	if _, err := w.Unwrap(context, others); !errors.Is(err, ident.ErrNotForUs) {
		t.Errorf("another member: %v, want ErrNotForUs", err)
	}
	if _, err := w.Unwrap(ident.ContextID{2}, ours); !errors.Is(err, ident.ErrNotForUs) {
		t.Errorf("another context: %v, want ErrNotForUs", err)
	}
	w.Epoch = delta.NewEpochKey().ID()
	if _, err := w.Unwrap(context, ours); !errors.Is(err, delta.ErrWrongEpoch) {
		t.Errorf("another epoch: %v, want ErrWrongEpoch", err)
	}
}
