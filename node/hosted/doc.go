// Package hosted puts collections that the host manages (node/collections) between
// the replicated state of a context and a guest: it is how a call of an application
// works on them, how a delta's operations are folded, and how people look at them.
package hosted
