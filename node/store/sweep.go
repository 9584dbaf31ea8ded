package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"mero/node/ident"
)

// DeleteContext removes a context and everything that belongs to it: state,
// deltas, identities, keys, aliases of its scope, calls that it queued. It is gone
// for readers once one transaction is durable; the records follow in batches, and
// Run goes on with that after a crash or when ctx ends. Errors: ErrNotFound, and
// those of every write.
func (s *Store) DeleteContext(ctx context.Context, id ident.ContextID) error {
	defer s.steps.lock(id)()
	rec, _, err := s.contextHead(id)
	if err != nil {
		return err
	}
	if rec == nil {
		return fmt.Errorf("context %s: %w", id, ErrNotFound)
	}
	err = s.put(ctx, write{key: contextKey(id), del: true}, write{key: goneKey(id), value: []byte{}})
	if err != nil {
		return err
	}
	if err := s.sweepContext(ctx, id); err != nil {
		s.untidy.Store(true)
		s.log.Info().Err(err).Stringer("context", id).Msg("deleted context will be swept later")
	}
	return nil
}

// tidy finishes what crashes and failures left, if there is anything. It logs what
// it cannot do now and comes again.
func (s *Store) tidy(ctx context.Context) {
	if !s.untidy.Swap(false) {
		return
	}
	err := s.tidyAll(ctx)
	if err == nil {
		return
	}
	s.untidy.Store(true)
	if ctx.Err() == nil && !errors.Is(err, ErrDiskFull) {
		s.log.Warn().Err(err).Msg("leftovers of the store stay for now")
	}
}

func (s *Store) tidyAll(ctx context.Context) error {
	leftovers, err := s.keys([]byte{tableLeftover})
	if err != nil {
		return err
	}
	for _, key := range leftovers {
		if len(key) != 1+generationBytes {
			return broken("leftover", "key of %d bytes", len(key))
		}
		generation := binary.BigEndian.Uint32(key[1:])
		if s.active.has(generation) {
			continue
		}
		if err := s.sweepLeftover(ctx, generation); err != nil {
			return err
		}
	}
	gone, err := s.contextsIn(tableGone)
	if err != nil {
		return err
	}
	for _, id := range gone {
		if err := s.sweepLocked(ctx, id); err != nil {
			return err
		}
	}
	return s.mergeAll(ctx)
}

// mergeAll moves the overlays that contexts still have.
func (s *Store) mergeAll(ctx context.Context) error {
	ids, err := s.contextsIn(tableContext)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := s.mergeLocked(ctx, id); err != nil {
			return err
		}
	}
	return s.dropGroups(ctx)
}

func (s *Store) mergeLocked(ctx context.Context, id ident.ContextID) error {
	rec, _, err := s.contextHead(id)
	if err != nil || rec == nil || rec.Overlay == 0 {
		return err
	}
	defer s.steps.lock(id)()
	rec, _, err = s.contextHead(id)
	if err != nil || rec == nil || rec.Overlay == 0 {
		return err
	}
	return s.merge(ctx, id)
}

func (s *Store) sweepLocked(ctx context.Context, id ident.ContextID) error {
	defer s.steps.lock(id)()
	_, gone, err := s.contextHead(id)
	if err != nil || !gone {
		return err
	}
	return s.sweepContext(ctx, id)
}

// sweepContext deletes what a deleted context left. It is locked.
func (s *Store) sweepContext(ctx context.Context, id ident.ContextID) error {
	prefixes := [][]byte{identityPrefix(id), epochPrefix(id), invitationPrefix(id)}
	for _, kind := range [...]AliasKind{AliasContext, AliasIdentity, AliasApplication} {
		prefixes = append(prefixes, aliasPrefix(kind, id))
	}
	for sp := range spaces {
		prefixes = append(prefixes, spaceContext(sp, id))
	}
	for _, prefix := range prefixes {
		if err := s.deletePrefix(ctx, prefix); err != nil {
			return err
		}
	}
	err := s.deleteXCalls(ctx, func(rec *xcallRecord) bool { return rec.Source == id })
	if err != nil {
		return err
	}
	return s.put(ctx, write{key: goneKey(id), del: true})
}

