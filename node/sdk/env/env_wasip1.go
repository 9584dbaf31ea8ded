package env

import "unsafe"

// register is the one register this package uses, the same as Calimero's SDK
// (wasm-abi 1.4).
const register = 0xFFFF_FFFE

// absent is what register_len answers for a register that was never set.
const absent = 1<<64 - 1

// buffer describes bytes in linear memory. A Go pointer is eight bytes wide on
// wasm with its upper half zero, which is exactly the field the host reads.
type buffer struct {
	ptr unsafe.Pointer
	len uint64
}

// The descriptors of wasm-abi 1.2. Storing a pointer in one of them also makes
// the compiler put the bytes on the heap, where they do not move.
var (
	bufA, bufB, bufC buffer

	eventDesc  struct{ kind, data buffer }
	xcallDesc  struct{ context, function, params buffer }
	returnDesc struct {
		tag   uint64 // 0 Ok, 1 Err
		value buffer
	}
	locDesc struct {
		file         buffer
		line, column uint32
	}
)

func describe(b *buffer, data []byte) uint64 {
	b.ptr = unsafe.Pointer(unsafe.SliceData(data))
	b.len = uint64(len(data))
	return address(unsafe.Pointer(b))
}

func address(p unsafe.Pointer) uint64 { return uint64(uintptr(p)) }

func text(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

//go:wasmimport env register_len
func registerLen(register uint64) uint64

//go:wasmimport env read_register
func readRegister(register, dest uint64) uint32

// fromRegister copies the register's content. A register that is not set
// gives nil.
func fromRegister() []byte {
	n := registerLen(register)
	if n == absent {
		return nil
	}
	data := make([]byte, n)
	if readRegister(register, describe(&bufA, data)) != 1 {
		panic("env: the register changed its length")
	}
	return data
}

func idFromRegister() (id [32]byte) {
	copy(id[:], fromRegister())
	return id
}

//go:wasmimport env input
func input(register uint64)

// Input is the call's input: usually the JSON object of the arguments,
// possibly empty.
func Input() []byte {
	input(register)
	return fromRegister()
}

//go:wasmimport env value_return
func valueReturn(value uint64)

func giveBack(tag uint64, value []byte) {
	returnDesc.tag = tag
	describe(&returnDesc.value, value)
	valueReturn(address(unsafe.Pointer(&returnDesc)))
}

// Return sets the call's result; the last one counts.
func Return(value []byte) { giveBack(0, value) }

// ReturnError makes the call fail with the application's own error. Whatever
// the call wrote and committed is discarded.
func ReturnError(value []byte) { giveBack(1, value) }

//go:wasmimport env context_id
func contextID(register uint64)

// ContextID is the context the call runs in.
func ContextID() [32]byte {
	contextID(register)
	return idFromRegister()
}

//go:wasmimport env executor_id
func executorID(register uint64)

// ExecutorID is the public key the call runs as. While a delta is applied it
// is the author's (R7).
func ExecutorID() [32]byte {
	executorID(register)
	return idFromRegister()
}

//go:wasmimport env account_id
func accountID(register uint64)

// AccountID is the person's account; a host without accounts answers the
// executor.
func AccountID() [32]byte {
	accountID(register)
	return idFromRegister()
}

//go:wasmimport env device_id
func deviceID(register uint64)

// DeviceID is the key of the executing device; a host without accounts answers
// the executor.
func DeviceID() [32]byte {
	deviceID(register)
	return idFromRegister()
}

//go:wasmimport env xcall_origin
func xcallOrigin(register uint64) uint32

// XCallOrigin is the context that made this cross-context call, if it is one.
func XCallOrigin() (context [32]byte, ok bool) {
	if xcallOrigin(register) == 0 {
		return context, false
	}
	return idFromRegister(), true
}

//go:wasmimport env time_now
func timeNow(dest uint64)

var nowBytes [8]byte

// Now is the host's time in nanoseconds since 1970. It grows from call to call
// and is deterministic while a delta is applied (R2, R7).
func Now() uint64 {
	timeNow(describe(&bufA, nowBytes[:]))
	var t uint64
	for i, b := range nowBytes {
		t |= uint64(b) << (8 * i)
	}
	return t
}

//go:wasmimport env random_bytes
func randomBytes(dest uint64)

// Random fills data. The bytes are deterministic while a delta is applied.
func Random(data []byte) { randomBytes(describe(&bufA, data)) }

//go:wasmimport env ed25519_verify
func ed25519Verify(signature, key, message uint64) uint32

// Verify checks an Ed25519 signature. A key that is not a point of the curve
// traps.
func Verify(signature [64]byte, key [32]byte, message []byte) bool {
	return ed25519Verify(describe(&bufA, signature[:]), describe(&bufB, key[:]), describe(&bufC, message)) == 1
}

//go:wasmimport env log_utf8
func logUTF8(message uint64)

// Log adds a line to the call's log.
func Log(message string) { logUTF8(describe(&bufA, text(message))) }
