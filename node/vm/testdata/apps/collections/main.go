//go:build wasip1

// Command collections is a test application that makes the calls of module
// "mero" that its input asks for: a line each, and a line of output for each.
package main

import (
	"encoding/binary"
	"strconv"
	"strings"
	"unsafe"

	"mero/node/sdk/env"
)

func main() {}

//go:wasmimport mero open
func open(parent int32, key unsafe.Pointer, size, kind, flags int32) int32

//go:wasmimport mero open_at
func openAt(list int32, index int64, kind, flags int32) int32

//go:wasmimport mero insert_open
func insertOpen(list int32, index int64, kind, flags int32) int32

//go:wasmimport mero kind
func kindOf(parent int32, key unsafe.Pointer, size int32) int32

//go:wasmimport mero kind_at
func kindAt(list int32, index int64) int32

//go:wasmimport mero len
func length(ref int32) int64

//go:wasmimport mero take
func take(to unsafe.Pointer)

//go:wasmimport mero get
func get(ref int32, key unsafe.Pointer, size int32) int64

//go:wasmimport mero put
func put(ref int32, key unsafe.Pointer, size int32, value unsafe.Pointer, valueSize int32)

//go:wasmimport mero remove
func remove(ref int32, key unsafe.Pointer, size int32) int32

//go:wasmimport mero has
func has(ref int32, key unsafe.Pointer, size int32) int32

//go:wasmimport mero add
func add(ref int32, key unsafe.Pointer, size int32) int32

//go:wasmimport mero count
func count(ref int32) int64

//go:wasmimport mero increase
func increase(ref int32, n int64)

//go:wasmimport mero get_at
func getAt(list int32, index int64) int64

//go:wasmimport mero insert_at
func insertAt(list int32, index int64, value unsafe.Pointer, size int32)

//go:wasmimport mero put_at
func putAt(list int32, index int64, value unsafe.Pointer, size int32)

//go:wasmimport mero remove_at
func removeAt(ref int32, index, n int64)

//go:wasmimport mero text_insert
func textInsert(text int32, at int64, s unsafe.Pointer, size int32)

//go:wasmimport mero text_slice
func textSlice(text int32, from, n int64) int64

//go:wasmimport mero scan
func scan(ref int32, after unsafe.Pointer, afterSize int32, upTo unsafe.Pointer, upToSize, limit int32) int64

//go:wasmimport mero items
func items(list int32, from, n int64) int64

// line is what is left of a line of the input.
type line struct{ words []string }

func (l *line) word() string {
	w := l.words[0]
	l.words = l.words[1:]
	if w == "-" {
		return ""
	}
	if n, ok := strings.CutPrefix(w, "big:"); ok {
		size, _ := strconv.Atoi(n)
		return strings.Repeat("b", size)
	}
	return w
}

