package env

import (
	"runtime"
	"strings"
	"unsafe"
)

//go:wasmimport env panic_utf8
func panicUTF8(message, location uint64)

// Panic ends the call with message. Location {"", 0, 0} means unknown.
func Panic(message, file string, line, column uint32) {
	describe(&locDesc.file, text(file))
	locDesc.line, locDesc.column = line, column
	panicUTF8(describe(&bufA, text(message)), address(unsafe.Pointer(&locDesc)))
}

// Method runs the body of an exported method and hands a Go panic in it to the
// host with its message and place, as Calimero's SDK does with its panic hook.
// Without it a panic prints a stack trace and ends the process.
func Method(body func()) {
	defer func() {
		if r := recover(); r != nil {
			file, line := panicPlace()
			Panic(panicMessage(r), file, line, 0)
		}
	}()
	body()
}

func panicMessage(r any) string {
	switch r := r.(type) {
	case string:
		return r
	case error:
		return r.Error()
	default:
		return "panic with a value that is neither text nor error"
	}
}

// panicPlace is the first frame below the runtime's own after the panic.
func panicPlace() (file string, line uint32) {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	panicked := false
	for {
		frame, more := frames.Next()
		inRuntime := strings.HasPrefix(frame.Function, "runtime.")
		if panicked && !inRuntime {
			return frame.File, uint32(frame.Line)
		}
		panicked = panicked || inRuntime && strings.HasSuffix(frame.Function, "gopanic")
		if !more {
			return "", 0
		}
	}
}
