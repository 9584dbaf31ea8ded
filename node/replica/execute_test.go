package replica_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mero/node/ident"
	"mero/node/replica"
	"mero/node/vm"
)

func TestWriteThenRead(t *testing.T) {
	h := newHome(t)
	c := h.create("rawkv", "{}")
	before := h.info(c)
	watch := h.bus.Watch(c.Context)
	defer watch.Close()

	res := h.ok(c, "set", kv{"a", "1"})
	if !res.Changed || res.Delta.IsZero() || res.Root == before.Root {
		t.Fatalf("a write made no delta: %+v", res)
	}
	after := h.info(c)
	if after.Root != res.Root || after.Deltas != before.Deltas+1 || !cmp.Equal(after.Heads, h.commits[len(h.commits)-1:]) {
		t.Errorf("record %+v does not follow the call %+v", after, res)
	}
	change := <-watch.Changes()
	if change.Root != res.Root || change.Delta != res.Delta {
		t.Errorf("watchers saw %+v", change)
	}

	read := h.ok(c, "get", kv{Key: "a"})
	if string(read.Output) != `"1"` || read.Changed || read.Root != res.Root {
		t.Errorf("get gave %+v", read)
	}
	if got := h.info(c); !cmp.Equal(got, after) {
		t.Errorf("a read changed the record: %s", cmp.Diff(after, got))
	}
	h.verify(c.Context)
}

func TestStateSurvivesRestart(t *testing.T) {
	h := newHome(t)
	c := h.create("rawkv", "{}")
	for i := range 20 {
		h.ok(c, "set", kv{fmt.Sprint("key", i%7), fmt.Sprint("value", i)})
	}
	before := h.info(c)
	h.reopen()
	if got := h.info(c); !cmp.Equal(got, before) {
		t.Fatalf("after a restart: %s", cmp.Diff(before, got))
	}
	if res := h.ok(c, "get", kv{Key: "key5"}); string(res.Output) != `"value19"` {
		t.Errorf("got %s", res.Output)
	}
	h.ok(c, "set", kv{"more", "1"}) // the writer's number goes on
	h.verify(c.Context)
}

// TestRefusedCallsChangeNothing goes through every way in which a call can end
// badly: the context must be exactly as it was.
func TestRefusedCallsChangeNothing(t *testing.T) {
	h := newHome(t)
	c := h.create("rawkv", "{}")
	h.ok(c, "set", kv{"a", "1"})
	before := h.info(c)
	stranger := ident.NewPrivateKey().Public()
	nowhere := ident.ContextID(stranger)

	for name, tc := range map[string]struct {
		req  replica.Request
		want func(error) bool
	}{
		"unknown context": {
			replica.Request{Context: nowhere, Method: "set", Executor: c.Member},
			is(replica.ErrContextNotFound),
		},
		"unknown identity": {
			replica.Request{Context: c.Context, Method: "set", Executor: stranger},
			as[*replica.UnauthorizedError],
		},
		"unknown identity reads": {
			replica.Request{Context: c.Context, Method: "get", Executor: stranger},
			as[*replica.UnauthorizedError],
		},
		"unknown method": {
			replica.Request{Context: c.Context, Method: "nope", Executor: c.Member},
			kind(vm.KindMethodNotFound),
		},
		"init": {
			replica.Request{Context: c.Context, Method: "init", Executor: c.Member},
			is(replica.ErrReservedMethod),
		},
		"sync": {
			replica.Request{Context: c.Context, Method: "__calimero_sync_next", Executor: c.Member},
			is(replica.ErrReservedMethod),
		},
		"arguments that are not JSON": {
			replica.Request{Context: c.Context, Method: "set", Input: []byte("{"), Executor: c.Member},
			kind(vm.KindPanic),
		},
	} {
		t.Run(name, func(t *testing.T) {
			res, err := h.set.Execute(t.Context(), tc.req)
			if err == nil || !tc.want(err) {
				t.Errorf("got %v, %v", res, err)
			}
			if got := h.info(c); !cmp.Equal(got, before) {
				t.Errorf("the context changed: %s", cmp.Diff(before, got))
			}
		})
	}
	h.verify(c.Context)
}

