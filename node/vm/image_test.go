package vm_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"mero/node/ident"
	"mero/node/vm"
	"mero/node/vm/apptest"
)

// starts are what calls started in, by metric.
func starts(t *testing.T, reg prometheus.Gatherer) map[string]int {
	t.Helper()
	out := map[string]int{}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			switch f.GetName() {
			case "mero_vm_starts_total":
				out[m.GetLabel()[0].GetValue()] += int(m.GetCounter().GetValue())
			case "mero_vm_pool_live_bytes", "mero_vm_pool_idle_bytes":
				out[strings.TrimPrefix(f.GetName(), "mero_vm_pool_")] = int(m.GetGauge().GetValue())
			}
		}
	}
	return out
}

// leaky sets a global, memory and grown memory up. Its methods report all of
// them, and leave what they can.
func leaky() *program {
	const grown, high = 1 << 16, 3<<16 + 8
	p := newProgram()
	g := byte(p.global())
	ret, key := p.imp("value_return", "I:"), p.imp("context_id", "I:")
	read, clock := p.imp("read_register", "II:i"), p.impFrom(wasiP1, "clock_time_get", "iIi:i")
	shut, flags := p.impFrom(wasiP1, "fd_close", "i:i"), p.impFrom(wasiP1, "fd_fdstat_set_flags", "ii:i")
	stat := p.impFrom(wasiP1, "fd_fdstat_get", "ii:i")
	out, stats := p.put(make([]byte, 48)), p.put(make([]byte, 24))
	load := func(at int32) []byte { return join(i32c(at), []byte{0x29, 3, 0}) }
	size := join([]byte{0x3f, 0}, []byte{0xad})
	report := join(
		drop(join(i32c(1), i32c(int32(stats)), []byte{0x10, byte(stat)})), store64(out+40, load(int32(stats))),
		store64(out, []byte{0x23, g}), store64(out+8, load(40_000)), store64(out+16, load(grown)),
		store64(out+24, load(high)), store64(out+32, size),
		call(ret, p.desc(0, out, 48)))
	// The context's id goes everywhere.
	spoil := join(call(key, 1), drop(call(read, 1, p.desc(40_000, 32))),
		store64(grown, load(40_000)), store64(high, load(40_000)), load(40_000), []byte{0x24, g},
		drop(join(i32c(1), i32c(1), []byte{0x10, byte(flags)})), drop(join(i32c(1), i32c(4), []byte{0x10, byte(flags)})))
	p.fn("_initialize",
		drop(join(i32c(3), []byte{0x40, 0})), i64c(7), []byte{0x24, g},
		store64(40_000, i64c(8)), store64(grown, i64c(9)),
		drop(join(i32c(0), i64c(1), i32c(int32(stats)), []byte{0x10, byte(clock)})))
	p.fn("run", report, spoil)
	p.fn("grow", report, spoil, drop(join(i32c(2), []byte{0x40, 0})), store64(5<<16, i64c(1)))
	p.fn("trap", report, spoil, unreachable)
	p.fn("fail", spoil, call(ret, p.desc(1, out, 48)))
	p.fn("shut", report, spoil, drop(join(i32c(1), []byte{0x10, byte(shut)})))
	return p
}

