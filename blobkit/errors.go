package blobkit

import (
	"errors"
	"fmt"
)

var (
	// ErrNotFound says that the store holds no blob of that id.
	ErrNotFound = errors.New("blob not found")
	// ErrTooLarge says that content is longer than a limit: the caller's or
	// blobs.max_size. Nothing is stored.
	ErrTooLarge = errors.New("blob too large")
	// ErrMismatch says that content is not what the caller announced: another
	// length, hash or id. Nothing is stored.
	ErrMismatch = errors.New("blob differs from what was announced")
	// ErrDiskFull says that the disk is full or that the put would go into the
	// reserve. Nothing is stored; it ends by itself when there is space again.
	ErrDiskFull = errors.New("disk full")
	// ErrNewer says that a manifest was written by a newer version of mero.
	ErrNewer = errors.New("blob was written by a newer version of mero")
	// ErrClosed says that the store, writer or reader was closed before.
	ErrClosed = errors.New("blob store closed")
)

// DamagedError says that a file of the store does not hold what its name says.
type DamagedError struct {
	ID     ID     // the blob that was asked for
	File   string // path of the damaged file
	Reason string // what is wrong with it
	Hint   string // what a person can do
}

// Error implements error.
func (e *DamagedError) Error() string {
	return fmt.Sprintf("blob %s is damaged: %s: %s (%s)", e.ID, e.File, e.Reason, e.Hint)
}

const (
	hintChunk    = "put the same content again to repair it, or delete the blob"
	hintManifest = "put the same content again to repair it, or delete the blob to be rid of it"
)
