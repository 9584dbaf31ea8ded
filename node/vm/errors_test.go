package vm_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mero/node/vm"
)

func contextWithCause(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithCancel(t.Context())
}

// failing has one method for every way a call can fail.
func failing() *program {
	p := newProgram()
	panicUTF8, explicit := p.imp("panic_utf8", "II:"), p.imp("panic", "I:")
	ret, readReg := p.imp("value_return", "I:"), p.imp("read_register", "II:i")
	log, emit, handler := p.imp("log_utf8", "I:"), p.imp("emit", "I:"), p.imp("emit_with_handler", "II:")
	write, read := p.imp("storage_write", "III:i"), p.imp("storage_read", "II:i")
	xcall, commit, now := p.imp("xcall", "I:"), p.imp("commit", "II:"), p.imp("time_now", "I:")
	verify, blob := p.imp("ed25519_verify", "III:i"), p.imp("blob_create", ":I")
	propose, printing := p.imp("send_proposal", "II:"), p.imp("js_std_d_print", "III:i")

	root, empty := p.buf(strings.Repeat("r", 32)), p.buf("")
	big := func(n uint64) uint64 { return p.desc(0, n) }
	event := p.desc(0, 1, 0, 1)
	p.table = true
	p.fn("nothing")
	p.fn("panic_at", call(panicUTF8, p.buf("it broke"), p.loc("src/lib.rs", 12, 5)))
	p.fn("panic_nowhere", call(panicUTF8, p.buf("it broke"), p.loc("", 0, 0)))
	p.fn("panic_explicit", call(explicit, p.loc("a.rs", 1, 2)))
	p.fn("app_error", call(ret, p.desc(1, p.put([]byte("{}")), 2)))
	p.fn("bad_tag", call(ret, p.desc(2, 0, 0)))
	p.fn("unreachable", unreachable)
	p.fn("out_of_bounds", drop(join(i32c(70_000), []byte{0x28, 2, 0})))
	p.fn("division", drop(join(i32c(1), i32c(0), []byte{0x6d})))
	p.fn("null_call", i32c(1), []byte{0x11, byte(p.typ(":")), 0})
	p.fn("bad_call", i64c(0), i32c(0), []byte{0x11, byte(p.typ("I:")), 0})
	p.fn("register", drop(call(readReg, 3, p.desc(0, 0))))
	p.fn("utf8", call(log, p.buf("\xff")))
	p.fn("descriptor", call(log, 1<<40))
	p.fn("range", call(log, p.desc(65_530, 100)))
	p.fn("range_high", call(log, p.desc(1<<32, 1)))
	p.fn("logs", repeat(1025, call(log, empty)))
	p.fn("log_size", call(log, big(16<<10+1)))
	p.fn("print_size", drop(call(printing, 0, 0, 16<<10+1)))
	p.fn("events", repeat(101, call(emit, event)))
	p.fn("event_kind", call(emit, p.desc(0, 101, 0, 1<<40)))
	p.fn("event_data", call(emit, p.desc(0, 1, 0, 16<<10+1)))
	p.fn("event_handler", call(handler, event, big(257)))
	p.fn("key", drop(call(read, p.desc(0, 1), reg)), []byte{0x41, 31, 0x40, 0, 0x1a}, drop(call(read, big(1<<20+1), reg)))
	p.fn("value", []byte{0x41, 0xbf, 1, 0x40, 0, 0x1a}, drop(call(write, empty, big(10<<20+1), reg)))
	p.fn("writes", repeat(100_001, drop(call(write, empty, empty, reg))))
	p.fn("xcalls", repeat(101, call(xcall, p.desc(0, 32, 0, 1, 0, 1))))
	p.fn("xcall_function", call(xcall, p.desc(0, 32, 0, 101, 0, 1)))
	p.fn("xcall_params", call(xcall, p.desc(0, 32, 0, 1, 0, 16<<10+1)))
	p.fn("xcall_id", call(xcall, p.desc(0, 31, 0, 1, 0, 1)))
	p.fn("commit_root", call(commit, p.buf("short"), empty))
	p.fn("commit_twice", call(commit, root, empty), call(commit, root, empty))
	p.fn("time", call(now, p.desc(0, 4)))
	p.fn("key_point", drop(call(verify, p.desc(0, 64), p.buf("\x02"+strings.Repeat("\x00", 31)), empty)))
	p.fn("blobs", drop(call(blob)))
	p.fn("proposal", call(propose, empty, root))
	p.fn("logged", call(log, p.buf("before")), unreachable)
	p.fnOf("I:", "parameter")
	return p
}

