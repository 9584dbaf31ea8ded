// Package nodetest is a cluster of nodes in one process for tests: real stores in
// temporary directories, real WebAssembly, real replicas, over a simulated network
// (netkit/netsim) and in fake time, so that an hour of faults takes seconds.
//
// Everything belongs into one synctest bubble: see [Run]. What must hold for code
// that runs in it: a goroutine that waits for time or for a channel holds no mutex
// that others want, and no goroutine waits for a socket.
package nodetest
