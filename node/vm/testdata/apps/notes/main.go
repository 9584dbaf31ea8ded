//go:build wasip1

// Command notes is a test application with host-managed collections, for long random
// histories: it starts fast, and has migrations. The input of do is records of 32 bytes,
// each a call of module "mero":
//
//	0 what | 1 handle | 2 index, kind | 3 count, flags | 4 length of the key, 255: who calls
//	5 length of the value | 6 key | 16 value
//
// Handles count from 1, in the order of what is opened. An index is taken modulo what
// there is. A record with the what of 0 ends the input.
//
// Its migrations change something in each collection of a root, and what they do rests
// on all that they find and on the mark, which tests change in the binary.
package main

import (
	"unsafe"

	"mero/node/sdk/env"
)

func main() {}

//go:wasmimport mero open
func open(parent int32, key unsafe.Pointer, size, kind, flags int32) int32

//go:wasmimport mero insert_open
func insertOpen(list int32, index int64, kind, flags int32) int32

//go:wasmimport mero kind
func kindOf(parent int32, key unsafe.Pointer, size int32) int32

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

//go:wasmimport mero add
func add(ref int32, key unsafe.Pointer, size int32) int32

//go:wasmimport mero count
func count(ref int32) int64

//go:wasmimport mero increase
func increase(ref int32, n int64)

//go:wasmimport mero insert_at
func insertAt(list int32, index int64, value unsafe.Pointer, size int32)

//go:wasmimport mero put_at
func putAt(list int32, index int64, value unsafe.Pointer, size int32)

//go:wasmimport mero remove_at
func removeAt(ref int32, index, n int64)

//go:wasmimport mero text_insert
func textInsert(text int32, at int64, s unsafe.Pointer, size int32)

// Kinds of collections.
const (
	register = 1 + iota
	dict
	set
	counter
	list
	text
)

// mark is what migrations write; tests change its last byte in the binary.
var mark = "mark:0"

// digit is what differs between the versions.
func digit() byte { return mark[len(mark)-1] }

// pointer gives text to the host.
func pointer(s string) (unsafe.Pointer, int32) {
	return unsafe.Pointer(unsafe.StringData(s)), int32(len(s))
}

func opened(parent int32, key string, kind int32) int32 {
	p, size := pointer(key)
	return open(parent, p, size, kind, 0)
}

func puts(ref int32, key, value string) {
	k, keySize := pointer(key)
	v, size := pointer(value)
	put(ref, k, keySize, v, size)
}

func removes(ref int32, key string) {
	p, size := pointer(key)
	remove(ref, p, size)
}

func adds(ref int32, key string) {
	p, size := pointer(key)
	add(ref, p, size)
}

// marked is a value with the mark behind it; empty: there is none.
func marked(ref int32, key string) string {
	p, size := pointer(key)
	n := get(ref, p, size)
	if n < 0 {
		return ""
	}
	b := make([]byte, n+1)
	take(unsafe.Pointer(unsafe.SliceData(b)))
	b[n] = digit()
	return string(b)
}

// at is an index modulo one more than there is, if so many are to follow.
func at(ref int32, index byte, follow int64) int64 {
	n := length(ref) - follow
	if n < 0 {
		panic("too few")
	}
	return int64(index) % (n + 1)
}

//go:wasmexport do
func do() {
	env.Method(func() {
		for in := env.Input(); in[0] != 0; in = in[32:] {
			record(in[:32])
		}
	})
}

// record makes the call that a record asks for.
func record(r []byte) {
	ref, a, b, k := int32(r[1]), r[2], r[3], string(r[6:6+min(r[4], 10)])
	if r[4] == 255 {
		me := env.ExecutorID()
		k = string(me[:])
	}
	v := string(r[16 : 16+r[5]])
	value, size := pointer(v)
	switch r[0] {
	case 'o':
		p, n := pointer(k)
		open(ref, p, n, int32(a), int32(b))
	case 'N': // a new collection in a list, of the kind that is the count
		insertOpen(ref, at(ref, a, 0), int32(b), 0)
	case 'p':
		puts(ref, k, v)
	case 'x':
		removes(ref, k)
	case 'a':
		adds(ref, k)
	case 'i': // by 50 less
		increase(ref, int64(a)-50)
	case 'I': // into a list
		insertAt(ref, at(ref, a, 0), value, size)
	case 'P': // in place in a list
		putAt(ref, at(ref, a, 1), value, size)
	case 'X': // from a list or a text
		removeAt(ref, at(ref, a, int64(b)), int64(b))
	case 'T': // into a text
		textInsert(ref, at(ref, a, 0), value, size)
	}
}

// entries goes through k0 … k8 of the map: every value gets the mark behind it, or is
// removed if its length can be divided by 3 then.
func entries() {
	m := opened(0, "m", dict)
	for i := range 9 {
		key := "k" + string(rune('0'+i))
		v := marked(m, key)
		switch {
		case v == "":
		case len(v)%3 == 0:
			removes(m, key)
		default:
			puts(m, key, v)
		}
	}
}

// nested goes through k0 … k2 of the nested map: the first is removed, each other
// counts in its counter, and has a key with a letter for the sum.
func nested() {
	m := opened(0, "n", dict)
	removes(m, "k0")
	for _, key := range []string{"k1", "k2"} {
		p, size := pointer(key)
		if kindOf(m, p, size) != dict {
			continue
		}
		in := opened(m, key, dict)
		sum := opened(in, "c", counter)
		increase(sum, int64(digit()))
		puts(in, letter(count(sum)), mark)
	}
}

func letter(n int64) string { return string(rune('A' + uint64(n)%26)) }

// sequence takes one out of the middle and gives where its middle is then.
func sequence(ref int32) int64 {
	if n := length(ref); n > 1 {
		removeAt(ref, n/2, 1)
	}
	return length(ref) / 2
}

// all changes everything, and gives what was counted before.
func all() int64 {
	entries()
	nested()
	s := opened(0, "s", set)
	adds(s, letter(length(s)))
	adds(s, mark)
	removes(s, "e1")
	value, size := pointer(mark)
	l := opened(0, "l", list)
	insertAt(l, sequence(l), value, size)
	t := opened(0, "t", text)
	textInsert(t, sequence(t), value, size)
	r := opened(0, "r", register)
	puts(r, "", marked(r, ""))
	c := opened(0, "c", counter)
	n := count(c)
	increase(c, n%1000+int64(digit())) // about twice
	return n
}

//go:wasmexport migrate
func migrate() { env.Method(func() { all() }) }

// migrate_odd traps, after all, where the counter was even.
//
//go:wasmexport migrate_odd
func migrateOdd() {
	env.Method(func() {
		if all()%2 == 0 {
			panic("even")
		}
	})
}

//go:wasmexport migrate_badly
func migrateBadly() {
	env.Method(func() {
		all()
		panic("no way back")
	})
}
