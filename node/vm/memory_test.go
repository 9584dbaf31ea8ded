package vm_test

import (
	"errors"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"mero/node/vm"
)

// dirty has a method that fails unless its memory is all zero where the last
// call wrote, grows, and writes.
func dirty() *program {
	p := newProgram()
	read := p.imp("storage_read", "II:i")
	load := func(at int32) []byte { return join(i32c(at), []byte{0x28, 2, 0}) }
	trapUnlessZero := func(at int32) []byte { return join(load(at), []byte{0x04, 0x40, 0x00, 0x0b}) }
	p.fn("run",
		trapUnlessZero(40_000), store32(40_000, i32c(7)),
		drop(join(i32c(3), []byte{0x40, 0})), // grow by 3 pages
		trapUnlessZero(200_000), store32(200_000, i32c(7)), load(40_000), i32c(7), []byte{0x47, 0x04, 0x40, 0x00, 0x0b})
	p.fn("hold", drop(join(i32c(1_023), []byte{0x40, 0})), drop(call(read, p.buf("k"), reg)))
	p.fn("greedy", i32c(1_023), []byte{0x40, 0}, i32c(-1), []byte{0x46, 0x04, 0x40, 0x00, 0x0b},
		i32c(1), []byte{0x40, 0}, i32c(-1), []byte{0x47, 0x04, 0x40, 0x00, 0x0b})
	return p
}

