package replica_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"mero/node/ident"
	"mero/node/replica"
	"mero/node/vm"
)

// TestGuestFailuresChangeNothing runs calls that end badly in every way an
// application can think of.
func TestGuestFailuresChangeNothing(t *testing.T) {
	h := newHome(t)
	c := h.create("errors", "")
	h.ok(c, "set", kv{"a", "1"})
	h.ok(c, "maybe", map[string]any{"commit": true}) // now known to commit
	before := h.info(c)
	apply := func(how string) map[string]string { return map[string]string{"how": how} }

	for _, tc := range []struct {
		name, method string
		args         any
		want         func(error) bool
	}{
		{"returned error", "fail_string", nil, kind(vm.KindApplication)},
		{"returned error after commit", "commit_then_fail", nil, kind(vm.KindApplication)},
		{"panic after commit", "commit_then_panic", nil, kind(vm.KindPanic)},
		{"trap after commit", "commit_then_trap", nil, kind(vm.KindTrap)},
		{"too many events", "flood_events", map[string]any{"count": 1000}, kind(vm.KindLimit)},
		{"writer that does not commit", "maybe", map[string]any{"commit": false}, is(replica.ErrLostWrite)},
		{"state without actions", "commit_empty", nil, is(replica.ErrLostWrite)},
		{"apply traps", "commit_apply", apply("trap"), as[*replica.VoidError]},
		{"apply panics", "commit_apply", apply("panic"), as[*replica.VoidError]},
		{"apply returns an error", "commit_apply", apply("fail"), as[*replica.VoidError]},
		{"apply of garbage", "commit_apply", apply("garbage"), as[*replica.VoidError]},
		{"apply does nothing", "commit_apply", apply("nothing"), as[*replica.VoidError]},
		{"apply calls another context", "commit_apply", apply("xcall"), as[*replica.VoidError]},
		{"apply reads private data", "commit_apply", apply("private"), as[*replica.VoidError]},
		{"apply commits twice", "commit_apply", apply("twice"), as[*replica.VoidError]},
		{"artifact over the limit", "artifact_size", map[string]any{"size": 5 << 20}, anyError},
	} {
		t.Run(tc.name, func(t *testing.T) {
			res, err := h.call(c, tc.method, tc.args)
			if err == nil || !tc.want(err) {
				t.Errorf("got %+v, %v", res, err)
			}
			if got := h.info(c); !cmp.Equal(got, before) {
				t.Errorf("the context changed: %s", cmp.Diff(before, got))
			}
		})
	}
	h.ok(c, "commit_apply", apply("logs")) // log output is dropped in an apply, never a trap (R7)
	h.verify(c.Context)
}

func anyError(err error) bool { return err != nil }

// TestNodeLocalKeys covers R6's rule for applications that keep private data in
// plain storage: a key that the call wrote and its apply did not is local.
func TestNodeLocalKeys(t *testing.T) {
	h := newHome(t)
	c := h.create("local", "")
	type arg struct {
		Name  string `json:"name"`
		Value string `json:"value,omitempty"`
	}
	get := func(name string) string { t.Helper(); return string(h.ok(c, "get_local", arg{Name: name}).Output) }

	h.ok(c, "set_local", arg{"pin", "1234"})
	if got := get("pin"); got != `"1234"` {
		t.Fatalf("the author does not see its private data: %s", got)
	}
	h.verify(c.Context) // the replicated state is without it

	h.ok(c, "set_local", arg{"pin", "4321"})
	h.reopen()
	if got := get("pin"); got != `"4321"` {
		t.Errorf("after an overwrite and a restart: %s", got)
	}
	h.ok(c, "publish", arg{"pin", "public"})
	if got := get("pin"); got != `"public"` {
		t.Errorf("the replicated value must win: %s", got)
	}
	h.ok(c, "set_local", arg{"other", "x"})
	h.ok(c, "remove_local", arg{Name: "other"})
	if got := get("other"); got != "null" {
		t.Errorf("a removed local key is still there: %s", got)
	}
	h.verify(c.Context)
}

func TestPrivateStorage(t *testing.T) {
	h := newHome(t)
	c := h.create("private", "")
	type arg struct {
		Name   string `json:"name"`
		Secret string `json:"secret,omitempty"`
	}
	h.ok(c, "set_secret", arg{"a", "s1"})
	h.ok(c, "set_secret_uncommitted", arg{"a", "s2"})
	h.reopen()
	if got := string(h.ok(c, "get_secret", arg{Name: "a"}).Output); got != `"s1"` {
		t.Errorf("got %s: a secret survives exactly when its call commits", got)
	}
	h.ok(c, "remove_secret", arg{Name: "a"})
	if got := string(h.ok(c, "get_secret", arg{Name: "a"}).Output); got != "null" {
		t.Errorf("a removed secret is still there: %s", got)
	}
	h.verify(c.Context)
}

