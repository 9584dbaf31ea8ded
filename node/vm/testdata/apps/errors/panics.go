//go:build wasip1

package main

import (
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"mero/node/sdk/env"
	"mero/node/sdk/examples/rawkv/hosted"
)

//go:wasmexport panic_located
func panicLocated() { env.Panic("as it happens", "src/lib.rs", 12, 5) }

//go:wasmexport panic_unlocated
func panicUnlocated() { env.Panic("somewhere", "", 0, 0) }

// panic_long has a message of 20 000 bytes, which nobody may shorten.
//
//go:wasmexport panic_long
func panicLong() { env.Panic(strings.Repeat("long ", 4000), "src/lib.rs", 1, 1) }

//go:wasmexport panic_bad_utf8
func panicBadUTF8() { env.Panic("\xff", "src/lib.rs", 1, 1) }

//go:wasmimport env panic
func hostPanic(location uint64)

// panic_explicit uses the host's panic without a message.
//
//go:wasmexport panic_explicit
func panicExplicit() {
	located := struct {
		file, length uint64
		line, column uint32
	}{line: 3, column: 4}
	hostPanic(address(unsafe.Pointer(pin(&located))))
}

// go_panic is what a Go program does that nobody catches: a stack trace on the
// standard error and exit code 2.
//
//go:wasmexport go_panic
func goPanic() { panic("nobody catches this") }

// go_panic_caught hands the panic to the host.
//
//go:wasmexport go_panic_caught
func goPanicCaught() { env.Method(func() { panic("handed to the host") }) }

//go:wasmexport go_nil_caught
func goNilCaught() {
	env.Method(func() {
		var p *int
		println(*p)
	})
}

//go:wasmexport exit_zero
func exitZero() { syscall.Exit(0) }

//go:wasmexport exit_three
func exitThree() { syscall.Exit(3) }

//go:wasmexport commit_then_panic
func commitThenPanic() {
	env.Method(func() {
		hosted.Set("key", "must not be seen")
		env.Emit("MustNotBeSeen", nil)
		panic("after the commit")
	})
}

func trapUnreachable()
func trapDivide()

//go:wasmexport trap_unreachable
func exportUnreachable() { trapUnreachable() }

//go:wasmexport trap_divide
func exportDivide() { trapDivide() }

// trap_memory reads beyond the linear memory.
//
//go:wasmexport trap_memory
func trapMemory() {
	at := uintptr(0xffff_fff0)
	println(*(*byte)(unsafe.Pointer(at)))
}

//go:wasmexport commit_then_trap
func commitThenTrap() {
	env.Method(func() { hosted.Set("key", "must not be seen") })
	trapUnreachable()
}

//go:wasmexport loop_forever
func loopForever() {
	for {
	}
}

// loop_goroutines has goroutines that hand a number round, and never ends.
//
//go:wasmexport loop_goroutines
func loopGoroutines() {
	ring := make([]chan int, 8)
	for i := range ring {
		ring[i] = make(chan int)
	}
	for i := range ring {
		go func() {
			for n := range ring[i] {
				ring[(i+1)%len(ring)] <- n + 1
			}
		}()
	}
	ring[0] <- 0
	for {
		runtime.Gosched()
	}
}

//go:wasmexport grow_memory
func growMemory() {
	var kept [][]byte
	for range 4096 {
		kept = append(kept, make([]byte, 1<<20))
	}
	println(len(kept))
	survived()
}
