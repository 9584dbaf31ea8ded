package store

import (
	"bytes"
	"context"
	"encoding/binary"

	"github.com/dgraph-io/badger/v4"

	"mero/node/ident"
)

// SetFault makes f decide, before every transaction, whether the process dies.
func (s *Store) SetFault(f func() error) { s.fault = f }

// SetLimits makes transactions small.
func (s *Store) SetLimits(bytes, writes int) {
	s.limits = limits{batchBytes: bytes, batchWrites: writes}
}

// OpenSchema opens with another idea of what the current schema is.
func OpenSchema(dir string, cfg Config, deps Deps, version uint32, migrations map[uint32]func(*Store) error) (*Store, error) {
	return open(dir, cfg, deps, schema{version: version, migrations: migrations}, verifyAtOpen)
}

// SchemaVersion is what this release writes.
const SchemaVersion = schemaVersion

// Transaction is the newest acknowledged transaction.
func (s *Store) Transaction() uint64 { return s.anchor.Last() }

// Queued is how many batches wait for the leader.
func (s *Store) Queued() int {
	s.commits.mu.Lock()
	defer s.commits.mu.Unlock()
	return len(s.commits.queue)
}

// WrittenSince counts the records that are newer than a transaction, by table,
// and their bytes; what was deleted counts as zero bytes.
func (s *Store) WrittenSince(transaction uint64) (byTable map[byte]int, bytes int, err error) {
	byTable = make(map[byte]int)
	err = s.read(func(txn *badger.Txn) error {
		opt := badger.DefaultIteratorOptions
		opt.AllVersions = true
		opt.SinceTs = transaction
		it := txn.NewIterator(opt)
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			if it.Item().Version() > transaction {
				byTable[it.Item().Key()[0]]++
				bytes += int(it.Item().EstimatedSize())
			}
		}
		return nil
	})
	return byTable, bytes, err
}

// Kept is what the database holds by table, old versions included, in bytes of
// keys and values.
func (s *Store) Kept() (map[byte]int, error) {
	kept := make(map[byte]int)
	err := s.read(func(txn *badger.Txn) error {
		opt := badger.DefaultIteratorOptions
		opt.AllVersions = true
		it := txn.NewIterator(opt)
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			kept[it.Item().Key()[0]] += int(it.Item().EstimatedSize())
		}
		return nil
	})
	return kept, err
}

// Flatten compacts everything into one level.
func (s *Store) Flatten() error { return s.db.Flatten(1) }

// Records counts what is stored, by table.
func (s *Store) Records() (map[byte]int, error) {
	out := make(map[byte]int)
	keys, err := s.keys(nil)
	for _, key := range keys {
		out[key[0]]++
	}
	return out, err
}

// Tables of interest to tests.
const (
	TableState    = tableSpaces + byte(spaceState)
	TableDelta    = tableSpaces + byte(spaceDelta)
	TableFate     = tableSpaces + byte(spaceFate)
	TableUndo     = tableSpaces + byte(spaceUndo)
	TableContext  = tableContext
	TableLeftover = tableLeftover
	TableGone     = tableGone
	TableMeta     = tableMeta
	TableXCall    = tableXCall
	TableGroup    = tableGroup
	TableApp      = tableApp
)

// VerifyTable reads a table.
func VerifyTable(b []byte) error {
	var v verifier
	_, err := v.read("table", bytes.NewReader(b), int64(len(b)), true)
	return err
}

// DecodeHead reads the head of a value of state.
func DecodeHead(form, b []byte) (length int, err error) {
	h, err := decodeHead(spaceState, form, b)
	return h.length, err
}

// AppendText and CutText are the escaped form of names and keys.
func AppendText(b, text []byte) []byte                { return appendText(b, text) }
func CutText(b []byte) (text, rest []byte, err error) { return cutText(b) }

// Tidy is one round of what Run does.
func (s *Store) Tidy(ctx context.Context) error { return s.tidyAll(ctx) }

// RecordsWith counts the records whose key contains an id.
func (s *Store) RecordsWith(id ident.ContextID) (int, error) {
	n := 0
	keys, err := s.keys(nil)
	for _, key := range keys {
		if bytes.Contains(key, id[:]) {
			n++
		}
	}
	return n, err
}

// OpenUnverified opens without reading the tables' data.
func OpenUnverified(dir string, cfg Config, deps Deps) (*Store, error) {
	return open(dir, cfg, deps, currentSchema(), 0)
}

// WriteOldDeltas writes deltas as schema version 1 did.
func (s *Store) WriteOldDeltas(ctx context.Context, id ident.ContextID, deltas []DeltaRecord) error {
	rec, _, err := s.contextHead(id)
	if err != nil {
		return err
	}
	out := stream{store: s, ctx: ctx}
	for _, d := range deltas {
		value := binary.BigEndian.AppendUint64(nil, uint64(d.Time))
		for sp, c := range map[space]Change{
			spaceDelta: {Key: d.ID[:], New: append(value, d.Bytes...), HasNew: true},
			spaceFate:  {Key: fateForm(d.Time, d.ID), New: append([]byte{byte(d.Fate)}, d.Reason...), HasNew: true},
		} {
			if err := out.add(diff(nil, sp, generationKey(sp, id, rec.Base), c, false)...); err != nil {
				return err
			}
		}
	}
	return out.flush()
}

// The forms of undo spans and deltas.
func UndoForm(u UndoRef) []byte                { return undoForm(u) }
func CutUndoForm(form []byte) (UndoRef, error) { return cutUndoForm(form) }
func Beginning(envelope []byte) []byte         { return beginning(envelope) }
func EncodeFate(f Fate, begin []byte, reason string) []byte {
	return encodeFate(f, begin, reason)
}
func DecodeFate(b []byte) (Fate, []byte, string, error) { return decodeFate(b) }
