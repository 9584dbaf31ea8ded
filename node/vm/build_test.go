package vm_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"mero/node/vm"
)

// program assembles a small module by hand: imports of env, functions without
// parameters, and one page of memory with data from address 1024 on.
type program struct {
	types   [][]byte
	imports [][]byte
	exports [][]byte
	bodies  [][]byte
	kinds   []int // type of each body
	data    []byte
	start   int // index of the start function among bodies, -1: none
	custom  []byte
	table   bool
	globals [][]byte
}

func newProgram() *program { return &program{start: -1} }

const dataBase = 1024

func leb(v uint64) []byte { return binary.AppendUvarint(nil, v) }

func sleb(v int64) (out []byte) {
	for {
		b := byte(v & 0x7f)
		v >>= 7
		if v == 0 && b&0x40 == 0 || v == -1 && b&0x40 != 0 {
			return append(out, b)
		}
		out = append(out, b|0x80)
	}
}

func vec(items ...[]byte) []byte {
	return append(leb(uint64(len(items))), bytes.Join(items, nil)...)
}

func str(s string) []byte { return append(leb(uint64(len(s))), s...) }

func section(id byte, content []byte) []byte {
	return append(append([]byte{id}, leb(uint64(len(content)))...), content...)
}

// typ gives the index of a type written as in wasm-abi 1.5: "II:i".
func (p *program) typ(sig string) int {
	enc := []byte{0x60}
	for half := range bytes.SplitSeq([]byte(sig), []byte(":")) {
		enc = append(enc, byte(len(half)))
		for _, c := range half {
			enc = append(enc, map[byte]byte{'I': 0x7e, 'i': 0x7f, 'f': 0x7d}[c])
		}
	}
	for i, t := range p.types {
		if bytes.Equal(t, enc) {
			return i
		}
	}
	p.types = append(p.types, enc)
	return len(p.types) - 1
}

// imp imports a function and gives its index. All imports come before the first fn.
func (p *program) imp(name, sig string) int { return p.impFrom("env", name, sig) }

func (p *program) impFrom(module, name, sig string) int {
	entry := append(append(str(module), str(name)...), 0)
	p.imports = append(p.imports, append(entry, leb(uint64(p.typ(sig)))...))
	return len(p.imports) - 1
}

// fn adds an exported function.
func (p *program) fn(name string, code ...[]byte) *program { return p.fnOf(":", name, code...) }

func (p *program) fnOf(sig, name string, code ...[]byte) *program {
	index := len(p.imports) + len(p.bodies)
	p.kinds = append(p.kinds, p.typ(sig))
	body := append([]byte{0}, bytes.Join(code, nil)...) // no locals
	body = append(body, 0x0b)
	p.bodies = append(p.bodies, append(leb(uint64(len(body))), body...))
	p.exports = append(p.exports, append(append(str(name), 0), leb(uint64(index))...))
	return p
}

// global adds a mutable global, an i64 that begins at 5, and gives its index.
func (p *program) global() int {
	p.globals = append(p.globals, []byte{0x7e, 1, 0x42, 5, 0x0b})
	return len(p.globals) - 1
}

// put places bytes in memory and gives their address.
func (p *program) put(b []byte) uint64 {
	for len(p.data)%8 != 0 {
		p.data = append(p.data, 0)
	}
	at := dataBase + len(p.data)
	p.data = append(p.data, b...)
	return uint64(at)
}

