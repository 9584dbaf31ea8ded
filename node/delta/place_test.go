package delta_test

import (
	"math"
	"testing"

	"mero/node/delta"
)

func TestNextPlace(t *testing.T) {
	full := delta.ID{}
	for i := range full {
		full[i] = 0xff
	}
	last := func(b byte) (id delta.ID) { id[31] = b; return id }
	carried := delta.ID{}
	carried[30] = 1
	for _, row := range []struct{ place, want delta.Place }{
		{delta.Place{}, delta.Place{ID: last(1)}},
		{delta.Place{Time: 5, ID: last(0xff)}, delta.Place{Time: 5, ID: carried}},
		{delta.Place{Time: 5, ID: full}, delta.Place{Time: 6}},
		{delta.Place{Time: math.MaxUint64 - 1, ID: full}, delta.Place{Time: math.MaxUint64}},
	} {
		if got := row.place.Next(); got != row.want || got.Compare(row.place) <= 0 {
			t.Errorf("after %v comes %v, want %v", row.place, got, row.want)
		}
	}
}
