package meter

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
	// MaxMemoryPages is the hard limit of a guest's memory, in pages of 64 KiB.
	MaxMemoryPages = 1024

	pageSize = 64 << 10

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

// DescriptionSection is the custom section with the description of a host-managed
// application.
const DescriptionSection = "mero"

// MaxDescription is the largest description in bytes.
const MaxDescription = 1 << 20

const (
	externFunc = iota
	externTable
	externMemory
	externGlobal
)

// FuncType is a signature; the bytes are those of the binary format.
type FuncType struct{ Params, Results []byte }

// Empty reports whether there are no parameters and no results.
func (t FuncType) Empty() bool { return len(t.Params) == 0 && len(t.Results) == 0 }

// Equal reports whether both are the same.
func (t FuncType) Equal(o FuncType) bool {
	return bytes.Equal(t.Params, o.Params) && bytes.Equal(t.Results, o.Results)
}

// Import is one function that a module wants from its host.
type Import struct {
	Module, Name string
	Type         FuncType
}

// Module is a module that was checked. Nothing in it refers to the bytes that
// were given.
type Module struct {
	// Imports are the functions that the module asked for; the hook is not
	// among them.
	Imports []Import
	// Foreign names imports that are not functions: a host has none.
	Foreign []string
	Exports map[string]FuncType // exported functions
	// Memory says that the module has a memory and exports it under that name.
	Memory bool
	ABI    []byte // the last valid manifest, JSON, or nil (wasm-abi 7)
	// Description is the content of the last custom section "mero" of at most
	// MaxDescription bytes, or nil.
	Description []byte
	// Globals is how many globals are exported under the names of GlobalName:
	// all that are mutable. It counts only if Image is set.
	Globals int
	// Image says that memory and these globals are all that running the module
	// changes in an instance: no instruction changes a table or drops a segment,
	// and no start section runs by itself.
	Image bool
	// Code is the module as it is to be run.
	Code []byte
}

// scan is what is known of a module while it is read.
type scan struct {
	Module
	plain bool // nothing is put in

	types []FuncType
	// funcs is the type index of every function, the imported ones first.
	funcs []uint32

	tables     []byte // reference type of each table
	memories   int
	memorySize uint64 // bytes that the module's own memory begins with
	globals    int
	mutable    []uint32 // indices of the mutable globals
	unfixed    bool     // more than Module.Image allows is changed
	elements   int
	data       int
	dataCount  int // -1: no such section
	code       int
	localsLeft int
	// controlCost is what maxControlCost bounds.
	controlCost int

	added
}

// ErrHeader says that the bytes do not begin as a WebAssembly 1.0 module does.
var ErrHeader = errors.New("bad header")

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

// Rewrite checks a module and gives it as it is to be run. It is total: every
// byte sequence gives a Module, ErrHeader, or an error that says what is wrong.
func Rewrite(wasm []byte) (*Module, error) { return rewrite(&scan{}, wasm) }

// Check is Rewrite, but puts nothing in: for measuring what that costs and for
// comparing what both do. A node never runs what it gives.
func Check(wasm []byte) (*Module, error) { return rewrite(&scan{plain: true}, wasm) }

func rewrite(m *scan, wasm []byte) (*Module, error) {
	header := []byte{0, 'a', 's', 'm', 1, 0, 0, 0}
	if !bytes.HasPrefix(wasm, header) {
		return nil, ErrHeader
	}
	m.Exports, m.dataCount = map[string]FuncType{}, -1
	m.localsLeft = maxLocals + maxLocalsPerByte*len(wasm)
	m.Code = make([]byte, 0, len(wasm)+len(wasm)/8+64)
	m.Code = append(m.Code, header...)
	r := &reader{data: wasm, off: len(header)}
	rank := 0
	for r.left() > 0 {
		id := r.byte()
		content := r.take(r.u32())
		if r.err != nil {
			return nil, fmt.Errorf("section %d: %w", id, r.err)
		}
		if id == secCustom {
			if err := m.custom(content); err != nil {
				return nil, err
			}
			continue
		}
		if id > secDataCount || sectionRank(id) <= rank {
			return nil, fmt.Errorf("section %d is unknown, repeated or out of order", id)
		}
		rank = sectionRank(id)
		m.complete(rank)
		if err := m.section(id, content); err != nil {
			return nil, fmt.Errorf("section %d: %w", id, err)
		}
	}
	m.complete(sectionRank(secData))
	m.Memory = m.Memory && m.memories > 0
	m.Image = !m.plain && !m.unfixed
	return &m.Module, m.finish()
}

