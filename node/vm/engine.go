package vm

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"mero/node/vm/meter"
)

// MaxModuleSize is the largest module in bytes (wasm-abi 2).
const MaxModuleSize = 20 << 20

// Engine compiles modules and lends them the memory they run in.
type Engine struct {
	cfg     Config
	log     zerolog.Logger
	metrics *metrics
	pool    *pool
	cache   diskCache
	host    map[string]map[string]*hostFunc
	variant variant
	// compiling admits one compilation at a time: it uses a core and ten times
	// the module's size in memory.
	compiling chan struct{}

	mu      sync.Mutex
	closed  bool
	modules map[[32]byte]*Module // by SHA-256 of the bytes given
}

// New makes an engine. It starts no goroutine.
func New(cfg Config, deps Deps) (*Engine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	m, err := newMetrics(deps.Metrics)
	if err != nil {
		return nil, err
	}
	return &Engine{
		cfg: cfg, log: deps.Log, metrics: m, pool: newPool(cfg, m),
		cache: diskCache{dir: deps.CacheDir}, host: hostFuncs(),
		compiling: make(chan struct{}, 1), modules: map[[32]byte]*Module{},
	}, nil
}

// Close closes all modules, waiting for the calls that run. Later calls and
// compilations fail with ErrClosed.
func (e *Engine) Close() error {
	e.mu.Lock()
	e.closed = true
	modules := e.modules
	e.modules = map[[32]byte]*Module{}
	e.mu.Unlock()
	var errs []error
	for _, m := range modules {
		<-m.ready
		errs = append(errs, m.shut())
	}
	return errors.Join(errs...)
}

// Compile checks a module and makes it ready to run. Modules are shared: the
// same bytes give the same Module, and each Compile needs one Release. Errors:
// ErrNotWasm, ErrTooLarge, *InvalidModuleError, *MissingImportsError, ErrClosed,
// or that of ctx. Compiling takes 0.15 s for a real application, 8 ms from the
// disk cache, and cannot be interrupted.
func (e *Engine) Compile(ctx context.Context, wasm []byte) (*Module, error) {
	if len(wasm) > MaxModuleSize {
		return nil, ErrTooLarge
	}
	hash := sha256.Sum256(wasm)
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil, ErrClosed
	}
	m, found := e.modules[hash]
	if !found {
		m = &Module{engine: e, hash: hash, ready: make(chan struct{})}
		e.modules[hash] = m
	}
	m.refs++
	e.mu.Unlock()
	if !found {
		e.fill(ctx, m, wasm)
	}
	select {
	case <-m.ready:
	case <-ctx.Done():
		m.Release()
		return nil, ctx.Err()
	}
	if m.err != nil {
		err := m.err
		m.Release()
		if found && ctx.Err() == nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
			// Whoever compiled it gave up; we have not.
			return e.Compile(ctx, wasm)
		}
		return nil, err
	}
	return m, nil
}

// errCompiling is what those get who wait for a compilation that panics.
var errCompiling = errors.New("the module could not be compiled")

// fill compiles m and lets those go on who wait for it, also when compiling
// panics: nobody else could, and Close waits too. The panic goes on to the
// caller, whose reference is taken back.
func (e *Engine) fill(ctx context.Context, m *Module, wasm []byte) {
	m.err = hostFault(errCompiling)
	ended := false
	defer func() {
		close(m.ready)
		if !ended {
			m.Release()
		}
	}()
	m.err = e.compile(ctx, m, wasm)
	ended = true
}

// compile fills m. One goroutine does, before m.ready is closed.
func (e *Engine) compile(ctx context.Context, m *Module, wasm []byte) error {
	info, err := e.variant.rewrite(wasm)
	switch {
	case errors.Is(err, meter.ErrHeader):
		return ErrNotWasm
	case err != nil:
		return &InvalidModuleError{Reason: err.Error()}
	case !info.Memory:
		return &InvalidModuleError{Reason: `no memory is exported as "memory"`}
	}
	m.exports, m.abi, m.globals = info.Exports, info.ABI, info.Globals
	m.noImage.Store(!info.Image || !m.plain(exportInitialize) || e.variant.closeOnDone)
	m.description = info.Description
	if err := m.readImports(info.Imports); err != nil {
		return err
	}
	select {
	case e.compiling <- struct{}{}:
		defer func() { <-e.compiling }()
	case <-ctx.Done():
		return ctx.Err()
	}
	// What is built outlives the caller's context.
	return e.build(context.WithoutCancel(ctx), m, info)
}

// readImports notes what the module wants of its host, and refuses one that keeps
// replicated state in two ways.
func (m *Module) readImports(imports []meter.Import) error {
	m.imports = make(map[string]bool, len(imports))
	stores := ""
	for _, i := range imports {
		switch i.Module {
		case collectionsModule:
			m.hosted = true
		case envModule:
			m.imports[i.Name] = true
			if i.Name == "commit" || strings.HasPrefix(i.Name, "storage_") {
				stores = i.Name
			}
		}
	}
	if m.hosted && stores != "" {
		return &InvalidModuleError{Reason: fmt.Sprintf(
			"it uses host-managed collections (imports of module %q) and %q of module %q: replicated state is kept in one way or the other",
			collectionsModule, stores, envModule)}
	}
	return nil
}

