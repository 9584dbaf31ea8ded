package dag

import (
	"hash/maphash"

	"mero/node/delta"
)

// table finds the place of an id in a list of vertices: a hash table with linear
// probing that holds places only. A Go map would store the ids a second time, which
// doubles the memory of a graph.
type table struct {
	seed  maphash.Seed // so that nobody can make ids that collide
	slots []uint32     // place + 1, or 0; a power of two of them
}

func newTable() table { return table{seed: maphash.MakeSeed(), slots: make([]uint32, 8)} }

// slot is the slot that holds id, or the free one where it belongs.
func (t *table) slot(nodes []vertex, id *delta.ID) *uint32 {
	mask := uint64(len(t.slots) - 1)
	for i := maphash.Bytes(t.seed, id[:]); ; i++ {
		s := &t.slots[i&mask]
		if *s == 0 || nodes[*s-1].id == *id {
			return s
		}
	}
}

func (t *table) find(nodes []vertex, id *delta.ID) (index, bool) {
	s := *t.slot(nodes, id)
	return index(s - 1), s != 0
}

// enter adds the last of nodes, which is not in the table yet. At most three
// quarters of the slots are used.
func (t *table) enter(nodes []vertex) {
	if 4*len(nodes) > 3*len(t.slots) {
		t.slots = make([]uint32, 2*len(t.slots))
		for i := range nodes[:len(nodes)-1] {
			*t.slot(nodes, &nodes[i].id) = uint32(i + 1)
		}
	}
	last := len(nodes) - 1
	*t.slot(nodes, &nodes[last].id) = uint32(last + 1)
}
