package vm

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/tetratelabs/wazero"

	"mero/node/vm/meter"
)

// Module is a compiled application. It is immutable and shared: see
// Engine.Compile.
type Module struct {
	engine *Engine
	hash   [32]byte

	// ready is closed when the fields down to err are set.
	ready       chan struct{}
	exports     map[string]meter.FuncType
	imports     map[string]bool // of module env
	hosted      bool
	abi         []byte
	description []byte
	runtime     wazero.Runtime
	compiled    wazero.CompiledModule
	config      wazero.ModuleConfig
	wasi        bool
	globals     int          // that are mutable, see meter.GlobalName
	close       func() error // nil: it was not built
	err         error

	// image is what calls start from, as soon as one has been taken; noImage:
	// none ever will. Whoever takes it holds imaging.
	image   atomic.Pointer[image]
	noImage atomic.Bool
	imaging sync.Mutex

	refs int // guarded by engine.mu

	// running counts calls; shutting is set when no more may begin.
	mu       sync.Mutex
	running  sync.WaitGroup
	shutting bool
}

// Methods are the exports that a client may call: functions without parameters
// and results whose names do not begin with "_", sorted, init among them
// (wasm-abi 3; R20 keeps reserved ones from being handlers).
func (m *Module) Methods() []string {
	var out []string
	for name, t := range m.exports {
		if t.Empty() && !strings.HasPrefix(name, "_") {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// Has reports whether the module exports a function of this name.
func (m *Module) Has(export string) bool {
	_, ok := m.exports[export]
	return ok
}

// Imports reports whether the module imports a host function of this name; one
// without "commit" is of the era that replicates calls (wasm-abi 5.9).
func (m *Module) Imports(name string) bool { return m.imports[name] }

// ABI is the embedded manifest, JSON, or nil (wasm-abi 7).
func (m *Module) ABI() []byte { return bytes.Clone(m.abi) }

// HostManaged reports whether the module keeps its replicated state in
// collections (imports module "mero"). It then has no use for Call.State.
func (m *Module) HostManaged() bool { return m.hosted }

// Description is the content of the module's custom section "mero", at most 1 MiB,
// or nil.
func (m *Module) Description() []byte { return bytes.Clone(m.description) }

// Retain adds a user, who has to Release too.
func (m *Module) Retain() {
	m.engine.mu.Lock()
	m.refs++
	m.engine.mu.Unlock()
}

// Release takes a user away. The last one closes the module, which waits for
// the calls that run; its machine code stays in the disk cache.
func (m *Module) Release() {
	e := m.engine
	e.mu.Lock()
	m.refs--
	last := m.refs == 0
	if last && e.modules[m.hash] == m {
		delete(e.modules, m.hash)
	}
	e.mu.Unlock()
	if !last {
		return
	}
	// A caller that gave up while somebody else compiles is never the last.
	<-m.ready
	if err := m.shut(); err != nil {
		e.log.Warn().Err(err).Msg("closing a module failed")
	}
}

// begin admits a call; end follows if it gives true.
func (m *Module) begin() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.shutting {
		return false
	}
	m.running.Add(1)
	return true
}

// shut closes the module when its calls have ended. A second time it does
// nothing.
func (m *Module) shut() error {
	m.mu.Lock()
	first := !m.shutting
	m.shutting = true
	m.mu.Unlock()
	if !first || m.close == nil {
		return nil
	}
	m.running.Wait()
	m.engine.pool.forget(m)
	if img := m.image.Load(); img != nil {
		m.engine.pool.unreserve(img.held)
	}
	m.engine.metrics.modules.Dec()
	return m.close()
}