func TestErrors(t *testing.T) {
	m := compile(t, failing())
	for method, want := range map[string]struct {
		kind vm.Kind
		text string
	}{
		"panic_at":       {vm.KindPanic, "guest panicked: it broke at src/lib.rs:12:5"},
		"panic_nowhere":  {vm.KindPanic, "guest panicked: it broke"},
		"panic_explicit": {vm.KindPanic, "guest panicked: explicit panic at a.rs:1:2"},
		"app_error":      {vm.KindApplication, "the method call returned an error: [123, 125]"},
		"bad_tag":        {vm.KindTrap, "deserialization error"},
		"unreachable":    {vm.KindTrap, "unreachable code reached"},
		"out_of_bounds":  {vm.KindTrap, "memory out of bounds"},
		"division":       {vm.KindTrap, "illegal arithmetic operation"},
		"null_call":      {vm.KindTrap, "indirect call to null"},
		"bad_call":       {vm.KindTrap, "bad signature"},
		"register":       {vm.KindTrap, "invalid register id: 3"},
		"utf8":           {vm.KindTrap, "invalid UTF-8 string"},
		"descriptor":     {vm.KindTrap, "invalid memory access"},
		"range":          {vm.KindTrap, "invalid memory access"},
		"range_high":     {vm.KindTrap, "invalid memory access"},
		"logs":           {vm.KindLimit, "logs overflow"},
		"log_size":       {vm.KindLimit, "log size overflow"},
		"print_size":     {vm.KindLimit, "log size overflow"},
		"events":         {vm.KindLimit, "events overflow"},
		"event_kind":     {vm.KindLimit, "event kind size overflow"},
		"event_data":     {vm.KindLimit, "event data size overflow"},
		"event_handler":  {vm.KindLimit, "event handler size overflow"},
		"key":            {vm.KindLimit, "key length overflow"},
		"value":          {vm.KindLimit, "value length overflow"},
		"writes":         {vm.KindLimit, "storage writes overflow"},
		"xcalls":         {vm.KindLimit, "xcalls overflow"},
		"xcall_function": {vm.KindLimit, "xcall function size overflow"},
		"xcall_params":   {vm.KindLimit, "xcall params size overflow"},
		"xcall_id":       {vm.KindTrap, "invalid memory access"},
		"commit_root":    {vm.KindTrap, "invalid memory access"},
		"commit_twice":   {vm.KindTrap, "invalid memory access"},
		"time":           {vm.KindTrap, "invalid memory access"},
		"key_point":      {vm.KindTrap, "incorrect ed25519 public key"},
		"blobs":          {vm.KindTrap, "blob operations not supported (NodeClient not available)"},
		"proposal":       {vm.KindForbidden, "host function 'send_proposal' is not supported: proposals need a blockchain, and this node has none"},
		"missing":        {vm.KindMethodNotFound, `method "missing" not found`},
		"memory":         {vm.KindMethodNotFound, `method "memory" not found`},
		"parameter":      {vm.KindBadSignature, `method "parameter" has invalid signature: expected no arguments and no return value`},
	} {
		t.Run(method, func(t *testing.T) {
			_, err := m.Run(t.Context(), vm.Call{Method: method})
			var e *vm.Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v, want an *Error", err)
			}
			if e.Kind != want.kind || e.Error() != want.text {
				t.Errorf("got %s: %s\nwant %s: %s", e.Kind, e, want.kind, want.text)
			}
		})
	}
}

