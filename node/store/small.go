package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"mero/node/auth"
	"mero/node/ident"
)

// each calls f for all records with a prefix; f's slices are valid during the call
// and it returns false to stop.
func each(txn *badger.Txn, prefix []byte, f func(key, value []byte) (bool, error)) error {
	opt := badger.DefaultIteratorOptions
	opt.PrefetchSize = 16
	opt.Prefix = prefix
	it := txn.NewIterator(opt)
	defer it.Close()
	for it.Seek(prefix); it.Valid(); it.Next() {
		item := it.Item()
		more := false
		err := item.Value(func(value []byte) error {
			var err error
			more, err = f(item.Key(), value)
			return err
		})
		if err != nil || !more {
			return err //nolint:wrapcheck // f's own
		}
	}
	return nil
}

// PutApp records an application, in place of an earlier record of the same id.
func (s *Store) PutApp(ctx context.Context, app App) error {
	for what, text := range map[string]string{"package": app.Package, "version": app.Version} {
		if err := checkName(what, text); err != nil {
			return err
		}
	}
	if len(app.Metadata) > MaxMetadata || len(app.Source) > MaxMetadata {
		return fmt.Errorf("%w: metadata of %d bytes and source of %d, at most %d each", ErrTooLarge, len(app.Metadata), len(app.Source), MaxMetadata)
	}
	value, err := s.codec.encode(appRecord{
		Blob: app.Blob, Size: app.Size, Source: app.Source, Metadata: app.Metadata,
		Package: app.Package, Version: app.Version, Installed: nanos(app.Installed),
	})
	if err != nil {
		return err
	}
	writes := []write{{key: appKey(app.ID), value: value}}
	for _, method := range app.Writers {
		if err := checkName("method", method); err != nil {
			return err
		}
		writes = append(writes, write{key: writerKey(app.ID, method), value: []byte{}})
	}
	return s.put(ctx, writes...)
}

// App is the record of an application, or ErrNotFound.
func (s *Store) App(id ident.AppID) (app App, err error) {
	err = s.read(func(txn *badger.Txn) error {
		b, err := record(txn, appKey(id))
		if err != nil {
			return err
		}
		if b == nil {
			return fmt.Errorf("application %s: %w", id, ErrNotFound)
		}
		app, err = s.app(txn, id, b)
		return err
	})
	return app, err
}

// Apps are all applications, by id.
func (s *Store) Apps() (apps []App, err error) {
	err = s.read(func(txn *badger.Txn) error {
		return each(txn, []byte{tableApp}, func(key, value []byte) (bool, error) {
			var id ident.AppID
			copy(id[:], key[1:])
			app, err := s.app(txn, id, value)
			apps = append(apps, app)
			return true, err
		})
	})
	return apps, err
}

func (s *Store) app(txn *badger.Txn, id ident.AppID, b []byte) (App, error) {
	var rec appRecord
	if err := s.codec.decode(b, &rec); err != nil {
		return App{}, err
	}
	app := App{
		ID: id, Blob: rec.Blob, Size: rec.Size, Source: rec.Source, Metadata: rec.Metadata,
		Package: rec.Package, Version: rec.Version, Installed: fromNanos(rec.Installed),
	}
	prefix := writerPrefix(id)
	err := each(txn, prefix, func(key, _ []byte) (bool, error) {
		method, _, err := cutText(key[len(prefix):])
		app.Writers = append(app.Writers, string(method))
		return true, err
	})
	return app, err
}

// DeleteApp forgets an application and its writers; ErrNotFound when it is not there.
func (s *Store) DeleteApp(ctx context.Context, id ident.AppID) error {
	app, err := s.App(id)
	if err != nil {
		return err
	}
	writes := []write{{key: appKey(id), del: true}}
	for _, method := range app.Writers {
		writes = append(writes, write{key: writerKey(id, method), del: true})
	}
	return s.put(ctx, writes...)
}

