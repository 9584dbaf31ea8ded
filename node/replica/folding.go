package replica

import (
	"errors"
	"time"
)

// Limits of one step that folds. What comes after it is folded by a next one, so
// that calls come in between, and so that memory is bounded by bytes, whatever a few
// small deltas make of the state (R7).
const (
	maxStepBytes = 64 << 20 // of values and undo spans in memory
	maxStepTime  = time.Second
	// giveUp is how long a roll-back at once may take. One that takes longer is given
	// up and done beside the live state; for a while none as deep is tried (fold.Cost).
	giveUp = 2 * time.Second
)

// errDeep gives up a roll-back at once.
var errDeep = errors.New("the roll-back takes too long to be done at once")

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
