package delta

import "cmp"

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

// Place is where the delta stands.
func (d *Delta) Place() Place { return Place{Time: d.header.Time, ID: d.id} }
