// Package undo is how the state of a context is taken back: reverse differences of
// changed values, per delta and merged over many, and at which distances they are
// kept (R8).
//
// # What it promises
//
//   - An [Entry] of a change A → B gives back A, exactly, from B. It holds the length
//     of A and those pages of [PageSize] bytes of A that B does not have byte for byte
//     in the same place; a short last page differs from a longer one that begins with
//     it. So an entry costs what changed, not what the value measures.
//   - [Merge] of A → B and B → C gives A from C. It has every page that a difference
//     made of A and C would have. Pages that C happens to share with A again, because
//     a later change took back an earlier one, stay: C is not known here. For the same
//     reason an entry of a key that was absent stays, although it may be absent again.
//   - What does not fit is refused, never guessed: [ErrMismatch], [ErrGap] and
//     [ErrDamaged]. A mismatch is found when a page is in neither the entry nor the
//     value; that a page of the value is the right one is for the state's sum to say
//     (R9), which a roll-back keeps up to date as any other change.
//   - Spans are a cache. Behind the oldest lies the fold from genesis, so that a span
//     may be dropped at any time, the oldest first.
//
// # Distances
//
// The newest deltas have a [Span] each, since most that arrive late are late by
// seconds. Behind them [Next] merges neighbours as long as both together are no
// longer than what lies between them and the newest delta. So the distances from the
// newest delta at which the state can be had double from span to span, n deltas take
// O(log n) spans, and a roll-back of depth d, which has to take back all of the span
// that its place lies in, takes back, and folds again, less than 2d deltas beside
// the one at that place: the span is not longer than the distance where it begins,
// which is less than d.
//
// That holds while the spans fit their budget. Beyond it spans are merged that are up to
// four times as long as their distance (a roll-back of depth d then takes back less than
// 5d), the newest too, and when there is nothing left to merge the oldest is dropped.
// Merging always makes room where deltas change the same entries again and again,
// and hardly where each makes new ones.
//
// Why not merge whatever is short enough: a span would then grow by one delta at a
// time and be written anew for each. A span is merged into a newer neighbour only
// when it is not much longer than this. So it grows by a factor each time it is
// written, and a delta's share of a span is written O(log n) times in all.
//
// # Form
//
// A span at rest is a cache of one node and never sent, so that the form may change:
// its first byte is its version, and what has another one is damaged. Numbers are
// unsigned LEB128 in their shortest form.
//
//	1 | from | to | count | length of mark | mark | number of entries | entries
//	place: u64 time, big endian | 32 bytes id
//	entry: length of key | key | 0                                  the key was absent
//	       length of key | key | length + 1 | number of pages | pages
//	page:  number less the one after the previous page's | data
//
// The length of a page's data follows from its number and the length of the value.
//
// The package is pure and keeps nothing. What it returns shares memory with what it was
// given: neither may be changed.
package undo
