// Package nodetest is a cluster of nodes in one process for tests: real stores in
// temporary directories, real WebAssembly, real replicas and syncers, over a simulated
// network (netkit/netsim) and in fake time, so that an hour of faults takes seconds.
//
// # Scenarios
//
// [Run] makes a cluster in a synctest bubble and hands it to a scenario. What clients
// saw acknowledged is in a ledger, and [Cluster.Equal] judges by it: all nodes have the
// same folded heads, root and state, and every acknowledged write. Faults of the
// network are those of Cluster.Net; nodes are crashed, restarted and added, and their
// clocks set, by methods of [Node].
//
// MERO_SEED repeats a seed, MERO_LOG shows the nodes' logs in fake time. Our own
// scenarios are small; MERO_LONG makes them large, or for one of them its own number,
// such as MERO_F8=200, MERO_F16=50 or MERO_JOINS=1000.
//
// # What must hold for code in a bubble
//
// Fake time moves on when every goroutine waits for it, for a channel, a sync.Cond or a
// WaitGroup. So nobody may wait for these while holding a mutex that others want, wait
// for a socket, or poll. A goroutine that outlives its node fails the test. Work takes
// no time: what a scenario measures is what messages and timers take.
package nodetest
