// Package bench holds the measurements of `mero bench`: the figures of
// design/performance.md, each made by real processes.
//
// It owns what is measured, how, and the targets beside it; the verb that
// prints the figures is in package commands. Every measure starts nodes of its
// own, as children of this process, in homes of their own below one temporary
// directory and on free ports, and talks to them over loopback with fsync on.
// Only what is said to be in process opens the parts of a node directly. No
// running node of the user is touched.
//
// A measure is one entry of the table in measures.go and one function that
// emits results; a new one needs nothing else.
//
// Where an application is called, the embedded one is, whose map the host keeps,
// those that the user gives, and the floor: an application written by hand that
// does next to nothing, so that what the guest costs and what the node costs can be
// told apart. What an application pays that keeps its map by itself is seen by giving
// one, such as node/sdk/examples/rawkv; the targets for writes are not for those.
//
// Run measures in the order of the table, one after another, and emits results
// in that order, from the goroutine that called it. When it returns, for
// whatever reason, its children have ended and their homes are deleted. A
// process that is killed leaves the directory; on Linux its children end with
// it, elsewhere they go on.
//
// Sizes are in MB of 10^6 bytes. Rates are of closed loops: a client sends its
// next call when the last one is answered.
package bench
