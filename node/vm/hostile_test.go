package vm_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"mero/node/vm"
	"mero/node/vm/apptest"
)

// hostile has a method for every way to take more than one's share.
func hostile() *program {
	p := newProgram()
	length, read := p.imp("register_len", "I:I"), p.imp("storage_read", "II:i")
	write, input := p.imp("storage_write", "III:i"), p.imp("input", "I:")
	log, emit, xcall := p.imp("log_utf8", "I:"), p.imp("emit", "I:"), p.imp("xcall", "I:")
	verify, random := p.imp("ed25519_verify", "III:i"), p.imp("random_bytes", "I:")
	fdWrite := p.impFrom(wasiP1, "fd_write", "iiii:i")
	wasiRandom := p.impFrom(wasiP1, "random_get", "ii:i")
	poll := p.impFrom(wasiP1, "poll_oneoff", "iiii:i")
	p.table = true
	forever := func(code ...[]byte) []byte { return join([]byte{0x03, 0x40}, join(code...), []byte{0x0c, 0, 0x0b}) }
	grow := drop(join(i32c(1023), []byte{0x40, 0}))
	key, big := p.buf("key"), p.desc(2048, 40_000)
	signature, public := p.desc(p.put(make([]byte, 64)), 64), p.desc(p.put(append([]byte{1}, make([]byte, 31)...)), 32)
	event := p.desc(p.put([]byte("E")), 1, p.put([]byte("e")), 1)
	target := p.desc(p.put([]byte(strings.Repeat("t", 32))), 32, p.put([]byte("f")), 1, 0, 0)
	table := func(op ...byte) []byte { return join([]byte{0xd0, 0x70}, op) }

	p.fn("nothing")
	p.fn("spin", spin)
	p.fn("spin_nested", forever([]byte{0x03, 0x40}, []byte{0x0b}))
	nothing := byte(wasiRandom + 2)
	p.fn("spin_calls", forever([]byte{0x10, nothing}))
	p.fn("spin_indirect", forever(i32c(0), []byte{0x11, byte(p.typ(":")), 0}))
	p.fn("spin_divides", forever(drop(join(i64c(1<<62), i64c(3), []byte{0x7f}))))
	p.fn("spin_roots", forever(drop(join(f64c(2), []byte{0x9f, 0xbd}))))
	p.fn("fill", grow, forever(i32c(0), i32c(1), i32c(64<<20), []byte{0xfc, 11, 0}))
	p.fn("copy", grow, forever(i32c(1), i32c(0), i32c(63<<20), []byte{0xfc, 10, 0, 0}))
	p.fn("fill_outside", forever(i32c(0), i32c(1), i32c(70_000), []byte{0xfc, 11, 0}))
	p.fn("grow", forever(drop(join(i32c(1), []byte{0x40, 0}))))
	p.fn("grow_nothing", forever(drop(join(i32c(0), []byte{0x40, 0}))))
	p.fn("grow_table", forever(drop(join(table(), i32c(1), []byte{0xfc, 15, 0}))))
	p.fn("fill_table", drop(join(table(), i32c(1<<19), []byte{0xfc, 15, 0})), forever(i32c(0), table(), i32c(1<<19), []byte{0xfc, 17, 0}))
	p.fn("host_calls", forever(drop(call(length, 1))))
	p.fn("host_reads", forever(drop(call(read, key, reg))))
	p.fn("host_input", forever(call(input, 1)))
	p.fn("host_verifies", forever(drop(call(verify, signature, public, key))))
	p.fn("host_random", forever(call(random, big)))
	p.fn("wasi_random", forever(drop(join(i32c(0), i32c(60_000), []byte{0x10, byte(wasiRandom)}))))
	p.fn("wasi_nothing", grow, forever(drop(join(i32c(1), i32c(1<<20), i32c(1<<20), i32c(16), []byte{0x10, byte(fdWrite)}))))
	p.fn("wasi_poll", grow, forever(drop(join(i32c(1<<20), i32c(2<<20), i32c(1<<14), i32c(16), []byte{0x10, byte(poll)}))))
	p.fn("writes", forever(drop(call(write, key, big, reg))))
	p.fn("registers", store64(8, i64c(0)), forever(join(i32c(8), i32c(8), []byte{0x29, 3, 0}, i64c(1), []byte{0x7c, 0x37, 3, 0}),
		i32c(8), []byte{0x29, 3, 0, 0x10, byte(input)}))
	p.fn("logs", forever(call(log, key)))
	p.fn("events", forever(call(emit, event)))
	p.fn("xcalls", forever(call(xcall, target)))
	p.fn("outside", drop(call(write, key, p.desc(1<<16-1, 2), reg)))
	p.fn("outside_wraps", drop(call(write, key, p.desc(^uint64(0)-1, 4), reg)))
	p.fn("poke", store32(0, i32c(0)), i32c(-4), i32c(1), []byte{0x36, 2, 0})
	p.fn("recurse", []byte{0x10, byte(wasiRandom + 2 + len(p.bodies))})
	return p
}

