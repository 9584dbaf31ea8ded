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
