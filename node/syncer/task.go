package syncer

import (
	"math/rand/v2"
	"time"
)

// task is something that is done again and again for one object, at most once at a
// time: when it was asked for, when that is due, and how often it failed. The lock of
// its owner guards it.
type task struct {
	running  bool
	due      time.Time // zero: nothing gives cause
	failures int
	// blocked is before when it is not begun, whoever asks: the back-off.
	blocked time.Time
}

// want asks for the task at a time, or sooner if it was asked for sooner.
func (t *task) want(at time.Time) {
	if t.due.IsZero() || at.Before(t.due) {
		t.due = at
	}
}

// next is when it may begin; zero: not before somebody asks for it.
func (t *task) next() time.Time {
	if t.running || t.due.IsZero() {
		return time.Time{}
	}
	if t.blocked.After(t.due) {
		return t.blocked
	}
	return t.due
}

// begin begins it if it is due. What is asked for meanwhile is for the next time.
func (t *task) begin(now time.Time) bool {
	at := t.next()
	if at.IsZero() || at.After(now) {
		return false
	}
	t.running, t.due = true, time.Time{}
	return true
}

// end ends it. After a failure it is due again by itself, after a wait that doubles
// with each one.
func (t *task) end(now time.Time, ok bool, first, most time.Duration) {
	t.running = false
	if ok {
		t.failures, t.blocked = 0, time.Time{}
		return
	}
	t.failures++
	t.blocked = now.Add(backoff(t.failures, first, most))
	t.want(t.blocked)
}

// fresh forgets failures: what made them has changed.
func (t *task) fresh() { t.failures, t.blocked = 0, time.Time{} }

// backoff is the wait after a number of failures: doubling, with a random part of up
// to a half taken off, so that nodes that failed together do not try together.
func backoff(failures int, first, most time.Duration) time.Duration {
	wait := most
	if shift := max(failures-1, 0); shift < 30 {
		wait = min(first<<shift, most)
	}
	if wait <= 0 {
		wait = most
	}
	return wait - rand.N(wait/2+1) //nolint:gosec // spreads load, hides nothing
}
