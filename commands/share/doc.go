// Package share has the verbs for what nodes do together: inviting, joining,
// members, synchronising, peers, and how graphs differ.
//
// They talk to a node through its API; what is wrong with an invitation or a peer is
// the node's to say, and package line knows the exit code.
package share
