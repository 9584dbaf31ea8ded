package replica

import (
	"errors"
	"time"

	"mero/node/delta"
	"mero/node/history"
)

// Limits of one step that folds. What comes after it is folded by a next one, so
// that calls come in between, and so that memory is bounded by bytes, whatever a few
// small deltas make of the state (R7).
const (
	maxStepBytes = 64 << 20 // of values and undo spans in memory
	maxStepTime  = time.Second
	// giveUp is how long a roll-back at once may take. One that takes longer is given
	// up and done beside the live state; for a while none as deep is tried.
	giveUp    = 2 * time.Second
	giveUpFor = time.Minute
)

// errDeep gives up a roll-back at once.
var errDeep = errors.New("the roll-back takes too long to be done at once")

// folding is what is known of folding a context. It outlives the graph in memory,
// and belongs to whoever leads.
type folding struct {
	mean time.Duration // what folding one delta takes, a moving mean
	// A roll-back over so many deltas took too long; that holds until.
	tooDeep uint64
	until   time.Time
	// tried are deltas that this node could not fold, and when that is tried again.
	tried map[delta.ID]*history.Wait
}

// of gives what was tried.
func (f *folding) of() map[delta.ID]*history.Wait {
	if f.tried == nil {
		f.tried = make(map[delta.ID]*history.Wait)
	}
	return f.tried
}

// spent notes how long folding one delta took.
func (f *folding) spent(took time.Duration) {
	if f != nil {
		f.mean = (7*f.mean + took) / 8
	}
}

// isShallow reports whether a roll-back over so many deltas is one to be done at
// once (R8).
func (f *folding) isShallow(depth uint64) bool {
	if f.tooDeep > 0 && depth >= f.tooDeep && time.Now().Before(f.until) {
		return false
	}
	return depth <= shallowDepth || time.Duration(depth)*f.mean <= shallowCost
}

// gaveUp notes that a roll-back took too long.
func (f *folding) gaveUp(depth uint64) {
	f.tooDeep, f.until = max(depth, 1), time.Now().Add(giveUpFor)
}

// memory is how many bytes the batch keeps for its step.
func (b *batch) memory() int { return b.Values.Held() + b.Trail.Made() }

// isFull reports that a step that folds on has become long enough.
func (b *batch) isFull() bool {
	return b.memory() > maxStepBytes || time.Since(b.begun) > maxStepTime
}

// isTooDeep reports that a roll-back has become too much to be done at once.
func (b *batch) isTooDeep() bool {
	return b.memory() > maxStepBytes || time.Since(b.begun) > giveUp
}
