//go:build !wasip1

package sdktest

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"mero/node/collections"
	"mero/node/sdk"
	"mero/node/sdk/internal/host"
)

// step is between the hybrid times of two deltas at least (R2).
const step = 65536

// maxChain is how many handlers may follow on each other (R20).
const maxChain = 3

// Network is a context with some replicas in memory. T is the state struct.
type Network[T any] struct {
	t        testing.TB
	seed     uint64
	random   *rand.Rand
	context  sdk.ID
	replicas []*Replica[T]
	deltas   []*delta
	blobs    map[[32]byte][]byte
	now      uint64
}

// delta is what a call made.
type delta struct {
	id     [32]byte
	origin collections.Origin
	ops    []byte
	events []host.Emitted
	seen   []*delta // by the author, when it was made
	depth  int      // of handlers
}

// New makes a network with a number of replicas. If there is an init it runs on
// the first one, as for a new context, and all begin with what it made; usually it
// is the method itself: (*Notes).Init.
func New[T any](t testing.TB, replicas int, init func(*T) error) *Network[T] {
	t.Helper()
	seed := rand.Uint64() //nolint:gosec // tests are to be repeated
	if text := os.Getenv("SDKTEST_SEED"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("SDKTEST_SEED: %v", err)
		}
		seed = n
	}
	n := &Network[T]{
		t: t, seed: seed, random: rand.New(rand.NewPCG(seed, 0)), //nolint:gosec // tests are to be repeated
		context: sha256.Sum256([]byte("sdktest context")), blobs: map[[32]byte][]byte{},
		now: 1_767_225_600_000_000_000 / step * step, // 2026
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("to repeat it: SDKTEST_SEED=%d", seed)
		}
	})
	for i := range replicas {
		n.replicas = append(n.replicas, newReplica(n, i))
	}
	if init != nil {
		n.replicas[0].Must(init)
		n.Settle()
	}
	return n
}

// Replica is a replica by its number, from 0.
func (n *Network[T]) Replica(i int) *Replica[T] { return n.replicas[i] }

// Context is the id of the context.
func (n *Network[T]) Context() sdk.ID { return n.context }

// Blob is the content of a blob that a call stored.
func (n *Network[T]) Blob(id sdk.ID) (content []byte, ok bool) {
	content, ok = n.blobs[id]
	return content, ok
}

// Deliver takes at most a number of deltas to replicas that lack them, one after
// the other, at random: as a network does, but never before what they build on.
// Handlers run. It tells how many there were.
func (n *Network[T]) Deliver(most int) int {
	n.t.Helper()
	for done := range most {
		type parcel struct {
			to *Replica[T]
			d  *delta
		}
		var waiting []parcel
		for _, r := range n.replicas {
			for _, d := range n.deltas {
				if r.takes(d) {
					waiting = append(waiting, parcel{r, d})
				}
			}
		}
		if len(waiting) == 0 {
			return done
		}
		p := waiting[n.random.IntN(len(waiting))]
		p.to.receive(p.d)
	}
	return most
}

// Settle delivers everything in random order, what handlers do included, and
// looks whether all replicas have the same state.
func (n *Network[T]) Settle() {
	n.t.Helper()
	for n.Deliver(1000) > 0 {
	}
	for i, r := range n.replicas[1:] {
		if !r.state.Equal(n.replicas[0].state) {
			n.t.Errorf("replicas 0 and %d have the same deltas and not the same state", i+1)
		}
	}
}

// tick is a new hybrid time, behind everything that is known.
func (n *Network[T]) tick(r *Replica[T]) uint64 {
	n.now += 1 + n.random.Uint64N(20)
	now := n.now * step
	for _, d := range r.deltas {
		now = max(now, d.origin.Time+step)
	}
	return now
}

// less is the canonical order: hybrid time, then id (R8).
func less(a, b *delta) int {
	if a.origin.Time != b.origin.Time {
		if a.origin.Time < b.origin.Time {
			return -1
		}
		return 1
	}
	return bytes.Compare(a.id[:], b.id[:])
}

func newDelta(o collections.Origin, ops []byte, events []host.Emitted, seen []*delta, depth int) *delta {
	h := sha256.New()
	h.Write(o.Author[:])
	h.Write(binary.BigEndian.AppendUint64(nil, o.Time))
	h.Write(ops)
	return &delta{[32]byte(h.Sum(nil)), o, ops, events, slices.Clone(seen), depth}
}
