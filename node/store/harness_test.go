package store_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"mero/node/delta"
	"mero/node/ident"
	"mero/node/store"
)

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func plenty(string) (uint64, error) { return 1 << 40, nil }

func quiet() store.Deps { return store.Deps{Log: zerolog.Nop(), FreeBytes: plenty} }

// noSync saves time where durability is not the point.
func noSync() store.Config {
	cfg := store.DefaultConfig()
	cfg.Fsync = false
	return cfg
}

func open(tb testing.TB, dir string, cfg store.Config) *store.Store {
	tb.Helper()
	s, err := store.Open(dir, cfg, quiet())
	must(tb, err)
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

func newStore(tb testing.TB) *store.Store {
	tb.Helper()
	return open(tb, filepath.Join(fastDir(tb), "db"), noSync())
}

// fastDir is a directory in memory where there is one: for tests of which the
// disk is not the point.
func fastDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "mero-store-") //nolint:usetesting // t.TempDir is on the disk
	if err != nil {
		return tb.TempDir()
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func contextID(n uint64) (id ident.ContextID) {
	return sha256.Sum256(binary.BigEndian.AppendUint64([]byte("context"), n))
}

// replica is what node/replica does with the store, with a model beside it.
type replica struct {
	id    ident.ContextID
	rec   store.Context
	state map[string][]byte
	n     uint64
}

func newReplica(tb testing.TB, s *store.Store, n uint64) *replica {
	tb.Helper()
	r := &replica{id: contextID(n), state: make(map[string][]byte)}
	r.rec = store.Context{ID: r.id, Created: time.Unix(1, 0).UTC(), Initialised: true}
	must(tb, s.Commit(tb.Context(), &store.Step{Context: &r.rec, Create: true}))
	return r
}

// set is a change of the model's state; value nil removes.
func (r *replica) set(key string, value []byte) store.Change {
	old, had := r.state[key]
	return store.Change{Key: []byte(key), Old: old, New: value, HadOld: had, HasNew: value != nil}
}

// step is a step with one delta and some changes.
func (r *replica) step(deltaBytes int, changes ...store.Change) *store.Step {
	r.n++
	rec := r.rec
	d := store.DeltaRecord{
		ID: deltaID(r.id, r.n), Time: delta.Time(r.n * delta.Tick), Bytes: pattern(deltaBytes, r.n), Fate: store.FateFolded,
	}
	rec.Heads, rec.Clock = []delta.ID{d.ID}, d.Time
	rec.Deltas++
	return &store.Step{Context: &rec, Deltas: []store.DeltaRecord{d}, State: changes}
}

// done takes a step into the model.
func (r *replica) done(st *store.Step) {
	r.rec = *st.Context
	for _, c := range st.State {
		if c.HasNew {
			r.state[string(c.Key)] = c.New
		} else {
			delete(r.state, string(c.Key))
		}
	}
}

func (r *replica) commit(tb testing.TB, s *store.Store, deltaBytes int, changes ...store.Change) {
	tb.Helper()
	st := r.step(deltaBytes, changes...)
	must(tb, s.Commit(tb.Context(), st))
	r.done(st)
}

func deltaID(id ident.ContextID, n uint64) delta.ID {
	return sha256.Sum256(binary.BigEndian.AppendUint64(id[:], n))
}

// pattern is n bytes that a seed determines.
func pattern(n int, seed uint64) []byte {
	b := make([]byte, n)
	rng := rand.New(rand.NewPCG(seed, 1))
	for i := 0; i+8 <= n; i += 8 {
		binary.LittleEndian.PutUint64(b[i:], rng.Uint64())
	}
	return b
}

// diff compares the store with the model, every key in both ways of reading.
func (r *replica) diff(s *store.Store) error {
	v, err := s.View(r.id)
	if err != nil {
		return err
	}
	defer v.Close()
	if got := v.Context().Step; got != r.rec.Step {
		return fmt.Errorf("step %d, want %d", got, r.rec.Step)
	}
	seen := 0
	var last []byte
	for kv, err := range v.StateAll() {
		if err != nil {
			return err
		}
		want, ok := r.state[string(kv.Key)]
		if !ok || !bytes.Equal(want, kv.Value) {
			return fmt.Errorf("StateAll: key of %d bytes: %d bytes, want %d, known %v", len(kv.Key), len(kv.Value), len(want), ok)
		}
		if len(kv.Key) <= 512 && seen > 0 && bytes.Compare(last, kv.Key) >= 0 {
			return fmt.Errorf("StateAll: %q after %q", kv.Key, last)
		}
		last = kv.Key
		seen++
	}
	if seen != len(r.state) {
		return fmt.Errorf("StateAll: %d keys, want %d", seen, len(r.state))
	}
	for key, want := range r.state {
		got, ok, err := v.Get([]byte(key))
		if err != nil {
			return err
		}
		if !ok || !bytes.Equal(got, want) {
			return fmt.Errorf("Get: key of %d bytes: %d bytes, %v, want %d", len(key), len(got), ok, len(want))
		}
	}
	return r.diffDeltas(v)
}

func (r *replica) diffDeltas(v *store.View) error {
	n := uint64(0)
	for d, err := range v.DeltasByTime(0) {
		if err != nil {
			return err
		}
		n++
		if d.ID != deltaID(r.id, n) || d.Fate != store.FateFolded || !bytes.Equal(d.Bytes, pattern(len(d.Bytes), n)) {
			return fmt.Errorf("delta %d is not the one that was written", n)
		}
	}
	if n != r.rec.Deltas {
		return fmt.Errorf("%d deltas, want %d", n, r.rec.Deltas)
	}
	return nil
}

func (r *replica) check(tb testing.TB, s *store.Store) {
	tb.Helper()
	must(tb, r.diff(s))
}

// copyStore copies a store's files as they are now, holes as holes. badger may
// change them meanwhile: then it copies again.
func copyStore(tb testing.TB, from, to string) {
	tb.Helper()
	for {
		before := liveFiles(tb, from)
		must(tb, os.RemoveAll(to))
		must(tb, os.MkdirAll(to, 0o700))
		names, err := os.ReadDir(from)
		must(tb, err)
		for _, e := range names {
			copyFile(tb, filepath.Join(from, e.Name()), filepath.Join(to, e.Name()))
		}
		copyFile(tb, from+".anchor", to+".anchor")
		if liveFiles(tb, from) == before {
			return
		}
	}
}

// liveFiles is the manifest, and the names of logs, which change when a log
// becomes a table.
func liveFiles(tb testing.TB, dir string) string {
	tb.Helper()
	manifest, err := os.ReadFile(filepath.Join(dir, "MANIFEST"))
	must(tb, err)
	logs, err := filepath.Glob(filepath.Join(dir, "*.mem"))
	must(tb, err)
	return strings.Join(logs, " ") + string(manifest)
}

func copyFile(tb testing.TB, from, to string) {
	tb.Helper()
	b, err := os.ReadFile(from)
	if errors.Is(err, fs.ErrNotExist) {
		return // compacted meanwhile
	}
	must(tb, err)
	f, err := os.Create(to)
	must(tb, err)
	defer func() { must(tb, f.Close()) }()
	must(tb, f.Truncate(int64(len(b))))
	const block = 4096
	zero := make([]byte, block)
	for at := 0; at < len(b); at += block {
		piece := b[at:min(at+block, len(b))]
		if bytes.Equal(piece, zero[:len(piece)]) {
			continue
		}
		_, err := f.WriteAt(piece, int64(at))
		must(tb, err)
	}
}

// run starts Run and returns the function that ends it.
func run(tb testing.TB, s *store.Store) func() {
	tb.Helper()
	ctx, cancel := context.WithCancel(tb.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	return func() {
		tb.Helper()
		cancel()
		must(tb, <-done)
	}
}

// diskBytes is what a directory really occupies, and its apparent size.
func diskBytes(tb testing.TB, dir string) (occupied, apparent int64) {
	tb.Helper()
	must(tb, filepath.Walk(dir, func(_ string, fi fs.FileInfo, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || fi.IsDir() {
			return err
		}
		occupied += blocks(fi)
		apparent += fi.Size()
		return nil
	}))
	return occupied, apparent
}
