// Package fold is the state of a context at a place in the canonical order, and what a
// delta does to it there.
//
// Judge gives the verdict about the delta that comes next: it folds, with a certain
// effect, or it is void, for a reason. Both follow from the delta and the state before
// it alone, so that every replica finds the same (R7, R8); any error is trouble of this
// node, and no verdict. Fold moves the state over the delta and leaves an undo span,
// with which TakeBack puts it back to where it was.
//
// Who may make a delta is judged by the membership in its past, which is handed in: it
// does not depend on the place in the order (R11).
//
// The author of a delta takes the very same way: it applies what it is about to send,
// and what becomes of the state is never what the guest wrote while it ran (R6).
//
// The package knows no queue, no step of the store and no graph: which deltas are
// folded, and in which order, is decided above it.
package fold
