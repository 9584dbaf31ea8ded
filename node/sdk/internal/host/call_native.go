//go:build !wasip1

package host

import (
	"sync"

	"mero/node/collections"
)

// Call is one call in memory: what the host has for it, and what came of it.
type Call struct {
	Tx       *collections.Tx
	Context  [32]byte
	Executor [32]byte
	Origin   *[32]byte
	Members  [][32]byte
	Time     uint64 // of the call; the clock goes on from it by one a reading
	Random   func([]byte)
	Private  map[string][]byte // of this node; what the call writes goes to Kept
	Blobs    map[[32]byte][]byte

	Kept      map[string]*[]byte // writes of Private; nil: removed
	Logs      []string
	Events    []Emitted
	XCalls    []Queued
	Announced [][32]byte

	blobs []*blob
}

// Emitted is an event that the call emitted.
type Emitted struct {
	Kind    string
	Data    []byte
	Handler string
}

// Queued is a call of another context.
type Queued struct {
	Context [32]byte
	Method  string
	Input   []byte
}

// MisuseError is what the host refused.
type MisuseError struct{ Err error }

func (m *MisuseError) Error() string { return m.Err.Error() }
func (m *MisuseError) Unwrap() error { return m.Err }

// current is the call that runs. As in a guest there is one at a time: package
// functions such as Now have nothing else to know theirs by.
var (
	running sync.Mutex //nolint:gochecknoglobals // see current
	current *Call      //nolint:gochecknoglobals // see above
)

// Run runs a call. Calls of other goroutines wait.
func Run(c *Call, body func()) {
	running.Lock()
	defer running.Unlock()
	current = c
	defer func() { current = nil }()
	body()
}

// call is the call that runs.
func call() *Call {
	if current == nil {
		panic("sdk: this is only possible within a call: in tests, by package sdktest") //nolint:forbidigo // a mistake in a test
	}
	return current
}

// must ends the call for what the host refuses.
func must(err error) {
	if err != nil {
		panic(&MisuseError{err}) //nolint:forbidigo // as a guest's call ends
	}
}

func must1[T any](v T, err error) T {
	must(err)
	return v
}
