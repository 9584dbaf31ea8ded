package task_test

import (
	"testing"
	"time"

	"mero/node/task"
)

func TestTask(t *testing.T) {
	now := time.Unix(1000, 0)
	var k task.Task
	if k.Begin(now) {
		t.Error("it begins without cause")
	}
	k.Want(now.Add(time.Second))
	k.Want(now.Add(time.Minute)) // does not put it off
	if k.Begin(now) || !k.Begin(now.Add(time.Second)) {
		t.Error("it begins too soon or not at all")
	}
	k.Want(now)
	if k.Begin(now.Add(time.Hour)) {
		t.Error("it begins twice at a time")
	}
	k.End(now, false, time.Second, time.Minute)
	if at := k.Next(); at.Before(now.Add(time.Second/2)) || at.After(now.Add(time.Second)) {
		t.Errorf("tried again after %s, want half a second to one", at.Sub(now))
	}
	for range 20 {
		k.Due, k.Blocked = now, time.Time{}
		if !k.Begin(now) {
			t.Fatal("it does not begin")
		}
		k.End(now, false, time.Second, time.Minute)
	}
	k.Want(now) // whoever asks waits
	if at := k.Next(); at.Before(now.Add(30*time.Second)) || at.After(now.Add(time.Minute)) {
		t.Errorf("after many failures tried again after %s, want half a minute to one", at.Sub(now))
	}
	k.Fresh()
	if !k.Begin(now) {
		t.Error("what is fresh does not begin")
	}
	k.End(now, true, time.Second, time.Minute)
	if !k.Next().IsZero() {
		t.Error("what succeeded is due again")
	}
}

func TestBackoff(t *testing.T) {
	for failures := range 100 {
		most := time.Second << min(failures, 20)
		if failures > 0 {
			most = time.Second << min(failures-1, 20)
		}
		most = min(most, time.Minute)
		if got := task.Backoff(failures, time.Second, time.Minute); got < most/2 || got > most {
			t.Errorf("after %d failures %s, want %s to %s", failures, got, most/2, most)
		}
	}
}

// TestBackoffDoubles: also for numbers of failures and first waits that overflow, with
// waits that differ.
func TestBackoffDoubles(t *testing.T) {
	const low, high = time.Second, time.Minute
	for failures, seconds := range []int{1, 2, 4, 8, 16, 32, 60, 60} {
		full := time.Duration(seconds) * time.Second
		for range 100 {
			if got := task.Backoff(failures+1, low, high); got < full/2 || got > full {
				t.Fatalf("after failure %d: %s, want %s to %s", failures, got, full/2, full)
			}
		}
	}
	for _, failures := range []int{31, 32, 63, 64, 1 << 30} {
		if got := task.Backoff(failures+1, low, high); got < high/2 || got > high {
			t.Errorf("after failure %d: %s", failures, got)
		}
	}
	if got := task.Backoff(30, time.Hour, 24*time.Hour); got < 12*time.Hour || got > 24*time.Hour {
		t.Errorf("an hour doubled 29 times: %s", got)
	}
	spread := make(map[time.Duration]bool)
	for range 20 {
		spread[task.Backoff(4, low, high)] = true
	}
	if len(spread) < 2 {
		t.Error("no jitter")
	}
}
