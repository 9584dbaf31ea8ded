package vm

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// Bounds of a module. The sizes are of the WebAssembly JavaScript interface or
// tighter; real applications (60 binaries of every era) stay far below. Each
// keeps a hostile module from making the compiler or an instance ask for memory
// out of proportion to its bytes (measured: fuel.md, pitfall 3).
const (
	// MaxModuleSize is the largest module in bytes (wasm-abi 2).
	MaxModuleSize = 20 << 20
	// MaxMemoryPages is the hard limit of a guest's memory, in pages of 64 KiB.
	MaxMemoryPages = 1024

	maxBody      = 256 << 10 // bytes of one function; wazero's SSA pass recurses along its blocks
	maxFunctions = 100_000   // 2 million empty ones take the compiler 0.6 GB
	maxLocals    = 10_000    // of one function
	maxParams    = 128
	maxResults   = 16
	maxNesting   = 2_000 // blocks within blocks
	maxTables    = 4
	maxTableSize = 1 << 20 // elements; also the maximum of a table that declares none
	// maxLocalsPerByte bounds the locals of all functions together: a body of
	// seven bytes may declare thousands.
	maxLocalsPerByte = 8
	// maxControlCost bounds the sum, over all functions, of the squared number
	// of control instructions: the compiler's time grows so, and 60 KB of br_if
	// already take seconds. Rust
	// applications have up to 9 million, a Go guest of 6 MB has 81 million.
	maxControlCost = 1 << 29
)

const (
	secCustom = iota
	secType
	secImport
	secFunction
	secTable
	secMemory
	secGlobal
	secExport
	secStart
	secElement
	secCode
	secData
	secDataCount
)

// abiSection is the custom section with the application's manifest (wasm-abi 7).
const abiSection = "calimero_abi_v1"

const (
	externFunc = iota
	externTable
	externMemory
	externGlobal
)

// funcType is a signature; the bytes are wazero's api.ValueType, which are the
// bytes of the binary format.
type funcType struct{ params, results []byte }

func (t funcType) empty() bool { return len(t.params) == 0 && len(t.results) == 0 }

func (t funcType) equal(o funcType) bool {
	return bytes.Equal(t.params, o.params) && bytes.Equal(t.results, o.results)
}

// importedFunc is one function that a module wants from its host.
type importedFunc struct {
	module, name string
	typ          funcType
}

// moduleInfo is what the validator learned. Nothing in it refers to the bytes
// that were given.
type moduleInfo struct {
	types   []funcType
	imports []importedFunc
	// foreign names imports that are not functions: a host has none.
	foreign []string
	// funcs is the type index of every function, the imported ones first.
	funcs   []uint32
	exports map[string]funcType // exported functions
	// memory says that the module's own memory is exported under that name.
	memory bool
	abi    []byte // last valid manifest

	tables     []byte // reference type of each table
	memories   int
	globals    int
	elements   int
	data       int
	dataCount  int // -1: no such section
	code       int
	localsLeft int
	// controlCost is what maxControlCost bounds.
	controlCost int

	// clean is the module as wazero gets it: the sections that were checked,
	// without custom sections (but a well-formed name section, for traces),
	// and with a maximum on every table.
	clean []byte
}

// errNotWasmHeader: the bytes do not begin as a module does.
var errNotWasmHeader = errors.New("bad header")

// sectionRank is the place of a known section in a module (data count comes
// before code).
func sectionRank(id byte) int {
	switch id {
	case secDataCount:
		return 2*secElement + 1
	default:
		return 2 * int(id)
	}
}