// TestImageLeaks: whatever calls leave of their contexts, the next one sees what
// _initialize left.
func TestImageLeaks(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	m, err := newEngineOf(t, vm.DefaultConfig(), "", reg).Compile(t.Context(), leaky().bytes())
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := m.Run(t.Context(), vm.Call{Mode: vm.ModeApply, Method: "run"})
	if err != nil {
		t.Fatal(err)
	}
	want := []uint64{7, 8, 9, 0, 4, 1} // and a device, without flags
	check := func(method string, id byte, out []byte) {
		for i, v := range want {
			if got := binary.LittleEndian.Uint64(out[8*i:]); got != v {
				t.Errorf("%s in context %d: word %d is %#x, want %d", method, id, i, got, v)
			}
		}
	}
	check("run", 0, fresh.Output)
	call := func(method string, id byte) error {
		out, err := m.Run(t.Context(), vm.Call{Method: method, Context: ident.ContextID{id, id, id, id, id, id, id, id}})
		if err == nil {
			check(method, id, out.Output)
		}
		return err
	}
	for i, method := range []string{"run", "run", "grow", "run", "trap", "run", "fail", "run", "shut", "run", "run"} {
		if err := call(method, byte(i+1)); (err != nil) != (method == "trap" || method == "fail") {
			t.Errorf("%s: %v", method, err)
		}
	}
	// Used again after run, fail: not after grow, trap and shut.
	got := starts(t, reg)
	delete(got, "idle_bytes")
	if diff := cmp.Diff(map[string]int{"fresh": 1, "image": 4, "reused": 7, "live_bytes": 3 * 4096}, got); diff != "" {
		t.Errorf("starts (-want +got):\n%s", diff)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 50 {
				if err := call([]string{"run", "run", "grow"}[n%3], byte(i+20)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	m.Release()
	got = starts(t, reg)
	if got["live_bytes"] != 0 || got["idle_bytes"]%(1<<16) != 0 {
		t.Errorf("after Release: %v", got)
	}
}

// TestImageIsAsIf: a call from an image uses the fuel, reads the clock and ends
// for want of fuel as if it had run _initialize.
func TestImageIsAsIf(t *testing.T) {
	t.Parallel()
	p := newProgram()
	ret, now := p.imp("value_return", "I:"), p.imp("time_now", "I:")
	clock, poll := p.impFrom(wasiP1, "clock_time_get", "iIi:i"), p.impFrom(wasiP1, "poll_oneoff", "iiii:i")
	out := p.put(make([]byte, 24))
	sleep := p.put(append(append(make([]byte, 24), binary.LittleEndian.AppendUint64(nil, 1000)...), make([]byte, 16)...))
	clocks := func(id int32, at uint64) []byte {
		return drop(join(i32c(id), i64c(1), i32c(int32(at)), []byte{0x10, byte(clock)}))
	}
	p.fn("_initialize", repeat(1000, nil), clocks(0, out), clocks(1, out),
		drop(join(i32c(int32(sleep)), i32c(4096), i32c(1), i32c(4090), []byte{0x10, byte(poll)})))
	p.fn("run", call(now, p.desc(out+8, 8)), clocks(1, out+16), call(ret, p.desc(0, out+8, 16)))
	m := compile(t, p)
	apply, err := m.Run(t.Context(), vm.Call{Mode: vm.ModeApply, Method: "run", Time: 1 << 60})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		got, err := m.Run(t.Context(), vm.Call{Method: "run", Time: 1 << 60})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(apply, got); diff != "" {
			t.Errorf("call %d (-fresh +image):\n%s", i, diff)
		}
	}
	for budget := uint64(1); budget <= apply.Fuel; budget += 101 {
		for _, mode := range []vm.Mode{vm.ModeCall, vm.ModeApply} {
			_, err := m.Run(t.Context(), vm.Call{Mode: mode, Method: "run", Fuel: budget})
			var e *vm.Error
			if fits := budget == apply.Fuel; fits != (err == nil) || !fits && (!errors.As(err, &e) || e.Kind != vm.KindFuel || e.Fuel != budget) {
				t.Errorf("mode %d with %d units of %d: %v", mode, budget, apply.Fuel, err)
			}
		}
	}
}

// TestNoImage: what an image does not hold, or what calls must see, keeps a
// module from having one; its calls do what they always did.
func TestNoImage(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		build func(p *program)
		fails string
		logs  []string
		image bool
	}{
		"nothing in the way": {build: func(p *program) { p.fn("_initialize") }, image: true},
		"no _initialize":     {build: func(*program) {}},
		"a start section": {build: func(p *program) {
			p.fn("_initialize")
			p.start = len(p.bodies) - 1
		}},
		"the table is changed": {build: func(p *program) { p.fn("_initialize", i32c(1), i32c(0), []byte{0x25, 0, 0x26, 0}) }},
		"the table is filled": {build: func(p *program) {
			p.fn("_initialize").fn("other", i32c(0), []byte{0xd0, 0x70}, i32c(1), []byte{0xfc, 17, 0})
		}},
		"the table grows": {build: func(p *program) {
			p.fn("_initialize").fn("other", drop(join([]byte{0xd0, 0x70}, i32c(1), []byte{0xfc, 15, 0})))
		}},
		"the table is copied":   {build: func(p *program) { p.fn("_initialize").fn("other", i32c(0), i32c(0), i32c(0), []byte{0xfc, 14, 0, 0}) }},
		"the table is set anew": {build: func(p *program) { p.fn("_initialize").fn("other", i32c(0), i32c(0), i32c(0), []byte{0xfc, 12, 0, 0}) }},
		"elements are dropped":  {build: func(p *program) { p.fn("_initialize").fn("other", []byte{0xfc, 13, 0}) }},
		"a global is a reference": {build: func(p *program) {
			p.globals = append(p.globals, []byte{0x70, 1, 0xd0, 0x70, 0x0b})
			p.fn("_initialize")
		}},
		"too many globals": {build: func(p *program) {
			for range 65 {
				p.global()
			}
			p.fn("_initialize")
		}},
		"the host is asked":   {build: func(p *program) { p.fn("_initialize", call(0, 0)) }},
		"something is logged": {build: func(p *program) { p.fn("_initialize", call(1, p.buf("hello"))) }, logs: []string{"hello"}},
		"something is printed": {build: func(p *program) {
			iov := p.put(binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, uint32(p.put([]byte("hello")))), 5))
			p.fn("_initialize", drop(join(i32c(2), i32c(int32(iov)), i32c(1), i32c(0), []byte{0x10, 4})))
		}, logs: []string{"hello"}},
		"a file is closed":   {build: func(p *program) { p.fn("_initialize", drop(join(i32c(1), []byte{0x10, 2}))) }},
		"it traps":           {build: func(p *program) { p.fn("_initialize", call(1, p.buf("last words")), unreachable) }, fails: "unreachable code reached", logs: []string{"last words"}},
		"it exits":           {build: func(p *program) { p.fn("_initialize", i32c(3), []byte{0x10, 3}) }, fails: "guest panicked: the guest exited with status 3"},
		"it has much memory": {build: func(p *program) { p.fn("_initialize", drop(join(i32c(300), []byte{0x40, 0}))) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProgram()
			p.imp("context_id", "I:")
			p.imp("log_utf8", "I:")
			p.impFrom(wasiP1, "fd_close", "i:i")
			p.impFrom(wasiP1, "proc_exit", "i:")
			p.impFrom(wasiP1, "fd_write", "iiii:i")
			p.table = true
			p.fn("run")
			tc.build(p)
			reg := prometheus.NewRegistry()
			m, err := newEngineOf(t, vm.DefaultConfig(), "", reg).Compile(t.Context(), p.bytes())
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				out, err := m.Run(t.Context(), vm.Call{Method: "run"})
				if fmt.Sprint(err) != tc.fails && (err != nil || tc.fails != "") {
					t.Errorf("got %v, want %q", err, tc.fails)
				}
				if diff := cmp.Diff(tc.logs, out.Logs); diff != "" {
					t.Errorf("logs (-want +got):\n%s", diff)
				}
			}
			got := starts(t, reg)
			if tc.image != (got["image"]+got["reused"] == 3) || tc.image == (got["fresh"] == 3) {
				t.Errorf("calls started in %v", got)
			}
		})
	}
}