// desc places a descriptor of 64-bit words.
func (p *program) desc(words ...uint64) uint64 {
	var b []byte
	for _, w := range words {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	return p.put(b)
}

// buf places content and a Buffer descriptor of it.
func (p *program) buf(content string) uint64 {
	return p.desc(p.put([]byte(content)), uint64(len(content)))
}

// loc places a Location descriptor.
func (p *program) loc(file string, line, column uint32) uint64 {
	return p.desc(p.put([]byte(file)), uint64(len(file)), uint64(line)|uint64(column)<<32)
}

func (p *program) bytes() []byte {
	var funcs [][]byte
	for _, k := range p.kinds {
		funcs = append(funcs, leb(uint64(k)))
	}
	exports := append(p.exports, append(str("memory"), 2, 0))
	out := []byte{0, 'a', 's', 'm', 1, 0, 0, 0}
	out = append(out, section(1, vec(p.types...))...)
	out = append(out, section(2, vec(p.imports...))...)
	out = append(out, section(3, vec(funcs...))...)
	if p.table {
		out = append(out, section(4, []byte{1, 0x70, 0, 2})...)
	}
	out = append(out, section(5, []byte{1, 0, 1})...)
	if len(p.globals) > 0 {
		out = append(out, section(6, vec(p.globals...))...)
	}
	out = append(out, section(7, vec(exports...))...)
	if p.start >= 0 {
		out = append(out, section(8, leb(uint64(len(p.imports)+p.start)))...)
	}
	if p.table {
		// Element 0 is the first function, element 1 is null.
		out = append(out, section(9, append([]byte{1, 0, 0x41, 0, 0x0b, 1}, leb(uint64(len(p.imports)))...))...)
	}
	out = append(out, section(10, vec(p.bodies...))...)
	segment := append([]byte{0, 0x41}, sleb(dataBase)...)
	segment = append(append(segment, 0x0b), str(string(p.data))...)
	out = append(out, section(11, vec(segment))...)
	if p.custom != nil {
		out = append(out, section(0, p.custom)...)
	}
	return out
}

// Instructions.

func i64c(v uint64) []byte { return append([]byte{0x42}, sleb(int64(v))...) }
func i32c(v int32) []byte  { return append([]byte{0x41}, sleb(int64(v))...) }

// call calls function f with constant 64-bit arguments.
func call(f int, args ...uint64) []byte {
	var out []byte
	for _, a := range args {
		out = append(out, i64c(a)...)
	}
	return append(append(out, 0x10), leb(uint64(f))...)
}

func join(code ...[]byte) []byte { return bytes.Join(code, nil) }

func drop(code []byte) []byte { return join(code, []byte{0x1a}) }

// store32 and store64 put the result of code at an address.
func store32(at uint64, code []byte) []byte {
	return join(i32c(int32(at)), code, []byte{0x36, 2, 0})
}

func store64(at uint64, code []byte) []byte {
	return join(i32c(int32(at)), code, []byte{0x37, 3, 0})
}

// repeat runs code n times, counting in memory at address 8.
func repeat(n int32, code []byte) []byte {
	load := join(i32c(8), []byte{0x28, 2, 0})
	return join([]byte{0x03, 0x40}, code,
		store32(8, join(load, i32c(1), []byte{0x6a})),
		load, i32c(n), []byte{0x48, 0x0d, 0, 0x0b})
}

var unreachable = []byte{0x00}

// spin is an endless loop.
var spin = []byte{0x03, 0x40, 0x0c, 0, 0x0b}

func newEngine(t testing.TB, dir string) *vm.Engine {
	t.Helper()
	return newEngineOf(t, vm.DefaultConfig(), dir, prometheus.NewRegistry())
}

func newEngineOf(t testing.TB, cfg vm.Config, dir string, reg prometheus.Registerer) *vm.Engine {
	t.Helper()
	e, err := vm.New(cfg, vm.Deps{CacheDir: dir, Log: zerolog.Nop(), Metrics: reg})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return e
}

func compile(t testing.TB, p *program) *vm.Module {
	t.Helper()
	m, err := newEngine(t, "").Compile(t.Context(), p.bytes())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// mapState is a State of a map.
type mapState map[string]string

func (s mapState) Get(key []byte) ([]byte, bool, error) {
	v, ok := s[string(key)]
	return []byte(v), ok, nil
}

// deps are what an engine needs, without a cache.
func deps() vm.Deps {
	return vm.Deps{Log: zerolog.Nop(), Metrics: prometheus.NewRegistry()}
}
