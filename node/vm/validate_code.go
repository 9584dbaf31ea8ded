package vm

// body is the walk over one function. It follows the instructions, not their
// types: wazero checks those, and what it needs to be safe is that every index,
// count and depth is inside (fuel.md, pitfalls 1 and 3).
type body struct {
	*reader
	m      *moduleInfo
	locals int
	// branches counts control instructions, see maxControlCost.
	branches int
	// blocks holds the kind of each open block, the function's own first.
	blocks []byte
}

func (m *moduleInfo) readCode(r *reader) {
	n := r.count(3)
	if defined := len(m.funcs) - len(m.imports); n != defined {
		r.fail("%d functions declared, %d bodies", defined, n)
		return
	}
	var open []byte
	for i := range n {
		size := r.u32()
		if r.err == nil && size > maxBody {
			r.fail("function %d has %d bytes (limit %d)", i, size, maxBody)
		}
		code := r.take(size)
		if r.err != nil {
			return
		}
		b := body{reader: &reader{data: code}, m: m, blocks: open[:0]}
		b.walk(m.funcType(uint32(len(m.imports) + i)))
		if b.err != nil {
			r.fail("function %d at byte %d: %w", i, b.off, b.err)
			return
		}
		open = b.blocks
		m.code++
		if m.controlCost += b.branches * b.branches; m.controlCost > maxControlCost {
			r.fail("too many branches in large functions to compile")
			return
		}
	}
}

func (b *body) walk(t funcType) {
	b.readLocals(t)
	b.blocks = append(b.blocks, 0x02)
	for b.err == nil && len(b.blocks) > 0 {
		b.instruction(b.byte())
	}
	if b.err == nil && b.left() > 0 {
		b.fail("%d bytes after the end", b.left())
	}
}

func (b *body) readLocals(t funcType) {
	total := uint64(len(t.params))
	for range b.count(2) {
		total += uint64(b.u32())
		kind := b.byte()
		if b.err == nil && !isValueType(kind) {
			b.fail("local of type %#x is not supported", kind)
		}
		if total > maxLocals {
			b.fail("%d locals (limit %d)", total, maxLocals)
		}
		if b.err != nil {
			return
		}
	}
	b.m.localsLeft -= int(total)
	if b.m.localsLeft < 0 {
		b.fail("the module has too many locals for its size")
	}
	b.locals = int(total)
}

// instruction reads one instruction whose first byte was op.
func (b *body) instruction(op byte) {
	switch {
	case op >= 0x45 && op <= 0xc4: // arithmetic, no immediates
	case op >= 0x28 && op <= 0x3e:
		b.memArg()
	case op >= 0x20 && op <= 0x22:
		b.index(b.locals, "local")
	case op >= 0x41 && op <= 0x44:
		b.constant(op)
	case op >= 0x02 && op <= 0x0e:
		b.control(op)
	default:
		b.other(op)
	}
}

func (b *body) constant(op byte) {
	switch op {
	case 0x41:
		b.signed(32)
	case 0x42:
		b.signed(64)
	case 0x43:
		b.take(4)
	case 0x44:
		b.take(8)
	}
}

func (b *body) other(op byte) {
	switch op {
	case 0x00, 0x01, 0x0f, 0x1a, 0x1b, 0xd1:
		// unreachable, nop, return, drop, select, ref.is_null: no immediates.
	case 0xfc:
		b.bulk()
	case 0xfd:
		b.vector()
	default:
		b.reference(op)
	}
}

// control reads blocks and branches.
func (b *body) control(op byte) {
	b.branches++
	switch op {
	case 0x02, 0x03, 0x04: // block, loop, if
		b.blockType()
		if len(b.blocks) > maxNesting {
			b.fail("blocks nest deeper than %d", maxNesting)
			return
		}
		b.blocks = append(b.blocks, op)
	case 0x05: // else
		if top := len(b.blocks) - 1; b.blocks[top] == 0x04 {
			b.blocks[top] = op
		} else {
			b.fail("else without if")
		}
	case 0x0b: // end
		b.blocks = b.blocks[:len(b.blocks)-1]
	case 0x0c, 0x0d: // br, br_if
		b.index(len(b.blocks), "label")
	case 0x0e: // br_table
		n := b.count(1)
		b.branches += n
		for range n + 1 {
			b.index(len(b.blocks), "label")
			if b.err != nil {
				return
			}
		}
	default:
		b.fail("instruction %#x is not supported", op)
	}
}

