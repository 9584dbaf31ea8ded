//go:build wasip1

// Command errors is a test application whose methods fail, each in its own
// way: with an error of the application, with a panic, with a trap, at a limit,
// or by misuse of the host interface. A method that is meant to fail and gets
// through returns "survived".
package main

import (
	"mero/node/sdk/env"
	"mero/node/sdk/examples/rawkv/hosted"
)

func main() {}

//go:wasmexport init
func create() { env.Method(hosted.Init) }

//go:wasmexport set
func set() {
	env.Method(func() {
		args := hosted.Arguments("key", "value")
		hosted.MustExist()
		hosted.Set(args[0], args[1])
		env.Return([]byte("null"))
	})
}

//go:wasmexport entries
func entries() {
	env.Method(func() {
		hosted.MustExist()
		env.Return(hosted.Entries())
	})
}

func survived() { env.Return([]byte(`"survived"`)) }

// The application's own errors.

//go:wasmexport fail_string
func failString() { env.ReturnError([]byte(`"it failed"`)) }

//go:wasmexport fail_object
func failObject() { env.ReturnError([]byte(`{"kind":"NotFound","data":"zz"}`)) }

// fail_bytes returns an error that is not JSON.
//
//go:wasmexport fail_bytes
func failBytes() { env.ReturnError([]byte{0xff, 0, 1}) }

//go:wasmexport fail_empty
func failEmpty() { env.ReturnError(nil) }

// fail_then_return: the last value counts, so the call ends well.
//
//go:wasmexport fail_then_return
func failThenReturn() {
	env.ReturnError([]byte(`"it failed"`))
	survived()
}

// commit_then_fail changes the state and then returns an error: everything is
// to be discarded.
//
//go:wasmexport commit_then_fail
func commitThenFail() {
	env.Method(func() {
		hosted.Set("key", "must not be seen")
		env.Emit("MustNotBeSeen", nil)
		env.ReturnError([]byte(`"changed my mind"`))
	})
}

// Answers that are no JSON, or none.

//go:wasmexport return_nothing
func returnNothing() {}

//go:wasmexport return_empty
func returnEmpty() { env.Return(nil) }

//go:wasmexport return_bytes
func returnBytes() { env.Return([]byte{0xff, 0, 1}) }

// with_parameter is an export that a host cannot call.
//
//go:wasmexport with_parameter
func withParameter(int32) {}

// print writes to the standard error, which the host keeps as log lines.
//
//go:wasmexport print
func printLine() {
	println("first line")
	println("second line")
}