func (l *line) number() int64 {
	n, err := strconv.ParseInt(l.word(), 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

func (l *line) small() int32 { return int32(l.number()) }

func (l *line) bytes() (unsafe.Pointer, int32) {
	w := l.word()
	return unsafe.Pointer(unsafe.StringData(w)), int32(len(w))
}

// taken is the last result of n bytes.
func taken(n int64) string {
	if n < 0 {
		return "none"
	}
	b := make([]byte, n+1)
	b[n] = '!' // not to be written
	take(unsafe.Pointer(unsafe.SliceData(b)))
	if b[n] != '!' {
		panic("take wrote too much")
	}
	if n > 1000 {
		return strconv.FormatInt(n, 10) + " bytes"
	}
	return strconv.Quote(string(b[:n]))
}

// listed is the last result, as items.
func listed(n int64) string {
	b := make([]byte, n)
	take(unsafe.Pointer(unsafe.SliceData(b)))
	var out []string
	field := func() string {
		size := binary.LittleEndian.Uint32(b)
		s := string(b[4 : 4+size])
		b = b[4+size:]
		return s
	}
	for len(b) > 0 {
		kind := b[0]
		b = b[1:]
		key := field()
		out = append(out, strconv.Itoa(int(kind))+":"+key+"="+field())
	}
	if len(out) > 20 {
		return strconv.Itoa(len(out)) + " items, " + strconv.FormatInt(n, 10) + " bytes"
	}
	return strings.Join(out, " ")
}

func number[T int32 | int64](n T) string { return strconv.FormatInt(int64(n), 10) }

func (l *line) do() string {
	name := l.word()
	ref := l.small()
	switch name {
	case "open":
		key, size := l.bytes()
		return number(open(ref, key, size, l.small(), l.small()))
	case "open_at":
		return number(openAt(ref, l.number(), l.small(), l.small()))
	case "insert_open":
		return number(insertOpen(ref, l.number(), l.small(), l.small()))
	case "kind":
		key, size := l.bytes()
		return number(kindOf(ref, key, size))
	case "kind_at":
		return number(kindAt(ref, l.number()))
	case "len":
		return number(length(ref))
	case "get":
		key, size := l.bytes()
		return taken(get(ref, key, size))
	case "put":
		key, size := l.bytes()
		value, valueSize := l.bytes()
		put(ref, key, size, value, valueSize)
		return ""
	case "remove":
		key, size := l.bytes()
		return number(remove(ref, key, size))
	case "has":
		key, size := l.bytes()
		return number(has(ref, key, size))
	case "add":
		key, size := l.bytes()
		return number(add(ref, key, size))
	case "count":
		return number(count(ref))
	case "increase":
		increase(ref, l.number())
		return ""
	default:
		return l.doSequence(name, ref)
	}
}

func (l *line) doSequence(name string, ref int32) string {
	switch name {
	case "get_at":
		return taken(getAt(ref, l.number()))
	case "insert_at":
		index := l.number()
		value, size := l.bytes()
		insertAt(ref, index, value, size)
		return ""
	case "put_at":
		index := l.number()
		value, size := l.bytes()
		putAt(ref, index, value, size)
		return ""
	case "remove_at":
		removeAt(ref, l.number(), l.number())
		return ""
	case "text_insert":
		at := l.number()
		s, size := l.bytes()
		textInsert(ref, at, s, size)
		return ""
	case "text_slice":
		return taken(textSlice(ref, l.number(), l.number()))
	case "scan":
		after, afterSize := l.bytes()
		upTo, upToSize := l.bytes()
		return listed(scan(ref, after, afterSize, upTo, upToSize, l.small()))
	case "items":
		return listed(items(ref, l.number(), l.number()))
	case "emit": // emit 0 kind data
		env.Emit(l.word(), []byte(l.word()))
		return ""
	case "fill": // fill ref from to bytes
		from, to, value := l.number(), l.number(), strings.Repeat("v", int(l.number()))
		for i := from; i < to; i++ {
			key := strconv.FormatInt(1_000_000+i, 10)
			put(ref, unsafe.Pointer(unsafe.StringData(key)), int32(len(key)), unsafe.Pointer(unsafe.StringData(value)), int32(len(value)))
		}
		return ""
	default:
		panic("no function " + name)
	}
}

//go:wasmexport do
func do() {
	env.Method(func() {
		var out []string
		for text := range strings.Lines(string(env.Input())) {
			l := line{strings.Fields(text)}
			out = append(out, l.do())
		}
		env.Return([]byte(strings.Join(out, "\n")))
	})
}

// migrate is what an update of the application calls.
//
//go:wasmexport migrate
func migrate() {
	env.Method(func() {
		for _, text := range []string{"open 0 m 2 0", "put 1 migrated yes"} {
			l := line{strings.Fields(text)}
			l.do()
		}
	})
}

// migrate_badly traps.
//
//go:wasmexport migrate_badly
func migrateBadly() { env.Method(func() { panic("no way back") }) }

// migrate_not returns an error.
//
//go:wasmexport migrate_not
func migrateNot() { env.Method(func() { env.ReturnError([]byte(`"it cannot be"`)) }) }
