package vm_test

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mero/node/vm"
)

const wasiP1 = "wasi_snapshot_preview1"

// printing is a guest that speaks WASI.
func printing() *program {
	p := newProgram()
	write, exit := p.impFrom(wasiP1, "fd_write", "iiii:i"), p.impFrom(wasiP1, "proc_exit", "i:")
	clock, random := p.impFrom(wasiP1, "clock_time_get", "iIi:i"), p.impFrom(wasiP1, "random_get", "ii:i")
	poll, ret := p.impFrom(wasiP1, "poll_oneoff", "iiii:i"), p.imp("value_return", "I:")
	now := p.imp("time_now", "I:")
	say := func(fd int32, text string) []byte {
		at := p.put([]byte(text))
		iov := p.put(binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, uint32(at)), uint32(len(text))))
		return drop(join(i32c(fd), i32c(int32(iov)), i32c(1), i32c(0), []byte{0x10, byte(write)}))
	}
	die := func(code int32) []byte { return join(i32c(code), []byte{0x10, byte(exit)}) }
	readClock := func(id int32, at uint64) []byte {
		return drop(join(i32c(id), i64c(1), i32c(int32(at)), []byte{0x10, byte(clock)}))
	}
	out := p.put(make([]byte, 40))
	sleep := p.put(append(append(make([]byte, 24), binary.LittleEndian.AppendUint64(nil, 3_600_000_000_000)...), make([]byte, 16)...))
	p.fn("talk", say(1, "one\ntw"), say(1, "o\nrest"), say(2, "err\n"))
	p.fn("go_panic", say(2, "panic: boom\n\ngoroutine 1 [running]:\n"), say(2, strings.Repeat("x", 20_000)), die(2))
	p.fn("rust_panic", say(2, "thread panicked\n"), unreachable)
	p.fn("exit", die(0))
	p.fn("impostor", die(-1)) // wazero's own code for a deadline is 0xefffffff
	p.fn("time", readClock(0, out), call(now, p.desc(out+8, 8)),
		drop(join(i32c(int32(sleep)), i32c(4096), i32c(1), i32c(4090), []byte{0x10, byte(poll)})),
		readClock(1, out+16), readClock(0, out+24),
		drop(join(i32c(int32(out+32)), i32c(4), []byte{0x10, byte(random)})), call(ret, p.desc(0, out, 40)))
	// 2^28 subscriptions of 48 bytes are 0 modulo 2^32, and wazero trips over it.
	p.fn("poll", drop(join(i32c(0), i32c(4096), i32c(1<<28), i32c(4090), []byte{0x10, byte(poll)})))
	p.fn("_initialize", say(1, "set up\n"))
	return p
}

func TestWASIOutput(t *testing.T) {
	m := compile(t, printing())
	out, err := m.Run(t.Context(), vm.Call{Method: "talk"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(out.Logs, []string{"set up", "one", "two", "err", "rest"}); diff != "" {
		t.Errorf("logs (-got +want):\n%s", diff)
	}
	for method, want := range map[string]string{
		"go_panic":   "guest panicked: panic: boom\n\ngoroutine 1 [running]:\n" + strings.Repeat("x", 20_000),
		"rust_panic": "guest panicked: thread panicked",
		"exit":       "guest panicked: the guest exited with status 0",
		"impostor":   "guest panicked: the guest exited with status 4294967295",
	} {
		_, err := m.Run(t.Context(), vm.Call{Method: method})
		var e *vm.Error
		if !errors.As(err, &e) || e.Kind != vm.KindPanic || e.Error() != want {
			t.Errorf("%s: got %.200v, want %.200s", method, err, want)
		}
	}
}

// TestWASIFault: a guest that trips wazero's WASI is stopped, and the fault is
// its own: every replica sees the same.
func TestWASIFault(t *testing.T) {
	_, err := compile(t, printing()).Run(t.Context(), vm.Call{Method: "poll"})
	var e *vm.Error
	if !errors.As(err, &e) || e.Kind != vm.KindTrap || e.Error() != "indeterminate trap" {
		t.Errorf("got %v, want a trap", err)
	}
}

// TestWASIClock: WASI's clocks and time_now are one counter (R7), sleeping an
// hour takes no time, and random_get is the call's stream.
func TestWASIClock(t *testing.T) {
	const base = 1_700_000_000 << 30
	out, err := compile(t, printing()).Run(t.Context(), vm.Call{
		Mode: vm.ModeApply, Method: "time", Time: base, Random: strings.NewReader("seed"),
	})
	if err != nil {
		t.Fatal(err)
	}
	for at, want := range map[int]uint64{0: 0, 8: 1, 16: 2 + 3_600_000_000_000, 24: 3} {
		if got := binary.LittleEndian.Uint64(out.Output[at:]); got != base+want {
			t.Errorf("clock at %d: base + %d, want base + %d", at, int64(got)-base, want)
		}
	}
	if got := string(out.Output[32:36]); got != "seed" {
		t.Errorf("random gave %q", got)
	}
}

// TestExitedGuestStaysDead: a guest that exits while it registers its merge is
// not called again, in memory that may be another's.
func TestExitedGuestStaysDead(t *testing.T) {
	p := newProgram()
	exit := p.impFrom(wasiP1, "proc_exit", "i:")
	p.fn("__calimero_register_merge", i32c(0), []byte{0x10, byte(exit)}).fn("run")
	_, err := compile(t, p).Run(t.Context(), vm.Call{Method: "run"})
	var e *vm.Error
	if !errors.As(err, &e) || e.Kind != vm.KindPanic {
		t.Errorf("got %v, want a guest that exited", err)
	}
}

// TestOrder: start section, _initialize, merge registration, method.
func TestOrder(t *testing.T) {
	p := newProgram()
	log := p.imp("log_utf8", "I:")
	for _, name := range []string{"method", "__calimero_register_merge", "begin", "_initialize", "_start"} {
		p.fn(name, call(log, p.buf(name)))
	}
	p.start = 2
	out, err := compile(t, p).Run(t.Context(), vm.Call{Method: "method"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(out.Logs, []string{"begin", "_initialize", "__calimero_register_merge", "method"}); diff != "" {
		t.Errorf("order (-got +want):\n%s", diff)
	}
}

// TestStartSection: what happens in it is the call's.
func TestStartSection(t *testing.T) {
	p := newProgram().fn("run").fn("begin", unreachable)
	p.start = 1
	_, err := compile(t, p).Run(t.Context(), vm.Call{Method: "run"})
	var e *vm.Error
	if !errors.As(err, &e) || e.Kind != vm.KindTrap || e.Error() != "unreachable code reached" {
		t.Errorf("got %v", err)
	}
}

// TestFailedRegistration is not the call's failure.
func TestFailedRegistration(t *testing.T) {
	p := newProgram().fn("run").fn("__calimero_register_merge", unreachable)
	if _, err := compile(t, p).Run(t.Context(), vm.Call{Method: "run"}); err != nil {
		t.Error(err)
	}
}