// TestCallsBetweenContexts queues a call of one context from another; it
// survives a restart before it was carried out, and happens once.
func TestCallsBetweenContexts(t *testing.T) {
	h := newHome(t)
	from, to := h.create("events", ""), h.create("events", "")
	before := h.info(to)
	h.ok(from, "call", map[string]string{
		"context": to.Context.String(), "function": "receive", "params": `{"text":"hello"}`,
	})
	if got := h.info(to); !cmp.Equal(got, before) {
		t.Fatal("the call ran before the queue did")
	}
	h.reopen()
	watch := h.bus.Watch(to.Context)
	defer watch.Close()
	ctx, stop := withCancel(t)
	ended := make(chan error, 1)
	go func() { ended <- h.set.Run(ctx) }()
	<-watch.Changes()
	stop()
	must(t, <-ended)

	if got := string(h.ok(to, "entries", nil).Output); !strings.Contains(got, "hello (by xcall)") {
		t.Errorf("the target holds %s", got)
	}
	after := h.info(to)
	ctx, stop = withCancel(t)
	go func() { ended <- h.set.Run(ctx) }()
	h.ok(from, "call", map[string]string{
		"context": ident.ContextID{1}.String(), "function": "receive", "params": `{}`,
	}) // no such context: logged, and out of the queue
	h.ok(from, "call", map[string]string{
		"context": to.Context.String(), "function": "receive", "params": `{"text":"again"}`,
	})
	<-watch.Changes()
	stop()
	must(t, <-ended)
	if got := h.info(to); got.Deltas != after.Deltas+1 {
		t.Errorf("%d deltas, want %d: each queued call happens once", got.Deltas, after.Deltas+1)
	}
	left, err := h.store.XCalls(10)
	must(t, err)
	if len(left) != 0 {
		t.Errorf("still queued: %+v", left)
	}
}

// TestChangeOverTheLimit is R5: what is over the protocol's limit is refused by
// name, what is within it is stored however many transactions that takes.
func TestChangeOverTheLimit(t *testing.T) {
	h := newHome(t)
	c := h.create("bulk", "")
	type fill struct {
		Name  string `json:"name"`
		Count int    `json:"count"`
		Size  int    `json:"size"`
	}
	h.ok(c, "fill", fill{"big", 20, 1 << 20})
	before := h.info(c)
	if before.StateBytes < 20<<20 {
		t.Fatalf("state of %d bytes", before.StateBytes)
	}
	_, err := h.call(c, "fill", fill{"more", 34, 1 << 20})
	var limit *replica.LimitError
	if !errors.As(err, &limit) || limit.Max != 32<<20 {
		t.Errorf("got %v, want the limit by name", err)
	}
	if got := h.info(c); !cmp.Equal(got, before) {
		t.Errorf("the context changed: %s", cmp.Diff(before, got))
	}
	h.reopen()
	h.verify(c.Context)
}

func TestSeedFixesTheContext(t *testing.T) {
	h := newHome(t)
	app, seed := h.install("rawkv"), [32]byte{7}
	made, err := h.set.Create(t.Context(), replica.CreateRequest{App: app, Params: []byte("{}"), Seed: &seed})
	must(t, err)
	if want := ident.ContextID(ident.PrivateKeyFromSeed(seed).Public()); made.Context != want {
		t.Errorf("context %s, want %s", made.Context, want)
	}
	_, err = h.set.Create(t.Context(), replica.CreateRequest{App: app, Params: []byte("{}"), Seed: &seed})
	if !errors.Is(err, replica.ErrContextExists) {
		t.Errorf("got %v, want ErrContextExists", err)
	}
}

func TestCreateRefuses(t *testing.T) {
	h := newHome(t)
	_, err := h.set.Create(t.Context(), replica.CreateRequest{App: ident.AppID{1}})
	if !as[*replica.AppMissingError](err) {
		t.Errorf("got %v, want AppMissingError", err)
	}
	list, err := h.set.List()
	must(t, err)
	if len(list) != 0 {
		t.Errorf("a refused creation left %+v", list)
	}
}

func TestDeleteForgetsTheContextHereOnly(t *testing.T) {
	h := newHome(t)
	c, other := h.create("rawkv", "{}"), h.create("rawkv", "{}")
	h.ok(other, "set", kv{"a", "1"})
	deleted, err := h.set.Delete(t.Context(), c.Context)
	if err != nil || !deleted {
		t.Fatalf("got %v, %v", deleted, err)
	}
	if _, err := h.call(c, "get", kv{Key: "a"}); !errors.Is(err, replica.ErrContextNotFound) {
		t.Errorf("got %v, want ErrContextNotFound", err)
	}
	if deleted, err := h.set.Delete(t.Context(), c.Context); err != nil || deleted {
		t.Errorf("a second time: %v, %v", deleted, err)
	}
	if got := string(h.ok(other, "get", kv{Key: "a"}).Output); got != `"1"` {
		t.Errorf("the other context holds %s", got)
	}
}

// TestQueueUnderCancellation looks at the queue under fake time: callers that
// give up leave it, and whoever waits gets the lead.
func TestQueueUnderCancellation(t *testing.T) {
	h := newHome(t)
	c := h.create("rawkv", "{}")
	h.ok(c, "set", kv{"a", "0"})
	synctest.Test(t, func(t *testing.T) {
		replica.CheckQueue(t, h.set, c.Context, 50*time.Millisecond)
	})
	h.ok(c, "set", kv{"a", fmt.Sprint(1)})
}
