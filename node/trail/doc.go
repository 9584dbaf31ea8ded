// Package trail keeps the undo spans of a context (R8) in a batch of changes: it
// looks them up in a snapshot of the store, takes the newest away as the state is taken
// back, adds those of what is folded, brings them to doubling distances (package undo
// says which), and says what all of that changes in a step.
//
// A trail is a cache. Whoever finds it damaged, or too short, folds from genesis and
// loses time only.
package trail
