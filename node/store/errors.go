package store

import (
	"errors"
	"fmt"

	"mero/node/ident"
	"mero/node/store/files"
)

var (
	// ErrNotFound says that there is no such record.
	ErrNotFound = errors.New("not found")
	// ErrExists says that the name or the context is taken.
	ErrExists = errors.New("exists already")
	// ErrStale says that a step was made from a state that is not the present
	// one: another step came in between, or Change.Old is not what is stored.
	ErrStale = errors.New("step was made from an older state")
	// ErrDiskFull says that free space is below Config.Reserve. Nothing was
	// changed; writing goes on by itself when there is room again.
	ErrDiskFull = errors.New("disk is full")
	// ErrTooLarge says that one record is over its limit.
	ErrTooLarge = errors.New("too large")
	// ErrClosed says that Close was called.
	ErrClosed = errors.New("store is closed")
	// ErrFailed says that the disk refused an earlier write, so it is not known
	// what it holds. Reads go on; writing needs a restart.
	ErrFailed = errors.New("store cannot write since the disk refused a write; restart the node")
	// ErrSpent says that a scratch was taken by a step, discarded, or left half
	// written by a failure.
	ErrSpent = errors.New("scratch is used up")
	// ErrLocked says that another process has the store open.
	ErrLocked = errors.New("store is in use by another process")
)

// ChangedError is ErrStale for one key: although no step came in between, a step's
// Old is not what is stored. Unless the caller's Old is wrong, something changed the
// value behind the store's back (R9), and folding the context again repairs it.
type ChangedError struct {
	Context ident.ContextID
	Key     []byte
}

// Error tells the context, and of the key what fits into a line.
func (e *ChangedError) Error() string {
	return fmt.Sprintf("context %s: %v: the stored value of key %.64x (%d bytes) is not what the step says",
		e.Context, ErrStale, e.Key, len(e.Key))
}

// Unwrap gives ErrStale.
func (e *ChangedError) Unwrap() error { return ErrStale }

// SchemaError says that the data are of a release that is newer than this one.
type SchemaError struct {
	Found, Supported uint32
}

// Error tells both versions and what to do.
func (e *SchemaError) Error() string {
	return fmt.Sprintf("store has schema version %d, this release knows up to %d; use a newer release of mero",
		e.Found, e.Supported)
}

// DamagedError says that files or records of the store are not as they were written.
// Open returns it before anything was changed.
type DamagedError = files.DamagedError

// broken reports a record that contradicts another one, or does not decode.
func broken(what, format string, args ...any) error {
	return &DamagedError{File: what, Reason: fmt.Sprintf(format, args...)}
}
