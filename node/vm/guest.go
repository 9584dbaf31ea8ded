package vm

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"io"
	"math"
	"time"
	"unicode/utf8"

	"github.com/tetratelabs/wazero/api"
)

// guest is one running call: what the host keeps for it, and the arguments of
// the host function that it is in. One goroutine uses it.
type guest struct {
	Call

	// Of the host function being run.
	stack []uint64
	mem   []byte // the guest's whole memory
	flat  bool   // buffers come as two arguments, not as one descriptor
	next  int    // index of the next argument
	// inHost is set while a host function of module env runs: a Go run-time
	// error then is our fault.
	inHost bool

	// account has what of the fields below is kept until the call ends.
	account account

	registers    []register
	registerSize int

	state   overlay
	private overlay
	logs    logs
	stdio   *stdio

	instance *instance
	// asked: a function of the host was called that takes part in what the guest
	// does, or something was printed.
	asked bool
	done  bool // the guest ended well

	returned  bool
	returnErr bool
	value     []byte
	committed bool
	root      [32]byte
	artifact  []byte

	handing []byte // what take gives

	events []Event
	xcalls []XCall
	ops    []ContextOp
	blobs  blobTable

	ticks uint64 // clock readings so far

	fuel fuel
	// caller is the context of whoever asked for the call, limited the one that
	// ends with its timeout.
	caller, limited context.Context //nolint:containedctx // host functions get another, and need these
}

// register is a host-side byte string. Its content is shared, never changed.
type register struct {
	id   uint64
	data []byte
}

func (e *Engine) newGuest(c Call) *guest {
	if c.Random == nil {
		c.Random = rand.Reader
	}
	switch {
	case c.Fuel == 0 && c.Mode == ModeApply:
		c.Fuel = ApplyFuel
	case c.Fuel == 0:
		c.Fuel = e.cfg.CallFuel
	}
	if c.Timeout <= 0 {
		c.Timeout = e.cfg.CallTimeout
	}
	g := &guest{Call: c, account: account{pool: e.pool}}
	g.fuel = fuel{budget: min(c.Fuel, math.MaxInt64/2), chunk: fuelChunk, yielded: time.Now(), plain: e.variant.plain}
	if e.variant.chunk > 0 {
		g.fuel.chunk = e.variant.chunk
	}
	g.state, g.private = newOverlay(c.State, &g.account), newOverlay(c.Private, &g.account)
	g.logs = logs{account: &g.account, dropping: c.Mode == ModeApply}
	return g
}

// guestKey is where host functions find their guest in a context.
type guestKey struct{}

// bind makes a host function of wazero. In ModeApply a function that reaches
// outside the state ends the call (R7).
func (f *hostFunc) bind(flat bool) api.GoModuleFunc {
	return func(ctx context.Context, mod api.Module, stack []uint64) {
		g, _ := ctx.Value(guestKey{}).(*guest)
		memory := mod.Memory()
		g.mem, _ = memory.Read(0, memory.Size())
		g.stack, g.flat, g.next, g.inHost = stack, flat, 0, true
		g.asked = true
		g.fuel.attach(mod)
		g.watch()
		g.charge(costHost)
		if f.outside && g.Mode == ModeApply {
			stop(&Error{Kind: KindForbidden, Message: "host function '" + f.name + "' is not allowed while a delta is applied"})
		}
		f.call(ctx, g)
		g.inHost = false
	}
}

// arg is the next plain argument.
func (g *guest) arg() uint64 {
	v := g.stack[g.next]
	g.next++
	return v
}

// result sets the function's result.
func (g *guest) result(v uint64) { g.stack[0] = v }

func (g *guest) resultBool(v bool) {
	if v {
		g.result(1)
	} else {
		g.result(0)
	}
}

// view is a range of guest memory: valid until the host function returns, and
// shared with the guest.
func (g *guest) view(ptr, size uint64) []byte {
	total := uint64(len(g.mem))
	if size > total || ptr > total-size {
		stop(trap(msgMemory))
	}
	g.charge(size / bytesPerUnit)
	return g.mem[ptr : ptr+size]
}

