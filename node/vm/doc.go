// Package vm runs applications: it checks and compiles WebAssembly modules and
// executes one exported function at a time against a state that the caller
// hands in.
//
// It owns the border into WASM: the compile cache (shared in memory, and on disk
// with sums of its own), the fuel that a call may use (what modules are checked
// for and what is put into them is package meter's), the host functions of module
// "env" in both calling conventions of Calimero applications and those of module
// "mero" for host-managed collections, WASI preview 1 for Go guests, the memory
// that guests run in, and every limit a guest can feel. It is the only package
// that knows wazero, and it knows nothing of deltas, badger or the network: what
// host functions reach (State, Collections, Blobs, Members, Aliases) is declared
// here and handed in with each Call.
//
// # Promises
//
// A call sees its own writes; nothing reaches the State. What the guest did is
// returned as an Outcome, and the caller decides what becomes of it (R6). A call
// that fails leaves nothing but its log lines: its Outcome has only Logs.
//
// Every call has an instance that is as if it was fresh: nothing of an earlier
// call is in it, of whatever context (wasm-abi 0.6). In ModeApply the instance is
// fresh, in memory that is all zero. In ModeCall a guest that exports _initialize
// (Go) begins in memory and globals as they were after _initialize, which was run
// once for all calls of the module: see Memory image. In ModeApply the result is a function of the module, the
// Call and the State alone (R7): the clock counts from Call.Time, randomness
// comes from Call.Random, and functions that reach outside the state trap.
//
// Whatever the bytes of a module and whatever the guest does, the process does
// not die and no panic leaves the package. Memory of guests, the sizes of
// everything that a guest hands over, its fuel, and the time of a call are
// bounded. A guest that runs is no obstacle to the garbage collector and to
// other goroutines: every 100 000 units of fuel it comes back to Go.
//
// The fuel that a call uses, and where one without enough of it ends, is part of
// its result: the same on every machine, in both engines of wazero, whatever
// else the node does. Only the timeout is not, a watchdog on the clock.
//
// # Memory image
//
// Go's runtime takes most of a short call to set itself up. So the first call of
// a module in ModeCall has _initialize run in an instance made for nobody:
// without context and input, with the clock near 1970 and randomness from
// crypto/rand. What is then in its memory and globals is the image. A call writes
// all of it into an instance, over what another left there, and charges the fuel
// and goes on with the clock as if it had run _initialize itself. Files of WASI,
// input, clock and randomness are the call's own.
//
// Authors of applications see two things of it. What is drawn or read from a
// clock before main, in package variables and init, is the same for all calls
// until the node restarts; that holds for the hash seeds of Go's maps and for
// package math/rand, which gives every call of one node the same numbers.
// crypto/rand and random_bytes ask the host each time. And a module whose
// _initialize calls the host, prints, or fails has no image: its calls run
// _initialize, which is slower.
//
// Modules have no image either that change a table, drop a segment, have a start
// section or a mutable global that is a reference: only memory and numbers can be
// put back. An instance is used again only after a call that ended well, did not
// grow memory, and changed nothing of WASI's files. Instances that wait count as
// idle memory (Config.MemoryPool, half of which they may have), images towards
// Config.MemoryLimit.
//
// # Order and concurrency
//
// Engine and Module are safe for concurrent use; calls of one module run side by
// side. A Call's State, Members and Aliases are used by one goroutine, the one
// that called Run, and only until Run returns. No goroutine outlives
// Run, or is started by it.
//
// # Crash
//
// The only thing on disk is the compile cache. A file of it that is damaged, cut
// short, or written by another version is found by its SHA-256 and compiled
// again; a cache directory that cannot be used costs time, never a call.
package vm
