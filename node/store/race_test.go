//go:build race

package store_test

// scale divides the counts of long tests under the race detector, which makes
// them about ten times slower; races do not need the full counts.
const scale = 8