// TestImagePool: instances are kept in half of the memory that may be idle, the
// ones used last.
func TestImagePool(t *testing.T) {
	t.Parallel()
	cfg := vm.DefaultConfig()
	cfg.MemoryPool = 4 << 16
	reg := prometheus.NewRegistry()
	e := newEngineOf(t, cfg, "", reg)
	var modules []*vm.Module
	for i := range 3 {
		p := newProgram().fn("_initialize").fn("run")
		p.put([]byte{byte(i + 1)})
		m, err := e.Compile(t.Context(), p.bytes())
		if err != nil {
			t.Fatal(err)
		}
		modules = append(modules, m)
	}
	for _, step := range []struct{ module, reused int }{
		{0, 0}, {0, 1}, {1, 1}, {0, 2}, {1, 3}, {2, 3}, {1, 4}, {2, 5}, {0, 5}, {2, 6}, {1, 6}, {0, 6},
	} {
		if _, err := modules[step.module].Run(t.Context(), vm.Call{Method: "run"}); err != nil {
			t.Fatal(err)
		}
		if got := starts(t, reg); got["reused"] != step.reused || got["idle_bytes"] > 4<<16 {
			t.Fatalf("after a call of module %d: %v, want %d reused", step.module, got, step.reused)
		}
	}
	// A free buffer makes room.
	for range 3 {
		m := compileIn(t, e, dirty())
		if _, err := m.Run(t.Context(), vm.Call{Method: "run"}); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if _, err := modules[2].Run(t.Context(), vm.Call{Method: "run"}); err != nil {
			t.Fatal(err)
		}
	}
	before := starts(t, reg)
	if before["reused"] != 7 || before["idle_bytes"] > 4<<16 {
		t.Errorf("at last: %v", before)
	}
	modules[2].Release()
	if got := starts(t, reg); got["idle_bytes"] != before["idle_bytes"]-(1<<16) {
		t.Errorf("idle before the module was closed: %v, after: %v", before, got)
	}
}

