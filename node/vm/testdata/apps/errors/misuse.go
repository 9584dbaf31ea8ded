//go:build wasip1

package main

import (
	"unsafe"

	"mero/node/sdk/env"
	"mero/node/sdk/examples/rawkv/hosted"
)

// Imports for what the binding would not let through.

//go:wasmimport env log_utf8
func hostLog(message uint64)

//go:wasmimport env storage_write
func hostWrite(key, value, register uint64) uint32

//go:wasmimport env read_register
func hostReadRegister(register, dest uint64) uint32

//go:wasmimport env value_return
func hostReturn(value uint64)

//go:wasmimport env commit
func hostCommit(root, artifact uint64)

//go:wasmimport env time_now
func hostTime(dest uint64)

type descriptor struct{ ptr, length uint64 }

// kept makes what it points to live on the heap, where it does not move.
var kept []any

func pin[T any](p *T) *T {
	kept = append(kept, p)
	return p
}

func address(p unsafe.Pointer) uint64 { return uint64(uintptr(p)) }

func (d descriptor) address() uint64 { return address(unsafe.Pointer(pin(&d))) }

func some(n int) descriptor {
	data := make([]byte, n)
	kept = append(kept, data)
	return descriptor{address(unsafe.Pointer(unsafe.SliceData(data))), uint64(n)}
}

//go:wasmexport log_bad_utf8
func logBadUTF8() {
	env.Log("\xff\xfe")
	survived()
}

//go:wasmexport event_bad_utf8
func eventBadUTF8() {
	env.Emit("\xff", nil)
	survived()
}

// bad_descriptor names a descriptor beyond memory.
//
//go:wasmexport bad_descriptor
func badDescriptor() {
	hostLog(0xffff_fff8)
	survived()
}

// bad_descriptor_wide names one that is in memory if only 32 bits are looked
// at.
//
//go:wasmexport bad_descriptor_wide
func badDescriptorWide() {
	hostLog(1<<32 | some(3).address())
	survived()
}

// write_out_of_bounds hands the host a value that reaches beyond memory.
//
//go:wasmexport write_out_of_bounds
func writeOutOfBounds() {
	hostWrite(some(3).address(), descriptor{0xffff_0000, 1 << 20}.address(), 1)
	survived()
}

// write_wraps: pointer and length add up to less than 2^64.
//
//go:wasmexport write_wraps
func writeWraps() {
	hostWrite(some(3).address(), descriptor{1 << 16, ^uint64(0) - 1<<15}.address(), 1)
	survived()
}

// read_out_of_bounds asks the host to write beyond memory.
//
//go:wasmexport read_out_of_bounds
func readOutOfBounds() {
	hostInput(7)
	hostReadRegister(7, descriptor{0xffff_ff00, uint64(len(env.Input()))}.address())
	survived()
}

//go:wasmexport register_unset
func registerUnset() {
	hostReadRegister(12345, some(3).address())
	survived()
}

// register_other_length: the host answers 0 and writes nothing.
//
//go:wasmexport register_other_length
func registerOtherLength() {
	hostInput(7)
	if hostReadRegister(7, some(len(env.Input())+1).address()) == 0 {
		survived()
	}
}

//go:wasmexport return_bad_tag
func returnBadTag() {
	value := struct {
		tag  uint64
		data descriptor
	}{tag: 7, data: some(3)}
	hostReturn(address(unsafe.Pointer(pin(&value))))
	survived()
}

//go:wasmexport time_bad_length
func timeBadLength() {
	hostTime(some(7).address())
	survived()
}

//go:wasmexport blob_bad_handle
func blobBadHandle() {
	env.Blob(99).Write([]byte("x"))
	survived()
}

//go:wasmexport commit_twice
func commitTwice() {
	env.Method(func() {
		hosted.Set("key", "must not be seen")
		hosted.Set("key", "nor this")
		survived()
	})
}

//go:wasmexport commit_bad_root
func commitBadRoot() {
	hostCommit(some(31).address(), some(3).address())
	survived()
}

// commit_empty changes the state and commits no artifact.
//
//go:wasmexport commit_empty
func commitEmpty() {
	env.Method(func() {
		root, _ := hosted.Prepare()
		env.Write([]byte("plain"), []byte("without an artifact"))
		env.Commit(root, nil)
		survived()
	})
}
