//go:build race

package replica_test

// raced is whether the race detector is on: it makes guests about ten times slower.
const raced = true
