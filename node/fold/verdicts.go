package fold

import (
	"crypto/sha256"
	"sync"
	"time"

	"mero/node/delta"
)

const (
	// maxExhausted bounds how many verdicts are remembered: 300 KiB.
	maxExhausted = 1024
	// costly is from what time on a verdict is worth being remembered.
	costly = 20 * time.Millisecond
)

// Verdicts remembers deltas that took long only to be void, and on which state: a
// guest that uses up its fuel, or traps short of that, takes seconds, and would take
// them again at every roll-back past it. That is sound, since the verdict is a
// function of the delta and of the state before it (R7). It is safe for concurrent use;
// the zero value knows nothing.
type Verdicts struct {
	mu    sync.Mutex
	words map[[32]byte]string
}

// runOf names the apply of a delta as things are now: all that its verdict is about.
func (s *State) runOf(d *delta.Delta) [32]byte {
	id := d.ID()
	about := append(id[:], s.Rec.App[:]...)
	about = append(about, byte(s.Rec.Layouts>>8), byte(s.Rec.Layouts))
	return sha256.Sum256(append(about, s.Rec.Sum[:]...))
}

func (e *Verdicts) get(s *State, d *delta.Delta) (string, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.words) == 0 {
		return "", false // the usual case costs no hash
	}
	words, known := e.words[s.runOf(d)]
	return words, known
}

func (e *Verdicts) put(run [32]byte, words string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.words == nil || len(e.words) >= maxExhausted {
		e.words = make(map[[32]byte]string) // whoever fills it pays for it each time
	}
	e.words[run] = words
}

// Clear forgets all: a state that was damaged may have been what a verdict was about.
func (e *Verdicts) Clear() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.words = nil
}
