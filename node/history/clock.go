package history

import (
	"fmt"
	"time"
)

// ClockError refuses to write while this node's clock is behind what the
// context has already seen, or far from the clocks of other nodes (R2).
type ClockError struct {
	// Ahead is how far the context is ahead of this node's clock.
	Ahead time.Duration
	// Skew is, instead, how far this node's clock is ahead of the median of connected
	// nodes' clocks; negative: behind.
	Skew time.Duration
}

// Error says what to do.
func (e *ClockError) Error() string {
	if e.Skew != 0 {
		side := "ahead of"
		if e.Skew < 0 {
			side = "behind"
		}
		return fmt.Sprintf("this node's clock is %s %s those of the other members' nodes; set the clock, then try again",
			e.Skew.Abs().Round(time.Second), side)
	}
	return fmt.Sprintf("this node's clock is %s behind the context's last change; set the clock, then try again",
		e.Ahead.Round(time.Millisecond))
}
