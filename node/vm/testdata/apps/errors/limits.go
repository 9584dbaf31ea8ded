//go:build wasip1

package main

import (
	"strconv"
	"strings"

	"mero/node/sdk/env"
	"mero/node/sdk/examples/rawkv/hosted"
)

// Each method of this file does something count times, or once with size
// bytes, so that a test finds the limit on both sides.

//go:wasmexport flood_logs
func floodLogs() {
	env.Method(func() {
		for range hosted.Number("count") {
			env.Log("a line")
		}
		survived()
	})
}

//go:wasmexport flood_events
func floodEvents() {
	env.Method(func() {
		for range hosted.Number("count") {
			env.Emit("Kind", nil)
		}
		survived()
	})
}

//go:wasmexport flood_xcalls
func floodXCalls() {
	env.Method(func() {
		for range hosted.Number("count") {
			env.XCall(env.ContextID(), "entries", nil)
		}
		survived()
	})
}

//go:wasmimport env input
func hostInput(register uint64)

// flood_registers fills registers 1 to count, besides the one of the binding.
//
//go:wasmexport flood_registers
func floodRegisters() {
	env.Method(func() {
		count := hosted.Number("count")
		for i := range count {
			hostInput(i + 1)
		}
		survived()
	})
}

//go:wasmexport flood_writes
func floodWrites() {
	env.Method(func() {
		for i := range hosted.Number("count") {
			env.Write(strconv.AppendUint([]byte("flood/"), i, 10), []byte{1})
		}
		survived()
	})
}

//go:wasmexport flood_blobs
func floodBlobs() {
	env.Method(func() {
		for range hosted.Number("count") {
			env.BlobCreate()
		}
		survived()
	})
}

//go:wasmexport log_size
func logSize() {
	env.Method(func() {
		env.Log(strings.Repeat("x", int(hosted.Number("size"))))
		survived()
	})
}

//go:wasmexport event_kind_size
func eventKindSize() {
	env.Method(func() {
		env.Emit(strings.Repeat("x", int(hosted.Number("size"))), nil)
		survived()
	})
}

//go:wasmexport event_data_size
func eventDataSize() {
	env.Method(func() {
		env.Emit("Kind", make([]byte, hosted.Number("size")))
		survived()
	})
}

//go:wasmexport event_handler_size
func eventHandlerSize() {
	env.Method(func() {
		env.EmitWithHandler("Kind", nil, strings.Repeat("x", int(hosted.Number("size"))))
		survived()
	})
}

//go:wasmexport xcall_function_size
func xcallFunctionSize() {
	env.Method(func() {
		env.XCall(env.ContextID(), strings.Repeat("x", int(hosted.Number("size"))), nil)
		survived()
	})
}

//go:wasmexport xcall_params_size
func xcallParamsSize() {
	env.Method(func() {
		env.XCall(env.ContextID(), "entries", make([]byte, hosted.Number("size")))
		survived()
	})
}

//go:wasmexport key_size
func keySize() {
	env.Method(func() {
		env.Write(make([]byte, hosted.Number("size")), nil)
		survived()
	})
}

//go:wasmexport value_size
func valueSize() {
	env.Method(func() {
		env.Write([]byte("key"), make([]byte, hosted.Number("size")))
		survived()
	})
}

//go:wasmexport return_size
func returnSize() {
	env.Method(func() { env.Return(make([]byte, hosted.Number("size"))) })
}

//go:wasmexport artifact_size
func artifactSize() {
	env.Method(func() {
		env.Commit([32]byte{1}, make([]byte, hosted.Number("size")))
		survived()
	})
}