// SetAlias gives a name to an id. ErrExists when the name is another id's.
func (s *Store) SetAlias(ctx context.Context, kind AliasKind, scope ident.ContextID, name string, target [32]byte) error {
	if err := checkName("alias", name); err != nil {
		return err
	}
	s.names.Lock()
	defer s.names.Unlock()
	now, err := s.Alias(kind, scope, name)
	switch {
	case errors.Is(err, ErrNotFound):
		return s.put(ctx, write{key: aliasKey(kind, scope, name), value: target[:]})
	case err != nil:
		return err
	case now != target:
		return fmt.Errorf("alias %q: %w", name, ErrExists)
	}
	return nil
}

// Alias is the id that a name stands for, or ErrNotFound.
func (s *Store) Alias(kind AliasKind, scope ident.ContextID, name string) (target [32]byte, err error) {
	err = s.read(func(txn *badger.Txn) error {
		b, err := record(txn, aliasKey(kind, scope, name))
		if err != nil {
			return err
		}
		if b == nil {
			return fmt.Errorf("alias %q: %w", name, ErrNotFound)
		}
		if copy(target[:], b) != len(target) {
			return broken("alias", "%d bytes", len(b))
		}
		return nil
	})
	return target, err
}

// Aliases are all names of a kind in a scope, by name.
func (s *Store) Aliases(kind AliasKind, scope ident.ContextID) (out []Alias, err error) {
	prefix := aliasPrefix(kind, scope)
	err = s.read(func(txn *badger.Txn) error {
		return each(txn, prefix, func(key, value []byte) (bool, error) {
			name, _, err := cutText(key[len(prefix):])
			a := Alias{Kind: kind, Scope: scope, Name: string(name)}
			copy(a.Target[:], value)
			out = append(out, a)
			return true, err
		})
	})
	return out, err
}

// DeleteAlias forgets a name; ErrNotFound when it is not there.
func (s *Store) DeleteAlias(ctx context.Context, kind AliasKind, scope ident.ContextID, name string) error {
	s.names.Lock()
	defer s.names.Unlock()
	if _, err := s.Alias(kind, scope, name); err != nil {
		return err
	}
	return s.put(ctx, write{key: aliasKey(kind, scope, name), del: true})
}

// PutIdentity stores a key, by itself or bound to a context. Binding one that was
// not bound removes it from there.
func (s *Store) PutIdentity(ctx context.Context, i Identity) error {
	writes, err := s.identityWrites(i)
	if err != nil {
		return err
	}
	return s.put(ctx, writes...)
}

func (s *Store) identityWrites(i Identity) ([]write, error) {
	value, err := s.codec.encode(identityRecord{
		Key: i.Key, Seal: i.Seal, Incarnation: i.Incarnation, Seq: i.Seq, Created: nanos(i.Created),
	})
	if err != nil {
		return nil, err
	}
	member := i.Public()
	writes := []write{{key: identityKey(i.Context, member), value: value}}
	// A number above zero means that it was bound before.
	if !i.Context.IsZero() {
		free := identityKey(ident.ContextID{}, member)
		bound := false
		err := s.read(func(txn *badger.Txn) error {
			b, err := record(txn, free)
			bound = b == nil
			return err
		})
		if err != nil {
			return nil, err
		}
		if !bound {
			writes = append(writes, write{key: free, del: true})
		}
	}
	return writes, nil
}

// Identities are the keys bound to a context, or, for the zero context, those that
// are not bound; by public key.
func (s *Store) Identities(id ident.ContextID) (out []Identity, err error) {
	err = s.read(func(txn *badger.Txn) error {
		out, err = s.identities(txn, id)
		return err
	})
	return out, err
}

func (s *Store) identities(txn *badger.Txn, id ident.ContextID) (out []Identity, err error) {
	prefix := identityPrefix(id)
	err = each(txn, prefix, func(key, value []byte) (bool, error) {
		var rec identityRecord
		if err := s.codec.decode(value, &rec); err != nil {
			return false, err
		}
		i := Identity{
			Context: id, Key: rec.Key, Seal: rec.Seal, Incarnation: rec.Incarnation,
			Seq: rec.Seq, Created: fromNanos(rec.Created),
		}
		err := i.public.SetBytes(key[len(prefix):])
		out = append(out, i)
		return true, err
	})
	return out, err
}

