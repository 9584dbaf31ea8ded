// Package vm runs applications: it checks and compiles WebAssembly modules and
// executes one exported function at a time against a state that the caller
// hands in.
//
// It owns the border into WASM: the compile cache (shared in memory, and on disk
// with sums of its own), the fuel that a call may use (what modules are checked
// for and what is put into them is package meter's), the host functions of module "env" in both calling conventions of
// Calimero applications, WASI preview 1 for Go guests, the memory that guests
// run in, and every limit a guest can feel. It is the only package that knows
// wazero, and it knows nothing of deltas, badger or the network: what host
// functions reach (State, Blobs, Members, Aliases) is declared here and handed
// in with each Call.
//
// # Promises
//
// A call sees its own writes; nothing reaches the State. What the guest did is
// returned as an Outcome, and the caller decides what becomes of it (R6). A call
// that fails leaves nothing but its log lines: its Outcome has only Logs.
//
// Every call has a fresh instance, never a reused one (wasm-abi 0.6), in memory
// that is all zero. In ModeApply the result is a function of the module, the
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
