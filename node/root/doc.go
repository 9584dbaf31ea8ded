// Package root computes the state root of a context (R9): 32 bytes that are
// equal on two replicas exactly when their replicated state is equal.
//
// # What it is
//
// A [Sum] is an LtHash16 accumulator: 1 024 lanes of 16 bits. Every element of
// the state is hashed to such a vector with BLAKE2Xb, and the sum of the state
// is the lane-wise sum, modulo 65 536, of the vectors of its elements. [Sum.Root]
// condenses it, with whatever else the root must cover, to 32 bytes.
//
// It promises:
//
//   - Replace costs the changed pages only: O(1) in the number of keys, and
//     O(changed) in the size of a large value.
//   - The sum depends on the state alone, never on the order or number of the
//     changes that led to it. A roll-back subtracts what was added and gives the
//     very sum from before.
//   - Sums of disjoint parts of the state add up ([Sum.Add], [Sum.Sub]), so that
//     differing keys can be found by comparing sums over ranges of keys.
//
// # Why not a Merkle tree
//
// A tree answers "where do we differ" in O(log n) messages and proves membership
// of one key. mero needs neither: replicas exchange deltas, and two replicas with
// the same folded deltas cannot differ by design. What it needs is a fingerprint
// on every write, and every roll-back. A tree costs O(log n) reads and writes of
// inner nodes for that, kept on disk beside the state and rolled back with it;
// this costs one value of 2 KiB per context. Should roots ever differ, sums over
// ranges of the keys find the first differing one.
//
// # Security
//
// Finding two states with one sum is finding a short non-trivial combination of
// the element vectors: the Short Integer Solution problem in dimension 1 024
// modulo 2^16, with at least 200 bits of security. An element occurs at most
// once in a state (its key is part of it), which keeps the multiset collision
// "the same element 65 536 times" out of reach.
//
// References: M. Bellare, D. Micciancio, "A New Paradigm for Collision-Free
// Hashing: Incrementality at Reduced Cost", EUROCRYPT 1997; K. Lewi, W. Kim,
// I. Maykov, S. Weis, "Securing Update Propagation with Homomorphic Hashing",
// IACR ePrint 2019/227 (LtHash16, section 4); J.-P. Aumasson et al., "BLAKE2X".
//
// # Form (final for ever)
//
// Integers are big endian. Every element is hashed as
//
//	"mero/state/v1" 00 | kind | u64 length of key | key | rest
//
//	kind 0, value of at most 4 096 bytes:  rest = value
//	kind 1, larger value, once:            rest = u64 length of value
//	kind 2, larger value, once per page:   rest = u32 number of page | page
//
// to 2 048 bytes by BLAKE2Xb without a key; lane i is the little-endian 16-bit
// number at bytes 2i and 2i+1. Pages are 4 096 bytes, the last one may be
// shorter. The root is
//
//	SHA-256("mero/root/v1" 00 | meta | the 2 048 bytes of the sum)
//
// where meta is 32 bytes by which the caller binds what is not state: code,
// epochs, membership.
//
// A Sum is a plain value: not safe for concurrent use, nothing on disk; who
// stores it stores it in the same step as the state (R5).
package root
