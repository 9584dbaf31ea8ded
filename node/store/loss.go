package store

import (
	"context"
	"fmt"

	"github.com/dgraph-io/badger/v4"

	"mero/node/store/files"
)

// lossRecord says that acknowledged transactions were lost and that the node has
// not drawn its conclusions yet.
type lossRecord struct {
	Lost uint64 `cbor:"1,keyasint"`
}

// Lost is how many acknowledged transactions an Open, this one or an earlier one,
// found missing and was told to accept (Config.AcceptLoss), until SettleLoss.
// While it is not zero every writer of this node needs a new incarnation, since
// others may know deltas that this store forgot (R3).
func (s *Store) Lost() uint64 { return s.lost.Load() }

// SettleLoss says that every writer has a new incarnation: Lost is zero from now
// on. Without a loss it does nothing.
func (s *Store) SettleLoss(ctx context.Context) error {
	if s.lost.Load() == 0 {
		return nil
	}
	if err := s.put(ctx, write{key: metaKey(lossName), del: true}); err != nil {
		return err
	}
	s.lost.Store(0)
	return nil
}

// recordLoss keeps what the inspection found lost, beside what an earlier Open
// found and nobody settled. It has to be durable before the anchor is lowered:
// after that nothing else tells of the loss, and a crash may come before the
// writers are renewed. A crash in between finds the loss again, or the record.
func (s *Store) recordLoss(in *files.Inspection) error {
	var rec lossRecord
	err := s.read(func(txn *badger.Txn) error {
		b, err := record(txn, metaKey(lossName))
		if err != nil || b == nil {
			return err
		}
		return s.codec.decode(b, &rec)
	})
	if err != nil {
		return err
	}
	known := rec.Lost
	rec.Lost = max(rec.Lost, in.Lost)
	s.lost.Store(rec.Lost)
	s.metrics.lost.Set(float64(rec.Lost))
	if in.Lost == 0 {
		return nil
	}
	s.log.Warn().Uint64("transactions", in.Lost).Msg("acknowledged writes were lost, and that was accepted")
	if in.Last == 0 || rec.Lost == known {
		// With everything gone there is no writer left to be renewed.
		return nil
	}
	value, err := s.codec.encode(rec)
	if err != nil {
		return err
	}
	b := &batch{}
	b.add(write{key: metaKey(lossName), value: value})
	last, err := s.commit([]*batch{b})
	if err != nil {
		return fmt.Errorf("record the loss: %w", err)
	}
	if err := s.db.Sync(); err != nil {
		return fmt.Errorf("record the loss: %w", err)
	}
	s.db.SetDiscardTs(s.reads.advance(last))
	return nil
}
