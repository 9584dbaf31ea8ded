// Package collections is the engine of host-managed collections: registers, maps, sets, counters,
// lists, texts and collections by member, which a call changes through a [Tx], and whose recorded
// operations [Fold] makes again wherever the delta goes.
package collections
