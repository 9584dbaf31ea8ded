// Package dag is the causal graph of one context: which deltas are there, in which
// order they are folded, what is missing, and what each writer has made.
//
// It decides and does nothing else: no I/O, no clock, no logger. The caller opens
// deltas (package delta), adds them here, acts on what [Graph.Add] reports, and
// stores them; at start it adds them again. A crash loses nothing that adding the
// stored deltas again, in any order, does not restore.
//
// # What it promises
//
//   - A delta is connected when all its ancestors are there and in order. What is
//     connected, the heads, the vector, the forks and the canonical order depend on
//     the set of deltas that were added, never on the order of their arrival.
//   - The canonical order is hybrid time, then id (R8). A connected delta is later
//     than each of its parents, so the order is topological.
//   - Number n of a writer has number n-1, and no number n, among its ancestors
//     (R3). Verdicts depend on a delta's ancestors alone, so every replica reaches
//     the same one; what breaks the rules is refused, with what rests on it, and is
//     not remembered.
//   - Two deltas of one writer with one number, on different branches, are a fork:
//     both are kept and reported.
//   - Deltas with missing ancestors are pending: bounded, in all and per author, in
//     deltas and in parents. What does not fit is refused with [ErrPendingFull] and
//     comes again by the vectors (R4). [Graph.Forget] drops a pending delta.
//
// What a replica lacks is found by its vector ([Graph.Lacking]): two replicas that send
// each other what the other lacks are equal after one exchange, and after two if they
// know different branches of a forked writer.
//
// There are no cycles: an id is the hash of the parents' ids.
//
// Beside each connected delta lies a number of the caller's, which the graph makes nothing
// of.
//
// # Cost
//
// About 140 bytes a connected delta. Adding costs a hash lookup a parent, and a walk back
// to the writer's previous delta over what lies between; insertion into the
// canonical order moves 4 bytes for each later delta. Nothing recurses. Walks hold
// their frontier only, so methods that only read may run concurrently with each
// other, but not with Add and Forget: the caller locks.
package dag
