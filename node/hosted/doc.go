// Package hosted is what the host gives to guests: members, aliases, blobs, random
// bytes, and the collections that it manages (node/collections), between the replicated
// state of a context and a guest. It is how a call of an application works on them, how
// a delta's operations are folded, and how people look at them.
package hosted
