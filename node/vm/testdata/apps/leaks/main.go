//go:build wasip1

// Command leaks is a test application that tries to keep something from one
// call to the next. Every method first reports what it finds.
package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"unsafe"

	"mero/node/sdk/env"
)

func main() {}

var (
	counter int
	seen    = map[string]bool{"from init": true}
	heap    = [][]byte{make([]byte, 1<<16)}
	ticks   atomic.Int64
	kick    = make(chan struct{})
)

// A goroutine that is there before main, and waits.
func init() {
	go func() {
		for range kick {
			ticks.Add(1)
		}
	}()
	runtime.Gosched()
}

// found reports, before anything of this call is kept, but for what Input
// leaves.
func found(secret []byte) string {
	counter++
	_, err := os.Stdout.WriteString("")
	before := ticks.Load()
	return fmt.Sprintf("counter %d, map %d, heap %d, goroutines %d, ticks of the one from before main %d, secrets in memory %d, written %v",
		counter, len(seen), len(heap), runtime.NumGoroutine(), before, others(secret), err == nil)
}

// others counts secrets of other calls in all of the linear memory.
func others(own []byte) (n int) {
	size := memoryPages() << 16
	// The whole of memory but for address 0, which is nil.
	memory := unsafe.Slice((*byte)(unsafe.Pointer(uintptr(8))), size-8)
	word := append([]byte("secret of"), " context "...)
	for rest := memory; ; {
		i := bytes.Index(rest, word)
		if i < 0 {
			return n
		}
		found := rest[i+len(word):]
		if d := found[:2]; d[0] >= '0' && d[0] <= '9' && d[1] >= '0' && d[1] <= '9' && string(d) != string(own[len(own)-2:]) {
			n++
		}
		rest = found
	}
}

// memoryPages is memory.size, in pages of 64 KiB.
func memoryPages() int

func keep() {
	secret := env.Input()
	report := found(secret)
	seen[string(secret)] = true
	heap = append(heap, append(bytes.Repeat([]byte{1}, 1000), secret...))
	counter += 10
	env.Return([]byte(report))
	os.Setenv("SECRET", string(secret))
}

//go:wasmexport keep
func exportedKeep() { env.Method(keep) }

//go:wasmexport grow
func grow() {
	env.Method(func() {
		keep()
		secret := env.Input()
		for range 64 {
			heap = append(heap, bytes.Repeat(secret, 5000))
		}
	})
}

//go:wasmexport shut
func shut() {
	env.Method(func() {
		keep()
		for fd := range 3 {
			syscall.Close(fd)
		}
	})
}

// spin leaves goroutines that run on whenever they are let.
//
//go:wasmexport spin
func spin() {
	env.Method(func() {
		keep()
		for range 4 {
			go func() {
				for {
					ticks.Add(1)
					runtime.Gosched()
				}
			}()
		}
		kick <- struct{}{}
		runtime.Gosched()
	})
}
