package vm_test

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"mero/node/ident"
	"mero/node/vm"
)

const reg = 0xFFFF_FFFE

// ignoreFuel compares outcomes where fuel is not what is tested.
var ignoreFuel = cmpopts.IgnoreFields(vm.Outcome{}, "Fuel")

// TestConventions runs the same method in both calling conventions.
func TestConventions(t *testing.T) {
	root := strings.Repeat("r", 32)
	pointer := newProgram()
	{
		p := pointer
		write, read := p.imp("storage_write", "III:i"), p.imp("storage_read", "II:i")
		regLen, readReg := p.imp("register_len", "I:I"), p.imp("read_register", "II:i")
		ret, commit := p.imp("value_return", "I:"), p.imp("commit", "II:")
		emit, log := p.imp("emit", "I:"), p.imp("log_utf8", "I:")
		out := p.put(make([]byte, 32))
		content := p.put(make([]byte, 8))
		p.fn("run",
			store32(out, call(write, p.buf("key"), p.buf("new"), reg)),
			store64(out+8, call(regLen, reg)),
			store32(out+4, call(readReg, reg, p.desc(content, 3))),
			store32(out+16, call(read, p.buf("key"), 7)),
			store32(out+20, call(readReg, 7, p.desc(out+24, 3))),
			call(emit, p.desc(p.put([]byte("Kind")), 4, p.put([]byte("data")), 4)),
			call(log, p.buf("line")),
			call(commit, p.buf(root), p.buf("artifact")),
			call(ret, p.desc(0, out, 32)))
	}
	flat := newProgram()
	{
		p := flat
		write, read := p.imp("storage_write", "IIIII:i"), p.imp("storage_read", "III:i")
		regLen, readReg := p.imp("register_len", "I:I"), p.imp("read_register", "III:i")
		ret, commit := p.imp("value_return", "III:"), p.imp("commit", "IIII:")
		emit, log := p.imp("emit", "IIII:"), p.imp("log_utf8", "II:")
		out := p.put(make([]byte, 32))
		content := p.put(make([]byte, 8))
		key := p.put([]byte("key"))
		p.fn("run",
			store32(out, call(write, key, 3, p.put([]byte("new")), 3, reg)),
			store64(out+8, call(regLen, reg)),
			store32(out+4, call(readReg, reg, content, 3)),
			store32(out+16, call(read, key, 3, 7)),
			store32(out+20, call(readReg, 7, out+24, 3)),
			call(emit, p.put([]byte("Kind")), 4, p.put([]byte("data")), 4),
			call(log, p.put([]byte("line")), 4),
			call(commit, p.put([]byte(root)), 32, p.put([]byte("artifact")), 8),
			call(ret, 0, out, 32))
	}
	output := make([]byte, 32)
	output[0], output[4], output[8], output[16], output[20] = 1, 1, 3, 1, 1
	copy(output[24:], "new")
	want := &vm.Outcome{
		Output: output, HasOutput: true, Committed: true, Artifact: []byte("artifact"),
		Writes: []vm.Write{{Key: []byte("key"), Value: []byte("new"), Old: []byte("old"), HadOld: true}},
		Events: []vm.Event{{Kind: "Kind", Data: []byte("data")}},
		Logs:   []string{"line"},
	}
	copy(want.Root[:], root)
	for name, p := range map[string]*program{"pointer": pointer, "flat": flat} {
		t.Run(name, func(t *testing.T) {
			got, err := compile(t, p).Run(t.Context(), vm.Call{Method: "run", State: mapState{"key": "old"}})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(got, want, ignoreFuel); diff != "" {
				t.Errorf("outcome (-got +want):\n%s", diff)
			}
		})
	}
}

// TestIdentity reads every register that tells who and where.
func TestIdentity(t *testing.T) {
	var c vm.Call
	for i := range c.Context {
		c.Context[i], c.Executor[i] = 'c', 'e'
	}
	origin := ident.ContextID{31: 'o'}
	c.Input = []byte("the input")
	c.XCallOrigin = &origin
	for name, want := range map[string]string{
		"executor_id": string(c.Executor[:]), "account_id": string(c.Executor[:]), "device_id": string(c.Executor[:]),
		"context_id": string(c.Context[:]), "xcall_origin": string(origin[:]), "input": "the input",
	} {
		t.Run(name, func(t *testing.T) {
			p := newProgram()
			sig := "I:"
			if name == "xcall_origin" {
				sig = "I:i"
			}
			get, read, ret := p.imp(name, sig), p.imp("read_register", "II:i"), p.imp("value_return", "I:")
			out := p.put(make([]byte, len(want)))
			first := call(get, 1)
			if sig == "I:i" {
				first = drop(first)
			}
			p.fn("run", first, drop(call(read, 1, p.desc(out, uint64(len(want))))), call(ret, p.desc(0, out, uint64(len(want)))))
			c := c
			c.Method = "run"
			got, err := compile(t, p).Run(t.Context(), c)
			if err != nil || string(got.Output) != want {
				t.Errorf("got %q, %v, want %q", got.Output, err, want)
			}
		})
	}
}

