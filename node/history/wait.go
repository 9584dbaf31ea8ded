package history

import (
	"fmt"
	"strings"
	"time"
)

// The kinds of waiting (R4). A reason at rest begins with one of them.
const (
	Parents  = "parents"
	Code     = "code"
	Key      = "key"
	Clock    = "clock"
	Upgrade  = "upgrade"
	Watchdog = "watchdog"
	Memory   = "memory"
	Order    = "order" // a deep roll-back is under way (R8)
)

// Wait is what a delta waits for, since when, and when that is looked at again.
type Wait struct {
	// Kind is one of those above, Words the rest for people.
	Kind, Words string
	Since       time.Time
	// Fresh: as an earlier process of the node left it.
	Fresh bool
	// Stranger: it waits no more, but is to be dropped, for this.
	Stranger error

	tries int
	next  time.Time
}

// Reason is the wait at rest.
func (w *Wait) Reason() string {
	return fmt.Sprintf("%s: %s; since %s", w.Kind, w.Words, w.Since.UTC().Format(time.RFC3339))
}

// readWait is the inverse of reason, as far as it matters.
func readWait(reason string, now time.Time) *Wait {
	w := &Wait{Since: now, Fresh: true}
	w.Kind, w.Words, _ = strings.Cut(reason, ": ")
	if i := strings.LastIndex(w.Words, "; since "); i >= 0 {
		if at, err := time.Parse(time.RFC3339, w.Words[i+len("; since "):]); err == nil {
			w.Since = at
		}
		w.Words = w.Words[:i]
	}
	return w
}

// How long a delta that this node could not fold waits for the second try, when it took
// too long and when memory was short, and the longest time between two tries.
const (
	firstLong  = 2 * time.Minute
	firstShort = 10 * time.Second
	retryMost  = 10 * time.Minute
)

// IsTransient tells what this node may not be short of another time. What such a try
// costs is spent again, so each waits twice as long as the one before.
func IsTransient(kind string) bool { return kind == Watchdog || kind == Memory }

// putOff fixes when a delta that this node could not fold is tried again.
func (w *Wait) putOff(now time.Time) {
	first := firstLong
	if w.Kind == Memory {
		first = firstShort
	}
	w.next = now.Add(min(first<<min(w.tries, 8), retryMost))
	w.tries++
}

// IsDue reports whether it is time to try it again.
func (w *Wait) IsDue(now time.Time) bool { return !now.Before(w.next) }
