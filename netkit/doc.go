// Package netkit is how a node reaches other nodes: a libp2p host with a
// persistent identity, and what finds and keeps its peers.
//
// It owns the listeners, the connections, the Kademlia table under /mero and
// the gossip router. It knows nothing of contexts. A reader who comes from the
// reference node finds its NetworkManager here. libp2p is imported nowhere else.
//
// # Life
//
// [New] binds the configured addresses, so that a port in use is known before
// anything runs, and answers the connections of others from then on. [Net.Run]
// starts Kademlia and the gossip router, dials the entry points, dials them
// again when they are lost, looks for nodes on the local network when asked to,
// and measures round trips. When its context ends it stops all of that, closes
// the host and returns; no goroutine is left. [Net.Close] does the same, also
// for a Net that never ran. Nothing is kept on disk but the key of [LoadKey].
//
// # Kinds of nodes
//
// A peer runs alone and with others. A coordinator is a peer whose operator
// promises that the world can reach it: it always serves Kademlia, and relays
// for those who can not be reached (libp2p circuit v2).
//
// # Limits
//
// network.max_connections is a hard limit for both directions; a quarter of it
// is kept for connections that this node opens, so that a flood from outside
// can not keep it from its entry points. From one address come at most
// network.max_per_ip connections, loopback excepted. Between the water marks
// idle connections are closed, those to entry points never.
//
// # Metrics
//
// libp2p's own metrics are registered with the registerer handed in, never with
// the global one. libp2p keeps their values per process: two nodes in one
// process show the same figures in them. The families mero_netkit_* are per node.
package netkit
