package delta

import (
	"fmt"

	"mero/node/ident"
)

// WrappedKey is the key of an epoch, wrapped for one member, as members' nodes give it
// to each other (R13).
type WrappedKey struct {
	Epoch EpochID
	Key   [wrappedSize]byte
}

// WrapKey wraps the key of an epoch for the holder of a sealing key.
func WrapKey(context ident.ContextID, key EpochKey, to ident.SealPublicKey) (WrappedKey, error) {
	wrapped, err := to.Wrap(wrapInfo(context), key[:])
	if err != nil || len(wrapped) != wrappedSize {
		return WrappedKey{}, fmt.Errorf("wrap epoch key: %d bytes: %w", len(wrapped), err)
	}
	return WrappedKey{Epoch: key.ID(), Key: [wrappedSize]byte(wrapped)}, nil
}

// Unwrap opens it and checks that it is the key of the epoch. Errors:
// ident.ErrNotForUs, ErrWrongEpoch.
func (w WrappedKey) Unwrap(context ident.ContextID, key ident.SealKey) (EpochKey, error) {
	secret, err := key.Unwrap(wrapInfo(context), w.Key[:])
	if err != nil {
		return EpochKey{}, fmt.Errorf("epoch key: %w", err)
	}
	var epoch EpochKey
	if copy(epoch[:], secret); len(secret) != len(epoch) || epoch.ID() != w.Epoch {
		return EpochKey{}, fmt.Errorf("epoch key: %w %s", ErrWrongEpoch, w.Epoch)
	}
	return epoch, nil
}