// build compiles with the disk cache, and without it when that fails: the error
// may be the cache's.
func (e *Engine) build(ctx context.Context, m *Module, info *meter.Module) error {
	start := time.Now()
	sum := sha256.Sum256(append([]byte{MeterVersion}, info.Code...))
	dir, filled, err := e.cache.open(sum)
	if err != nil {
		e.log.Warn().Err(err).Msg("the compile cache cannot be used")
	}
	result := cacheMiss
	if filled {
		result = cacheHit
	}
	err = m.build(ctx, info, dir)
	var missing *MissingImportsError
	if err != nil && dir != "" && !errors.As(err, &missing) {
		dir, result = "", cacheMiss
		err = m.build(ctx, info, "")
	}
	if err != nil {
		return err
	}
	if dir != "" && !filled {
		if err := e.cache.seal(dir); err != nil {
			e.log.Warn().Err(err).Msg("the compile cache cannot be written")
		}
	}
	e.metrics.compiles.WithLabelValues(result).Observe(time.Since(start).Seconds())
	return nil
}

// build makes the module's own runtime: wazero cannot hold one "env" with two
// types of one name, so every module has its own (wasm-abi 9).
func (m *Module) build(ctx context.Context, info *meter.Module, cacheDir string) (err error) {
	cache := wazero.NewCompilationCache()
	if cacheDir != "" {
		if cache, err = wazero.NewCompilationCacheWithDir(cacheDir); err != nil {
			return err
		}
	}
	runtime := wazero.NewRuntimeWithConfig(ctx, m.engine.variant.config().WithCompilationCache(cache))
	m.close = func() error {
		return errors.Join(runtime.Close(ctx), cache.Close(ctx))
	}
	built := false
	defer func() {
		if !built {
			// The reason why it was not built is what counts.
			_ = m.close()
			m.close = nil
		}
	}()
	if err := m.link(ctx, runtime, info); err != nil {
		return err
	}
	if m.compiled, err = compileGuarded(ctx, runtime, info.Code); err != nil {
		return &InvalidModuleError{Reason: err.Error()}
	}
	m.runtime = runtime
	// A random source of one's own keeps wazero from seeding a fake one for
	// every instance, a sixth of a short call; stdio.config sets the guest's.
	m.config = wazero.NewModuleConfig().WithName("").WithStartFunctions().WithRandSource(rand.Reader)
	built = true
	m.engine.metrics.modules.Inc()
	return nil
}

// compileGuarded turns a panic of wazero, which a few modules cause, into an
// error. Everything in wazero that is fatal without a panic is kept out by
// package meter.
func compileGuarded(ctx context.Context, r wazero.Runtime, wasm []byte) (c wazero.CompiledModule, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the compiler failed: %v", p)
		}
	}()
	return r.CompileModule(ctx, wasm)
}

const envModule = "env"

// link builds the host modules that the module's imports ask for.
func (m *Module) link(ctx context.Context, runtime wazero.Runtime, info *meter.Module) error {
	missing := append([]string(nil), info.Foreign...)
	own := map[string]wazero.HostModuleBuilder{}
	for module := range m.engine.host {
		own[module] = runtime.NewHostModuleBuilder(module)
	}
	wasi, err := linkWASI(ctx, runtime, info)
	if err != nil {
		return err
	}
	m.wasi = wasi != nil
	bound := map[string]meter.FuncType{}
	for _, i := range info.Imports {
		key := i.Module + "." + i.Name
		earlier, seen := bound[key]
		switch {
		case seen && earlier.Equal(i.Type):
			continue
		case seen || !m.bind(own[i.Module], wasi, i):
			missing = append(missing, key+signature(i.Type))
		default:
			bound[key] = i.Type
		}
	}
	if len(missing) > 0 {
		return &MissingImportsError{Imports: missing}
	}
	for _, builder := range own {
		if _, err = builder.Instantiate(ctx); err != nil {
			return err
		}
	}
	hook := func(ctx context.Context, mod api.Module, _ []uint64) {
		g, _ := ctx.Value(guestKey{}).(*guest)
		g.refill(mod)
	}
	_, err = runtime.NewHostModuleBuilder(meter.HookModule).NewFunctionBuilder().
		WithGoModuleFunction(api.GoModuleFunc(hook), nil, nil).Export(meter.HookName).Instantiate(ctx)
	return err
}

// bind finds the host function for one import; own builds the module of that
// name, if it is one of ours.
func (m *Module) bind(own wazero.HostModuleBuilder, wasi map[string]api.FunctionDefinition, i meter.Import) bool {
	switch i.Module {
	case envModule, collectionsModule:
		f := m.engine.host[i.Module][i.Name]
		if f == nil {
			return false
		}
		flat, ok := f.match(i.Type)
		if ok {
			own.NewFunctionBuilder().WithGoModuleFunction(f.bind(flat), i.Type.Params, i.Type.Results).Export(i.Name)
		}
		return ok
	case wasiModule:
		def := wasi[i.Name]
		return def != nil && i.Type.Equal(meter.FuncType{Params: def.ParamTypes(), Results: def.ResultTypes()})
	default:
		return false
	}
}

func linkWASI(ctx context.Context, runtime wazero.Runtime, info *meter.Module) (map[string]api.FunctionDefinition, error) {
	for _, i := range info.Imports {
		if i.Module == wasiModule {
			metered := experimental.WithFunctionListenerFactory(ctx, wasiMeter{})
			compiled, err := wasi_snapshot_preview1.NewBuilder(runtime).Compile(metered)
			if err != nil {
				return nil, err
			}
			_, err = runtime.InstantiateModule(ctx, compiled, wazero.NewModuleConfig())
			return compiled.ExportedFunctions(), err
		}
	}
	return nil, nil
}

// signature writes a type as "(i64, i64) -> i32".
func signature(t meter.FuncType) string {
	text := "(" + typeNames(t.Params) + ")"
	if len(t.Results) > 0 {
		text += " -> " + typeNames(t.Results)
	}
	return text
}

func typeNames(types []byte) string {
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = api.ValueTypeName(t)
	}
	return strings.Join(names, ", ")
}
