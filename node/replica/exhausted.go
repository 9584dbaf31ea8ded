package replica

import (
	"crypto/sha256"
	"errors"
	"sync"

	"mero/node/delta"
	"mero/node/vm"
)

// maxExhausted bounds how many verdicts are remembered: 100 KiB.
const maxExhausted = 1024

// exhausted remembers deltas whose apply used up its fuel, and on which state: a
// guest that does so takes seconds, and would take them again at every roll-back
// past it. That is sound, since what an apply does is a function of the delta and of
// the state before it (R7).
type exhausted struct {
	mu    sync.Mutex
	words map[[32]byte]string
}

// runOf names the apply of a delta on the state as it is now.
func (b *batch) runOf(d *delta.Delta) [32]byte {
	id := d.ID()
	return sha256.Sum256(append(id[:], b.rec.Sum[:]...))
}

func (e *exhausted) get(run [32]byte) (string, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	words, known := e.words[run]
	return words, known
}

func (e *exhausted) put(run [32]byte, words string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.words == nil || len(e.words) >= maxExhausted {
		e.words = make(map[[32]byte]string) // whoever fills it pays for it with seconds each
	}
	e.words[run] = words
}

func isFuel(err error) bool {
	var guest *vm.Error
	return errors.As(err, &guest) && guest.Kind == vm.KindFuel
}
