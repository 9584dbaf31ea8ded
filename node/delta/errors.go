package delta

import (
	"errors"
	"fmt"
)

// What is wrong with bytes that are not a delta. Every error of Open and Inspect
// wraps one of these, or is an *UpgradeError; all but the signatures' can be told
// from the bytes alone, and all of them are the fault of who sent the bytes.
var (
	// ErrTooLarge: more bytes, or more items in a list, than the limits allow.
	ErrTooLarge = errors.New("too large")
	// ErrTruncated: the bytes end in the middle of an item.
	ErrTruncated = errors.New("truncated")
	// ErrTrailing: there are bytes behind the end.
	ErrTrailing = errors.New("trailing bytes")
	// ErrMalformed: not CBOR, or not of the form in the package's documentation.
	ErrMalformed = errors.New("malformed")
	// ErrNotCanonical: well-formed, but not the one deterministic encoding.
	ErrNotCanonical = errors.New("not canonical")
	// ErrTooManyParents: more than MaxParents parents.
	ErrTooManyParents = errors.New("too many parents")
	// ErrParents: parents that are not strictly ascending, of a genesis, or missing
	// in another kind.
	ErrParents = errors.New("bad parents")
	// ErrSeq: a sequence number of 0, or not 1 in a genesis.
	ErrSeq = errors.New("bad sequence number")
	// ErrTime: a time that is not a multiple of Tick from Tick to MaxTime.
	ErrTime = errors.New("bad time")
	// ErrWraps: wrapped keys that are not strictly ascending by member.
	ErrWraps = errors.New("bad wrapped keys")
	// ErrBody: the body is not the one that the header names.
	ErrBody = errors.New("body does not match its header")
	// ErrAuthor: the author's signature does not verify, or the key given to Seal is
	// not the author's.
	ErrAuthor = errors.New("not signed by its author")
	// ErrContextKey: a genesis that the context's key did not sign.
	ErrContextKey = errors.New("genesis not signed by the key of its context")
)

// What is wrong with a payload, or with the way to it.
var (
	// ErrUpgrade says that a newer release is needed (waiting(upgrade)): an unknown
	// version, kind or payload field. Open gives it as *UpgradeError.
	ErrUpgrade = errors.New("needs a newer release of mero")
	// ErrWrongEpoch: a key that is not the key of the delta's epoch.
	ErrWrongEpoch = errors.New("not the key of this epoch")
	// ErrNoWrap: the delta carries no key for the member.
	ErrNoWrap = errors.New("no key for this member in the delta")
	// ErrSealed: the right key does not open the payload, so that the author sealed
	// something else than they signed.
	ErrSealed = errors.New("payload does not open")
	// ErrPayload: the payload is not what its kind says. It is wrapped beside
	// the reason.
	ErrPayload = errors.New("bad payload")
)

// UpgradeError says that a delta is in order as far as this release can tell, and
// that it cannot fold it. Id, header and the author's signature are checked.
type UpgradeError struct {
	ID     ID
	Header Header
}

// Error names the version and kind that are unknown.
func (e *UpgradeError) Error() string {
	return fmt.Sprintf("delta %s: version %d, kind %d: %v", e.ID, e.Header.Version, e.Header.Kind, ErrUpgrade)
}

// Unwrap makes errors.Is(err, ErrUpgrade) true.
func (e *UpgradeError) Unwrap() error { return ErrUpgrade }
