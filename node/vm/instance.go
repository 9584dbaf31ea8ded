package vm

import (
	"bytes"
	"context"
	"slices"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"mero/node/vm/meter"
)

// instance is one instance of a module and the memory it runs in. It is made for
// a call. One that began with the module's image can serve later calls, each
// after restore.
type instance struct {
	module *Module
	memory lease
	mod    api.Module // nil: it could not be made
	stdio  *stdio     // nil: the module imports nothing of WASI

	// image is what restore puts back; nil: there is none.
	image   *image
	globals []api.MutableGlobal
	// spoiled: the guest changed something that restore does not put back.
	spoiled bool
}

// instantiate makes the instance of g. The start section runs here.
func (m *Module) instantiate(ctx context.Context, g *guest) error {
	in := &instance{module: m, memory: lease{pool: m.engine.pool}}
	g.instance = in
	config := m.config
	if m.wasi {
		in.stdio = &stdio{}
		config = in.stdio.config(config)
	}
	g.enter(in)
	mod, err := m.runtime.InstantiateModule(experimental.WithMemoryAllocator(ctx, &in.memory), m.compiled, config)
	if err != nil {
		return err
	}
	in.mod = mod
	return nil
}

// enter makes an instance that of the guest.
func (g *guest) enter(in *instance) {
	g.instance, g.stdio = in, in.stdio
	if in.stdio != nil {
		in.stdio.begin(g)
	}
}

// leave ends the use of the guest's instance: it is kept for another call, or
// given up. The guest's output has been taken.
func (g *guest) leave() {
	in := g.instance
	if in == nil {
		return
	}
	g.instance, g.stdio = nil, nil
	if in.stdio != nil {
		*in.stdio = stdio{} // it would hold on to the guest
	}
	if g.done && in.image != nil && !in.spoiled && !in.mod.IsClosed() &&
		uint64(in.mod.Memory().Size()) == in.image.size && in.memory.pool.park(in) {
		return
	}
	in.discard()
}

// discard ends the instance, in which nothing runs any more.
func (in *instance) discard() {
	if in.mod != nil {
		// The instance holds nothing but memory, which the lease owns.
		_ = in.mod.Close(context.Background())
	}
	in.memory.release()
}

// image is what _initialize leaves of a fresh instance, and what it took.
type image struct {
	size    uint64 // bytes of memory
	runs    []run  // what is not zero in it, ascending
	globals []uint64
	fuel    uint64
	ticks   uint64
	slept   uint64
	held    uint64 // bytes of memory that the image takes
}

// run is a piece of memory.
type run struct {
	at   int
	data []byte
}

const (
	// imageTime is the clock of whoever makes an image. No call is earlier, so
	// no guest sees a clock go back, whatever its runtime remembers. Not 0: Go's
	// takes that for a broken clock.
	imageTime = 1
	// maxImageSize bounds the memory of an instance that an image is taken of:
	// each call writes all of it.
	maxImageSize = 16 << 20
	// imageGrain is the unit in which zeros are told from other bytes.
	imageGrain = 4 << 10
)

// startImage gives the image that a call starts from, and takes it if there is
// none yet; nil: the call initialises its instance itself. That is so for good
// when the module cannot have one or its _initialize fails, which every call
// shall report, and for a moment when somebody else is taking it or memory is
// short.
func (m *Module) startImage(ctx context.Context, g *guest) *image {
	img := m.image.Load()
	if img != nil || m.noImage.Load() || !m.imaging.TryLock() {
		return img
	}
	defer m.imaging.Unlock()
	if img = m.image.Load(); img != nil {
		return img
	}
	img, final := m.takeImage(ctx, g)
	if img != nil {
		m.image.Store(img)
	}
	m.noImage.Store(final)
	return img
}

// takeImage runs _initialize for nobody: no context, no input, a fixed time. Its
// only part in the call of g is that it ends with it. Without an image, final
// says that there never will be one.
func (m *Module) takeImage(ctx context.Context, caller *guest) (img *image, final bool) {
	g := m.engine.newGuest(Call{Time: imageTime})
	defer g.account.release()
	defer g.leave()
	g.caller, g.limited = caller.caller, caller.limited
	ctx = context.WithValue(ctx, guestKey{}, g)
	err := m.instantiate(ctx, g)
	if err == nil {
		err = m.invoke(ctx, g.instance.mod, exportInitialize)
	}
	if err != nil {
		return nil, !g.local(err)
	}
	memory := g.instance.mod.Memory()
	mem, _ := memory.Read(0, memory.Size())
	if g.asked || g.instance.spoiled || g.instance.mod.IsClosed() || len(mem) > maxImageSize {
		return nil, true
	}
	img = &image{size: uint64(len(mem)), runs: runsOf(mem), fuel: g.fuel.used(), ticks: g.ticks}
	if g.stdio != nil {
		img.slept = g.stdio.slept
	}
	for _, global := range m.mutableGlobals(g.instance.mod) {
		img.globals = append(img.globals, global.Get())
	}
	for i := range img.runs {
		img.held += uint64(len(img.runs[i].data))
	}
	if !m.engine.pool.reserve(img.held) {
		return nil, false
	}
	return img, false
}

// runsOf copies what is not zero, in whole grains.
func runsOf(mem []byte) (runs []run) {
	zeros := make([]byte, imageGrain)
	start := -1
	for at := 0; at <= len(mem); at += imageGrain {
		zero := at == len(mem) || bytes.Equal(mem[at:at+imageGrain], zeros) // pages are whole grains
		switch {
		case zero && start >= 0:
			runs = append(runs, run{start, slices.Clone(mem[start:at])})
			start = -1
		case !zero && start < 0:
			start = at
		}
	}
	return runs
}

func (m *Module) mutableGlobals(mod api.Module) (globals []api.MutableGlobal) {
	for i := range m.globals {
		global, _ := mod.ExportedGlobal(meter.GlobalName(i)).(api.MutableGlobal)
		globals = append(globals, global)
	}
	return globals
}

// resume gives the guest an instance as _initialize left it.
func (m *Module) resume(ctx context.Context, g *guest, img *image) error {
	in := m.engine.pool.take(m)
	if in != nil {
		g.enter(in)
		m.engine.metrics.starts.WithLabelValues(startReused).Inc()
	} else {
		if err := m.instantiate(ctx, g); err != nil {
			return err
		}
		in = g.instance
		in.image, in.globals = img, m.mutableGlobals(in.mod)
		if more := img.size - uint64(in.mod.Memory().Size()); more > 0 {
			in.mod.Memory().Grow(uint32(more / pageSize))
		}
		m.engine.metrics.starts.WithLabelValues(startImage).Inc()
	}
	mem, ok := in.mod.Memory().Read(0, uint32(img.size))
	if !ok {
		return hostFault(ErrNoMemory)
	}
	img.restore(mem)
	for i, global := range in.globals {
		global.Set(img.globals[i])
	}
	g.fuel.resume(in.mod, img.fuel)
	g.ticks = img.ticks
	if g.stdio != nil {
		g.stdio.slept = img.slept
	}
	return nil
}

// restore writes all of a memory.
func (img *image) restore(mem []byte) {
	at := 0
	for _, r := range img.runs {
		clear(mem[at:r.at])
		at = r.at + copy(mem[r.at:], r.data)
	}
	clear(mem[at:])
}