// inspect checks a module section by section. It is total: every byte sequence
// gives a moduleInfo or an error, in time and memory proportional to its size.
func inspect(wasm []byte) (*moduleInfo, error) {
	header := []byte{0, 'a', 's', 'm', 1, 0, 0, 0}
	if !bytes.HasPrefix(wasm, header) {
		return nil, errNotWasmHeader
	}
	m := &moduleInfo{
		exports: map[string]funcType{}, dataCount: -1,
		localsLeft: maxLocals + maxLocalsPerByte*len(wasm),
		clean:      make([]byte, 0, len(wasm)+16),
	}
	m.clean = append(m.clean, header...)
	r := &reader{data: wasm, off: len(header)}
	rank, named := 0, false
	for r.left() > 0 {
		id := r.byte()
		content := r.take(r.u32())
		if r.err != nil {
			return nil, fmt.Errorf("section %d: %w", id, r.err)
		}
		if id == secCustom {
			if err := m.custom(content, &named); err != nil {
				return nil, err
			}
			continue
		}
		if id > secDataCount || sectionRank(id) <= rank {
			return nil, fmt.Errorf("section %d is unknown, repeated or out of order", id)
		}
		rank = sectionRank(id)
		if err := m.section(id, content); err != nil {
			return nil, fmt.Errorf("section %d: %w", id, err)
		}
	}
	return m, m.finish()
}

// finish checks what spans sections.
func (m *moduleInfo) finish() error {
	switch defined := len(m.funcs) - len(m.imports); {
	case m.code != defined:
		return fmt.Errorf("%d functions declared, %d bodies", defined, m.code)
	case m.dataCount >= 0 && m.dataCount != m.data:
		return fmt.Errorf("%d data segments declared, %d there", m.dataCount, m.data)
	}
	return nil
}

func (m *moduleInfo) section(id byte, content []byte) error {
	r := &reader{data: content}
	switch id {
	case secType:
		m.readTypes(r)
	case secImport:
		m.readImports(r)
	case secFunction:
		m.readFunctions(r)
	case secTable:
		content = m.readTables(r)
	case secMemory:
		m.readMemories(r)
	case secGlobal:
		m.readGlobals(r)
	case secExport:
		m.readExports(r)
	case secStart:
		if i := r.index(len(m.funcs), "function"); r.err == nil && !m.funcType(i).empty() {
			r.fail("the start function has parameters or results")
		}
	case secElement:
		m.readElements(r)
	case secDataCount:
		m.dataCount = int(r.u32())
	case secCode:
		m.readCode(r)
	case secData:
		m.readData(r)
	}
	if r.err == nil && r.left() > 0 {
		r.fail("%d bytes too many", r.left())
	}
	if r.err == nil {
		m.appendSection(id, content)
	}
	return r.err
}

func (m *moduleInfo) appendSection(id byte, content []byte) {
	m.clean = append(m.clean, id)
	m.clean = appendU32(m.clean, uint32(len(content)))
	m.clean = append(m.clean, content...)
}

// custom looks at one custom section. Their content is never a reason to refuse
// a module, but only a well-formed name section goes on to wazero, whose reader
// of it trusts the counts inside.
func (m *moduleInfo) custom(content []byte, named *bool) error {
	r := &reader{data: content}
	name := r.name()
	if r.err != nil {
		return fmt.Errorf("custom section: %w", r.err)
	}
	body := content[r.off:]
	switch name {
	case abiSection:
		if json.Valid(body) {
			m.abi = bytes.Clone(body)
		}
	case "name":
		if !*named && wellFormedNames(body) {
			*named = true
			m.appendSection(secCustom, content)
		}
	}
	return nil
}

// wellFormedNames reports whether a name section is exactly as specified, so
// that a lazy reader of it stays inside.
func wellFormedNames(body []byte) bool {
	r := &reader{data: body}
	for r.left() > 0 && r.err == nil {
		id := r.byte()
		sub := &reader{data: r.take(r.u32())}
		switch {
		case r.err != nil:
			return false
		case id == 0:
			sub.name()
		case id == 1:
			skipNameMap(sub)
		case id == 2:
			for range sub.count(2) {
				sub.u32()
				skipNameMap(sub)
			}
		default:
			continue
		}
		if sub.err != nil || sub.left() > 0 {
			return false
		}
	}
	return r.err == nil
}

func skipNameMap(r *reader) {
	for range r.count(2) {
		r.u32()
		r.name()
		if r.err != nil {
			return
		}
	}
}

func (m *moduleInfo) funcType(i uint32) funcType { return m.types[m.funcs[i]] }

