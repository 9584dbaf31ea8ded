// Package netsim is a simulated network for tests: real libp2p hosts, and so
// real [netkit.Net]s, that exchange QUIC packets in memory. Under testing/synctest
// an hour of it takes as long as its work.
//
// # Spots
//
// A [Spot] is a place in the network, by name. Its peer id and its address follow
// from the seed, its name and the order in which spots are named first, so a node
// that is closed and made again at the same spot is the same peer at the same
// address. Nothing but QUIC is simulated: no TCP, no multicast.
//
// # Faults
//
// A [Link] describes packets from one spot to another: latency, jitter, loss in
// bursts, rate. [Access] describes the line of one spot, shared by all its links.
// Cut, Partition and Unplug stop packets. All of it can change while the network
// runs, and holds from then on: what is on its way arrives as it would have,
// unless its link is cut when it arrives.
//
// # What repeats
//
// What happens to the packets of a link is a function of the seed and of the order
// in which they are sent. Keys of connections are random, and goroutines that are
// ready at the same instant run in any order, so two runs with one seed are alike,
// not equal.
//
// # Bubbles
//
// The network and all its nodes belong into one synctest bubble. It starts no
// goroutine; those of a node end when the node is closed. libp2p's resource manager
// and its discovery of own addresses by what peers see are left out: their
// goroutines wait for what fake time does not bring.
package netsim