// blockType is nothing, one value, or the index of a type.
func (b *body) blockType() {
	if b.off < len(b.data) && (b.data[b.off] == 0x40 || isValueType(b.data[b.off])) {
		b.off++
		return
	}
	if t := b.signed(33); b.err == nil && (t < 0 || t >= int64(len(b.m.types))) {
		b.fail("block type %d is out of range", t)
	}
}

// reference reads calls and whatever names a function, global, table or type.
func (b *body) reference(op byte) {
	switch op {
	case 0x10, 0xd2: // call, ref.func
		b.index(len(b.m.funcs), "function")
	case 0x11: // call_indirect
		b.index(len(b.m.types), "type")
		b.index(len(b.m.tables), "table")
	case 0x1c: // select with types
		for range b.count(1) {
			if t := b.byte(); b.err == nil && !isValueType(t) {
				b.fail("select of type %#x", t)
			}
		}
	case 0x23, 0x24: // global.get, global.set
		b.index(b.m.globals, "global")
	case 0x25, 0x26: // table.get, table.set
		b.index(len(b.m.tables), "table")
	case 0x3f, 0x40: // memory.size, memory.grow
		b.memory()
	case 0xd0: // ref.null
		if t := b.byte(); b.err == nil && !isRefType(t) {
			b.fail("null of type %#x", t)
		}
	default:
		b.fail("instruction %#x is not supported", op)
	}
}

// memory reads the index of the one memory: a zero byte.
func (b *body) memory() {
	if i := b.byte(); b.err == nil && (i != 0 || b.m.memories == 0) {
		b.fail("memory %d is out of range", i)
	}
}

func (b *body) memArg() {
	if align := b.u32(); align > 4 {
		b.fail("alignment 2^%d", align)
	}
	b.u32()
	if b.m.memories == 0 {
		b.fail("memory access without a memory")
	}
}

// segment reads the index of a data segment, whose number the data count
// section has to announce.
func (b *body) segment() { b.index(max(b.m.dataCount, 0), "data segment") }

// bulk reads the instructions behind 0xfc: saturating truncations, bulk memory
// and tables. wazero takes one byte for the second half of the opcode.
func (b *body) bulk() {
	tables := func() { b.index(len(b.m.tables), "table") }
	switch sub := b.byte(); sub {
	case 0, 1, 2, 3, 4, 5, 6, 7:
	case 8: // memory.init
		b.segment()
		b.memory()
	case 9: // data.drop
		b.segment()
	case 10: // memory.copy
		b.memory()
		b.memory()
	case 11: // memory.fill
		b.memory()
	case 12: // table.init
		b.index(b.m.elements, "element segment")
		tables()
	case 13: // elem.drop
		b.index(b.m.elements, "element segment")
	case 14: // table.copy
		tables()
		tables()
	case 15, 16, 17: // table.grow, table.size, table.fill
		tables()
	default:
		b.fail("instruction 0xfc %#x is not supported", sub)
	}
}

// vectorHole reports whether a number behind 0xfd names no instruction.
func vectorHole(sub byte) bool {
	switch sub {
	case 0x9a, 0xa2, 0xa5, 0xa6, 0xaf, 0xb0, 0xb2, 0xb3, 0xb4, 0xbb, 0xc2, 0xc5, 0xc6,
		0xcf, 0xd0, 0xd2, 0xd3, 0xd4, 0xe2, 0xee:
		return true
	default:
		return false
	}
}

// vector reads SIMD. The second half of the opcode is a LEB128 below 256; wazero
// looks at its first byte only, so 0x01 must be the second.
func (b *body) vector() {
	sub := b.byte()
	if sub >= 0x80 {
		if high := b.byte(); high != 1 {
			b.fail("instruction 0xfd %#x %#x is not supported", sub, high)
			return
		}
	}
	switch {
	case sub <= 11, sub == 92, sub == 93: // loads and stores
		b.memArg()
	case sub == 12, sub == 13: // const, shuffle
		b.take(16)
	case sub >= 21 && sub <= 34: // lanes
		b.byte()
	case sub >= 84 && sub <= 91: // lane loads and stores
		b.memArg()
		b.byte()
	case vectorHole(sub):
		b.fail("instruction 0xfd %#x is not supported", sub)
	}
}
