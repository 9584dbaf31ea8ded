package delta

import (
	"cmp"
	"math"
)

// Place is where a delta stands in the canonical order of its context (R8):
// hybrid time, then id. The zero Place is before every delta.
type Place struct {
	Time Time
	ID   ID
}

// Compare orders places.
func (p Place) Compare(other Place) int {
	if c := cmp.Compare(p.Time, other.Time); c != 0 {
		return c
	}
	return p.ID.Compare(other.ID)
}

// Next is the place right behind this one.
func (p Place) Next() Place {
	for i := len(p.ID) - 1; i >= 0; i-- {
		if p.ID[i]++; p.ID[i] != 0 {
			return p
		}
	}
	p.Time = min(p.Time, math.MaxUint64-1) + 1
	return p
}

// Place is where the delta stands.
func (d *Delta) Place() Place { return Place{Time: d.header.Time, ID: d.id} }