func TestCancelledCallsDoNotRun(t *testing.T) {
	h := newHome(t)
	c := h.create("rawkv", "{}")
	h.ok(c, "set", kv{"a", "1"}) // set is now known to write
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := h.set.Execute(ctx, replica.Request{
		Context: c.Context, Method: "set", Input: encode(t, kv{"a", "2"}), Executor: c.Member,
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want Canceled", err)
	}
	if res := h.ok(c, "get", kv{Key: "a"}); string(res.Output) != `"1"` {
		t.Errorf("got %s", res.Output)
	}
}

// TestConcurrentCalls has many clients write and read one context: every
// acknowledged write is there, and the log folds to the same state.
func TestConcurrentCalls(t *testing.T) {
	h := newHome(t)
	c := h.create("rawkv", "{}")
	const clients, writes = 8, 20
	var wg sync.WaitGroup
	for client := range clients {
		wg.Go(func() {
			for i := range writes {
				key := fmt.Sprintf("%d-%d", client, i)
				if _, err := h.call(c, "set", kv{key, key}); err != nil {
					t.Errorf("set %s: %v", key, err)
				}
				res, err := h.call(c, "get", kv{Key: key})
				if err != nil || string(res.Output) != `"`+key+`"` {
					t.Errorf("get %s after its write was acknowledged: %v, %v", key, res, err)
				}
			}
		})
	}
	wg.Wait()
	if got := h.info(c).Deltas; got != clients*writes+2 {
		t.Errorf("%d deltas, want %d", got, clients*writes+2)
	}
	h.verify(c.Context)
	h.reopen()
	h.verify(c.Context)
}

func TestDryRunCommitsNothing(t *testing.T) {
	h := newHome(t)
	c := h.create("rawkv", "{}")
	h.ok(c, "set", kv{"a", "1"})
	before := h.info(c)
	res, err := h.set.Execute(t.Context(), replica.Request{
		Context: c.Context, Method: "set", Input: encode(t, kv{"a", "2"}), Executor: c.Member, DryRun: true,
	})
	must(t, err)
	if len(res.Writes) == 0 || res.Changed {
		t.Errorf("a dry run must show what would change and change nothing: %+v", res)
	}
	if got := h.info(c); !cmp.Equal(got, before) {
		t.Errorf("the context changed: %s", cmp.Diff(before, got))
	}
}

// TestClockBehindRefusesToWrite sets the node's clock back past what R2 allows.
func TestClockBehindRefusesToWrite(t *testing.T) {
	h := newHome(t)
	now := time.Now()
	h.wall = func() time.Time { return now }
	c := h.create("rawkv", "{}")
	h.ok(c, "set", kv{"a", "1"})

	now = now.Add(-4 * time.Minute) // within the limit: time goes on from the last delta
	h.ok(c, "set", kv{"a", "2"})
	if res := h.ok(c, "get", kv{Key: "a"}); string(res.Output) != `"2"` {
		t.Errorf("a write with a clock that went back was lost: %s", res.Output)
	}
	now = now.Add(-2 * time.Minute)
	if _, err := h.call(c, "set", kv{"a", "3"}); !as[*replica.ClockError](err) {
		t.Errorf("got %v, want ClockError", err)
	}
	now = now.Add(10 * time.Minute)
	h.ok(c, "set", kv{"a", "4"})
	h.verify(c.Context)
}

func is(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

func as[T error](err error) bool {
	var target T
	return errors.As(err, &target)
}

func kind(k vm.Kind) func(error) bool {
	return func(err error) bool {
		var guest *vm.Error
		return errors.As(err, &guest) && guest.Kind == k
	}
}