// finish checks what spans sections.
func (m *scan) finish() error {
	switch defined := len(m.funcs) - len(m.Imports); {
	case m.code != defined:
		return fmt.Errorf("%d functions declared, %d bodies", defined, m.code)
	case m.dataCount >= 0 && m.dataCount != m.data:
		return fmt.Errorf("%d data segments declared, %d there", m.dataCount, m.data)
	}
	return nil
}

func (m *scan) section(id byte, content []byte) error {
	r := &reader{data: content}
	[...]func(*reader){
		secType: m.readTypes, secImport: m.readImports, secFunction: m.readFunctions,
		secTable: m.readTables, secMemory: m.readMemories,
		secGlobal: m.readGlobals, secExport: m.readExports, secStart: m.readStart,
		secElement: m.readElements, secCode: m.readCode, secData: m.readData,
		secDataCount: func(r *reader) { m.dataCount = int(r.u32()) },
	}[id](r)
	if r.err == nil && r.left() > 0 {
		r.fail("%d bytes too many", r.left())
	}
	if r.err == nil {
		r.keep()
		m.appendSection(id, r.out)
		m.there[id] = true
	}
	return r.err
}

func (m *scan) appendSection(id byte, content []byte) {
	m.Code = append(m.Code, id)
	m.Code = appendU32(m.Code, uint32(len(content)))
	m.Code = append(m.Code, content...)
}

// custom looks at one custom section. Their content is never a reason to refuse
// a module, but only a well-formed name section goes on to wazero, whose reader
// of it trusts the counts inside.
func (m *scan) custom(content []byte) error {
	r := &reader{data: content}
	name := r.name()
	if r.err != nil {
		return fmt.Errorf("custom section: %w", r.err)
	}
	switch name {
	case abiSection:
		if body := content[r.off:]; json.Valid(body) {
			m.ABI = bytes.Clone(body)
		}
	case DescriptionSection:
		if body := content[r.off:]; len(body) <= MaxDescription {
			m.Description = bytes.Clone(body)
		}
	case "name":
		// Before the imports it is not known how far indices shift; no tool
		// writes it there.
		if !m.there[secCustom] && (m.there[secImport] || m.plain) && m.renumber(r) {
			m.there[secCustom] = true
			m.appendSection(secCustom, r.out)
		}
	}
	return nil
}

// renumber writes a name section for the indices of the functions as they are
// now, without the names of locals and other things. It reports whether the
// section is exactly as specified, so that a lazy reader of it stays inside.
func (m *scan) renumber(r *reader) bool {
	r.keep()
	for r.left() > 0 && r.err == nil {
		id := r.byte()
		sub := &reader{data: r.take(r.u32())}
		r.discard()
		switch {
		case r.err != nil:
			return false
		case id == 0:
			sub.name()
		case id == 1:
			m.functionNames(sub)
			sub.keep()
			r.out = append(appendU32(append(r.out, id), uint32(len(sub.out))), sub.out...)
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

func (m *scan) functionNames(r *reader) {
	for range r.count(2) {
		start := r.off
		i := r.u32()
		if r.err == nil && i <= 1<<31 {
			r.replace(start, m.shift(i))
		}
		r.name()
		if r.err != nil {
			return
		}
	}
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

func (m *scan) funcType(i uint32) FuncType { return m.types[m.funcs[i]] }
