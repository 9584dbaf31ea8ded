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
//   - At the entry of every function and at the head of every loop, which every
//     cycle passes: the fuel goes down, and when it is below zero, the hook is
//     called. What belongs to such a head, the function outside loops or the loop
//     outside inner ones, is charged there as a whole as long as it costs up to
//     256 units, whatever of it runs.
//   - If it costs more, at the beginning of its basic blocks: the fuel goes down,
//     and nothing is checked. Go's compiler makes every function one loop around
//     a table of all its blocks, of which a round runs one or two. A block of up
//     to 16 units may be charged by one that every way to it leads through.
//   - Before a bulk operation, memory.grow or table.grow: its size is charged.
//   - At the entry of every function that calls: the depth goes down by the
//     function's weight, and up again where it ends. Below zero the hook is
//     called.
//   - After float operations whose NaN differs between machines: a NaN becomes
//     the canonical one.
//
// Of custom sections only the names of functions stay, renumbered, for traces.
//
// # Prices
//
// A unit is the cheapest instruction: 0.05 to 0.1 ns of usual code. Blocks, loops
// and ends are no code and cost nothing; a load and br_table 4, a multiplication 4,
// a division 16, floats 16, call_indirect 8, what leaves the guest's code 256.
// Entering a function costs 8, once round a loop 12: that is what charging itself
// takes, and what makes an endless loop end soon.
//
// Nothing runs that was not charged before. A call is charged what it runs, each
// block at most one and a half times; or, of what is charged as a whole, 256 units
// where less is run. Beyond the budget may run what is left to do in functions
// that have been entered, up to their next loop or call: less than 1 024
// instructions for each unit of DepthLimit, and one function more. The host looks
// at the fuel again when the guest has ended.
//
// # Promises
//
// Rewrite is a pure function, total on all bytes, in time and memory in
// proportion to their number. What it gives for a module is part of the protocol
// version: from the first release on, changing a cost or a weight is a new Version.
package meter
