package store

import (
	"context"
	"fmt"
	"iter"
	"sync"

	"github.com/dgraph-io/badger/v4"

	"mero/node/ident"
)

// Scratch is a replicated state of one context that is made beside the visible one
// (R5, R8): changes against it, of any size. Nobody sees it until a step names it
// in Step.Scratch. It is an overlay generation in which every touched key has its
// whole value, so it is right whatever steps do to the visible state meanwhile: the
// keys that it has are its own, all others are those that are visible.
//
// It may be used by many goroutines. It ends with the step that takes it, with
// Discard, or with the process: what a crash leaves is swept by Run.
type Scratch struct {
	store      *Store
	context    ident.ContextID
	base       uint32 // of the context, which another context of that id does not have
	generation uint32

	mu     sync.RWMutex // held for writing by Put, Discard and Commit
	marked bool         // its leftover record is written
	ended  bool         // by a step or Discard
	torn   bool         // a write failed, so it is not known what it holds
}

// ScratchEntry is a key of a Scratch.
type ScratchEntry struct {
	Key, Value []byte
	// Present is false where the scratch removes the key.
	Present bool
}

// NewScratch makes an empty scratch; ErrNotFound when there is no such context. It
// writes nothing.
func (s *Store) NewScratch(id ident.ContextID) (*Scratch, error) {
	rec, _, err := s.contextHead(id)
	if err != nil {
		return nil, err
	}
	if rec == nil {
		return nil, fmt.Errorf("context %s: %w", id, ErrNotFound)
	}
	sc := &Scratch{store: s, context: id, base: rec.Base, generation: s.newGeneration()}
	s.active.add(sc.generation)
	return sc, nil
}

// usable is nil, or ErrSpent. The scratch is locked.
func (sc *Scratch) usable() error {
	if sc.ended || sc.torn {
		return fmt.Errorf("scratch of context %s: %w", sc.context, ErrSpent)
	}
	return nil
}

// reader reads the scratch by itself.
func (sc *Scratch) reader(txn *badger.Txn) reader {
	return reader{txn: txn, context: sc.context, generations: generations{base: sc.generation}}
}

// Get reads a key. known is false where the scratch leaves the key as it is; else
// present says whether it has a value. The value is the caller's to keep, and not
// to change. Errors: ErrSpent, ErrClosed, *DamagedError.
func (sc *Scratch) Get(key []byte) (value []byte, present, known bool, err error) {
	if len(key) > MaxKey {
		return nil, false, false, nil
	}
	sc.mu.RLock()
	defer sc.mu.RUnlock()
	if err := sc.usable(); err != nil || !sc.marked {
		return nil, false, false, err
	}
	err = sc.store.read(func(txn *badger.Txn) error {
		r := sc.reader(txn)
		form := appendForm(make([]byte, 0, len(key)+40), key)
		b, err := record(txn, withPage(r.stem(spaceState, r.base, form), 0))
		if err != nil || b == nil {
			return err
		}
		known = true
		h, err := decodeHead(spaceState, form, b)
		if err != nil || h.tombstone {
			return err
		}
		present = true
		value, err = r.value(spaceState, form, h)
		return err
	})
	return value, present, known, err
}