// TestImageMemoryLimit: an instance that is kept takes part in the limit again
// when it is used, and an image all the time.
func TestImageMemoryLimit(t *testing.T) {
	t.Parallel()
	cfg := vm.DefaultConfig()
	cfg.MemoryLimit = 128 << 20
	registry := prometheus.NewRegistry()
	e := newEngineOf(t, cfg, "", registry)
	p := newProgram()
	read := p.imp("storage_read", "II:i")
	for k := range 11 {
		p.fn(fmt.Sprint("hold", k), drop(join(i32c(1<<k-1), []byte{0x40, 0})), drop(call(read, p.buf("k"), reg)))
	}
	holder, m := compileIn(t, e, p), compileIn(t, e, leaky())
	run := func() error {
		_, err := m.Run(t.Context(), vm.Call{Method: "run"})
		return err
	}
	if err := run(); err != nil {
		t.Fatal(err)
	}
	var inner error
	var hold func(k int) error
	hold = func(k int) error {
		_, err := holder.Run(t.Context(), vm.Call{Method: fmt.Sprint("hold", k), State: stateFunc(func() {
			if k > 0 {
				inner = errors.Join(inner, hold(k-1))
			} else {
				inner = errors.Join(inner, run())
			}
		})})
		return err
	}
	if err := hold(10); err != nil || !errors.Is(inner, vm.ErrNoMemory) {
		t.Errorf("got %v and %v, want ErrNoMemory for the innermost", err, inner)
	}
	if err := run(); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if got := starts(t, registry); got["live_bytes"] != 3*4096 {
		t.Errorf("still lent: %v, but the image has 12 KiB", got)
	}
}

func compileIn(t *testing.T, e *vm.Engine, p *program) *vm.Module {
	t.Helper()
	m, err := e.Compile(t.Context(), p.bytes())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestImageOfGo: a guest with Go's runtime that tries to hand something from one
// context to the next: package variables, the heap, a map, goroutines that still
// run, memory that it grew, and closed files.
func TestImageOfGo(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	m, err := newEngineOf(t, vm.DefaultConfig(), "", reg).Compile(t.Context(), apptest.BuildPackage(t, "mero/node/vm/testdata/apps/leaks"))
	if err != nil {
		t.Fatal(err)
	}
	const clean = `counter 1, map 1, heap 1, goroutines 2, ticks of the one from before main 0, secrets in memory 0, written true`
	for i := range 12 {
		secret := fmt.Sprintf("secret of context %02d", i)
		method := []string{"keep", "keep", "grow", "shut", "spin"}[i%5]
		out, err := m.Run(t.Context(), vm.Call{
			Method: method, Input: []byte(secret), Context: ident.ContextID{byte(i)}, Time: uint64(i+1) << 16,
		})
		if err != nil {
			t.Fatalf("%s: %v", method, err)
		}
		if string(out.Output) != clean {
			t.Errorf("call %d, %s: %s\nwant: %s", i, method, out.Output, clean)
		}
	}
	if got := starts(t, reg); got["reused"] < 4 || got["fresh"] > 0 {
		t.Errorf("calls started in %v", got)
	}
}
