package replica

import (
	"context"
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

// exhausted remembers deltas that took long only to be void, and on which state: a
// guest that uses up its fuel, or traps short of that, takes seconds, and would take
// them again at every roll-back past it. That is sound, since the verdict is a
// function of the delta and of the state before it (R7).
type exhausted struct {
	mu    sync.Mutex
	words map[[32]byte]string
}

// judgeOnce is judge, unless that is known to be long for nothing.
func (b *batch) judgeOnce(ctx context.Context, d *delta.Delta) (applied, delta.State, string, error) {
	run := b.runOf(d)
	if words, known := b.set.exhausted.get(run); known {
		return applied{}, delta.State{}, words, nil
	}
	begun := time.Now()
	done, payload, void, err := b.judge(ctx, d)
	if err == nil && void != "" && time.Since(begun) > costly {
		b.set.exhausted.put(run, void)
	}
	return done, payload, void, err
}

// runOf names the apply of a delta as things are now: all that its verdict is about.
func (b *batch) runOf(d *delta.Delta) [32]byte {
	id := d.ID()
	about := append(id[:], b.rec.App[:]...)
	about = append(about, byte(b.rec.Layouts>>8), byte(b.rec.Layouts))
	return sha256.Sum256(append(about, b.rec.Sum[:]...))
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
		e.words = make(map[[32]byte]string) // whoever fills it pays for it each time
	}
	e.words[run] = words
}

// clear forgets all: a state that was damaged may have been what a verdict was about.
func (e *exhausted) clear() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.words = nil
}