// TestHostileGuests: whatever a guest does ends as it should, soon, within its
// fuel; meanwhile other calls are answered and the garbage collector gets its
// turn; and nothing stays behind.
func TestHostileGuests(t *testing.T) {
	t.Parallel()
	const budget = 300_000_000 // long enough for others to be answered meanwhile
	ends := map[string]vm.Kind{
		"registers": vm.KindTrap, "logs": vm.KindLimit, "events": vm.KindLimit, "xcalls": vm.KindLimit,
		"outside": vm.KindTrap, "outside_wraps": vm.KindTrap, "poke": vm.KindTrap, "recurse": vm.KindTrap,
		"writes": vm.KindFuel, "fill_outside": vm.KindTrap,
	}
	reg := prometheus.NewRegistry()
	m, err := newEngineOf(t, vm.DefaultConfig(), "", reg).Compile(t.Context(), hostile().bytes())
	if err != nil {
		t.Fatal(err)
	}
	beside := alongside(t, m)
	for _, method := range m.Methods() {
		if method == "nothing" {
			continue
		}
		t.Run(method, func(t *testing.T) {
			want, ok := ends[method]
			if !ok {
				want = vm.KindFuel
			}
			start := time.Now()
			out, err := m.Run(t.Context(), vm.Call{Method: method, Fuel: budget, Input: []byte("in"), State: mapState{"key": "v"}})
			took := time.Since(start)
			var e *vm.Error
			if !errors.As(err, &e) || e.Kind != want || e.Fuel > budget {
				t.Errorf("got %v, want %s", err, want)
			}
			if len(out.Writes)+len(out.Events)+len(out.XCalls) > 0 {
				t.Errorf("it left something behind: %+v", out)
			}
			if took > 20*time.Second {
				t.Errorf("it took %s", took)
			}
			// In an apply, logs are dropped and calls of others are forbidden.
			if _, err := m.Run(t.Context(), vm.Call{Mode: vm.ModeApply, Method: method, Fuel: budget, State: mapState{"key": "v"}}); !errors.As(err, &e) {
				t.Errorf("applied: got %v", err)
			} else if e.Kind == vm.KindHost || e.Kind == vm.KindTimeout || e.Kind == vm.KindCanceled {
				t.Errorf("applied: %v is about this node", err)
			}
		})
	}
	beside.stop()
	if n := beside.count(); n < 10 {
		t.Errorf("only %d other calls were answered meanwhile", n)
	}
	nothingLent(t, reg)
}

// company makes calls and collects garbage beside a test.
type company struct {
	mu   sync.Mutex
	n    int
	stop func()
}

func (c *company) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

// alongside calls the method "nothing", and the garbage collector, until it is
// told to stop.
func alongside(t *testing.T, m *vm.Module) *company {
	ctx, cancel := context.WithCancel(t.Context())
	c := &company{}
	var wg sync.WaitGroup
	c.stop = func() {
		cancel()
		wg.Wait()
	}
	wg.Go(func() {
		for ctx.Err() == nil {
			if _, err := m.Run(t.Context(), vm.Call{Method: "nothing"}); err != nil {
				t.Errorf("a call beside: %v", err)
				return
			}
			runtime.GC()
			c.mu.Lock()
			c.n++
			c.mu.Unlock()
		}
	})
	t.Cleanup(c.stop)
	return c
}

