package replica

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mero/node/ident"
)

// CheckQueue holds the lead of a queue of its own while others wait, some of
// whom give up: the rest must get the lead one after another. It runs in a
// synctest bubble.
func CheckQueue(t *testing.T, s *Set, id ident.ContextID, patience time.Duration) {
	r := &replica{set: s, id: id}
	if err := r.lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	const waiters = 10
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		led  int
		gone int
	)
	for i := range waiters {
		wg.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			if i%2 == 0 {
				ctx, cancel = context.WithTimeout(t.Context(), patience)
			}
			defer cancel()
			err := r.lock(ctx)
			mu.Lock()
			defer mu.Unlock()
			if errors.Is(err, context.DeadlineExceeded) {
				gone++
				return
			}
			led++
			r.unlock()
		})
	}
	synctest.Wait()
	<-time.After(2 * patience) // fake time: the patience of half of them ends
	synctest.Wait()
	r.unlock()
	wg.Wait()
	if led != waiters/2 || gone != waiters/2 {
		t.Errorf("%d led and %d gave up, want %d each", led, gone, waiters/2)
	}
	if r.led || len(r.waiting) > 0 {
		t.Errorf("the queue is left with led=%v and %d waiting", r.led, len(r.waiting))
	}
}
