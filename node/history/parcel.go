package history

import (
	"errors"
	"fmt"
	"sync"

	"mero/node/delta"
	"mero/node/ident"
	"mero/node/store"
)

// ErrStranger says that a delta does not open under the key of its epoch: whoever
// made it has none. Every replica that has the key finds the same, so it is no delta
// of the context, and nor is what rests on it.
var ErrStranger = errors.New("nobody with a key of the context sealed it")

// errOtherContext refuses a delta that was handed to the wrong context.
var errOtherContext = errors.New("it belongs to another context")

// Parcel is one delta as it came, its signatures verified: Open and Unpack make it.
type Parcel struct {
	ID     delta.ID
	Header delta.Header
	Raw    []byte // the envelope
	Newer  bool   // only a newer release knows what it is
	// Unsealed: the key was here, and Stranger says what it told.
	Unsealed bool
	Stranger error
}

// isStored reports whether an envelope has the id of a delta that is stored, which
// costs a tenth of verifying it.
func isStored(view *store.View, raw []byte) bool {
	h, id, err := delta.HeaderOf(raw)
	if err != nil {
		return false
	}
	_, err = view.Head(delta.Place{Time: h.Time, ID: id})
	return err == nil
}

// Open verifies an envelope that was handed to a context. Errors are those of
// delta.Open, but for *delta.UpgradeError: what only a newer release knows may wait.
func Open(id ident.ContextID, raw []byte) (Parcel, error) {
	d, err := delta.Open(raw)
	var newer *delta.UpgradeError
	p := Parcel{Raw: raw}
	switch {
	case errors.As(err, &newer):
		p.ID, p.Header, p.Newer = newer.ID, newer.Header, true
	case err != nil:
		return Parcel{}, err
	default:
		p.ID, p.Header = d.ID(), d.Header()
	}
	if p.Header.Context != id {
		return p, fmt.Errorf("%w: %s", errOtherContext, p.Header.Context)
	}
	return p, nil
}

// Unseal finds out whether a parcel was sealed by somebody with the key of its epoch,
// if a delta of this version can tell.
func (p *Parcel) Unseal(key delta.EpochKey) {
	p.Unsealed = true
	if !p.Newer {
		p.Stranger = p.check(key)
	}
}

func (p *Parcel) check(key delta.EpochKey) error {
	d, err := delta.Reopen(p.Raw)
	if err != nil {
		return err
	}
	if _, err := d.Payload(key); err != nil {
		return fmt.Errorf("%w: %w", ErrStranger, err)
	}
	return nil
}

// ring is the epoch keys of a context as a snapshot has them, for several goroutines.
type ring struct {
	view *store.View
	mu   sync.Mutex
	keys map[delta.EpochID]*delta.EpochKey // nil: not here
}

// get gives a key, if it is here and can be read.
func (r *ring) get(epoch delta.EpochID) (*delta.EpochKey, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key, known := r.keys[epoch]
	if !known {
		if k, err := r.view.EpochKey(epoch); err == nil {
			key = &k
		}
		r.keys[epoch] = key
	}
	return key, key != nil
}
