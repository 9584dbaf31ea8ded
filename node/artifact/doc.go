// Package artifact looks into the artifacts that Calimero applications hand to
// commit: which of the published layouts one has, which timestamps are in it, and
// where the host has to put a signature (wasm-abi 6).
//
// Everywhere else an artifact is opaque bytes. There is no version byte in it, so a
// layout is recognised by decoding: it fits when every byte is accounted for. Bytes
// that fit no layout are somebody else's format and are left alone; bytes that fit
// several (L1 and L2 differ only in deletions, L4 to L6 only where types or
// signatures are named) are told apart by pinning, per application, the layouts
// that all its artifacts have fitted.
//
// # What is read
//
// Lists of actions (tag 0), which is all that a local call gives. Comparisons (tag
// 1) and causal actions (tag 2) fit no layout, on purpose: a host makes them, for
// its own guest. Causal actions name the writers of shared entries, so that a peer
// who could send them could make itself a writer. Layouts of a few days that no
// published binary has (2026-02-11, 2026-06-01 … 06-04) are not known.
//
// # Signatures
//
// Entries that belong to a user leave the guest with 64 zero bytes for a signature,
// which peers verify (wasm-abi 6.5). Layouts L3 to L6 are signed as before
// 2026-05-19 ("v1"), L7 as after it ("v2"). L6 of the last days of May 2026 has the
// bytes of L6 and wants v2; no published binary does. In v2 the signer's key is a
// part of what a user's entry signs exactly when it is named, which guests do since
// 2026-08-13.
//
// Timestamps within entries' data (registers carry a clock of their own) belong to
// the application's types and are not looked at.
//
// # For the fold and for people
//
// [Check] is the fold's question, asked of each artifact each time it is folded: which
// pinned layouts it fits, and whether it is from the future (R7). [Decode] lists the
// actions, for inspection only.
//
// The package is pure and keeps nothing. All functions take hostile bytes: work and
// memory are bounded by the length of the input, nothing panics.
package artifact
