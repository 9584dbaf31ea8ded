//go:build race

package nodetest_test

// raced is whether the race detector is on: it makes all this ten times slower.
const raced = true
