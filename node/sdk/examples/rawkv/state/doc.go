// Package state is what the key-value example keeps and how it merges: a map
// from text to text in which of two writes of one key the later wins.
//
// The content of the store is a function of the set of operations that were
// applied, whatever their order and however often: every replica ends with the
// same bytes. So a removed key leaves a tombstone, which takes part in the
// comparison like a value.
//
// The package is pure over a Store, so that it runs in a guest and in tests.
package state
