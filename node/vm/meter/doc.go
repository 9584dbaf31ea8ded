// Package meter checks WebAssembly modules and rewrites them so that they can be
// run: what comes out stops when its fuel is used up, nests calls to a bounded
// depth, and computes the same on every machine (R7).
//
// It owns the form of modules: which bytes are one, what is allowed in it, and
// what is put in. It knows neither wazero nor the host: whoever runs the module
// hands out the fuel, by the import and the two globals that Rewrite adds.
//
// # What is checked
//
// Every section, count, index and depth is looked at before anything of the
// module reaches wazero, whose decoder some modules of a few bytes kill
// (fuel.md, pitfall 3). Instructions are followed, their types are not: those
// wazero checks, and a module passes there rewritten exactly when it passes as
// it is. Refused with a reason: SIMD, tail calls, threads, exceptions, 64-bit
// memory, more than one memory, and what has no bounds in proportion to its
// bytes.
//
// # What is put in
//
//   - An import after the last one, HookModule.HookName of type () -> (), which
//     shifts the indices of the module's own functions by one, and two mutable
//     i64 globals after the last, exported as FuelGlobal and DepthGlobal.
//   - Exports of all mutable globals, under names of our own: with them and the
//     memory, a host can put an instance back to what it was.
//   - At the entry of every function and at the head of every loop: the fuel
//     goes down by the cost of the instructions of the function outside loops,
//     or of the loop outside inner loops; when it is below zero, the hook is
//     called. That is an upper bound of what runs, known before it runs.
//   - Before a bulk operation, memory.grow or table.grow: its size is charged.
//   - At the entry of every function that calls: the depth goes down by the
//     function's weight, and up again where it ends. Below zero the hook is
//     called.
//   - After float operations whose NaN differs between machines: a NaN becomes
//     the canonical one.
//
// Of custom sections only the names of functions stay, renumbered, for traces.
//
// # Promises
//
// Rewrite is a pure function, total on all bytes, in time and memory in
// proportion to their number. What it gives for a module is part of the protocol
// version: changing a cost or a weight is a new Version.
package meter
