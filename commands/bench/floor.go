package bench

import "encoding/binary"

// floorName is the application that does next to nothing: what it costs is the
// node's alone.
const floorName = "floor"

// floor is a key-value application with a single value, whatever the key: set
// keeps its whole input, get reads it and returns null. It is written by hand,
// against the flat interface without commit (wasm-abi 1.1 and 5.9), so that
// there is no compiler's runtime and no map in the figures.
func floor() App {
	const i32, i64 = 0x7f, 0x7e
	types := [][2][]byte{
		{},
		{{i64}, {}},
		{{i64}, {i64}},
		{{i64, i64, i64}, {i32}},
		{{i64, i64, i64, i64, i64}, {i32}},
		{{i64, i64, i64}, {}},
	}
	imports := []struct {
		name string
		kind byte // place in types
	}{{"input", 1}, {"register_len", 2}, {"read_register", 3}, {"storage_write", 4}, {"storage_read", 3}, {"value_return", 5}}
	const input, registerLen, readRegister, storageWrite, storageRead, valueReturn = 0, 1, 2, 3, 4, 5
	// Memory: the key and what is returned, and further up the input.
	const memory, keyAt, keyLen, nullAt, nullLen, inputAt = "keynull", 0, 3, 3, 4, 1024

	returnNull := join(constant(0), constant(nullAt), constant(nullLen), call(valueReturn))
	bodies := [][]byte{
		{}, // init
		join( // set
			constant(0), call(input),
			constant(0), constant(inputAt), constant(0), call(registerLen), call(readRegister), drop(),
			constant(keyAt), constant(keyLen), constant(inputAt), constant(0), call(registerLen), constant(1), call(storageWrite), drop(),
			returnNull),
		join(constant(keyAt), constant(keyLen), constant(0), call(storageRead), drop(), returnNull), // get
	}
	exports := [][]byte{join(name("memory"), []byte{2, 0})}
	for i, method := range []string{"init", "set", "get"} {
		exports = append(exports, join(name(method), []byte{0, byte(len(imports) + i)}))
	}

	var typeList, importList, functions, codes [][]byte
	for _, t := range types {
		typeList = append(typeList, join([]byte{0x60}, sized(t[0]), sized(t[1])))
	}
	for _, imp := range imports {
		importList = append(importList, join(name("env"), name(imp.name), []byte{0, imp.kind}))
	}
	for _, body := range bodies {
		functions = append(functions, []byte{0})
		codes = append(codes, sized(join([]byte{0}, body, []byte{0x0b}))) // no locals, end
	}
	return App{Name: floorName, Code: join(
		[]byte("\x00asm\x01\x00\x00\x00"),
		section(1, list(typeList)), section(2, list(importList)), section(3, list(functions)),
		section(5, []byte{1, 0, 1}), // one memory of at least one page
		section(7, list(exports)), section(10, list(codes)),
		section(11, list([][]byte{join([]byte{0, 0x41, 0, 0x0b}, name(memory))})), // at 0
	)}
}

// The pieces of a WebAssembly module.

func join(parts ...[]byte) []byte {
	var out []byte
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

func sized(data []byte) []byte {
	return join(binary.AppendUvarint(nil, uint64(len(data))), data)
}

func name(text string) []byte { return sized([]byte(text)) }

func list(items [][]byte) []byte {
	return join(binary.AppendUvarint(nil, uint64(len(items))), join(items...))
}

func section(id byte, data []byte) []byte { return join([]byte{id}, sized(data)) }

func call(function byte) []byte { return []byte{0x10, function} }

func drop() []byte { return []byte{0x1a} }

// constant is i64.const of a small number; its encoding is signed.
func constant(v int) []byte {
	out := []byte{0x42}
	for v >= 0x40 {
		out = append(out, byte(v&0x7f)|0x80)
		v >>= 7
	}
	return append(out, byte(v))
}
