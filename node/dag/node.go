package dag

import (
	"errors"
	"fmt"
	"slices"

	"mero/node/delta"
)

// Node is what the graph knows of a delta: the ordering part of its header.
type Node struct {
	ID      delta.ID
	Parents []delta.ID // strictly ascending; none in a genesis
	Writer  delta.Writer
	Seq     uint64 // the writer's number for it, from 1
	Time    delta.Time
}

// NodeOf is the node of a delta with this id and header; of an opened delta, of an
// *delta.UpgradeError, or of stored bytes by delta.Inspect.
func NodeOf(id delta.ID, h delta.Header) Node {
	return Node{ID: id, Parents: h.Parents, Writer: h.Writer(), Seq: h.Seq, Time: h.Time}
}

// Limits bound the deltas whose ancestors are missing.
type Limits struct {
	// Pending bounds their number in all.
	Pending int
	// PerAuthor bounds the number of one member's, over all its incarnations.
	PerAuthor int
	// Parents bounds the sum of their parents: a delta may have 256.
	Parents int
}

// DefaultLimits are 4 096 deltas in all, 1 024 of one author and 16 384 parents, which
// take at most about 5 MB. Gossip that overtakes a catch-up needs some hundred;
// catching up itself goes in canonical order and needs none.
func DefaultLimits() Limits { return Limits{Pending: 4096, PerAuthor: 1024, Parents: 16384} }

// Why a delta is not taken. All but ErrPendingFull are for good.
var (
	// ErrPendingFull: ancestors are missing and there is no room to wait for them.
	ErrPendingFull = errors.New("too many deltas wait for their ancestors")
	// ErrGenesis: a second genesis, or a context's genesis with parents.
	ErrGenesis = errors.New("not the genesis of this context")
	// ErrParents: more than delta.MaxParents, or not strictly ascending, or itself.
	ErrParents = errors.New("bad parents")
	// ErrTime: not later than one of its parents (R2).
	ErrTime = errors.New("not later than its parent")
	// ErrGap: the writer's previous delta is not among its ancestors (R3).
	ErrGap = errors.New("the writer's previous delta is not in its past")
	// ErrReused: a delta of the same writer and number is among its ancestors.
	ErrReused = errors.New("the writer's number is already in its past")
	// ErrAncestor: rests on a delta that was refused.
	ErrAncestor = errors.New("rests on a refused delta")
)

// Refusal is a delta that was refused, and why; Err wraps a sentinel of this package.
type Refusal struct {
	ID  delta.ID
	Err error
}

// Added is what adding one delta changed. Act on it in this order: store Connected,
// drop Refused, fetch Missing.
type Added struct {
	// Duplicate: the delta was there already, connected or pending. Nothing changed.
	Duplicate bool
	// Connected are the deltas that now have all their ancestors, the added one
	// among them, in canonical order. The first is where a roll-back has to go.
	Connected []delta.ID
	// Missing are the parents of the added delta that are neither connected nor
	// pending, ascending.
	Missing []delta.ID
	// Refused are pending deltas that were dropped for good, since an ancestor that
	// arrived shows that they break a rule, or was refused itself.
	Refused []Refusal
}

// check applies the rules that need no other delta.
func (n *Node) check(genesis delta.ID) error {
	if (len(n.Parents) == 0) != (n.ID == genesis) {
		return fmt.Errorf("%w %s", ErrGenesis, genesis)
	}
	if len(n.Parents) > delta.MaxParents {
		return fmt.Errorf("%w: %d, limit %d", ErrParents, len(n.Parents), delta.MaxParents)
	}
	for i, p := range n.Parents {
		if i > 0 && n.Parents[i-1].Compare(p) >= 0 {
			return fmt.Errorf("%w: not strictly ascending", ErrParents)
		}
	}
	if slices.Contains(n.Parents, n.ID) {
		return fmt.Errorf("%w: its own parent", ErrParents)
	}
	if n.Seq == 0 {
		return fmt.Errorf("%w: number 0", ErrGap)
	}
	return nil
}
