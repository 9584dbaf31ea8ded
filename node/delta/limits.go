package delta

// Limits of the protocol, in bytes or items. They are constants, not settings:
// every replica has to reach the same verdict (R5).
const (
	// MaxArtifact bounds the artifact, or the operations, of one delta, in bytes.
	MaxArtifact = 4 << 20
	// MaxChanged bounds the bytes of state that one delta may change: keys and new
	// values together. Whoever folds counts them; over it a delta is void.
	MaxChanged = 32 << 20
	// MaxParents bounds the parents of one delta.
	MaxParents = 256
	// MaxWraps bounds the wrapped keys that one delta carries.
	MaxWraps = 1024
	// MaxEvents bounds the events of one delta.
	MaxEvents = 100
	// MaxEventKind bounds the kind of an event, in bytes.
	MaxEventKind = 100
	// MaxEventData bounds the data of an event, in bytes.
	MaxEventData = 16 << 10
	// MaxHandler bounds the name of an event's handler, in bytes.
	MaxHandler = 256
	// MaxMethod bounds the name of a replicated call's method, in bytes.
	MaxMethod = 256
	// MaxInput bounds the input of a replicated call, in bytes.
	MaxInput = 4 << 20
	// MaxDepth bounds how long a chain of event handlers may be (R20): a delta of a
	// client's call has depth 0, one of its handler 1, and so on.
	MaxDepth = 3
	// MaxName bounds package and version in a genesis, in bytes.
	MaxName = 256
	// MaxInvitation bounds the invitation that an admission carries, and MaxRequest the
	// request to join; in bytes.
	MaxInvitation = 8 << 10
	MaxRequest    = 1 << 10
	// MaxHeader bounds a header, in bytes. 256 parents need 9 KiB; the rest is room
	// for later versions.
	MaxHeader = 64 << 10
	// MaxEnvelope bounds a whole delta, in bytes: an artifact of MaxArtifact with
	// MaxEvents events of full size (1.6 MiB), MaxWraps wraps (119 KiB) and MaxParents
	// parents (9 KiB) is 5 998 049 bytes, and fits.
	MaxEnvelope = 6 << 20
)

const (
	// maxElements is the number of header elements that one byte can announce.
	maxElements = 23
	// headerElements is their number in version 1.
	headerElements = 10
	// maxSignatures bounds the signatures of versions to come.
	maxSignatures = 4
	// wrappedSize is an HPKE encapsulation (32), a key (32) and a tag (16).
	wrappedSize = 80
	nonceSize   = 24
	tagSize     = 16
)