// words reads a structure of n 64-bit fields: from a descriptor in the pointer
// convention, from n arguments in the flat one (wasm-abi 1.1, 1.2).
func (g *guest) words(n int) (w [6]uint64) {
	if g.flat {
		copy(w[:], g.stack[g.next:g.next+n])
		g.next += n
		return w
	}
	return g.wordsAt(g.arg(), n)
}

func (g *guest) wordsAt(ptr uint64, n int) (w [6]uint64) {
	raw := g.view(ptr, uint64(8*n))
	for i := range n {
		w[i] = binary.LittleEndian.Uint64(raw[8*i:])
	}
	return w
}

// buffer is a Buffer or BufferMut argument, as a view.
func (g *guest) buffer() []byte {
	w := g.words(2)
	return g.view(w[0], w[1])
}

// optionalBuffer is a Buffer argument whose descriptor may be at address 0:
// none. It exists in the pointer convention only.
func (g *guest) optionalBuffer() []byte {
	ptr := g.arg()
	if ptr == 0 {
		return nil
	}
	w := g.wordsAt(ptr, 2)
	return g.view(w[0], w[1])
}

// fixed is a Buffer that must have exactly size bytes.
func (g *guest) fixed(size int) []byte {
	b := g.buffer()
	if len(b) != size {
		stop(trap(msgMemory))
	}
	return b
}

func (g *guest) id() (id [32]byte) {
	copy(id[:], g.fixed(32))
	return id
}

// text copies a view that must be UTF-8.
func text(b []byte) string {
	if !utf8.Valid(b) {
		stop(trap(msgUTF8))
	}
	return string(b)
}

// location reads where a panic happened; nil: the guest does not know.
func (g *guest) location() *Location {
	var w [6]uint64
	var line, column uint32
	if g.flat {
		w = g.words(2)
		line, column = uint32(g.arg()), uint32(g.arg())
	} else {
		raw := g.view(g.arg(), 24)
		w[0], w[1] = binary.LittleEndian.Uint64(raw), binary.LittleEndian.Uint64(raw[8:])
		line, column = binary.LittleEndian.Uint32(raw[16:]), binary.LittleEndian.Uint32(raw[20:])
	}
	file := text(g.view(w[0], w[1]))
	if file == "" && line == 0 && column == 0 {
		return nil
	}
	return &Location{File: file, Line: line, Column: column}
}

// setRegister puts data, which nobody changes any more, into a register.
func (g *guest) setRegister(id uint64, data []byte) {
	at, size := -1, g.registerSize+8+len(data)
	for i := range g.registers {
		if g.registers[i].id == id {
			at = i
			size -= 8 + len(g.registers[i].data)
		}
	}
	if len(data) > maxRegisterSize || size > maxRegistersCapacity || at < 0 && len(g.registers) >= maxRegisters {
		stop(trap(msgMemory))
	}
	// A value of the overlay counts twice while a register has it too: it may be
	// the register alone that holds it a moment later.
	g.account.add(size - g.registerSize)
	g.registerSize = size
	if at < 0 {
		g.registers = append(g.registers, register{id, data})
	} else {
		g.registers[at].data = data
	}
}

func (g *guest) register(id uint64) ([]byte, bool) {
	for i := range g.registers {
		if g.registers[i].id == id {
			return g.registers[i].data, true
		}
	}
	return nil, false
}

// now is the next reading of the guest's clock.
func (g *guest) now() uint64 {
	t := g.Time + g.ticks
	g.ticks = min(g.ticks+1, 65_535)
	return t
}

// random fills b from the call's source.
func (g *guest) random(b []byte) {
	g.charge(costRandomByte * uint64(len(b)))
	if _, err := io.ReadFull(g.Random, b); err != nil {
		stop(hostFault(err))
	}
}
