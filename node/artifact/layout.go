package artifact

import "fmt"

// Layout is one published form of the artifact. Its numbers may be stored.
type Layout uint8

// The layouts of wasm-abi 6.2, with the dates of the SDKs that write them. L3b
// lies between L3 and L4.
const (
	L1  Layout = 1 // 2024-11-26 … 2025-10-26
	L2  Layout = 2 // 2025-10-27 … 11-16
	L3  Layout = 3 // 2025-11-17 … 2026-02-04
	L3b Layout = 4 // an unmerged branch of 2026-02-01
	L4  Layout = 5 // 2026-02-05 … 02-10
	L5  Layout = 6 // 2026-02-13 … 04-23
	L6  Layout = 7 // 2026-04-24 … 05-31
	L7  Layout = 8 // 2026-06-05 on
)

// String is the name in wasm-abi 6.2.
func (l Layout) String() string {
	if f := formOf(l); f != nil {
		return f.name
	}
	return fmt.Sprintf("layout %d", uint8(l))
}

// What a deletion holds besides the id.
const (
	deleteAncestors = iota
	deleteTime
	deleteTimeAndMetadata
)

// How the writers of a shared entry are listed.
const (
	sharedNone = iota
	sharedSet
	sharedMap // each with a mask of one byte
)

// form is what tells the layouts apart.
type form struct {
	layout   Layout
	name     string
	deletion int
	compare  bool   // action 1 exists
	storage  bool   // metadata names a storage type
	types    string // CRDT types by tag: how many strings each holds; empty: not named
	field    bool   // metadata names the field
	schema   bool   // metadata names the schema version
	signer   bool   // signatures name their signer
	shared   int
	member   bool // storage type 4 exists
	signing  int  // version of what is signed, 0: nothing is
}

// forms gives the known layouts. It is a function since tables are values here, not
// state of the package.
func forms() [8]form {
	const (
		plainTypes = "0000000001"     // 9 is Custom(s)
		namedTypes = "1000211001"     // Lww(s), UnorderedMap(s,s), UnorderedSet(s), Vector(s)
		sharedType = "10002110001"    // with SharedStorage before Custom(s)
		sortedType = "10002211100010" // with SortedMap(s,s), SortedSet(s), and 13 RotationLog
	)
	return [8]form{
		{layout: L1, name: "L1", deletion: deleteAncestors, compare: true},
		{layout: L2, name: "L2", deletion: deleteTime, compare: true},
		{layout: L3, name: "L3", deletion: deleteTimeAndMetadata, compare: true, storage: true, signing: 1},
		{layout: L3b, name: "L3b", deletion: deleteTimeAndMetadata, compare: true, storage: true, types: plainTypes, signing: 1},
		{layout: L4, name: "L4", deletion: deleteTimeAndMetadata, compare: true, storage: true, types: plainTypes, field: true, signing: 1},
		{layout: L5, name: "L5", deletion: deleteTimeAndMetadata, compare: true, storage: true, types: namedTypes, field: true, signing: 1},
		{
			layout: L6, name: "L6", deletion: deleteTimeAndMetadata, compare: true, storage: true, types: sharedType, field: true,
			signer: true, shared: sharedSet, signing: 1,
		},
		{
			layout: L7, name: "L7", deletion: deleteTimeAndMetadata, storage: true, types: sortedType, field: true,
			schema: true, signer: true, shared: sharedMap, member: true, signing: 2,
		},
	}
}

func formOf(l Layout) *form {
	all := forms()
	if l < L1 || int(l) > len(all) {
		return nil
	}
	return &all[l-1]
}

// Layouts are all layouts that the artifact fits, ascending. None for an empty
// artifact, which says nothing, and for bytes of another form.
func Layouts(artifact []byte) []Layout {
	if len(artifact) == 0 {
		return nil
	}
	var fitting []Layout
	var s scanner
	all := forms()
	for i := range all {
		if _, ok := s.latest(artifact, &all[i]); ok {
			fitting = append(fitting, all[i].layout)
		}
	}
	return fitting
}

// Bit is the layout in a set of layouts, which may be stored; 0 for an unknown one.
func (l Layout) Bit() uint16 {
	if l < L1 || l > L7 {
		return 0
	}
	return 1 << l
}

// Check is what R7 asks of an artifact: fits are those of the pinned layouts, a set of
// Layout.Bit, that it fits, and late is whether there is, under any of these, a
// timestamp later than limit, in nanoseconds, of those of Times. Bits of pinned that
// are no layout's do not matter: 0xffff is all. An empty artifact fits all of them.
//
// It costs a pass over the artifact for each pinned layout, and no memory.
func Check(artifact []byte, pinned uint16, limit uint64) (fits uint16, late bool) {
	var s scanner
	all := forms()
	for i := range all {
		bit := all[i].layout.Bit()
		if pinned&bit == 0 {
			continue
		}
		if len(artifact) == 0 {
			fits |= bit
			continue
		}
		if latest, ok := s.latest(artifact, &all[i]); ok {
			fits |= bit
			late = late || latest > limit
		}
	}
	return fits, late
}

// Times is the latest timestamp in the artifact, read in a layout: of creations,
// updates and deletions, of ancestors too, and the nonces of signatures, all in
// nanoseconds. R7 makes a delta void whose artifact holds a later one than its
// guest can have seen. It is 0 if there are none; ok is false if the artifact does
// not fit the layout. An empty artifact fits every layout.
func Times(artifact []byte, layout Layout) (latest uint64, ok bool) {
	f := formOf(layout)
	if f == nil {
		return 0, false
	}
	if len(artifact) == 0 {
		return 0, true
	}
	var s scanner
	if latest, ok = s.latest(artifact, f); !ok {
		return 0, false
	}
	return latest, true
}
