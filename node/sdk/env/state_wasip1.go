package env

import "unsafe"

//go:wasmimport env storage_read
func storageRead(key, register uint64) uint32

//go:wasmimport env storage_write
func storageWrite(key, value, register uint64) uint32

//go:wasmimport env storage_remove
func storageRemove(key, register uint64) uint32

//go:wasmimport env commit
func commit(root, artifact uint64)

// Read returns the replicated value of key; it sees what this call wrote.
func Read(key []byte) (value []byte, ok bool) {
	if storageRead(describe(&bufA, key), register) == 0 {
		return nil, false
	}
	return fromRegister(), true
}

// Write sets the replicated value of key and tells whether the key existed.
func Write(key, value []byte) (existed bool) {
	return storageWrite(describe(&bufA, key), describe(&bufB, value), register) == 1
}

// Remove deletes key and returns what it held.
func Remove(key []byte) (old []byte, ok bool) {
	if storageRemove(describe(&bufA, key), register) == 0 {
		return nil, false
	}
	return fromRegister(), true
}

// Commit makes the call a change: the writes are kept, and artifact travels to
// the other members, whose copies get it as the input of
// __calimero_sync_next. A second Commit in one call traps.
func Commit(root [32]byte, artifact []byte) {
	commit(describe(&bufA, root[:]), describe(&bufB, artifact))
}

//go:wasmimport env private_storage_read
func privateRead(key, register uint64) uint32

//go:wasmimport env private_storage_write
func privateWrite(key, value uint64) uint32

//go:wasmimport env private_storage_remove
func privateRemove(key, register uint64) uint32

// PrivateRead returns a value that never leaves this node.
func PrivateRead(key []byte) (value []byte, ok bool) {
	if privateRead(describe(&bufA, key), register) == 0 {
		return nil, false
	}
	return fromRegister(), true
}

// PrivateWrite sets a value that never leaves this node; it is kept only when
// the call commits. False means that the host has no private storage.
func PrivateWrite(key, value []byte) bool {
	return privateWrite(describe(&bufA, key), describe(&bufB, value)) == 1
}

// PrivateRemove deletes a private value and returns what it was.
func PrivateRemove(key []byte) (old []byte, ok bool) {
	if privateRemove(describe(&bufA, key), register) == 0 {
		return nil, false
	}
	return fromRegister(), true
}

//go:wasmimport env emit
func emit(event uint64)

//go:wasmimport env emit_with_handler
func emitWithHandler(event, handler uint64)

//go:wasmimport env xcall
func xcall(call uint64)

func event(kind string, data []byte) uint64 {
	describe(&eventDesc.kind, text(kind))
	describe(&eventDesc.data, data)
	return address(unsafe.Pointer(&eventDesc))
}

// Emit sends an event to those who watch the context.
func Emit(kind string, data []byte) { emit(event(kind, data)) }

// EmitWithHandler also names the method that the other members' nodes run with
// data as its input.
func EmitWithHandler(kind string, data []byte, handler string) {
	emitWithHandler(event(kind, data), describe(&bufA, text(handler)))
}

// XCall queues a call of another context on this node; it runs after this one,
// and its result is not seen here.
func XCall(context [32]byte, function string, params []byte) {
	describe(&xcallDesc.context, context[:])
	describe(&xcallDesc.function, text(function))
	describe(&xcallDesc.params, params)
	xcall(address(unsafe.Pointer(&xcallDesc)))
}
