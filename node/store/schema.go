package store

import (
	"context"
	"fmt"

	"github.com/dgraph-io/badger/v4"
)

const (
	schemaName   = "schema"
	countersName = "counters"
	lossName     = "loss"
	// schemaVersion is the form that this release writes.
	schemaVersion = 3
)

// schema says which form is current and how to get there.
type schema struct {
	version uint32
	// migrations[v] makes version v+1 from v. It may be interrupted at any
	// transaction and is then run again.
	migrations map[uint32]func(*Store) error
}

func currentSchema() schema {
	return schema{version: schemaVersion, migrations: map[uint32]func(*Store) error{
		// Version 2 has undo spans, and headers beside fates. What version 1 wrote is
		// still read, but version 1 would not see what it reads.
		1: func(*Store) error { return nil },
		// Version 3 has memberships and invitations. A context without one is as its
		// genesis made it.
		2: func(*Store) error { return nil },
	}}
}

// migrate brings an older store up to date and refuses a newer one.
func (s *Store) migrate(sch schema, fresh bool) error {
	var rec schemaRecord
	err := s.read(func(txn *badger.Txn) error {
		b, err := record(txn, metaKey(schemaName))
		if err != nil || b == nil {
			return err
		}
		return s.codec.decode(b, &rec)
	})
	switch {
	case err != nil:
		return err
	case rec.Version > sch.version:
		return &SchemaError{Found: rec.Version, Supported: sch.version}
	case rec.Version == 0 && !fresh && s.anchor.Last() > 0:
		return broken(s.dir, "has no schema version")
	case rec.Version == 0:
		return s.setVersion(sch.version)
	}
	for v := rec.Version; v < sch.version; v++ {
		step, ok := sch.migrations[v]
		if !ok {
			return fmt.Errorf("no migration from schema version %d to %d", v, v+1)
		}
		s.log.Info().Uint32("from", v).Uint32("to", v+1).Msg("store is brought to a newer schema")
		if err := step(s); err != nil {
			return fmt.Errorf("migrate schema version %d: %w", v, err)
		}
		if err := s.setVersion(v + 1); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) setVersion(v uint32) error {
	b, err := s.codec.encode(schemaRecord{Version: v})
	if err != nil {
		return err
	}
	return s.put(context.Background(), write{key: metaKey(schemaName), value: b})
}

func (s *Store) readCounters() error {
	rec := counterRecord{NextXCall: 1, NextGeneration: 1}
	err := s.read(func(txn *badger.Txn) error {
		b, err := record(txn, metaKey(countersName))
		if err != nil || b == nil {
			return err
		}
		return s.codec.decode(b, &rec)
	})
	if err != nil {
		return err
	}
	s.nextXCall.Store(rec.NextXCall)
	s.nextGeneration.Store(rec.NextGeneration)
	return nil
}
