package detcbor

import "github.com/fxamacker/cbor/v2"

// EncMode writes. Its error would be a fault of this package; a test checks that there is
// none. The mode is immutable, and costs more to make than to use.
func EncMode() (cbor.EncMode, error) {
	o := cbor.CoreDetEncOptions()
	o.NilContainers = cbor.NilContainerAsEmpty
	o.IndefLength = cbor.IndefLengthForbidden
	o.TagsMd = cbor.TagsForbidden
	return o.EncMode()
}

// Limits bound what is read.
type Limits struct {
	// Nesting is how deep items may lie in each other, Elements and Pairs how many a list
	// and a map may have; what one may have in its place is the caller's to check.
	Nesting, Elements, Pairs int
	// AnyKeys passes over keys that the struct does not have, instead of refusing them.
	AnyKeys bool
}

// DecMode reads within the limits, and refuses keys that come twice and text that is not
// UTF-8. The error says that a limit is none that the library takes.
func (l Limits) DecMode() (cbor.DecMode, error) {
	o := cbor.DecOptions{
		DupMapKey:        cbor.DupMapKeyEnforcedAPF,
		MaxNestedLevels:  l.Nesting,
		MaxArrayElements: l.Elements,
		MaxMapPairs:      l.Pairs,
		IndefLength:      cbor.IndefLengthForbidden,
		TagsMd:           cbor.TagsForbidden,
		UTF8:             cbor.UTF8RejectInvalid,
	}
	if !l.AnyKeys {
		o.ExtraReturnErrors = cbor.ExtraDecErrorUnknownField
	}
	return o.DecMode()
}
