package meter

// body is the walk over one function. It follows the instructions, not their
// types: wazero checks those, and what it needs to be safe is that every index,
// count and depth is inside (fuel.md, pitfalls 1 and 3). What is put in goes to
// the reader's out, the charges last (see assemble).
type body struct {
	*reader
	m      *scan
	typ    FuncType
	locals int
	// groups are the declarations of locals as they were read, nGroups of them.
	groups  []byte
	nGroups int
	// branches counts control instructions, see maxControlCost.
	branches int
	// blocks are those that are open, the function's own first.
	blocks []block
	start  int // where the instruction being read begins
	charges
}

// block is an open block.
type block struct {
	kind byte
	// opened is the basic block that it was opened in.
	opened int
	// sets counts the assignments of locals inside.
	sets int
}

func (m *scan) readCode(r *reader) {
	n := r.count(3)
	if defined := len(m.funcs) - len(m.Imports); n != defined {
		r.fail("%d functions declared, %d bodies", defined, n)
		return
	}
	r.out = make([]byte, 0, len(r.data)+len(r.data)/8)
	r.keep()
	var b body
	for i := range n {
		start := r.off
		size := r.u32()
		if r.err == nil && size > maxBody {
			r.fail("function %d has %d bytes (limit %d)", i, size, maxBody)
		}
		code := r.take(size)
		if r.err != nil {
			return
		}
		b = body{
			reader: &reader{data: code, out: b.buffer()}, m: m, blocks: b.blocks[:0],
			typ: m.funcType(uint32(len(m.Imports) + i)), charges: charges{points: b.points[:0]},
		}
		b.walk()
		if b.err != nil {
			r.fail("function %d at byte %d: %w", i, b.off, b.err)
			return
		}
		if !m.plain {
			r.put(start)
			r.discard()
			r.out = b.assemble(r.out)
		}
		m.code++
		if m.controlCost += b.branches * b.branches; m.controlCost > maxControlCost {
			r.fail("too many branches in large functions to compile")
			return
		}
	}
}

// buffer is what an earlier walk wrote to, empty, to be used again.
func (b *body) buffer() []byte {
	if b.reader == nil {
		return nil
	}
	return b.out[:0]
}

func (b *body) walk() {
	b.readLocals()
	b.discard()
	b.open(0x02)
	b.newHead(costEntry)
	for b.err == nil && len(b.blocks) > 0 {
		b.start = b.off
		b.instruction(b.byte())
	}
	if b.err == nil && b.left() > 0 {
		b.fail("%d bytes after the end", b.left())
	}
	b.keep()
}

func (b *body) readLocals() {
	total := uint64(len(b.typ.Params))
	b.nGroups = b.count(2)
	start := b.off
	for range b.nGroups {
		total += uint64(b.u32())
		checkValueType(b.reader, b.byte())
		if total > maxLocals {
			b.fail("%d locals (limit %d)", total, maxLocals)
		}
		if b.err != nil {
			return
		}
	}
	b.groups = b.data[start:b.off]
	b.m.localsLeft -= int(total)
	if b.m.localsLeft < 0 {
		b.fail("the module has too many locals for its size")
	}
	b.locals = int(total)
	b.temps, b.slots = []byte{0x7e}, b.locals
}

// instruction reads one instruction whose first byte was op.
func (b *body) instruction(op byte) {
	b.count1(op)
	switch {
	case op >= 0x45 && op <= 0xc4: // arithmetic, no immediates
		b.canonicalise(op)
	case op >= 0x28 && op <= 0x3e:
		b.memArg()
	case op >= 0x20 && op <= 0x22:
		b.index(b.locals, "local")
		if op != 0x20 {
			b.blocks[len(b.blocks)-1].sets++
		}
	case op >= 0x41 && op <= 0x44:
		b.constant(op)
	case op >= 0x02 && op <= 0x0f:
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
	case 0x00: // unreachable
		b.newDead()
	case 0x01, 0x1a, 0x1b, 0xd1:
		// nop, drop, select, ref.is_null: no immediates.
	case 0x40: // memory.grow
		b.sized(growPages)
		b.memory()
	case 0x3f: // memory.size
		b.memory()
	case 0xfc:
		b.bulk()
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
		b.open(op)
	case 0x05: // else
		b.alternative()
	case 0x0b: // end
		b.close()
	case 0x0c: // br
		b.index(len(b.blocks), "label")
		b.newDead()
	case 0x0d: // br_if
		b.index(len(b.blocks), "label")
		b.newBlock(b.now)
	case 0x0e: // br_table
		n := b.count(1)
		b.branches += n
		for range n + 1 {
			b.index(len(b.blocks), "label")
			if b.err != nil {
				return
			}
		}
		b.newDead()
	case 0x0f:
		b.leave()
		b.newDead()
	default:
		b.fail("exceptions are not supported (instruction %#x)", op)
	}
}

