// Package netkit is how a node reaches other nodes: a libp2p host with a
// persistent identity, and what finds and keeps its peers.
//
// It owns the listeners, the connections, the Kademlia table under /mero, the
// gossip router, and the framing of streams. It knows nothing of contexts. A
// reader who comes from the reference node finds its NetworkManager here. libp2p
// is imported nowhere else, and no type of it leaves this package: a peer is the
// text form of its id, which libp2p has proved on every connection.
//
// # Life
//
// [New] binds the configured addresses, so that a port in use is known before
// anything runs, and answers the connections of others from then on. [Net.Run]
// starts Kademlia, the gossip router and the protocols of [Net.Handle], dials the
// entry points, the peers of [Net.Keep] and the best of the peer book, dials them
// again when they are lost (every two seconds for a while, so that the end of a fault
// of the network is noticed soon), looks for nodes on the local network when asked to,
// and measures round trips. When its context ends it stops all of that, breaks off
// the streams, waits for who serves them, closes the host and returns; no goroutine
// is left. [Net.Close] does the same, also for a Net that never ran.
//
// An entry point or kept peer that says nothing for a second after something was sent
// to it is asked whether it is there; if it does not answer for two more, all its
// connections are closed, and it is dialled anew. On a slow line, within a frame or
// after much was sent, it gets up to 30 s. Who is not sent anything is asked every 30 s.
//
// Handle, Join, Keep and Changes may be called before Run and while it runs.
// Everything may be called by many goroutines at once, but that a [Stream] has one
// reader and one writer.
//
// # What reaches whom
//
// A stream is opened by [Net.Open] to a connected peer, or to one whose address is
// known, in the peer book, or found by Kademlia. TCP is tried first, QUIC a quarter of
// a second later, relays last. It either works or fails with a
// reason, and has a deadline for each 64 KiB. Through a relay it works as well,
// for some MiB and minutes.
//
// Gossip is quick and may lose messages without a word: when a queue is full, when
// nobody is connected, when the same content was sent within two minutes. What is
// published goes at once to all peers of the topic that are connected and allowed,
// who forward it through the mesh. It does not go through relays. Who is not
// allowed in a topic learns that this node takes part in it, if he knows its name,
// or is connected when it is joined; names must be secrets that tell nothing.
//
// Provider records say where to ask; anybody can claim anything.
//
// # Kinds of nodes
//
// A peer runs alone and with others. A coordinator is a peer whose operator
// promises that the world can reach it: it always serves Kademlia, and relays
// for those who can not be reached (libp2p circuit v2). A peer finds out by AutoNAT
// whether it can be reached. If not, it keeps a place at two coordinators that it
// is connected to, others reach it there, and hole punching (DCUtR) replaces such a
// connection by a direct one where the NATs allow it.
//
// # Limits
//
// network.max_connections is a hard limit for both directions; a quarter of it
// is kept for connections that this node opens, so that a flood from outside
// can not keep it from its entry points. From one address come at most
// network.max_per_ip connections, loopback excepted. Between the water marks
// idle connections are closed, those to entry points and kept peers never.
//
// Streams have limits per protocol and per peer in it; a frame takes memory as it
// comes, whatever length it claims. Of gossip, only subscriptions to topics of this
// node are kept (CVE-2026-46679); 32 MiB of messages wait for Check, and 32 MiB of
// a topic for Receive. Of provider records 16,384 are kept, 512 of one peer.
// Addresses are remembered of 32,768 places, penalties of 4,096 peers.
//
// A peer that breaks rules gets points by [Net.Penalize], which halve with time. At
// network.penalty_limit it is disconnected, and refused for network.refuse_for. Ids
// cost nothing, so this stops who is broken rather than who is determined; against
// those there are the limits.
//
// # On disk
//
// The key of [LoadKey], and the peer book (Deps.BookFile): 1,024 peers with up to 16
// addresses, JSON lines, written whole or not at all: about a second after this node
// has reached or keeps somebody new, or learns an address of his, within a minute of
// other changes, and at the end. It says who was met where, never why. It is a help, and may be
// removed.
//
// # Metrics
//
// libp2p's own metrics are registered with the registerer handed in, never with
// the global one. libp2p keeps their values per process: two nodes in one
// process show the same figures in them. The families mero_netkit_* are per node.
package netkit