func (m *moduleInfo) readTypes(r *reader) {
	for range r.count(3) {
		if form := r.byte(); form != 0x60 {
			r.fail("type form %#x is not supported", form)
		}
		t := funcType{params: readValueTypes(r), results: readValueTypes(r)}
		if r.err == nil && (len(t.params) > maxParams || len(t.results) > maxResults) {
			r.fail("a function with %d parameters and %d results (limits %d, %d)",
				len(t.params), len(t.results), maxParams, maxResults)
		}
		if r.err != nil {
			return
		}
		m.types = append(m.types, t)
	}
}

func readValueTypes(r *reader) []byte {
	types := slices.Clone(r.take(uint32(r.count(1))))
	for _, t := range types {
		if !isValueType(t) {
			r.fail("value type %#x is not supported", t)
		}
	}
	return types
}

func isValueType(t byte) bool {
	return t >= 0x7b && t <= 0x7f || isRefType(t)
}

func isRefType(t byte) bool { return t == 0x70 || t == 0x6f }

func (m *moduleInfo) readImports(r *reader) {
	for range r.count(4) {
		module, name := r.name(), r.name()
		kind := r.byte()
		if kind != externFunc {
			if r.err == nil && kind > externGlobal {
				r.fail("import kind %d is unknown", kind)
			}
			m.skipImport(r, kind)
			if r.err != nil {
				return
			}
			what := []string{"", "table", "memory", "global"}[kind]
			m.foreign = append(m.foreign, module+"."+name+"("+what+")")
			continue
		}
		t := r.index(len(m.types), "type")
		if r.err != nil {
			return
		}
		m.imports = append(m.imports, importedFunc{module: module, name: name, typ: m.types[t]})
		m.funcs = append(m.funcs, t)
	}
}

// skipImport counts an imported table, memory or global. The module cannot be
// linked, but the error should name what is missing, not a bad index.
func (m *moduleInfo) skipImport(r *reader, kind byte) {
	switch kind {
	case externTable:
		m.tables = append(m.tables, r.byte())
		readLimits(r)
	case externMemory:
		m.memories++
		readLimits(r)
	case externGlobal:
		m.globals++
		r.take(2)
	}
}

// readLimits gives a minimum and a maximum (-1: none declared).
func readLimits(r *reader) (low, high int64) {
	high = -1
	switch flag := r.byte(); flag {
	case 0:
		low = int64(r.u32())
	case 1:
		low, high = int64(r.u32()), int64(r.u32())
	default:
		r.fail("limits %#x are not supported", flag)
	}
	if high >= 0 && high < low {
		r.fail("minimum %d is above maximum %d", low, high)
	}
	return low, high
}

func (m *moduleInfo) readFunctions(r *reader) {
	n := r.count(1)
	if n > maxFunctions {
		r.fail("%d functions (limit %d)", n, maxFunctions)
		return
	}
	for range n {
		t := r.index(len(m.types), "type")
		if r.err != nil {
			return
		}
		m.funcs = append(m.funcs, t)
	}
}

// readTables gives the section anew with a maximum on every table, because
// table.grow would else be the one way to unbounded memory.
func (m *moduleInfo) readTables(r *reader) []byte {
	n := r.count(3)
	if n > maxTables {
		r.fail("%d tables (limit %d)", n, maxTables)
	}
	out := appendU32(nil, uint32(n))
	for range n {
		t := r.byte()
		low, high := readLimits(r)
		switch {
		case r.err != nil:
			return nil
		case !isRefType(t):
			r.fail("table of type %#x is not supported", t)
			return nil
		case low > maxTableSize:
			r.fail("a table of %d elements (limit %d)", low, maxTableSize)
			return nil
		case high < 0 || high > maxTableSize:
			high = maxTableSize
		}
		m.tables = append(m.tables, t)
		out = append(out, t, 1)
		out = appendU32(appendU32(out, uint32(low)), uint32(high))
	}
	return out
}