// open begins a block.
func (b *body) open(kind byte) {
	if len(b.blocks) > maxNesting {
		b.fail("blocks nest deeper than %d", maxNesting)
	}
	b.blocks = append(b.blocks, block{kind: kind, opened: b.now})
	switch kind {
	case 0x03:
		b.newHead(costLoop)
	case 0x04:
		b.newBlock(b.now)
	}
}

// alternative begins the second arm of an if.
func (b *body) alternative() {
	top := &b.blocks[len(b.blocks)-1]
	if top.kind != 0x04 {
		b.fail("else without if")
		return
	}
	top.kind = 0x05
	b.newBlock(top.opened)
}

// close ends a block. Each of the locals that were assigned in it may be a
// value of its own from here on, or from the head of the loop.
func (b *body) close() {
	last := len(b.blocks) - 1
	top := b.blocks[last]
	b.slots += min(top.sets, b.locals)
	b.blocks = b.blocks[:last]
	if last > 0 {
		b.blocks[last-1].sets += top.sets
		b.newBlock(top.opened)
	}
}

// blockType is nothing, one value, or the index of a type.
func (b *body) blockType() {
	if b.off < len(b.data) && (b.data[b.off] == 0x40 || isValueType(b.data[b.off])) {
		b.off++
		return
	}
	t := b.signed(33)
	if b.err == nil && (t < 0 || t >= int64(len(b.m.types))) {
		b.fail("block type %d is out of range", t)
		return
	}
	if b.err == nil {
		b.slots += len(b.m.types[t].Params) + len(b.m.types[t].Results)
	}
}

// reference reads calls and whatever names a function, global, table or type.
func (b *body) reference(op byte) {
	switch op {
	case 0x10, 0xd2: // call, ref.func
		b.direct(op)
	case 0x11: // call_indirect
		t := b.index(len(b.m.types), "type")
		b.index(len(b.m.tables), "table")
		if b.err == nil {
			b.call(b.m.types[t])
		}
	case 0x1c: // select with types
		for range b.count(1) {
			checkValueType(b.reader, b.byte())
		}
	case 0x23, 0x24: // global.get, global.set
		b.index(b.m.globals, "global")
	case 0x25, 0x26: // table.get, table.set
		b.index(len(b.m.tables), "table")
		b.m.unfixed = b.m.unfixed || op == 0x26
	case 0xd0: // ref.null
		if t := b.byte(); b.err == nil && !isRefType(t) {
			b.fail("null of type %#x", t)
		}
	default:
		b.refuse(op)
	}
}

func (b *body) direct(op byte) {
	if f := b.m.function(b.reader); b.err == nil && op == 0x10 {
		b.call(b.m.funcType(f))
	}
}

// refuse says which proposal an instruction belongs to.
func (b *body) refuse(op byte) {
	switch op {
	case 0x12, 0x13, 0x15:
		b.fail("tail calls are not supported (instruction %#x)", op)
	case 0x18, 0x19, 0x1f:
		b.fail("exceptions are not supported (instruction %#x)", op)
	case 0xfd:
		b.fail("vectors (SIMD) are not supported (instruction 0xfd)")
	case 0xfe:
		b.fail("threads are not supported (instruction 0xfe)")
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
	sub := b.byte()
	switch sub {
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
	switch sub {
	case 9, 12, 13, 14, 15, 17:
		b.m.unfixed = true
	}
	switch sub {
	case 8, 10, 11:
		b.cost(costBulk)
		b.sized(moveBytes)
	case 12, 14, 17:
		b.cost(costBulk)
		b.sized(moveEntries)
	case 15:
		b.cost(costExit)
		b.sized(growEntries)
	}
}
