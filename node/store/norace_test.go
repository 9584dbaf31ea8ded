//go:build !race

package store_test

// scale divides the counts of long tests; see race_test.go.
const scale = 1