func (m *moduleInfo) readMemories(r *reader) {
	n := r.count(2)
	if m.memories+n > 1 {
		r.fail("more than one memory")
	}
	for range n {
		low, _ := readLimits(r)
		if low > MaxMemoryPages {
			r.fail("needs %d pages of memory (limit %d)", low, MaxMemoryPages)
		}
		m.memories++
	}
}

func (m *moduleInfo) readGlobals(r *reader) {
	for range r.count(4) {
		t, mutable := r.byte(), r.byte()
		if r.err == nil && (!isValueType(t) || mutable > 1) {
			r.fail("global of type %#x, mutability %d", t, mutable)
		}
		m.constExpr(r)
		if r.err != nil {
			return
		}
		m.globals++
	}
}

// constExpr reads an initialiser: one constant and its end.
func (m *moduleInfo) constExpr(r *reader) {
	switch op := r.byte(); op {
	case 0x41:
		r.signed(32)
	case 0x42:
		r.signed(64)
	case 0x43:
		r.take(4)
	case 0x44:
		r.take(8)
	case 0x23:
		r.index(m.globals, "global")
	case 0xd0:
		if t := r.byte(); r.err == nil && !isRefType(t) {
			r.fail("null of type %#x", t)
		}
	case 0xd2:
		r.index(len(m.funcs), "function")
	case 0xfd:
		if sub := r.byte(); sub != 0x0c {
			r.fail("vector instruction %#x is not constant", sub)
		}
		r.take(16)
	default:
		r.fail("instruction %#x is not constant", op)
	}
	if end := r.byte(); end != 0x0b {
		r.fail("initialiser of more than one instruction")
	}
}

func (m *moduleInfo) readExports(r *reader) {
	seen := map[string]bool{}
	for range r.count(3) {
		name, kind := r.name(), r.byte()
		switch kind {
		case externFunc:
			if i := r.index(len(m.funcs), "function"); r.err == nil {
				m.exports[name] = m.funcType(i)
			}
		case externTable:
			r.index(len(m.tables), "table")
		case externMemory:
			r.index(m.memories, "memory")
			m.memory = m.memory || name == "memory"
		case externGlobal:
			r.index(m.globals, "global")
		default:
			r.fail("export kind %d is unknown", kind)
		}
		if seen[name] {
			r.fail("%q is exported twice", name)
		}
		if r.err != nil {
			return
		}
		seen[name] = true
	}
}

func (m *moduleInfo) readElements(r *reader) {
	for range r.count(3) {
		m.readElement(r)
		if r.err != nil {
			return
		}
		m.elements++
	}
}

// readElement reads one of the eight forms: bit 0 passive or declarative, bit 1
// explicit table (or declarative), bit 2 expressions instead of indices.
func (m *moduleInfo) readElement(r *reader) {
	form := r.u32()
	if form > 7 {
		r.fail("element form %d is unknown", form)
		return
	}
	active, explicit, exprs := form&1 == 0, form&2 != 0, form&4 != 0
	if active {
		if explicit {
			r.index(len(m.tables), "table")
		} else if len(m.tables) == 0 {
			r.fail("elements without a table")
		}
		m.constExpr(r)
	}
	if !active || explicit {
		kind := r.byte()
		if r.err == nil && (exprs && !isRefType(kind) || !exprs && kind != 0) {
			r.fail("elements of kind %#x", kind)
		}
	}
	for range r.count(1) {
		if exprs {
			m.constExpr(r)
		} else {
			r.index(len(m.funcs), "function")
		}
		if r.err != nil {
			return
		}
	}
}

func (m *moduleInfo) readData(r *reader) {
	for range r.count(2) {
		switch form := r.u32(); form {
		case 0, 2:
			if form == 2 {
				r.index(1, "memory")
			}
			if m.memories == 0 {
				r.fail("data without a memory")
			}
			m.constExpr(r)
		case 1:
		default:
			r.fail("data form %d is unknown", form)
		}
		r.take(r.u32())
		if r.err != nil {
			return
		}
		m.data++
	}
}

// le is the byte order of WebAssembly.
var le = binary.LittleEndian
