package delta

import (
	"fmt"
	"time"
)

// Time is hybrid time (R2): nanoseconds since 1970, a multiple of Tick. The
// nanoseconds below a tick belong to the guest, see At.
type Time uint64

const (
	// Tick is the distance between neighbouring times, in nanoseconds (65.5 µs).
	Tick = 65536
	// MaxTime is the last time: in the year 2262, where Go's clock ends too.
	MaxTime Time = 1<<63 - Tick
)

// NextTime is the time of a delta that is made now: the wall clock rounded down to
// a tick, or one tick after the greatest parent, whichever is later. A clock before
// 1970 counts as 1970. After a parent at MaxTime there is no time left and the
// result is MaxTime, which nobody accepts as later; R2 keeps such parents from
// being folded.
func NextTime(wall time.Time, parents ...Time) Time {
	next := Time(Tick)
	switch {
	case !wall.Before(MaxTime.Wall()):
		next = MaxTime
	case wall.After(next.Wall()):
		next = Time(wall.UnixNano()) / Tick * Tick
	}
	for _, p := range parents {
		next = max(next, min(p, MaxTime-Tick)+Tick)
	}
	return min(next, MaxTime)
}

// At is the k-th time that the guest sees in the call that makes the delta, and in
// each apply of it: t + min(k, 65 535) nanoseconds, so never in the next tick.
func (t Time) At(k uint64) uint64 { return uint64(t) + min(k, Tick-1) }

// Wall is t as a wall-clock time in UTC.
func (t Time) Wall() time.Time { return time.Unix(0, int64(min(t, MaxTime))).UTC() }

// String is the wall-clock time in UTC, to the nanosecond.
func (t Time) String() string { return t.Wall().Format(time.RFC3339Nano) }

// check says what is wrong with a time in a header.
func (t Time) check() error {
	if t%Tick != 0 || t < Tick || t > MaxTime {
		return fmt.Errorf("%w: %d", ErrTime, uint64(t))
	}
	return nil
}
