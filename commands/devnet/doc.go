// Package devnet is a network of nodes on one machine, for trying things and for
// tests: child processes of this program on free ports of loopback, which share one
// context of one application.
//
// The first node is a coordinator and the entry point of the others; it makes the
// context, and the others join by its invitation. In a directory that is kept, the
// nodes that are there already are started again, and only what is missing is made.
//
// All nodes end with Run's context, or when one of them ends.
package devnet