// sweepLeftover deletes a generation that was written ahead and never counted.
func (s *Store) sweepLeftover(ctx context.Context, generation uint32) error {
	var rec leftoverRecord
	there := false
	err := s.read(func(txn *badger.Txn) error {
		b, err := record(txn, leftoverKey(generation))
		if err != nil || b == nil {
			return err // meanwhile it counts
		}
		there = true
		return s.codec.decode(b, &rec)
	})
	if err != nil || !there {
		return err
	}
	if !rec.Context.IsZero() {
		for sp := range spaces {
			if err := s.deletePrefix(ctx, generationKey(sp, rec.Context, generation)); err != nil {
				return err
			}
		}
	}
	err = s.deleteXCalls(ctx, func(rec *xcallRecord) bool { return rec.Group == generation })
	if err != nil {
		return err
	}
	return s.put(ctx, write{key: leftoverKey(generation), del: true})
}

// deletePrefix deletes all records with a prefix.
func (s *Store) deletePrefix(ctx context.Context, prefix []byte) error {
	out := stream{store: s, ctx: ctx}
	from := prefix
	for from != nil {
		keys, next, err := s.someKeys(prefix, from, s.limits.batchWrites)
		if err != nil {
			return err
		}
		for _, key := range keys {
			if err := out.add(write{key: key, del: true}); err != nil {
				return err
			}
		}
		from = next
	}
	return out.flush()
}

// keys lists all keys with a prefix; for tables that are small.
func (s *Store) keys(prefix []byte) ([][]byte, error) {
	keys, _, err := s.someKeys(prefix, prefix, int(^uint(0)>>1))
	return keys, err
}

// someKeys lists keys from one on; next is nil at the end.
func (s *Store) someKeys(prefix, from []byte, limit int) (keys [][]byte, next []byte, err error) {
	err = s.read(func(txn *badger.Txn) error {
		opt := badger.DefaultIteratorOptions
		opt.PrefetchValues = false
		opt.Prefix = prefix
		it := txn.NewIterator(opt)
		defer it.Close()
		for it.Seek(from); it.Valid(); it.Next() {
			key := it.Item().KeyCopy(nil)
			if len(keys) >= limit {
				next = key
				return nil
			}
			keys = append(keys, key)
		}
		return nil
	})
	return keys, next, err
}

func (s *Store) contextsIn(table byte) ([]ident.ContextID, error) {
	keys, err := s.keys([]byte{table})
	if err != nil {
		return nil, err
	}
	out := make([]ident.ContextID, len(keys))
	for i, key := range keys {
		if err := out[i].SetBytes(bytes.Clone(key[1:])); err != nil {
			return nil, &DamagedError{File: "context", Reason: "bad key", Err: err}
		}
	}
	return out, nil
}

// deleteXCalls removes the queue entries that match.
func (s *Store) deleteXCalls(ctx context.Context, match func(*xcallRecord) bool) error {
	out := stream{store: s, ctx: ctx}
	var doomed [][]byte
	err := s.read(func(txn *badger.Txn) error {
		return s.eachXCall(txn, func(key []byte, rec *xcallRecord) bool {
			if match(rec) {
				doomed = append(doomed, key)
			}
			return true
		})
	})
	if err != nil {
		return err
	}
	for _, key := range doomed {
		if err := out.add(write{key: key, del: true}); err != nil {
			return err
		}
	}
	return out.flush()
}

// dropGroups forgets groups of calls of which none is left.
func (s *Store) dropGroups(ctx context.Context) error {
	groups, err := s.keys([]byte{tableGroup})
	if err != nil || len(groups) == 0 {
		return err
	}
	used := make(map[uint32]bool)
	err = s.read(func(txn *badger.Txn) error {
		return s.eachXCall(txn, func(_ []byte, rec *xcallRecord) bool {
			used[rec.Group] = true
			return true
		})
	})
	if err != nil {
		return err
	}
	for _, key := range groups {
		if used[binary.BigEndian.Uint32(key[1:])] {
			continue
		}
		if err := s.put(ctx, write{key: key, del: true}); err != nil {
			return err
		}
	}
	return nil
}
