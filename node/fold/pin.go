package fold

import (
	"errors"
	"fmt"

	"mero/node/artifact"
	"mero/node/delta"
	"mero/node/ident"
)

// Why an artifact is not what the application could have made (R7).
var (
	errForm   = errors.New("this application's changes do not travel in this form")
	errLayout = errors.New("the artifact is not of the form that this application's artifacts have")
	errFuture = errors.New("the artifact holds a timestamp later than its delta")
)

// pin checks an artifact against the layouts that all artifacts of the context
// before it in canonical order have fitted, and gives those that are left. The
// first artifact decides whether they are Calimero's or a form of their own,
// which is not looked into.
func pin(pinned uint16, raw []byte, t delta.Time) (uint16, error) {
	if pinned == opaque || len(raw) == 0 {
		return pinned, nil
	}
	fits, late := artifact.Check(raw, pinned, t.At(delta.Tick-1))
	switch {
	case fits == 0 && pinned == AllLayouts:
		return opaque, nil
	case fits == 0:
		return 0, errLayout
	case late:
		return 0, errFuture
	}
	return fits, nil
}

// Sign fills in the signatures of user-owned actions in a Calimero artifact,
// without which every replica refuses them (wasm-abi 6.5).
func Sign(raw []byte, key ident.PrivateKey) ([]byte, error) {
	signed, _, err := artifact.Sign(raw, key)
	if err != nil {
		return nil, fmt.Errorf("sign user-owned actions: %w", err)
	}
	return signed, nil
}
