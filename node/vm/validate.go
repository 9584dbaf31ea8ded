package vm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
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
	memorySize uint64 // bytes that the module's own memory begins with
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
	// with a maximum on every table, and with data segments merged. The disk
	// cache goes by its hash.
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
	[...]func(*reader){
		secType: m.readTypes, secImport: m.readImports, secFunction: m.readFunctions,
		secTable: func(r *reader) { content = m.readTables(r) }, secMemory: m.readMemories,
		secGlobal: m.readGlobals, secExport: m.readExports, secStart: m.readStart,
		secElement: m.readElements, secCode: m.readCode,
		secData:      func(r *reader) { content = m.readData(r) },
		secDataCount: func(r *reader) { m.dataCount = int(r.u32()) },
	}[id](r)
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