// TestFreshMemory: every call has zeroed memory, side by side with others.
func TestFreshMemory(t *testing.T) {
	m := compile(t, dirty())
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				if _, err := m.Run(t.Context(), vm.Call{Method: "run"}); err != nil {
					t.Errorf("memory of an earlier call: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// stateFunc is a State that calls a function.
type stateFunc func()

func (f stateFunc) Get([]byte) ([]byte, bool, error) {
	f()
	return nil, false, nil
}

// TestMemoryLimits: one call has 1024 pages and no more; all together have
// what the configuration says, and running into that is this node's fault.
func TestMemoryLimits(t *testing.T) {
	cfg := vm.DefaultConfig()
	cfg.MemoryLimit = 128 << 20
	reg := prometheus.NewRegistry()
	m, err := newEngineOf(t, cfg, "", reg).Compile(t.Context(), dirty().bytes())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Run(t.Context(), vm.Call{Method: "greedy"}); err != nil {
		t.Errorf("1024 pages: %v", err)
	}
	// A second call wants as much while the first still has it.
	inner := errors.New("not run")
	_, err = m.Run(t.Context(), vm.Call{Method: "hold", State: stateFunc(func() {
		_, inner = m.Run(t.Context(), vm.Call{Method: "greedy"})
	})})
	var e *vm.Error
	if err != nil || !errors.Is(inner, vm.ErrNoMemory) || !errors.As(inner, &e) || e.Kind != vm.KindHost {
		t.Errorf("got %v and %v, want ErrNoMemory for the second", err, inner)
	}
	if _, err := m.Run(t.Context(), vm.Call{Method: "run"}); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	nothingLent(t, reg)
}

// hogs has methods that make the host hold about 100 MiB, in every way there is.
func hogs() *program {
	const big = 10 << 20
	p := newProgram()
	write, read := p.imp("storage_write", "III:i"), p.imp("storage_read", "II:i")
	ret, commit := p.imp("value_return", "I:"), p.imp("commit", "II:")
	private, log := p.imp("private_storage_write", "II:i"), p.imp("log_utf8", "I:")
	output := p.impFrom("wasi_snapshot_preview1", "fd_write", "iiii:i")
	p.impFrom("wasi_snapshot_preview1", "proc_exit", "i:")
	grow := drop(join(i32c(250), []byte{0x40, 0})) // 251 pages: a buffer of 16 MiB
	value, zeroes := p.desc(1<<20, big), p.desc(1<<20, 16<<10)
	var names []uint64
	for i := range 12 {
		names = append(names, p.buf(string(rune('a'+i))))
	}
	each := func(f func(name uint64, i int) []byte) (code []byte) {
		for i, name := range names {
			code = append(code, drop(f(name, i))...)
		}
		return join(grow, code)
	}
	p.fn("writes", each(func(name uint64, _ int) []byte { return call(write, name, value, reg) }))
	p.fn("private", each(func(name uint64, _ int) []byte { return call(private, name, value) }))
	p.fn("reads", each(func(name uint64, i int) []byte { return call(read, name, uint64(i)) }))
	p.fn("old", each(func(name uint64, _ int) []byte { return call(write, name, zeroes, reg) }))
	p.fn("registers", each(func(_ uint64, i int) []byte { return call(write, names[0], p.desc(1<<20+uint64(i), big), uint64(i)) }))
	p.fn("output", each(func(_ uint64, i int) []byte { return call(write, names[i%9], value, reg) }),
		call(ret, p.desc(0, 1<<20, big)), call(commit, p.buf(string(make([]byte, 32))), value))
	// What is given back on the way does not count.
	p.fn("again", each(func(_ uint64, i int) []byte { return call(write, names[0], p.desc(1<<20+uint64(i), big), reg) }))
	p.fn("small", grow, repeat(1000, call(log, zeroes)))
	vector := p.put(make([]byte, 8))
	p.fn("prints", drop(join(i32c(600), []byte{0x40, 0})), // 601 pages: a buffer of 64 MiB
		store32(vector+4, i32c(36<<20)),
		drop(join(i32c(1), i32c(int32(vector)), i32c(1), i32c(16), []byte{0x10}, leb(uint64(output)))),
		drop(join(i32c(2), i32c(int32(vector)), i32c(1), i32c(16), []byte{0x10}, leb(uint64(output)))))
	return p
}

// bigState has 10 MiB under every key.
type bigState struct{}

func (bigState) Get([]byte) ([]byte, bool, error) { return make([]byte, 10<<20), true, nil }

// TestHostMemoryIsLimited: what the host holds for calls counts like their own
// memory, whatever holds it, and comes back when they end.
func TestHostMemoryIsLimited(t *testing.T) {
	cfg := vm.DefaultConfig()
	cfg.MemoryLimit = 128 << 20
	reg := prometheus.NewRegistry()
	m, err := newEngineOf(t, cfg, "", reg).Compile(t.Context(), hogs().bytes())
	if err != nil {
		t.Fatal(err)
	}
	for method, tc := range map[string]struct {
		state vm.State
		fits  bool
	}{
		"writes":    {state: mapState{}},
		"private":   {state: mapState{}},
		"reads":     {state: bigState{}},
		"old":       {state: bigState{}},
		"registers": {state: mapState{}},
		"output":    {state: mapState{}},
		"prints":    {state: mapState{}},
		"again":     {state: mapState{}, fits: true},
		"small":     {state: mapState{}, fits: true},
	} {
		t.Run(method, func(t *testing.T) {
			_, err := m.Run(t.Context(), vm.Call{Method: method, State: tc.state, Private: tc.state})
			var e *vm.Error
			switch {
			case tc.fits && err != nil:
				t.Errorf("got %v, want no error", err)
			case !tc.fits && (!errors.Is(err, vm.ErrNoMemory) || !errors.As(err, &e) || e.Kind != vm.KindHost):
				t.Errorf("got %v, want ErrNoMemory", err)
			}
			nothingLent(t, reg)
		})
	}
}

// TestHostMemoryIsShared: of two calls that fit by themselves the second fails
// while the first runs.
func TestHostMemoryIsShared(t *testing.T) {
	cfg := vm.DefaultConfig()
	cfg.MemoryLimit = 192 << 20
	m, err := newEngineOf(t, cfg, "", prometheus.NewRegistry()).Compile(t.Context(), hogs().bytes())
	if err != nil {
		t.Fatal(err)
	}
	inner := errors.New("not run")
	reads := 0
	_, err = m.Run(t.Context(), vm.Call{Method: "writes", State: stateFunc(func() {
		if reads++; reads == 12 {
			_, inner = m.Run(t.Context(), vm.Call{Method: "writes"})
		}
	})})
	if err != nil || !errors.Is(inner, vm.ErrNoMemory) {
		t.Errorf("got %v and %v, want ErrNoMemory for the second", err, inner)
	}
	if _, err = m.Run(t.Context(), vm.Call{Method: "writes"}); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// nothingLent holds that no memory is charged to a call any more.
func nothingLent(t *testing.T, reg prometheus.Gatherer) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "mero_vm_pool_live_bytes" && f.GetMetric()[0].GetGauge().GetValue() != 0 {
			t.Errorf("memory still lent: %v", f.GetMetric()[0])
		}
	}
}
