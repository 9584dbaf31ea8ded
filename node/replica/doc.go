// Package replica is this node's copy of each context: it runs calls, folds
// deltas into state, and is the only writer of a context (R5).
//
// # A call
//
// Execute first runs the method on a snapshot, without a lock. If it changed
// nothing, that was the call. If it did, or if the method is known to write,
// the call goes through the context's queue: one caller leads, runs the calls
// that wait one after another on a scratch overlay each (R6), turns what they
// committed into signed deltas, folds each delta by the very path a peer will
// take, and writes all of it in one step of the store. Every caller is
// answered after that step is durable.
//
// The overlay of a call is thrown away: state comes only from folded deltas.
// What remains of it are node-local keys, that is, keys that the call wrote
// and that the fold did not produce (private data of old applications,
// wasm-abi 5.6).
//
// # Deltas from elsewhere
//
// Receive takes deltas of any authors in any order. The state is always the fold,
// in canonical order, of those that are there with all their ancestors and do not
// wait (R8): a late one takes the state back over undo spans to its place, and what
// follows is folded again, in one step. Each delta has one of three fates, durable
// and with its reason (R4): folded; void, which every replica says; or waiting,
// which this node says, and which holds back what rests on it.
//
// What a replica folds depends on the set of deltas alone. So no state travels, none
// is taken from a peer, and a replica that is not sure folds again (Verify, Rebuild).
//
// # Between replicas
//
// Known is what a replica holds, as a vector; Lacking is what another with a given vector
// lacks, in the order in which it can be folded as it comes. Whoever verifies what comes
// before it is taken in (gossip) hands it on by Open and ReceiveOpened; no signature is
// verified twice, and none of what is stored already. Deltas for the next step are
// verified while one is folded.
//
// # Members
//
// The membership at a delta follows from its past (R11): package members says how,
// package history keeps it. The one at the heads is in the store, and the root covers
// it. Invite, Admit and JoinWith let others in and get in; Set embeds admit.Rolls,
// which tells who is there.
//
// # Work beside the live state
//
// Deep roll-backs, rebuilds and checks are jobs: they fold on a snapshot and an
// overlay that spills to a store.Scratch, and take the live state's place in one
// step, with what came meanwhile. Run does those that wait, a quarter of a core at
// most, and the scrub.
//
// # What happens at a crash
//
// A step is there as a whole or not at all. Nothing that was acknowledged is
// lost; a call that was not answered may or may not have happened. Calls to
// other contexts are queued in the step that made them and leave the queue in
// the step that carries them out, so they happen once. A job that was interrupted
// begins again when deltas next are looked at.
//
// # Order
//
// Changes of one context are published in the order of their commits, and
// OnCommit is called in the same order, after the step is durable.
//
// # What it stands on
//
// Package fold knows what a delta does to the state, package history which deltas are
// there and what they wait for, package trail how to go back. This package brings them
// together into steps of the store, in turn, and knows who waits for them.
//
// Where the reference's nouns went: ContextManager and the per-context lock
// are Set and its queues; ContextClient's create, execute, list and delete are
// the methods of Set.
package replica
