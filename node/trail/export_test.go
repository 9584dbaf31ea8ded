package trail

// The checksum of a span at rest.
var (
	Seal   = seal
	Unseal = unseal
)
