package meter

import (
	"encoding/binary"
	"slices"
)

// Costs in units of fuel. One unit is the cheapest instruction, some 0.05 ns in
// real applications. What can be made to take far longer than others of its kind
// costs more, as far as that does not make real applications dearer: a load that
// misses every cache takes 100 ns, but hardly one of theirs does.
const (
	costEntry    = 8  // of a function, beside its instructions
	costLoop     = 12 // once round a loop, beside its instructions: charging takes as long as many of them
	costIndirect = 8  // call_indirect
	costTable    = 4  // br_table
	costLoad     = 4
	costMultiply = 4
	costDivision = 16  // integer division and remainder: up to 40 cycles
	costFloat    = 16  // subnormal numbers take 150 cycles
	costExit     = 256 // wazero leaves the guest's code for Go: memory.grow, table.grow, ref.func
	costBulk     = 16  // memory.fill and its kind, of nothing
)

// costOf gives the cost of an instruction by its first byte.
func costOf(op byte) int64 {
	switch {
	case op >= 0x28 && op <= 0x35, op == 0x25:
		return costLoad
	case op == 0x6c, op == 0x7e:
		return costMultiply
	case op >= 0x6d && op <= 0x70, op >= 0x7f && op <= 0x82:
		return costDivision
	case nondeterministic(op) != 0, op >= 0xb2 && op <= 0xba:
		return costFloat
	case op == 0x02, op == 0x03, op == 0x0b: // block, loop, end are no code
		return 0
	case op == 0x0e:
		return costTable
	case op == 0x11:
		return costIndirect
	case op == 0x40, op == 0xd2:
		return costExit
	default:
		return 1
	}
}

// size says how the size of an operation is charged.
type size byte

const (
	moveBytes   size = iota // a unit for 8 bytes
	moveEntries             // a unit for one entry of a table, which has 8 bytes
	growEntries             // the same, but never more than a table can have
	growPages               // 64 KiB each, but never more than a memory can have
)

// units appends code that makes of a number, which get pushes, what it costs.
func (s size) units(c, get []byte) []byte {
	clamped := func(limit int64) []byte {
		// select(limit, n, limit < n), as unsigned numbers
		bound := appendSigned([]byte{0x41}, limit)
		return slices.Concat(c, bound, get, bound, get, []byte{0x49, 0x1b, 0xad}) // …, i64.extend_i32_u
	}
	if s == growEntries {
		return clamped(maxTableSize + 1)
	}
	if s == growPages {
		return append(clamped(MaxMemoryPages+1), 0x42, 13, 0x86) // i64.shl by 13
	}
	c = append(append(c, get...), 0xad)
	if s == moveBytes {
		c = append(c, 0x42, 3, 0x88) // i64.shr_u by 3
	}
	return c
}

// slotsPerWeight is how many values of a function count like one more frame:
// 8 KiB, for 16 MB of stack at DepthLimit.
const slotsPerWeight = 1024

// charges is what is put into one function.
type charges struct {
	// points are the blocks, the function's entry first; now is the one being
	// read.
	points []point
	now    int
	// temps are the types of the locals that are put in, the first one i64.
	temps []byte
	// calls: there is a call, so that the frame is not the innermost.
	calls bool
	// slots bounds the number of values that the compiler may hold on the
	// stack: one for every local, result of an instruction, and local that is
	// assigned inside a block, for each such block.
	slots int
}

// count1 counts an instruction.
func (b *body) count1(op byte) {
	b.cost(costOf(op))
	b.slots++
}

// cost adds to what the instruction being read costs.
func (b *body) cost(n int64) {
	if b.err == nil {
		b.points[b.now].own += n
	}
}

func (b *body) call(t FuncType) {
	b.calls = true
	b.slots += len(t.Results)
}

// leave makes a return a branch to the function's own label, behind which the
// depth is given back.
func (b *body) leave() {
	if b.m.plain || b.err != nil {
		return
	}
	b.put(b.start, 0x0c)
	b.discard()
	b.out = appendU32(b.out, uint32(len(b.blocks)-1))
}

// temp gives the index of a local of a type that is put in.
func (b *body) temp(t byte) uint32 {
	i := slices.Index(b.temps, t)
	if i < 0 {
		i = len(b.temps)
		b.temps = append(b.temps, t)
	}
	return uint32(b.locals + i)
}

// sized charges the operation that begins at b.start for its size, the number
// on top of the stack.
func (b *body) sized(s size) {
	if b.m.plain || b.err != nil {
		return
	}
	b.branches += 2
	n := b.temp(0x7f)
	c := appendU32([]byte{0x21}, n) // local.set
	c = appendU32(append(c, 0x23), b.m.fuel)
	get := appendU32([]byte{0x20}, n)
	c = s.units(c, get)
	c = append(c, 0x7d)
	c = b.m.settle(c, b.temp(0x7e))
	b.put(b.start, append(c, get...)...)
}

// settle stores what is left of the fuel, on top of the stack, and calls the
// hook if it is below zero.
func (m *scan) settle(c []byte, temp uint32) []byte {
	c = appendU32(append(c, 0x22), temp) // local.tee
	c = appendU32(append(c, 0x24), m.fuel)
	c = appendU32(append(c, 0x20), temp)
	return m.check(c)
}