// Contexts are the records of all contexts, by id.
func (s *Store) Contexts() (out []Context, err error) {
	err = s.read(func(txn *badger.Txn) error {
		return each(txn, []byte{tableContext}, func(key, value []byte) (bool, error) {
			var id ident.ContextID
			copy(id[:], key[1:])
			var rec contextRecord
			if err := s.codec.decode(value, &rec); err != nil {
				return false, err
			}
			out = append(out, rec.context(id))
			return true, nil
		})
	})
	return out, err
}

// XCalls are up to limit queued calls, oldest first.
func (s *Store) XCalls(limit int) (out []XCall, err error) {
	err = s.read(func(txn *badger.Txn) error {
		groups := make(map[uint32]bool)
		var failed error
		err := s.eachXCall(txn, func(key []byte, rec *xcallRecord) bool {
			if len(out) >= limit {
				return false
			}
			counts, known := groups[rec.Group]
			if !known {
				var b []byte
				b, failed = record(txn, groupKey(rec.Group))
				counts = rec.Group == 0 || b != nil
				groups[rec.Group] = counts
			}
			if counts {
				out = append(out, XCall{
					Seq: xcallNumber(key), Source: rec.Source, Target: rec.Target,
					Function: rec.Function, Params: rec.Params, Depth: rec.Depth,
				})
			}
			return failed == nil
		})
		return first(err, failed)
	})
	return out, err
}

// eachXCall calls f with every queue entry, those too that do not count yet.
func (s *Store) eachXCall(txn *badger.Txn, f func(key []byte, rec *xcallRecord) bool) error {
	return each(txn, []byte{tableXCall}, func(key, value []byte) (bool, error) {
		if len(key) != 1+8 {
			return false, broken("queue", "key of %d bytes", len(key))
		}
		var rec xcallRecord
		if err := s.codec.decode(value, &rec); err != nil {
			return false, err
		}
		return f(slices.Clone(key), &rec), nil
	})
}

// PutKey implements auth.Keys.
func (s *Store) PutKey(k auth.Key) error {
	if err := first(checkName("token id", k.ID), checkName("token name", k.Name), checkName("token parent", k.Parent)); err != nil {
		return err
	}
	value, err := s.codec.encode(tokenRecord{
		Name: k.Name, Scopes: k.Scopes, Parent: k.Parent, Created: nanos(k.Created), Expires: nanos(k.Expires), Revoked: nanos(k.Revoked),
	})
	if err != nil {
		return err
	}
	return s.put(context.Background(), write{key: tokenKey(k.ID), value: value})
}

// Key implements auth.Keys.
func (s *Store) Key(id string) (k auth.Key, ok bool, err error) {
	err = s.read(func(txn *badger.Txn) error {
		b, err := record(txn, tokenKey(id))
		if err != nil || b == nil {
			return err
		}
		var rec tokenRecord
		if err := s.codec.decode(b, &rec); err != nil {
			return err
		}
		k, ok = rec.key(id), true
		return nil
	})
	return k, ok, err
}

// Keys implements auth.Keys.
func (s *Store) Keys() (out []auth.Key, err error) {
	err = s.read(func(txn *badger.Txn) error {
		return each(txn, []byte{tableToken}, func(key, value []byte) (bool, error) {
			id, _, err := cutText(key[1:])
			if err != nil {
				return false, err
			}
			var rec tokenRecord
			if err := s.codec.decode(value, &rec); err != nil {
				return false, err
			}
			out = append(out, rec.key(string(id)))
			return true, nil
		})
	})
	return out, err
}

// DeleteKey implements auth.Keys.
func (s *Store) DeleteKey(id string) error {
	return s.put(context.Background(), write{key: tokenKey(id), del: true})
}
