package replica_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mero/node/replica"
	"mero/node/store"
)

// TestPanicAcknowledgesNothing: a fault of ours in one call of a batch must not
// let the others believe that they were written.
func TestPanicAcknowledgesNothing(t *testing.T) {
	h := newHome(t)
	c := h.create("rawkv", "{}")
	before := h.info(c)
	if written, err := replica.AbortedBatch(t, h.set, c.Context); err == nil || written {
		t.Errorf("a call of an aborted batch was answered %v, and written: %v", err, written)
	}
	if got := h.info(c); !cmp.Equal(got, before) {
		t.Errorf("the context changed: %s", cmp.Diff(before, got))
	}
	h.ok(c, "set", kv{"a", "2"}) // and the queue goes on
	h.verify(c.Context)
}

// TestQueuedCallWaitsForThisNode: a call between contexts that this node cannot
// make now is kept, and made when it can.
func TestQueuedCallWaitsForThisNode(t *testing.T) {
	for name, tc := range map[string]struct{ trouble, cure func(*home) }{
		"clock": {
			func(h *home) { h.wall = func() time.Time { return time.Now().Add(-time.Hour) } },
			func(h *home) { h.wall = time.Now },
		},
		"disk": {
			func(h *home) { h.free.Store(1) },
			func(h *home) { h.free.Store(1 << 40) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHome(t)
			c := h.create("events", "")
			h.ok(c, "call_self", map[string]string{"function": "receive", "params": `{"text":"hello"}`})
			tc.trouble(h)
			if !h.set.Drain(t.Context()) {
				t.Error("nothing is to be tried again")
			}
			left, err := h.store.XCalls(10)
			must(t, err)
			if len(left) != 1 {
				t.Fatalf("%d calls are queued, want 1", len(left))
			}
			tc.cure(h)
			eventually(t, func() bool { return !h.set.Drain(t.Context()) })
			if got := string(h.ok(c, "entries", nil).Output); !strings.Contains(got, "hello") {
				t.Errorf("the target holds %s", got)
			}
		})
	}
}

// TestApplicationStaysWhileAContextIsMade removes an application in the middle
// of a creation.
func TestApplicationStaysWhileAContextIsMade(t *testing.T) {
	h := newHome(t)
	app := h.install("rawkv")
	removed := make(chan error, 1)
	var once sync.Once
	h.wall = func() time.Time { // asked for within Create
		once.Do(func() {
			go func() {
				_, err := h.apps.Remove(context.WithoutCancel(t.Context()), app)
				removed <- err
			}()
		})
		return time.Now()
	}
	made, err := h.set.Create(t.Context(), replica.CreateRequest{App: app, Params: []byte("{}")})
	must(t, err)
	if err := <-removed; err == nil {
		t.Error("an application was removed under a new context")
	}
	h.ok(made, "set", kv{"a", "1"})
}

// TestOwnedOldestFirst: as whom calls between contexts run must not change when
// an identity is added.
func TestOwnedOldestFirst(t *testing.T) {
	h := newHome(t)
	c := h.create("rawkv", "{}")
	for range 5 {
		later, err := store.NewIdentity(time.Now().Add(time.Hour))
		must(t, err)
		later.Context = c.Context
		must(t, h.store.PutIdentity(t.Context(), later))
	}
	owned, err := h.set.Owned(c.Context)
	must(t, err)
	if owned[0] != c.Member {
		t.Errorf("the first of %v is not the creator %s", owned, c.Member)
	}
}

// eventually waits for a condition that another part brings about.
func eventually(t *testing.T, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("not within a minute")
		}
	}
}
