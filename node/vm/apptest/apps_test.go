package apptest_test

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"mero/node/ident"
	"mero/node/vm"
	"mero/node/vm/apptest"
)

// values is a state in memory.
type values map[string]string

func (v values) Get(key []byte) ([]byte, bool, error) {
	value, ok := v[string(key)]
	return []byte(value), ok, nil
}

func (v values) apply(writes []vm.Write) {
	for _, w := range writes {
		if w.Delete {
			delete(v, string(w.Key))
		} else {
			v[string(w.Key)] = string(w.Value)
		}
	}
}

// copyOf is one replica of a context, kept by the rules of wasm-abi 5.2: what a
// call wrote is kept when it committed.
type copyOf struct {
	module   *vm.Module
	executor byte
	time     uint64
	state    values
	private  values
}

// engine compiles each application once for all tests.
var engine *vm.Engine

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	var err error
	engine, err = vm.New(vm.DefaultConfig(), vm.Deps{Log: zerolog.Nop(), Metrics: prometheus.NewRegistry()})
	if err != nil {
		panic(err)
	}
	code := m.Run()
	if err := engine.Close(); err != nil {
		panic(err)
	}
	return code
}

// load is the creator's copy of a new context. The module stays loaded until
// the engine is closed.
func load(t *testing.T, wasm []byte) *copyOf {
	t.Helper()
	module, err := engine.Compile(t.Context(), wasm)
	if err != nil {
		t.Fatal(err)
	}
	return &copyOf{module: module, executor: 1, state: values{}, private: values{}}
}

// peer is an empty replica of the same context on another node.
func (c *copyOf) peer() *copyOf {
	return &copyOf{module: c.module, executor: c.executor + 1, state: values{}, private: values{}}
}

func (c *copyOf) run(call vm.Call) (*vm.Outcome, error) {
	call.State, call.Private = c.state, c.private
	call.Context[0] = 0xcc
	if call.Executor == (ident.PublicKey{}) {
		call.Executor[0] = c.executor
	}
	out, err := c.module.Run(context.Background(), call)
	if err == nil && out.Committed {
		c.state.apply(out.Writes)
		c.private.apply(out.Private)
	}
	return out, err
}

func (c *copyOf) try(method, input string) (*vm.Outcome, error) {
	c.time += 65_536
	return c.run(vm.Call{Method: method, Input: []byte(input), Time: c.time})
}

func (c *copyOf) call(t *testing.T, method, input string) *vm.Outcome {
	t.Helper()
	out, err := c.try(method, input)
	if err != nil {
		t.Fatalf("%s %s: %v", method, input, err)
	}
	return out
}

// receive applies another replica's artifact as its delta would be.
func (c *copyOf) receive(from *copyOf, artifact []byte) error {
	var author ident.PublicKey
	author[0] = from.executor
	_, err := c.run(vm.Call{
		Mode: vm.ModeApply, Method: "__calimero_sync_next", Input: artifact,
		Time: from.time, Executor: author, Random: strings.NewReader(strings.Repeat("random", 1000)),
	})
	return err
}

func (c *copyOf) wantOutput(t *testing.T, method, input, want string) {
	t.Helper()
	if out := c.call(t, method, input); string(out.Output) != want {
		t.Errorf("%s %s: got %s, want %s", method, input, out.Output, want)
	}
}

func (c *copyOf) wantError(t *testing.T, method, input string, kind vm.Kind, text string) {
	t.Helper()
	out, err := c.try(method, input)
	var e *vm.Error
	if !errors.As(err, &e) {
		t.Errorf("%s %s: got output %s and error %v, want an error of kind %s", method, input, out.Output, err, kind)
		return
	}
	if e.Kind != kind || !strings.Contains(err.Error(), text) {
		t.Errorf("%s %s: got %s, %.200q; want %s, with %.200q", method, input, e.Kind, err, kind, text)
	}
}

