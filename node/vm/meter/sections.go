package meter

import (
	"slices"
	"strings"
)

func (m *scan) readTypes(r *reader) {
	n := r.count(3)
	r.discard()
	for range n {
		if form := r.byte(); form != 0x60 {
			r.fail("type form %#x is not supported", form)
		}
		t := FuncType{Params: readValueTypes(r), Results: readValueTypes(r)}
		if r.err == nil && (len(t.Params) > maxParams || len(t.Results) > maxResults) {
			r.fail("a function with %d parameters and %d results (limits %d, %d)",
				len(t.Params), len(t.Results), maxParams, maxResults)
		}
		if r.err != nil {
			return
		}
		m.types = append(m.types, t)
	}
	m.addTypes(r, n)
}

func readValueTypes(r *reader) []byte {
	types := slices.Clone(r.take(uint32(r.count(1))))
	for _, t := range types {
		checkValueType(r, t)
	}
	return types
}

func isValueType(t byte) bool {
	return t >= 0x7c && t <= 0x7f || isRefType(t)
}

// checkValueType refuses what is no number and no reference.
func checkValueType(r *reader, t byte) {
	switch {
	case t == 0x7b:
		r.fail("vectors (SIMD) are not supported")
	case !isValueType(t):
		r.fail("value type %#x is not supported", t)
	}
}

func isRefType(t byte) bool { return t == 0x70 || t == 0x6f }

func (m *scan) readImports(r *reader) {
	for range m.vector(r, 4, 1) {
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
			m.Foreign = append(m.Foreign, module+"."+name+"("+what+")")
			continue
		}
		t := r.index(len(m.types), "type")
		if r.err != nil {
			return
		}
		m.Imports = append(m.Imports, Import{Module: module, Name: name, Type: m.types[t]})
		m.funcs = append(m.funcs, t)
	}
	m.addImport(r)
}

// skipImport counts an imported table, memory or global. The module cannot be
// linked, but the error should name what is missing, not a bad index.
func (m *scan) skipImport(r *reader, kind byte) {
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
	case 2, 3:
		r.fail("shared memory (threads) is not supported")
	case 4, 5, 6, 7:
		r.fail("64-bit memory is not supported")
	default:
		r.fail("limits %#x are not supported", flag)
	}
	if high >= 0 && high < low {
		r.fail("minimum %d is above maximum %d", low, high)
	}
	return low, high
}

func (m *scan) readFunctions(r *reader) {
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

// readTables writes the section anew with a maximum on every table, because
// table.grow would else be the one way to unbounded memory.
func (m *scan) readTables(r *reader) {
	n := r.count(3)
	if n > maxTables {
		r.fail("%d tables (limit %d)", n, maxTables)
	}
	r.out = appendU32(nil, uint32(n))
	for range n {
		t := r.byte()
		low, high := readLimits(r)
		switch {
		case r.err != nil:
			return
		case !isRefType(t):
			r.fail("table of type %#x is not supported", t)
			return
		case low > maxTableSize:
			r.fail("a table of %d elements (limit %d)", low, maxTableSize)
			return
		case high < 0 || high > maxTableSize:
			high = maxTableSize
		}
		m.tables = append(m.tables, t)
		r.out = append(r.out, t, 1)
		r.out = appendU32(appendU32(r.out, uint32(low)), uint32(high))
	}
	r.discard()
}

func (m *scan) readMemories(r *reader) {
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
		m.memorySize = uint64(low) * pageSize
	}
}

func (m *scan) readGlobals(r *reader) {
	for range m.vector(r, 4, 2) {
		t, mutable := r.byte(), r.byte()
		checkValueType(r, t)
		if mutable > 1 {
			r.fail("global of mutability %d", mutable)
		}
		m.constExpr(r)
		if r.err != nil {
			return
		}
		if mutable == 1 {
			m.mutable = append(m.mutable, uint32(m.globals))
			m.unfixed = m.unfixed || isRefType(t)
		}
		m.globals++
	}
	m.addGlobals(r)
}

// constExpr reads an initialiser: one constant and its end.
func (m *scan) constExpr(r *reader) {
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
		m.function(r)
	default:
		r.fail("instruction %#x is not constant", op)
	}
	if end := r.byte(); end != 0x0b {
		r.fail("initialiser of more than one instruction")
	}
}

func (m *scan) readExports(r *reader) {
	seen := map[string]bool{}
	if len(m.mutable) > maxExported {
		m.mutable, m.unfixed = nil, true
	}
	m.Globals = len(m.mutable)
	for range m.vector(r, 3, 2+m.Globals) {
		name, kind := r.name(), r.byte()
		switch kind {
		case externFunc:
			if i := m.function(r); r.err == nil {
				m.Exports[name] = m.funcType(i)
			}
		case externTable:
			r.index(len(m.tables), "table")
		case externMemory:
			r.index(m.memories, "memory")
			m.Memory = m.Memory || name == "memory"
		case externGlobal:
			r.index(m.globals, "global")
		default:
			r.fail("export kind %d is unknown", kind)
		}
		switch {
		case seen[name]:
			r.fail("%q is exported twice", name)
		case strings.HasPrefix(name, reserved):
			r.fail("the name %q is reserved", name)
		}
		if r.err != nil {
			return
		}
		seen[name] = true
	}
	m.addExports(r)
}

func (m *scan) readStart(r *reader) {
	if i := m.function(r); r.err == nil && !m.funcType(i).Empty() {
		r.fail("the start function has parameters or results")
	}
	m.unfixed = true
}

func (m *scan) readElements(r *reader) {
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
func (m *scan) readElement(r *reader) {
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
			m.function(r)
		}
		if r.err != nil {
			return
		}
	}
}

// readData writes the section anew, with segments merged.
func (m *scan) readData(r *reader) {
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
	r.out = m.mergeData(r.data)
	r.discard()
}