// TestOverlay: what the guest wrote is seen by the guest, and Writes are the
// real differences only.
func TestOverlay(t *testing.T) {
	p := newProgram()
	write, read := p.imp("storage_write", "III:i"), p.imp("storage_read", "II:i")
	remove, ret := p.imp("storage_remove", "II:i"), p.imp("value_return", "I:")
	out := p.put(make([]byte, 12))
	p.fn("run",
		drop(call(write, p.buf("z-new"), p.buf("1"), reg)),
		drop(call(write, p.buf("same"), p.buf("s"), reg)),
		drop(call(write, p.buf("back"), p.buf("x"), reg)),
		drop(call(write, p.buf("back"), p.buf("b"), reg)),
		store32(out, call(remove, p.buf("gone"), reg)),
		store32(out+4, call(read, p.buf("gone"), reg)),
		drop(call(write, p.buf("brief"), p.buf("1"), reg)),
		store32(out+8, call(remove, p.buf("brief"), reg)),
		drop(call(remove, p.buf("never"), reg)),
		drop(call(write, p.buf("changed"), p.buf(""), reg)),
		call(ret, p.desc(0, out, 12)))
	state := mapState{"same": "s", "back": "b", "gone": "g", "changed": "c"}
	got, err := compile(t, p).Run(t.Context(), vm.Call{Method: "run", State: state})
	if err != nil {
		t.Fatal(err)
	}
	want := []vm.Write{
		{Key: []byte("changed"), Value: []byte{}, Old: []byte("c"), HadOld: true},
		{Key: []byte("gone"), Delete: true, Old: []byte("g"), HadOld: true},
		{Key: []byte("z-new"), Value: []byte("1")},
	}
	if diff := cmp.Diff(got.Writes, want); diff != "" {
		t.Errorf("writes (-got +want):\n%s", diff)
	}
	if want := []byte{1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0}; !cmp.Equal(got.Output, want) {
		t.Errorf("remove, read, remove gave %v, want %v", got.Output, want)
	}
}

// TestPrivate: private writes answer 1 also for a new key, and 0 only without a
// store.
func TestPrivate(t *testing.T) {
	p := newProgram()
	write, read := p.imp("private_storage_write", "II:i"), p.imp("private_storage_read", "II:i")
	ret := p.imp("value_return", "I:")
	out := p.put(make([]byte, 8))
	p.fn("run", store32(out, call(write, p.buf("k"), p.buf("v"))), store32(out+4, call(read, p.buf("k"), reg)),
		call(ret, p.desc(0, out, 8)))
	m := compile(t, p)
	for name, tc := range map[string]struct {
		private vm.State
		output  []byte
		writes  []vm.Write
	}{
		"store":    {mapState{}, []byte{1, 0, 0, 0, 1, 0, 0, 0}, []vm.Write{{Key: []byte("k"), Value: []byte("v")}}},
		"no store": {nil, make([]byte, 8), nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := m.Run(t.Context(), vm.Call{Method: "run", Private: tc.private})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(got.Output, tc.output) + cmp.Diff(got.Private, tc.writes); diff != "" || len(got.Writes) > 0 {
				t.Errorf("writes %v, differences:\n%s", got.Writes, diff)
			}
		})
	}
}

// TestClockAndRandom: R7's counter and stream.
func TestClockAndRandom(t *testing.T) {
	p := newProgram()
	now, random, ret := p.imp("time_now", "I:"), p.imp("random_bytes", "I:"), p.imp("value_return", "I:")
	out := p.put(make([]byte, 32))
	p.fn("run", call(now, p.desc(out, 8)), call(now, p.desc(out+8, 8)), call(random, p.desc(out+16, 4)),
		repeat(70_000, call(now, p.desc(out+24, 8))), call(ret, p.desc(0, out, 32)))
	got, err := compile(t, p).Run(t.Context(), vm.Call{
		Mode: vm.ModeApply, Method: "run", Time: 1 << 60, Random: strings.NewReader("seed-stream"),
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range map[int]uint64{0: 1 << 60, 8: 1<<60 + 1, 24: 1<<60 + 65_535} {
		if v := binary.LittleEndian.Uint64(got.Output[i:]); v != want {
			t.Errorf("clock at %d: base + %d, want base + %d", i, v-1<<60, want-1<<60)
		}
	}
	if r := string(got.Output[16:20]); r != "seed" {
		t.Errorf("random gave %q, want the call's stream", r)
	}
}

type failingState struct{ err error }

func (s failingState) Get([]byte) ([]byte, bool, error) { return nil, false, s.err }

// TestHostFailure: a state that fails is our fault, with its cause.
func TestHostFailure(t *testing.T) {
	p := newProgram()
	read := p.imp("storage_read", "II:i")
	p.fn("run", drop(call(read, p.buf("k"), reg))).fn("ok").fn("__calimero_register_merge", drop(call(read, p.buf("k"), reg)))
	cause := errors.New("disk on fire")
	m := compile(t, p)
	for _, method := range []string{"run", "ok"} {
		_, err := m.Run(t.Context(), vm.Call{Method: method, State: failingState{cause}})
		var e *vm.Error
		if !errors.As(err, &e) || e.Kind != vm.KindHost || !errors.Is(err, cause) {
			t.Errorf("%s: got %v, want KindHost with the cause", method, err)
		}
	}
}

// TestTimeoutAndCancel: who ended the call is told apart.
func TestTimeoutAndCancel(t *testing.T) {
	m := compile(t, newProgram().fn("spin", spin))
	_, err := m.Run(t.Context(), vm.Call{Method: "spin", Timeout: 20 * time.Millisecond})
	var e *vm.Error
	if !errors.As(err, &e) || e.Kind != vm.KindTimeout || e.Error() != "the call took longer than 20ms" {
		t.Errorf("deadline: %v", err)
	}
	ctx, cancel := contextWithCause(t)
	time.AfterFunc(20*time.Millisecond, cancel)
	_, err = m.Run(ctx, vm.Call{Method: "spin"})
	if !errors.As(err, &e) || e.Kind != vm.KindCanceled || !errors.Is(err, ctx.Err()) {
		t.Errorf("cancellation: %v", err)
	}
}