func TestKV(t *testing.T) {
	t.Parallel()
	a := load(t, apptest.RawKV(t))
	methods := []string{"entries", "get", "init", "len", "remove", "set"}
	if diff := cmp.Diff(methods, a.module.Methods()); diff != "" {
		t.Errorf("methods (-want +got):\n%s", diff)
	}
	a.wantError(t, "get", `{"key":"a"}`, vm.KindPanic, "Failed to find or read app state")
	genesis := a.call(t, "init", `{}`)
	if genesis.HasOutput || len(genesis.Artifact) == 0 {
		t.Errorf("init gave output %q and %d bytes of artifact", genesis.Output, len(genesis.Artifact))
	}
	a.wantError(t, "init", `{}`, vm.KindPanic, "Cannot initialize over already existing state.")
	a.wantError(t, "set", `{"key":"a"}`, vm.KindPanic, "missing field `value`")

	b := a.peer()
	for _, step := range []struct{ method, input, want string }{
		{"set", `{"key":"a","value":"1"}`, `null`},
		{"set", `["b","\u00e9\n\"\\"]`, `null`},
		{"set", `{"key":"gone","value":"x"}`, `null`},
		{"remove", `{"key":"gone"}`, `"x"`},
		{"remove", `{"key":"gone"}`, `null`},
		{"remove", `{"key":"never there"}`, `null`},
	} {
		out := a.call(t, step.method, step.input)
		if string(out.Output) != step.want || !out.Committed {
			t.Errorf("%s %s: got %s, committed %v", step.method, step.input, out.Output, out.Committed)
		}
		if err := b.receive(a, out.Artifact); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.receive(a, genesis.Artifact); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(a.state, b.state); diff != "" {
		t.Errorf("the peer has another state (-author +peer):\n%s", diff)
	}
	b.time = a.time
	b.wantOutput(t, "get", `{"key":"a"}`, `"1"`)
	b.wantOutput(t, "get", `{"key":"gone"}`, `null`)
	b.wantOutput(t, "entries", ``, `{"a":"1","b":"é\u000a\"\\"}`)
	b.wantOutput(t, "len", `null`, `2`)
	if out := b.call(t, "len", ``); out.Committed || len(out.Writes) > 0 {
		t.Error("reading changed something")
	}
}

// TestKVConflict: two members write one key at the same time, and both end
// with the same bytes whatever they saw first.
func TestKVConflict(t *testing.T) {
	t.Parallel()
	a := load(t, apptest.RawKV(t))
	genesis := a.call(t, "init", `{}`).Artifact
	b := a.peer()
	if err := b.receive(a, genesis); err != nil {
		t.Fatal(err)
	}
	b.time = a.time
	fromA := a.call(t, "set", `{"key":"k","value":"of a"}`).Artifact
	fromB := b.call(t, "set", `{"key":"k","value":"of b"}`).Artifact
	if err := errors.Join(a.receive(b, fromB), b.receive(a, fromA)); err != nil {
		t.Fatal(err)
	}
	// Who wins depends on how often each guest's runtime has looked at the clock.
	won := string(a.call(t, "get", `["k"]`).Output)
	if won != `"of a"` && won != `"of b"` {
		t.Errorf("neither value is there: %s", won)
	}
	b.wantOutput(t, "get", `["k"]`, won)
	if diff := cmp.Diff(a.state, b.state); diff != "" {
		t.Errorf("states differ (-a +b):\n%s", diff)
	}
	for _, artifact := range []string{"", "kv1 and nonsense", "\x00\x00\x00\x00\x00"} {
		if err := a.receive(b, []byte(artifact)); err == nil {
			t.Errorf("artifact %q was applied", artifact)
		}
	}
}

func TestPrivate(t *testing.T) {
	t.Parallel()
	a := load(t, apptest.Private(t))
	b := a.peer()
	for _, method := range []string{"init", "set_secret"} {
		input := map[string]string{"init": `{}`, "set_secret": `{"name":"n","secret":"hush"}`}[method]
		if err := b.receive(a, a.call(t, method, input).Artifact); err != nil {
			t.Fatal(err)
		}
	}
	b.time = a.time
	a.wantOutput(t, "get_secret", `{"name":"n"}`, `"hush"`)
	b.wantOutput(t, "get_secret", `{"name":"n"}`, `null`)
	b.wantOutput(t, "holders", ``, `{"n":"held"}`)
	a.wantOutput(t, "set_secret_uncommitted", `{"name":"u","secret":"lost"}`, `"lost"`)
	a.wantOutput(t, "get_secret", `{"name":"u"}`, `null`)
	a.wantOutput(t, "remove_secret", `{"name":"n"}`, `"hush"`)
	if len(a.private) != 0 {
		t.Errorf("private storage still has %v", a.private)
	}
	for key, value := range a.state {
		if strings.Contains(key+value, "hush") {
			t.Errorf("the secret is in the replicated state at %q", key)
		}
	}
}

func TestLocal(t *testing.T) {
	t.Parallel()
	a := load(t, apptest.Local(t))
	for _, name := range []string{"read", "write", "remove"} {
		if a.module.Imports("private_storage_" + name) {
			t.Errorf("the application imports private_storage_%s", name)
		}
	}
	b := a.peer()
	artifacts := [][]byte{
		a.call(t, "init", `{}`).Artifact,
		a.call(t, "set_local", `{"name":"n","value":"mine"}`).Artifact,
	}
	for _, artifact := range artifacts {
		if err := b.receive(a, artifact); err != nil {
			t.Fatal(err)
		}
	}
	rest := maps.Clone(a.state)
	delete(rest, "local/n")
	if diff := cmp.Diff(rest, b.state); diff != "" {
		t.Errorf("more than the local key differs (-author +peer):\n%s", diff)
	}
	a.wantOutput(t, "get_local", `{"name":"n"}`, `"mine"`)
	if err := b.receive(a, a.call(t, "publish", `{"name":"n","value":"everyone's"}`).Artifact); err != nil {
		t.Fatal(err)
	}
	b.time = a.time
	b.wantOutput(t, "get_local", `{"name":"n"}`, `"everyone's"`)
}

func TestEvents(t *testing.T) {
	t.Parallel()
	a := load(t, apptest.Events(t))
	a.call(t, "init", `{}`)
	out := a.call(t, "emit_with_handler", `{"kind":"K","data":"{\"n\":2}","handler":"on_event_chain"}`)
	if diff := cmp.Diff([]vm.Event{{Kind: "K", Data: []byte(`{"n":2}`), Handler: "on_event_chain"}}, out.Events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	out = a.call(t, "on_event_chain", `{"n":2}`)
	if diff := cmp.Diff([]vm.Event{{Kind: "Chained", Data: []byte(`{"n":1}`), Handler: "on_event_chain"}}, out.Events); diff != "" {
		t.Errorf("events of the chain (-want +got):\n%s", diff)
	}
	for range 2 {
		a.call(t, "on_event", `{"id":7}`)
	}
	a.wantOutput(t, "entries", ``, `{"chain":"2","emitted":"K","handled/{\"id\":7}":"2"}`)
	if out := a.call(t, "emit_only", `["K","d"]`); out.Committed || len(out.Events) != 1 || out.Events[0].Handler != "" {
		t.Errorf("emit_only: %+v", out)
	}
	target := ident.ContextID{0: 7, 31: 9}
	out = a.call(t, "call", `{"context":"`+target.String()+`","function":"receive","params":"{\"text\":\"hi\"}"}`)
	if diff := cmp.Diff([]vm.XCall{{Context: target, Function: "receive", Params: []byte(`{"text":"hi"}`)}}, out.XCalls); diff != "" {
		t.Errorf("xcalls (-want +got):\n%s", diff)
	}
	a.call(t, "receive", `{"text":"hi"}`)
	a.wantError(t, "on_event_fails", ``, vm.KindPanic, "this handler always fails")
}

func TestHostFacts(t *testing.T) {
	t.Parallel()
	a := load(t, apptest.Events(t))
	out, err := a.run(vm.Call{Method: "draw", Time: 65_536, Random: strings.NewReader(strings.Repeat("R", 4096))})
	if err != nil {
		t.Fatal(err)
	}
	again, err := a.run(vm.Call{Method: "draw", Time: 65_536, Random: strings.NewReader(strings.Repeat("R", 4096))})
	if err != nil {
		t.Fatal(err)
	}
	if string(out.Output) != string(again.Output) || !strings.Contains(string(out.Output), `"random":"`+strings.Repeat("52", 16)+`"`) {
		t.Errorf("time and randomness: got %s, then %s", out.Output, again.Output)
	}
	context, key := "cc"+strings.Repeat("00", 31), "01"+strings.Repeat("00", 31)
	a.wantOutput(t, "who", ``, `{"context":"`+context+`","executor":"`+key+`","account":"`+key+`","device":"`+key+`"}`)

	private := ed25519.NewKeyFromSeed(make([]byte, 32))
	public := hex.EncodeToString(private[32:])
	signature := hex.EncodeToString(ed25519.Sign(private, []byte("msg")))
	message := hex.EncodeToString([]byte("msg"))
	a.wantOutput(t, "verify", `["`+signature+`","`+public+`","`+message+`"]`, "true")
	a.wantOutput(t, "verify", `["`+signature+`","`+public+`","`+message+`00"]`, "false")
}

func TestBulk(t *testing.T) {
	t.Parallel()
	a := load(t, apptest.Bulk(t))
	b := a.peer()
	for _, call := range [][2]string{{"init", `{}`}, {"fill", `{"name":"n","count":300,"size":5000}`}, {"fill_padded", `["p",2,10,1000]`}} {
		out := a.call(t, call[0], call[1])
		if err := b.receive(a, out.Artifact); err != nil {
			t.Fatal(err)
		}
		if call[0] == "fill_padded" && len(out.Artifact) < 1000 {
			t.Errorf("a padded artifact has %d bytes", len(out.Artifact))
		}
	}
	if diff := cmp.Diff(a.state, b.state); diff != "" || len(a.state) != 302 {
		t.Errorf("%d keys; states differ:\n%s", len(a.state), diff)
	}
	b.time = a.time
	b.wantOutput(t, "size", `["n",299]`, "5000")
	b.wantOutput(t, "size", `["n",300]`, "null")
}

// TestErrors: each method fails as it is meant to. The words are those of
// wasm-abi 4.4.
func TestErrors(t *testing.T) {
	t.Parallel()
	a := load(t, apptest.Errors(t))
	a.call(t, "init", `{}`)
	a.call(t, "set", `{"key":"key","value":"before"}`)
	before := maps.Clone(a.state)
	for _, tc := range []struct {
		method, input string
		kind          vm.Kind
		text          string
	}{
		{"fail_string", ``, vm.KindApplication, "the method call returned an error: [34, 105, 116, 32, "},
		{"fail_object", ``, vm.KindApplication, "the method call returned an error: [123, 34, "},
		{"fail_bytes", ``, vm.KindApplication, "the method call returned an error: [255, 0, 1]"},
		{"fail_empty", ``, vm.KindApplication, "the method call returned an error: []"},
		{"commit_then_fail", ``, vm.KindApplication, "the method call returned an error: [34, 99"},

		{"panic_located", ``, vm.KindPanic, "guest panicked: as it happens at src/lib.rs:12:5"},
		{"panic_unlocated", ``, vm.KindPanic, "guest panicked: somewhere"},
		{"panic_long", ``, vm.KindPanic, strings.Repeat("long ", 4000) + " at src/lib.rs:1:1"},
		{"panic_bad_utf8", ``, vm.KindTrap, "invalid UTF-8 string"},
		{"panic_explicit", ``, vm.KindPanic, "guest panicked: explicit panic"},
		{"go_panic", ``, vm.KindPanic, "nobody catches this"},
		{"go_panic_caught", ``, vm.KindPanic, "guest panicked: handed to the host at mero/node/vm/testdata/apps/errors/panics.go:"},
		{"go_nil_caught", ``, vm.KindPanic, "nil pointer dereference at mero/node/vm/testdata/apps/errors/panics.go:"},
		{"exit_zero", ``, vm.KindPanic, ""},
		{"exit_three", ``, vm.KindPanic, "3"},
		{"commit_then_panic", ``, vm.KindPanic, "guest panicked: after the commit"},

		{"trap_unreachable", ``, vm.KindTrap, "unreachable code reached"},
		{"trap_divide", ``, vm.KindTrap, "illegal arithmetic operation"},
		{"trap_memory", ``, vm.KindTrap, "memory out of bounds"},
		{"commit_then_trap", ``, vm.KindTrap, "unreachable code reached"},
		{"with_parameter", ``, vm.KindBadSignature, `method "with_parameter" has invalid signature: expected no arguments and no return value`},
		{"no_such_method", ``, vm.KindMethodNotFound, `method "no_such_method" not found`},

		{"flood_logs", `{"count":1025}`, vm.KindLimit, "logs overflow"},
		{"flood_events", `{"count":101}`, vm.KindLimit, "events overflow"},
		{"flood_xcalls", `{"count":101}`, vm.KindLimit, "xcalls overflow"},
		{"flood_registers", `{"count":100}`, vm.KindTrap, "invalid memory access"},
		{"flood_writes", `{"count":100001}`, vm.KindLimit, ""},
		{"log_size", `{"size":16385}`, vm.KindLimit, "log size overflow"},
		{"event_kind_size", `{"size":101}`, vm.KindLimit, "event kind size overflow"},
		{"event_data_size", `{"size":16385}`, vm.KindLimit, "event data size overflow"},
		{"event_handler_size", `{"size":257}`, vm.KindLimit, ""},
		{"xcall_function_size", `{"size":101}`, vm.KindLimit, "xcall function size overflow"},
		{"xcall_params_size", `{"size":16385}`, vm.KindLimit, "xcall params size overflow"},
		{"key_size", `{"size":1048577}`, vm.KindLimit, "key length overflow"},
		{"value_size", `{"size":10485761}`, vm.KindLimit, "value length overflow"},
		{"return_size", `{"size":16777217}`, vm.KindLimit, ""},
		{"artifact_size", `{"size":16777217}`, vm.KindLimit, ""},

		{"log_bad_utf8", ``, vm.KindTrap, "invalid UTF-8 string"},
		{"event_bad_utf8", ``, vm.KindTrap, "invalid UTF-8 string"},
		{"bad_descriptor", ``, vm.KindTrap, "invalid memory access"},
		{"bad_descriptor_wide", ``, vm.KindTrap, "invalid memory access"},
		{"write_out_of_bounds", ``, vm.KindTrap, "invalid memory access"},
		{"write_wraps", ``, vm.KindTrap, "invalid memory access"},
		{"read_out_of_bounds", `with some input`, vm.KindTrap, "invalid memory access"},
		{"register_unset", ``, vm.KindTrap, "invalid register id: 12345"},
		{"return_bad_tag", ``, vm.KindTrap, "deserialization error"},
		{"time_bad_length", ``, vm.KindTrap, "invalid memory access"},
		{"commit_twice", ``, vm.KindTrap, "invalid memory access"},
		{"commit_bad_root", ``, vm.KindTrap, "invalid memory access"},
		{"blob_bad_handle", ``, vm.KindTrap, "blob operations not supported"},
	} {
		t.Run(tc.method, func(t *testing.T) {
			a.wantError(t, tc.method, tc.input, tc.kind, tc.text)
			if diff := cmp.Diff(before, a.state); diff != "" {
				t.Errorf("the failed call left something behind:\n%s", diff)
			}
		})
	}
}

// TestAtTheLimit: one less than what TestErrors does is allowed.
func TestAtTheLimit(t *testing.T) {
	t.Parallel()
	a := load(t, apptest.Errors(t))
	for method, input := range map[string]string{
		"fail_then_return": ``, "register_other_length": `input`,
		"flood_logs": `[1024]`, "flood_events": `[100]`, "flood_xcalls": `[100]`, "flood_registers": `[99]`, "flood_writes": `[100000]`,
		"log_size": `[16384]`, "event_kind_size": `[100]`, "event_data_size": `[16384]`, "event_handler_size": `[256]`,
		"xcall_function_size": `[100]`, "xcall_params_size": `[16384]`, "key_size": `[1048576]`, "value_size": `[10485760]`,
	} {
		a.wantOutput(t, method, input, `"survived"`)
	}
	if out := a.call(t, "return_size", `[16777216]`); len(out.Output) != 16<<20 {
		t.Errorf("return_size: got %d bytes", len(out.Output))
	}
	if out := a.call(t, "return_nothing", ``); out.HasOutput {
		t.Error("return_nothing returned something")
	}
	if out := a.call(t, "return_empty", ``); !out.HasOutput || len(out.Output) != 0 {
		t.Error("return_empty: no empty output")
	}
	if logs := strings.Join(a.call(t, "print", ``).Logs, "\n"); logs != "first line\nsecond line" {
		t.Errorf("print: got log %q", logs)
	}
}

// TestStopped: a guest that does not end, or takes all there is, is stopped.
func TestStopped(t *testing.T) {
	t.Parallel()
	a := load(t, apptest.Errors(t))
	_, err := a.run(vm.Call{Method: "loop_forever", Timeout: 100 * time.Millisecond})
	var e *vm.Error
	if !errors.As(err, &e) || e.Kind != vm.KindTimeout {
		t.Errorf("loop_forever: got %v", err)
	}
	a.wantError(t, "grow_memory", ``, vm.KindPanic, "out of memory")

	_, err = load(t, apptest.Loop()).run(vm.Call{Method: "init", Timeout: 100 * time.Millisecond})
	if !errors.As(err, &e) || e.Kind != vm.KindTimeout {
		t.Errorf("a loop: got %v", err)
	}
	load(t, apptest.Recursion()).wantError(t, "init", ``, vm.KindTrap, "stack overflow")
}

// TestBadApply: each way in which an apply can go wrong after a good call.
func TestBadApply(t *testing.T) {
	t.Parallel()
	a := load(t, apptest.Errors(t))
	genesis := a.call(t, "init", `{}`).Artifact
	for how, kind := range map[string]vm.Kind{
		"trap": vm.KindTrap, "panic": vm.KindPanic, "fail": vm.KindApplication, "future": vm.KindPanic, "garbage": vm.KindPanic,
		"xcall": vm.KindForbidden, "private": vm.KindForbidden, "blob": vm.KindForbidden, "twice": vm.KindTrap,
		"logs": 0, "nothing": 0,
	} {
		t.Run(how, func(t *testing.T) {
			b := a.peer()
			if err := b.receive(a, genesis); err != nil {
				t.Fatal(err)
			}
			err := b.receive(a, a.call(t, "commit_apply", `{"how":"`+how+`"}`).Artifact)
			var e *vm.Error
			if got := errors.As(err, &e); got != (kind != 0) || got && e.Kind != kind {
				t.Errorf("got %v, want %s", err, kind)
			}
		})
	}
	if a.call(t, "maybe", `[false]`).Committed || !a.call(t, "maybe", `[true]`).Committed {
		t.Error("maybe does not commit as told")
	}
	if out := a.call(t, "commit_empty", ``); !out.Committed || len(out.Artifact) != 0 || len(out.Writes) == 0 {
		t.Errorf("commit_empty: %+v", out)
	}
}
