// Package storetest damages a store for tests of what is above it (R9: damage behind
// the store's back). Every function takes the directory of a store that is closed,
// and leaves it closed. What it writes goes through the engine, so that checksums
// are right and Open finds nothing; but the records that follow from what was
// changed (sum, root, size of the state; the id of a delta) stay as they were.
// Only Context.Step and the engine's transaction number go on.
package storetest
