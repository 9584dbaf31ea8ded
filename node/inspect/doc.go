// Package inspect explains what a node holds of a context: its graph of deltas,
// each with its fate and reason, one delta decoded, the state as it is and as it was
// with who wrote what, and checks of it all.
//
// It reads a store.View and changes nothing, so it works inside a running node
// and on the home of one that is stopped; only a repair, which is asked for by
// name, writes, and that is replica's work. Answers are the shapes of node/api:
// what a client gets from a node is what a command prints of a home.
//
// # What it promises
//
//   - A listing is of the state of the context when its first page was read:
//     deltas that arrive meanwhile do not shift the pages that follow. Fates are
//     as they are when a page is read.
//   - A damaged delta is listed as damaged and hides no other one.
//   - Topic secrets and keys are never in an answer.
//   - Who wrote a value is told by its stamp: the delta of that time whose writer has
//     the stamp's tag.
//
// # Cost
//
// The first page reads all headers of the context once (about 0.3 s for 100 000
// deltas) into an index of about 70 bytes a delta, which is kept for the pages
// that follow, for a minute at most and for one context at a time; while it is
// made it takes about twice that. Payloads are read a page at a time and one
// after another, at most 32 MiB a page.
//
// A state of the past is folded for each page that is read of it, one at a time; how
// much that is, replica.Set.At says.
package inspect
