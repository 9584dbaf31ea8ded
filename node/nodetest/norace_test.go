//go:build !race

package nodetest_test

// raced is whether the race detector is on; see race_test.go.
const raced = false