// Put takes changes into the scratch; Old is ignored, and of two changes of one key
// the later counts. It is written in as many transactions as needed. After an error
// the scratch can only be discarded. Errors: those of every write, ErrSpent.
func (sc *Scratch) Put(ctx context.Context, changes []Change) error {
	last := make(map[string]int, len(changes))
	for i, c := range changes {
		if err := checkKey(c.Key); err != nil {
			return err
		}
		last[string(c.Key)] = i
	}
	if len(changes) == 0 {
		return nil
	}
	sc.mu.Lock()
	defer sc.mu.Unlock()
	if err := sc.usable(); err != nil {
		return err
	}
	sc.torn = true
	out := stream{store: sc.store, ctx: ctx}
	if err := sc.mark(&out); err != nil {
		return err
	}
	err := sc.store.read(func(txn *badger.Txn) error {
		r := sc.reader(txn)
		for i, c := range changes {
			if last[string(c.Key)] != i {
				continue
			}
			writes, err := r.replace(nil, c)
			if err != nil {
				return err
			}
			if err := out.add(writes...); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := out.flush(); err != nil {
		return err
	}
	sc.torn = false
	return nil
}

// mark adds the leftover record, before everything else that is written.
func (sc *Scratch) mark(out *stream) error {
	if sc.marked {
		return nil
	}
	sc.marked = true
	mark, err := sc.store.codec.encode(leftoverRecord{Context: sc.context})
	if err != nil {
		return err
	}
	return out.add(write{key: leftoverKey(sc.generation), value: mark})
}

// replace adds the records that give a key its whole new value, or a tombstone, in
// the generation that r reads. A tombstone of a key that is named by its hash keeps
// the key, for All. What the value before has too many goes first, so that after an
// interruption it is still known of.
func (r reader) replace(out []write, c Change) ([]write, error) {
	form := appendForm(make([]byte, 0, len(c.Key)+40), c.Key)
	stem := r.stem(spaceState, r.base, form)
	h, ok, err := r.headOf(spaceState, form)
	if err != nil {
		return nil, err
	}
	before := 1
	if ok {
		before = spaceState.pages(h.length)
	}
	if c.HasNew {
		out = removePages(out, stem, spaceState.pages(len(c.New)), before)
		return diffValue(out, spaceState, stem, form, Change{Key: c.Key, New: c.New, HasNew: true}, true), nil
	}
	out = removePages(out, stem, 1, before)
	if hashed(form) {
		out = keyPieces(out, stem, c.Key)
	}
	return append(out, write{key: withPage(stem, 0), value: encodeTombstone(keyLength(form, c.Key))}), nil
}

// All yields every key that the scratch has, as of now: keys of up to 512 bytes
// ascending, then longer ones in no useful order. The slices are the caller's. It
// ends after the first error.
func (sc *Scratch) All() iter.Seq2[ScratchEntry, error] { return sc.from(nil) }

// from is All from a form on.
func (sc *Scratch) from(form []byte) iter.Seq2[ScratchEntry, error] {
	return func(yield func(ScratchEntry, error) bool) {
		sc.mu.RLock()
		err := sc.usable()
		sc.mu.RUnlock()
		stopped := false
		if err == nil {
			err = sc.store.read(func(txn *badger.Txn) error {
				stopped, err = sc.each(txn, form, yield)
				return err
			})
		}
		if err != nil && !stopped {
			yield(ScratchEntry{}, err)
		}
	}
}

// each yields entries; stopped when the caller has enough.
func (sc *Scratch) each(txn *badger.Txn, form []byte, yield func(ScratchEntry, error) bool) (stopped bool, err error) {
	c := sc.reader(txn).cursor(spaceState, sc.generation, form)
	defer c.it.Close()
	for ; c.now != nil; c.next() {
		layers := []*group{c.now}
		h, err := topHead(spaceState, layers)
		if err != nil {
			return false, err
		}
		kv, err := assemble(spaceState, layers, h)
		if err != nil {
			return false, err
		}
		if !yield(ScratchEntry{Key: kv.Key, Value: kv.Value, Present: !h.tombstone}, nil) {
			return true, nil
		}
	}
	return false, c.err
}

// Discard ends the scratch and deletes what it wrote. After a step took it, it does
// nothing. When it fails, or ctx ends, Run deletes the rest.
func (sc *Scratch) Discard(ctx context.Context) error {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	if sc.ended {
		return nil
	}
	sc.end()
	if !sc.marked {
		return nil
	}
	if err := sc.store.sweepLeftover(ctx, sc.generation); err != nil {
		sc.store.untidy.Store(true)
		return err
	}
	return nil
}

func (sc *Scratch) end() {
	sc.ended = true
	sc.store.active.remove(sc.generation)
}

// claim makes sure that a step of the context may take the scratch. It is locked.
func (sc *Scratch) claim(s *Store, id ident.ContextID, rec *contextHead) error {
	if sc.store != s || sc.context != id || sc.base != rec.Base {
		return fmt.Errorf("context %s: %w: the scratch is of another context", id, ErrStale)
	}
	return sc.usable()
}