// TestHostileOnOneProcessor: with one processor, too, others run while a guest
// loops. The guest ends when they have run, and only then: with its fuel alone it
// would go on for many seconds.
func TestHostileOnOneProcessor(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	m := compile(t, hostile())
	for _, method := range []string{"spin", "spin_calls", "host_calls"} {
		ctx, cancel := context.WithCancel(t.Context())
		var others sync.WaitGroup
		others.Go(func() {
			defer cancel()
			for range 3 {
				if _, err := m.Run(t.Context(), vm.Call{Method: "nothing"}); err != nil {
					t.Errorf("a call beside %s: %v", method, err)
				}
				runtime.GC()
			}
		})
		start := time.Now()
		_, err := m.Run(ctx, vm.Call{Method: method, Fuel: 400_000_000_000})
		t.Logf("%s: 3 calls and collections in %s", method, time.Since(start))
		others.Wait()
		var e *vm.Error
		if !errors.As(err, &e) || e.Kind != vm.KindCanceled {
			t.Errorf("%s: got %v, want KindCanceled", method, err)
		}
	}
}

// TestHostileGoGuest: goroutines that never end are as much a loop as any.
func TestHostileGoGuest(t *testing.T) {
	t.Parallel()
	m, err := newEngine(t, "").Compile(t.Context(), apptest.Errors(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{"loop_forever", "loop_goroutines"} {
		_, err = m.Run(t.Context(), vm.Call{Method: method, Fuel: 1_000_000_000})
		var e *vm.Error
		if !errors.As(err, &e) || e.Kind != vm.KindFuel {
			t.Errorf("%s: got %v, want KindFuel", method, err)
		}
	}
}

// TestHostileModules: modules of the largest size are refused or run, in bounded
// time and without taking the node down.
func TestHostileModules(t *testing.T) {
	t.Parallel()
	e := newEngine(t, "")
	void := [][]byte{{0x60, 0, 0}}
	exports := [][]byte{join(str("memory"), []byte{2, 0}), join(str("run"), []byte{0, 0})}
	many := func(n int, body []byte) []byte {
		m := &rawModule{types: void, exports: exports}
		for range n {
			m.funcs = append(m.funcs, 0)
			m.bodies = append(m.bodies, body)
		}
		return m.bytes()
	}
	nops := append(append([]byte{0}, repeatBytes(200_000, 1)...), 0x0b)
	for name, tc := range map[string]struct {
		wasm []byte
		want string
	}{
		"20 MB of nops":       {many(100, nops), ""},
		"20 MB of zeros":      {make([]byte, vm.MaxModuleSize), "not a WebAssembly module"},
		"20 MB of one custom": {append(many(1, []byte{0, 0x0b}), section(0, append(str("x"), make([]byte, 19<<20)...))...), ""},
		"20 MB of branches":   {many(100, append(append([]byte{0}, repeatBytes(50_000, 0x41, 0, 0x0d, 0)...), 0x0b)), "too many branches"},
		"20 MB of loops":      {many(100, append(append([]byte{0}, repeatBytes(60_000, 0x03, 0x40, 0x0b)...), 0x0b)), "too many branches"},
	} {
		t.Run(name, func(t *testing.T) {
			if len(tc.wasm) > vm.MaxModuleSize || len(tc.wasm) < 17<<20 {
				t.Fatalf("%d bytes", len(tc.wasm))
			}
			start := time.Now()
			m, err := e.Compile(t.Context(), tc.wasm)
			t.Logf("%s", time.Since(start))
			if tc.want != "" {
				if err == nil || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("got %v, want %q", err, tc.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer m.Release()
			if _, err := m.Run(t.Context(), vm.Call{Method: "run"}); err != nil {
				t.Error(err)
			}
		})
	}
}
