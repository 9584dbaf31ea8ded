package history

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"mero/node/dag"
	"mero/node/delta"
	"mero/node/store"
)

// Tip is the last delta of a writer, or of one branch of a forked writer (R3).
type Tip = dag.Tip

// MaxTips bounds Known.Tips: 65 536, about 5 MB. Whatever is left out of a vector, here
// or on the way, is taken for lacking and sent again, which is harmless.
const MaxTips = 1 << 16

// Known is what a replica holds of a context, to be compared with what another one
// holds. Two replicas with equal Heads have the same state, and then equal Roots.
type Known struct {
	// Tips are the vector (R3): what is connected, whatever its fate. One tip a
	// writer, and one a branch of a forked writer; ascending by writer, number, id.
	Tips []Tip
	// Heads and Root are those of the state, which is without what waits: the folded
	// deltas without a folded child, ascending, at most store.MaxHeads.
	Heads []delta.ID
	Root  [32]byte
	// Deltas is the number of connected deltas.
	Deltas uint64
	// Missing are parents of pending deltas that nobody has brought, ascending.
	Missing []delta.ID
	// Waiting is how many deltas have no effect yet, and Held, by what they wait for
	// (Parents, Code, Key …), how many of them hold the others back (R4).
	Waiting uint64
	Held    map[string]int
}

// Vector is the graph's vector. One of more than MaxTips is without the tips that
// stand for the fewest deltas.
func (h *History) Vector() []Tip {
	tips := h.Graph.Vector()
	if len(tips) <= MaxTips {
		return tips
	}
	numbers := make([]uint64, len(tips))
	for i := range tips {
		numbers[i] = tips[i].Seq
	}
	slices.SortFunc(numbers, func(a, b uint64) int { return cmp.Compare(b, a) })
	least, kept := numbers[MaxTips-1], tips[:0]
	for _, tip := range tips {
		if tip.Seq >= least && len(kept) < MaxTips {
			kept = append(kept, tip)
		}
	}
	return kept
}

// HeldBy is how many deltas wait for something themselves, by what that is; what
// waits for parents that are missing counts too.
func (h *History) HeldBy() map[string]int {
	by := make(map[string]int)
	for _, w := range h.Held {
		by[w.Kind]++
	}
	if n := h.Graph.Pending(); n > 0 {
		by[Parents] += n
	}
	return by
}

// Envelopes are those of some deltas, without what is not stored, until they have so
// many bytes (one may have more); taken is how many of the ids they are for.
func Envelopes(ctx context.Context, view *store.View, ids []delta.ID, maxBytes int) (list [][]byte, taken int, err error) {
	bytes := 0
	for i, id := range ids {
		if err := ctx.Err(); err != nil {
			return nil, 0, err
		}
		rec, err := view.Delta(id)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, 0, err
		}
		if bytes += len(rec.Bytes); bytes > maxBytes && len(list) > 0 {
			return list, i, nil
		}
		list = append(list, rec.Bytes)
	}
	return list, len(ids), nil
}
