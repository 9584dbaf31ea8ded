package undo

import (
	"slices"

	"mero/node/delta"
)

// Ref is a span as far as Next and Covers need it.
type Ref struct {
	From, To delta.Place
	Count    uint64 // deltas that it undoes
	Bytes    int    // length of its form
}

// Action is what Next advises.
type Action uint8

// The actions.
const (
	// Keep: the spans are as they should be.
	Keep Action = iota
	// Join: merge the span at the index and the one after it.
	Join
	// Drop: forget the span at the index, which is the oldest.
	Drop
)

// Over budget, spans may be this many times longer than their distance, and than the
// newer neighbour into which they are merged.
const strain = 4

// Next says what to do next to keep the spans, oldest first and contiguous, at
// doubling distances and within a budget of bytes; Keep when there is nothing to do.
// The caller does it and asks again. It costs O(len(refs)).
//
// Let distance be the number of deltas that are newer than a pair of neighbours, and
// length the number of deltas in both. In this order:
//
//  1. The oldest pair merges that is at least recent away, not longer than its distance,
//     and whose older span is shorter than two of the newer.
//  2. Over budget, the pair merges that is shortest for its distance, if it is at most
//     four times as long, and its older span no longer than four of the newer. It
//     may be one of the recent ones: reaching back far in larger steps is worth more
//     than reaching back not at all.
//  3. Over budget, the oldest span is dropped, to the very last.
//
// No two spans are merged that could be longer than MaxBytes together. The package
// documentation says what a roll-back costs then.
func Next(refs []Ref, recent uint64, budget int) (act Action, i int) {
	var after uint64 // deltas newer than the pair
	total := 0
	pair, spare := -1, -1
	var least float64
	for i, newer := range slices.Backward(refs) {
		total += newer.Bytes
		if i == 0 {
			break
		}
		older := refs[i-1]
		length := older.Count + newer.Count
		if older.Bytes+newer.Bytes <= MaxBytes {
			if after >= recent && length <= after && older.Count < 2*newer.Count {
				pair = i - 1
			}
			relative := float64(length) / float64(after)
			if relative <= strain && older.Count <= strain*newer.Count && (spare < 0 || relative < least) {
				spare, least = i-1, relative
			}
		}
		after += newer.Count
	}
	switch {
	case pair >= 0:
		return Join, pair
	case total <= budget:
		return Keep, 0
	case spare >= 0:
		return Join, spare
	}
	return Drop, 0
}

// Covers is how many of the newest spans have to be undone so that the state has no
// delta at or after a place. refs are oldest first and contiguous, and the newest ends
// with the last delta of the state. ok is false if the spans do not reach back that
// far, and the state has to be folded from genesis; n is then of no use.
func Covers(refs []Ref, to delta.Place) (n int, ok bool) {
	for i, ref := range slices.Backward(refs) {
		if ref.To.Compare(to) < 0 {
			return len(refs) - 1 - i, true
		}
		if ref.From.Compare(to) < 0 {
			return len(refs) - i, true
		}
	}
	return 0, false
}
