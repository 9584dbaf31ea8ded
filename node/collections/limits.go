package collections

import (
	"errors"
	"fmt"
)

// Limits of what an operation may name. They are constants of the protocol: changing one makes
// replicas disagree about what is void.
const (
	MaxDepth  = 8         // of nesting: a collection in the root has depth 1
	MaxName   = 64        // bytes of a name in the root, at least 1
	MaxKey    = 480       // bytes of a key or of a set's element, at least 1; a row's key is 17 bytes more
	MaxValue  = 1 << 20   // bytes of a value
	MaxInsert = 256 << 10 // bytes of text in one operation; Tx makes several of what is longer
	MaxRun    = 4096      // list elements that one operation inserts, or a Tx removes with one
	MaxSeen   = 256       // stamps that are kept of, or named by, one set element or collection

	memberKey = 32 // bytes of a key in a collection by member
)

// Limits of one delta: it is void beyond them. A [Tx] gives [ErrFull] at half of rows, bytes and
// work, since what is folded before a delta elsewhere may make the same operations dearer.
const (
	MaxOps     = 1<<16 - 1 // operations; their numbers are the low 16 bits of stamps
	MaxOpBytes = 4 << 20   // of encoded operations (R5)
	MaxRows    = 1 << 16   // rows written
	MaxBytes   = 32 << 20  // of keys and new values of rows written (R5)
	MaxWork    = 4 << 20   // as of Tx.Work: a second at most
)

// Limits of one call and one answer.
const (
	MaxRefs      = 1 << 16 // handles of one Tx
	MaxItems     = 4096    // of one answer of Scan or Items
	MaxItemBytes = 4 << 20 // of keys and values in one answer, where there is more than one item
)

// What callers can do wrong. They come wrapped in words for the author of the application.
var (
	ErrKind      = errors.New("wrong kind of collection")
	ErrDepth     = errors.New("nested too deep")
	ErrName      = errors.New("bad name")
	ErrKeySize   = errors.New("bad key size")
	ErrValueSize = errors.New("value too large")
	ErrText      = errors.New("not UTF-8")
	ErrIndex     = errors.New("no such index")
	ErrReadOnly  = errors.New("read-only")
	ErrOnce      = errors.New("written once")
	ErrOwner     = errors.New("not the owner")
	ErrRef       = errors.New("no such handle")
	ErrFull      = errors.New("too much for one call")
)

// ErrOps says that operations are malformed: their delta is void.
var ErrOps = errors.New("malformed operations")

// ErrDamaged says that the state is not what this package wrote.
var ErrDamaged = errors.New("damaged collection")

// LimitError says that operations are more than a delta may have: it is void.
type LimitError struct {
	What  string
	Limit int
}

// Error names the limit.
func (e *LimitError) Error() string {
	return fmt.Sprintf("more than %d %s in one delta", e.Limit, e.What)
}