// TestFailureKeepsLogs: a failed call leaves its log lines and nothing else,
// and the trace names the functions.
func TestFailureKeepsLogs(t *testing.T) {
	m := compile(t, failing())
	out, err := m.Run(t.Context(), vm.Call{Method: "logged"})
	if diff := cmp.Diff(out, &vm.Outcome{Logs: []string{"before"}}); diff != "" {
		t.Errorf("outcome (-got +want):\n%s", diff)
	}
	var e *vm.Error
	if !errors.As(err, &e) || !strings.Contains(e.Trace, "$") || strings.Contains(e.Error(), "$") {
		t.Errorf("trace %q, text %q", e.Trace, e)
	}
}

// TestApplyForbids: in ModeApply nothing reaches outside the state (R7).
func TestApplyForbids(t *testing.T) {
	for name, sig := range map[string]string{
		"xcall": "I:", "fetch": "IIIII:i", "blob_create": ":I", "blob_open": "I:I", "blob_read": "II:I",
		"blob_write": "II:I", "blob_close": "II:i", "blob_announce_to_context": "II:i",
		"private_storage_read": "II:i", "private_storage_write": "II:i", "private_storage_remove": "II:i",
		"context_create": "IIII:", "context_delete": "I:", "context_add_member": "I:", "context_remove_member": "I:",
		"context_resolve_alias": "II:i", "send_proposal": "II:", "approve_proposal": "I:",
	} {
		t.Run(name, func(t *testing.T) {
			p := newProgram()
			f := p.imp(name, sig)
			params, results, _ := strings.Cut(sig, ":")
			code := call(f, make([]uint64, len(params))...)
			if results != "" {
				code = drop(code)
			}
			p.fn("run", code)
			_, err := compile(t, p).Run(t.Context(), vm.Call{Mode: vm.ModeApply, Method: "run", Private: mapState{}})
			var e *vm.Error
			want := "host function '" + name + "' is not allowed while a delta is applied"
			if !errors.As(err, &e) || e.Kind != vm.KindForbidden || e.Error() != want {
				t.Errorf("got %v, want %s", err, want)
			}
		})
	}
}

// TestApplyDropsLogs: log output never ends an apply.
func TestApplyDropsLogs(t *testing.T) {
	m := compile(t, failing())
	for method, want := range map[string]int{"logs": 1024, "log_size": 0} {
		out, err := m.Run(t.Context(), vm.Call{Mode: vm.ModeApply, Method: method})
		if err != nil || len(out.Logs) != want {
			t.Errorf("%s: %d lines, %v, want %d", method, len(out.Logs), err, want)
		}
	}
}

// TestErrorWords: what an application returned is text for people, and a place without
// a column ends with the line.
func TestErrorWords(t *testing.T) {
	t.Parallel()
	returned := func(data string) *vm.Error { return &vm.Error{Kind: vm.KindApplication, Data: []byte(data)} }
	panicked := func(column uint32) *vm.Error {
		return &vm.Error{Kind: vm.KindPanic, Message: "no", Location: &vm.Location{File: "a.go", Line: 36, Column: column}}
	}
	for _, c := range []struct {
		err         *vm.Error
		text, words string
	}{
		{returned(`"no"`), "the method call returned an error: [34, 110, 111, 34]", "the application returned an error: no"},
		{returned(`{}`), "the method call returned an error: [123, 125]", "the application returned an error: {}"},
		{returned("\xff"), "the method call returned an error: [255]", "the method call returned an error: [255]"},
		{panicked(0), "guest panicked: no at a.go:36", "guest panicked: no at a.go:36"},
		{panicked(7), "guest panicked: no at a.go:36:7", "guest panicked: no at a.go:36:7"},
	} {
		if c.err.Error() != c.text || c.err.Words() != c.words {
			t.Errorf("got %q and %q, want %q and %q", c.err, c.err.Words(), c.text, c.words)
		}
	}
}
