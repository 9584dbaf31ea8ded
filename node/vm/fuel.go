package vm

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"mero/node/vm/meter"
)

const (
	// ApplyFuel is the budget of one apply (R7), in units: about one for each
	// instruction of the guest. An endless loop takes 1 to 8 s to use it up, and a
	// Go guest 1.4 G to write 20 MiB byte by byte. It is a constant of the protocol
	// version.
	ApplyFuel uint64 = 30_000_000_000
	// DepthLimit is how deep functions of a guest may call each other; a trap
	// "stack overflow" is the end of it. A function with much on its stack
	// counts more than once.
	DepthLimit = meter.DepthLimit
	// MeterVersion names how guests are metered. Another version charges other
	// amounts, so its machine code is not taken from the cache.
	MeterVersion = meter.Version
)

// fuelChunk is how much fuel a guest gets at a time. Between two refills
// nothing can stop it or the garbage collector: 0.01 ms of usual code, 1.5 ms of
// the slowest (fuel.md). The guest cannot tell how much it is.
const fuelChunk = 100_000

// yieldAfter is how long a guest runs before it lets other goroutines run. By
// time, not by refill: a yield in each costs up to a half of a call.
const yieldAfter = time.Millisecond

// Costs of host functions, beside what the guest's own instructions cost. Like
// those they are part of the protocol version, and go by sizes that are the same
// on every replica.
const (
	costHost   = 500 // any call of the host
	costRead   = 4_000
	costWrite  = 8_000
	costBlob   = 10_000
	costVerify = 300_000
	// bytesPerUnit of guest memory that a host function looks at or fills.
	bytesPerUnit = 4
	costReadByte = 1 // of a value that the state gives
	// costWriteByte also pays for what the store does with it later.
	costWriteByte  = 4
	costVerifyByte = 4
	costRandomByte = 8
	costMember     = 8
	costVector     = 64 // one of the buffers or events that a function of WASI is given
)

// fuel is what a call may use and has used.
type fuel struct {
	budget  uint64
	chunk   uint64
	granted uint64
	// left and depth are the globals of the instance, nil before the first
	// instruction; until then host functions are charged to debt.
	left, depth api.MutableGlobal
	debt        uint64
	yielded     time.Time
	// plain: the instance has no globals to look for, see variant.
	plain bool
}

// attach finds the globals of the instance.
func (f *fuel) attach(mod api.Module) {
	if f.left == nil && !f.plain {
		f.left, _ = mod.ExportedGlobal(meter.FuelGlobal).(api.MutableGlobal)
		f.depth, _ = mod.ExportedGlobal(meter.DepthGlobal).(api.MutableGlobal)
	}
}

// rest is what is left of the fuel granted so far, below zero if it is
// overdrawn.
func (f *fuel) rest() int64 {
	if f.left == nil {
		return -int64(f.debt)
	}
	return int64(f.left.Get()) - int64(f.debt)
}

// used is what the call has used; more than the budget if that is why it ended.
func (f *fuel) used() uint64 { return uint64(int64(f.granted) - f.rest()) }

// reported is used without what was asked for in vain.
func (f *fuel) reported() uint64 { return min(f.used(), f.budget) }

// over says that more was used than the budget has. Blocks of a guest charge
// without looking, so that it may be so when a call ends well, too.
func (f *fuel) over() *Error {
	if f.used() <= f.budget {
		return nil
	}
	return &Error{Kind: KindFuel, Message: fmt.Sprintf("the call used up its fuel (%d units)", f.budget)}
}

// charge takes n units for something that the host does, before it is done.
func (g *guest) charge(n uint64) {
	if g.fuel.left == nil {
		g.fuel.debt += n
		return
	}
	rest := int64(g.fuel.left.Get()) - int64(n)
	g.fuel.left.Set(uint64(rest))
	if rest < 0 {
		g.settle()
	}
}

// refill is the hook of package meter: fuel or depth is below zero.
func (g *guest) refill(mod api.Module) {
	g.fuel.attach(mod)
	if g.fuel.rest() < 0 {
		g.settle()
	}
	if int64(g.fuel.depth.Get()) < 0 {
		stop(trap(trapOverflow))
	}
}

// settle grants more fuel, or ends the call. The budget is looked at first, and
// never more is granted than it has: where a call ends does not depend on the
// chunk, or on what this node does meanwhile.
func (g *guest) settle() {
	f := &g.fuel
	if err := f.over(); err != nil {
		stop(err)
	}
	used := f.used()
	grant := min(f.chunk, f.budget-used)
	f.granted, f.debt = used+grant, 0
	f.left.Set(grant)
	g.watch()
	if now := time.Now(); now.Sub(f.yielded) >= yieldAfter {
		runtime.Gosched()
		f.yielded = time.Now()
	}
}

// watch ends a call whose time is up or whose caller is gone.
func (g *guest) watch() {
	if g.limited.Err() != nil {
		stop(g.stopped())
	}
}

// stopped says who ended the call from outside: its caller, or the clock.
func (g *guest) stopped() *Error {
	if err := g.caller.Err(); err != nil {
		return &Error{Kind: KindCanceled, Message: err.Error(), cause: err}
	}
	return &Error{Kind: KindTimeout, Message: fmt.Sprintf("the call took longer than %s", g.Timeout)}
}

// resume goes on in an instance as if used had been used in it.
func (f *fuel) resume(mod api.Module, used uint64) {
	f.attach(mod)
	f.granted = used
	f.left.Set(0)
	f.rewind()
}

// rewind gives an instance that goes on after a trap its depth back.
func (f *fuel) rewind() {
	if f.depth != nil {
		f.depth.Set(meter.DepthLimit)
	}
}

// wasiMeter charges the functions of WASI, which are wazero's.
type wasiMeter struct{}

// NewFunctionListener implements experimental.FunctionListenerFactory.
func (wasiMeter) NewFunctionListener(api.FunctionDefinition) experimental.FunctionListener {
	return wasiMeter{}
}

// Before implements experimental.FunctionListener: the price depends on the
// sizes among the arguments alone.
func (wasiMeter) Before(ctx context.Context, mod api.Module, def api.FunctionDefinition, params []uint64, _ experimental.StackIterator) {
	g, _ := ctx.Value(guestKey{}).(*guest)
	g.fuel.attach(mod)
	g.watch()
	cost := uint64(costHost)
	g.watchWASI(def.Name())
	switch def.Name() {
	case "fd_write", "fd_read", "fd_pwrite", "fd_pread", "poll_oneoff":
		cost += costVector * uint64(uint32(params[2]))
	case "random_get":
		cost += costRandomByte * uint64(uint32(params[1]))
	}
	g.charge(cost)
}

// After implements experimental.FunctionListener.
func (wasiMeter) After(context.Context, api.Module, api.FunctionDefinition, []uint64) {}

// Abort implements experimental.FunctionListener.
func (wasiMeter) Abort(context.Context, api.Module, api.FunctionDefinition, error) {}
