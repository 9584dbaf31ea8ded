// Package collections is the engine of host-managed collections: registers, maps, sets, counters,
// lists, texts and collections by member. A call of an application reads and writes them through a
// [Tx], which records what it does as operations; [Fold] makes the operations again wherever the
// delta goes. The state is rows of a [KV]; this package keeps nothing itself.
//
// It uses the standard library alone and is pure, since applications carry its source for their
// tests.
//
// # Why so little is needed to merge
//
// A context's state is the fold of its deltas in canonical order (R8): hybrid time, then id. A
// delta that arrives late is folded at its place, after what follows it was taken back. So replicas
// converge whatever operations do, as long as folding is a function of the rows below, the
// operations and their [Origin]: equal ones give equal writes. Operations need not commute, and no
// clocks, vectors or tombstones are kept to make them. Two things follow that the rest rests on:
//
//   - What is folded is newer, in canonical order, than all that is there. "The last writer wins"
//     is writing; a late old operation is folded before the removal that it must not undo.
//   - Canonical order is a topological order (R2): what an author saw is folded before what it did.
//
// What makes collections merge *well* is that operations name what their author saw, by stamps,
// and never positions. A [Stamp] names one operation for ever: the time of its delta plus its
// number within, which is below 65 536 as times are multiples of that (R2), and the writer's tag.
//
// An operation that does not fit where it lands has no effect: its collection is gone, is of
// another kind or belongs to another member, was written once, or the element was never there.
// That never makes a delta void. What does is [ErrOps] (malformed) and [*LimitError] (too much).
//
// # What concurrent operations become
//
// "Saw" means: is in the causal past. "First" and "last" are in canonical order.
//
//   - Register: Store and Clear: the last wins. A Clear is only made where there was a value.
//   - Map: Put: the last wins. Remove takes away the value that its author saw and no other: what
//     was put without knowing of the removal stays. If the value that is there when the removal is
//     folded is one that its author saw, it goes, whatever had been put before and was overwritten.
//   - Set: adding wins (the observed-remove set of Shapiro, Preguiça, Baquero, Zawirski, "A
//     comprehensive study of convergent and commutative replicated data types", 2011): an element
//     is there if there is an Add of it whose stamp no Remove saw. The row keeps the stamps that
//     nobody removed or replaced: Add and Remove take away those that their author saw, Add leaves
//     its own; it also replaces an older one of the same writer, which has seen itself.
//   - Counter: the sum of all increases, in 128 bits; beyond 64 bits [Tx.Count] gives the bound.
//   - Collections in a map or the root: they come to be with the first write in them. Who saw none
//     makes it; who made one at the same key without knowing of each other made one together if
//     kind and flags are equal. Else the first decides what is there, and what others did with
//     theirs has no effect; so for a value and a collection at one key, and Put over a collection.
//     A collection is there as long as there is a making of it that no Remove saw: as with sets.
//     Remove takes all that is in it, what others wrote in it meanwhile too. What is made at the
//     key later is another collection: nothing of the old one is in it, and operations that were
//     meant for the old one do not reach it. Operations reach a collection if it has been there
//     without a gap since the last making that their author saw; that is told by the times of
//     deltas, so that of two with one time, by two writers, it is taken as seen.
//   - Members: at each key, a member, there can be a collection that only this member writes in, at
//     any depth, and that only this member removes from there. Removing what holds the collection by
//     member removes all, except in the root, where nothing can.
//   - [Once] (register, map): the first write stays; Clear, Remove and further Puts have no effect.
//     Collections in a map that is written once are what their own flags say, but stay. "First" is
//     in canonical order: who writes offline, earlier, and comes later replaces what was seen. The
//     promise is for as long as the collection is there; in the root it cannot be removed.
//   - List and text: Fugue, below. Removing an element wins over setting it; of two who set it the
//     last wins. What is inserted in one call of [Tx.Insert] or [Tx.InsertText] stays together, as
//     does what somebody types forwards or backwards in many calls.
//
// # Sequences
//
// Lists and texts are sequences by Fugue: Weidner and Kleppmann, "The Art of the Fugue: Minimizing
// Interleaving in Collaborative Text Editing", 2023 (arXiv:2305.00583). Elements are nodes of a
// tree; each is the left or the right child of another, or a right child of the beginning; the
// sequence is the tree's in-order traversal. Inserting after the visible element L and before what
// follows it, R, removed elements included: if L has no right child, the new one becomes its right
// child; else the left child of R. A parent never changes, so neither does the order of what is
// there; removed elements stay as names.
//
// The paper orders siblings by id, which any order that all replicas share can stand for. Here it is
// canonical order: of right siblings the newest comes first, of left ones last. As what is folded is
// the newest of all, a right child of L comes immediately after L, and a left child of R immediately
// before R, and no tree is needed: operations name a side and an element; the sequence needs only
// to know of each element whether it has a right child.
//
// Elements that one operation inserts are a *run*: they are named by its stamp and their number in
// it, and each is the right child of the one before. A sequence is kept as *pieces* of runs: some
// consecutive elements of one run with nothing in between, all visible or all removed. Pieces are in
// leaves of about 1 KiB, leaves below nodes that count what is visible, and a row for each run says
// which leaves have its elements. An operation changes a leaf, the nodes above it (two for a million
// elements), the run's row and the header.
//
// Names of removed elements stay as long as the sequence does: about 10 bytes for each piece, and a
// row for each run.
//
// # Removing much
//
// Removing a collection deletes one row, after which nothing finds its other rows. They are garbage:
// every delta with operations takes up to 256 of them away (256 KiB), the smallest id first. So a
// removal costs the same whatever is in a collection, and no delta is void because others filled what
// its author removed.
//
// # Operations
//
// Encoded operations are the byte 1, the version, and at least one operation:
//
//	code, 1 byte | object, number | what the code needs
//
// Numbers are unsigned LEB128 in their shortest form; "bytes" are a number, their length, and the
// bytes; a stamp is its time (8 bytes, big endian) and its tag (8 bytes), not all zero. Object 0 is
// the root, and n the collection that the n-th open or make in the delta names; it must be of the
// code's kind as named there. An operation's own number, in its stamp, counts all before it.
//
//	 1 open        place | kind | flags | time, number   in root, map, members, list
//	 2 make        place | kind | flags                  in root, map, members
//	 3 store       value, bytes                          register
//	 4 clear                                             register
//	 5 put         key, bytes | value, bytes             map
//	 6 remove      key, bytes | stamps                   map: a value; one stamp
//	 7 drop        key, bytes | stamps                   root, map, members: a collection; 1 to 256
//	 8 add         element, bytes | stamps               set; 0 to 256
//	 9 discard     element, bytes | stamps               set; 1 to 256
//	10 increase    amount, number, zigzag, not zero      counter
//	11 insert      anchor | count | values, bytes each   list; 1 to 4 096 values
//	12 insert open anchor | kind | flags                 list
//	13 set         element name | value, bytes           list
//	14 erase       count | spans                         list, text
//	15 type        anchor | bytes of UTF-8               text; 1 to 256 KiB
//
//	stamps         count | stamps, ascending, no two equal
//	place          0 | key, bytes      or, in lists,     1 | element name
//	element name   stamp of the run | number in the run
//	anchor         0 at the beginning | 1 | element name: before it | 2 | element name: after it
//	span           element name | how many of the run from there
//
// open says that the author saw the collection; its time is that of the delta, divided by 65 536, of
// the last of its makings that nobody had removed. make says that there was none.
//
// # Rows
//
// A row's key is the id of a collection (16 bytes), a tag (1 byte) and more. The root's id is zero;
// that of another is the first 16 bytes of
//
//	SHA-256("mero/obj/v1" 00 | id of its holder | stamp of its first making | tag and rest of the
//	key of the row that says that it is there)
//
//	00              header; none if all of it is zero or nothing was written
//	                root, map, set, members: entries, number | garbage, number (of the root)
//	                register: stamp | 0: cleared, or 1 and the value
//	                counter: stamp | sum, 16 bytes, big endian, two's complement
//	                list, text: stamp of the last insertion or removal | number of the top row, 4
//	                bytes | number of the next new row, 4 bytes | visible elements, 8 bytes
//	01 key          entry of a root, map, members
//	04 run offset   element of a list: stamp and 4 bytes
//	                of both: ff | stamp of the last write | value, or
//	                kind | flags | stamp of the first making | makings that nobody removed, stamps
//	02 number       leaf or node, 4 bytes
//	                leaf: 00 | parent, 4 bytes (0: none) | pieces
//	                node: 01 | parent, 4 bytes | for each part: number | visible elements, number
//	03 run          where a run's elements are: for each leaf: first element, number | leaf, number
//	05 id           of the root: a removed collection whose rows are garbage; empty
//	06 element      what is in a set: the stamps of its additions
//
//	piece           bits | run | first, number | elements, number | text, bytes
//
// The bits of a piece: 1 removed; 2 the last element has a right child; 4 the run's tag is that of
// the piece before, and its time is there as a difference to that one's, zigzag (else its stamp is);
// 8 it is the first element of its run alone, and first and elements are left out. A text's pieces
// that are not removed have text.
//
// A leaf of more than 1 024 bytes of pieces is cut into ones of at most 768, a node of more than 64
// parts into ones of at most 48. Leaves are never put together.
//
// testdata/forms.txt has examples of all. Both forms are final from the first release on; what is to
// be different needs another version of operations, and rows that can be told apart.
//
// # Limits
//
// See the constants. A [Tx] gives [ErrFull] at half of the rows, bytes and work that make a delta
// void: what is folded before it elsewhere may make the same operations cost more. After [ErrFull],
// or an error of the state below, nothing more can be written, and the call is to be given up.
package collections