// check calls the hook if the number on top of the stack is below zero.
func (m *scan) check(c []byte) []byte {
	c = append(c, 0x42, 0, 0x53, 0x04, 0x40) // i64.const 0, i64.lt_s, if
	return append(appendU32(append(c, 0x10), m.hook), 0x0b)
}

// charge takes cost from the fuel.
func (m *scan) charge(c []byte, temp uint32, cost int64) []byte {
	c = appendU32(append(c, 0x23), m.fuel)
	c = append(appendSigned(append(c, 0x42), cost), 0x7d)
	return m.settle(c, temp)
}

// take takes cost from the fuel, and leaves it to the next check what is below
// zero.
func (m *scan) take(c []byte, cost int64) []byte {
	c = appendU32(append(c, 0x23), m.fuel)
	c = append(appendSigned(append(c, 0x42), cost), 0x7d)
	return appendU32(append(c, 0x24), m.fuel)
}

// enter charges the entry of a function, and its weight of the depth.
func (m *scan) enter(c []byte, temp uint32, cost, weight int64) []byte {
	c = appendU32(append(c, 0x23), m.fuel)
	c = append(appendSigned(append(c, 0x42), cost), 0x7d)
	c = appendU32(append(c, 0x22), temp)
	c = appendU32(append(c, 0x24), m.fuel)
	c = appendU32(append(c, 0x20), temp)
	c = appendU32(append(c, 0x23), m.depth)
	c = append(appendSigned(append(c, 0x42), weight), 0x7d)
	c = appendU32(append(c, 0x22), temp)
	c = appendU32(append(c, 0x24), m.depth)
	c = append(appendU32(append(c, 0x20), temp), 0x84) // i64.or: below zero if one is
	return m.check(c)
}

// exit gives the weight back.
func (m *scan) exit(c []byte, weight int64) []byte {
	c = appendU32(append(c, 0x23), m.depth)
	c = append(appendSigned(append(c, 0x42), weight), 0x7c)
	return appendU32(append(c, 0x24), m.depth)
}

// assemble appends the function's entry of the code section, with its size.
func (b *body) assemble(out []byte) []byte {
	b.spread()
	weight := 1 + int64(b.slots)/slotsPerWeight
	counted := b.calls || weight > 1
	temp := b.temp(0x7e)
	c := make([]byte, 0, len(b.out)+len(b.groups)+32*(len(b.points)+2))
	c = append(appendU32(c, uint32(b.nGroups+len(b.temps))), b.groups...)
	for _, t := range b.temps {
		c = append(c, 1, t)
	}
	if counted {
		c = b.m.enter(c, temp, b.points[0].cost, weight)
		c = append(c, 0x02)
		switch results := b.typ.Results; len(results) {
		case 0:
			c = append(c, 0x40)
		case 1:
			c = append(c, results[0])
		default:
			c = appendSigned(c, int64(b.m.wraps[string(results)]))
		}
	} else {
		c = b.m.charge(c, temp, b.points[0].cost)
	}
	done := 0
	for i, p := range b.points[1:] {
		switch {
		case p.head == i+1:
			c = b.m.charge(append(c, b.out[done:p.at]...), temp, p.cost)
		case p.cost > 0:
			c = b.m.take(append(c, b.out[done:p.at]...), p.cost)
		default:
			continue
		}
		done = p.at
	}
	c = append(c, b.out[done:]...)
	if counted {
		c = append(b.m.exit(c, weight), 0x0b)
	}
	return append(appendU32(out, uint32(len(c))), c...)
}

// nondeterministic gives the type of the result of an operation whose NaN may
// be any (its sign and payload differ between machines), or 0.
func nondeterministic(op byte) byte {
	switch {
	case op >= 0x8d && op <= 0x97, op == 0xb6: // ceil … max, demote
		return 0x7d
	case op >= 0x9b && op <= 0xa5, op == 0xbb: // ceil … max, promote
		return 0x7c
	default:
		return 0
	}
}

// absorbs reports whether the bits of a NaN on top of the stack do not show in
// what an operation gives.
func absorbs(op byte) bool {
	switch {
	case nondeterministic(op) != 0:
		return true // and is made canonical itself
	case op >= 0x5b && op <= 0x66: // comparisons
		return true
	case op >= 0xa8 && op <= 0xab, op >= 0xae && op <= 0xb1: // truncations trap
		return true
	default:
		return op == 0x1a // drop
	}
}

// canonicalise makes the NaN of the operation just read the canonical one, right
// there: a check of equality with itself and a select, on code that real
// applications hardly have. It can be left to the next operation if that only
// hands it on.
func (b *body) canonicalise(op byte) {
	t := nondeterministic(op)
	if t == 0 || b.m.plain || b.err != nil || b.off < len(b.data) && absorbs(b.data[b.off]) {
		return
	}
	v := b.temp(t)
	get := appendU32([]byte{0x20}, v)
	c := appendU32([]byte{0x22}, v)
	equal := byte(0x61)
	if t == 0x7d {
		c = binary.LittleEndian.AppendUint32(append(c, 0x43), 0x7fc00000)
		equal = 0x5b
	} else {
		c = binary.LittleEndian.AppendUint64(append(c, 0x44), 0x7ff8000000000000)
	}
	b.put(b.off, slices.Concat(c, get, get, []byte{equal, 0x1b})...)
}
