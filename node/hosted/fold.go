package hosted

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"mero/node/collections"
	"mero/node/delta"
	"mero/node/layer"
	"mero/node/vm"
)

// ErrVoid says that operations break a rule, so that the delta is void on every
// replica.
var ErrVoid = errors.New("operations on collections")

// Fold makes the operations of a delta on the state at its place, and gives what
// changes, ascending by key. No WASM runs for it. The error wraps ErrVoid, or is
// about this node alone.
func Fold(state layer.State, h delta.Header, ops []byte) ([]vm.Write, error) {
	if len(ops) == 0 {
		return nil, nil // the delta has events alone
	}
	list, err := collections.Fold(rows{state}, ops, origin(h.Writer(), h.Time))
	var limit *collections.LimitError
	switch {
	case errors.Is(err, collections.ErrOps), errors.As(err, &limit):
		return nil, fmt.Errorf("%w: %w", ErrVoid, err)
	case err != nil:
		return nil, err
	}
	return writes(list), nil
}

// rows is a state as the engine sees it.
type rows struct{ layer.State }

// Range implements collections.KV.
func (r rows) Range(prefix, after []byte, limit int) ([]collections.Entry, error) {
	list, err := r.State.Range(prefix, after, limit)
	if err != nil {
		return nil, err
	}
	out := make([]collections.Entry, len(list))
	for i, kv := range list {
		out[i] = collections.Entry(kv)
	}
	return out, nil
}

// origin says for the engine who makes operations, and when.
func origin(w delta.Writer, now delta.Time) collections.Origin {
	return collections.Origin{Author: w.Author, Tag: Tag(w), Time: uint64(now)}
}

// Tag is what a writer is called in stamps: the first 8 bytes of
// SHA-256("mero/writer/v1" 00 | author | incarnation).
func Tag(w delta.Writer) (tag [8]byte) {
	h := sha256.New()
	h.Write([]byte("mero/writer/v1\x00"))
	h.Write(w.Author[:])
	h.Write(w.Incarnation[:])
	copy(tag[:], h.Sum(nil))
	return tag
}

func writes(list []collections.Write) []vm.Write {
	out := make([]vm.Write, len(list))
	for i, w := range list {
		out[i] = vm.Write{Key: w.Key, Value: w.New, Delete: !w.HasNew, Old: w.Old, HadOld: w.HadOld}
	}
	return out
}
