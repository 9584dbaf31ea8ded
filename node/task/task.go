package task

import (
	"math/rand/v2"
	"time"
)

// Task is something that is done again and again for one object, at most once at a
// time. The lock of its owner guards it. The zero value is one that nobody asked for.
type Task struct {
	// Running says that it was begun, and has not ended.
	Running bool
	// Due is when it was asked for; zero: nothing gives cause.
	Due time.Time
	// Failures is how often it failed since it went well, or was fresh.
	Failures int
	// Blocked is before when it is not begun, whoever asks: the back-off.
	Blocked time.Time
}

// Want asks for the task at a time, or sooner if it was asked for sooner.
func (t *Task) Want(at time.Time) {
	if t.Due.IsZero() || at.Before(t.Due) {
		t.Due = at
	}
}

// Next is when it may begin; zero: not before somebody asks for it.
func (t *Task) Next() time.Time {
	if t.Running || t.Due.IsZero() {
		return time.Time{}
	}
	if t.Blocked.After(t.Due) {
		return t.Blocked
	}
	return t.Due
}

// Begin begins it if it is due. What is asked for meanwhile is for the next time.
func (t *Task) Begin(now time.Time) bool {
	at := t.Next()
	if at.IsZero() || at.After(now) {
		return false
	}
	t.Running, t.Due = true, time.Time{}
	return true
}

// End ends it. After a failure it is due again by itself, after a wait that doubles
// with each one.
func (t *Task) End(now time.Time, ok bool, first, most time.Duration) {
	t.Running = false
	if ok {
		t.Failures, t.Blocked = 0, time.Time{}
		return
	}
	t.Failures++
	t.Blocked = now.Add(Backoff(t.Failures, first, most))
	t.Want(t.Blocked)
}

// Fresh forgets failures: what made them has changed.
func (t *Task) Fresh() { t.Failures, t.Blocked = 0, time.Time{} }

// Backoff is the wait after a number of failures: doubling, with a random part of up
// to a half taken off, so that nodes that failed together do not try together.
func Backoff(failures int, first, most time.Duration) time.Duration {
	wait := most
	if shift := max(failures-1, 0); shift < 32 && first<<shift>>shift == first { // else it overflows
		wait = min(first<<shift, most)
	}
	if wait <= 0 {
		wait = most
	}
	return wait - rand.N(wait/2+1) //nolint:gosec // spreads load, hides nothing
}
