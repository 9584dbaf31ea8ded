package store

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/dgraph-io/badger/v4"
)

// batch is what one caller wants written in one transaction. It was checked
// before it came here: nothing in it can fail for a reason of its own, so it may
// share a transaction with others.
type batch struct {
	writes []write
	bytes  int

	wake chan struct{} // closed when done is set, or when the caller has to lead
	done bool
	err  error
}

func (b *batch) add(writes ...write) {
	for _, w := range writes {
		b.bytes += w.cost()
	}
	b.writes = append(b.writes, writes...)
}

// committer is the queue of batches. Whoever finds nobody writing becomes the
// leader: it takes everything that fits into one transaction, writes it, wakes
// those whose batches were in it, and hands the lead to the first that is left.
// So there is no goroutine, and while one fsync runs the next batch gathers.
type committer struct {
	mu      sync.Mutex
	queue   []*batch
	leading bool
}

// submit writes b and returns when it is durable. Once called it cannot be
// cancelled, since nobody could tell then what became of it.
func (s *Store) submit(b *batch) error {
	if len(b.writes) == 0 {
		return nil
	}
	if s.over(b) {
		return fmt.Errorf("%w: one transaction of %d bytes and %d records", ErrTooLarge, b.bytes, len(b.writes))
	}
	if !s.users.enter() {
		return ErrClosed
	}
	defer s.users.leave()
	c := &s.commits
	b.wake = make(chan struct{})
	c.mu.Lock()
	c.queue = append(c.queue, b)
	if c.leading {
		c.mu.Unlock()
		<-b.wake
		if b.done {
			return b.err
		}
		c.mu.Lock()
	}
	return s.lead()
}

// lead writes what fits into one transaction, tells those whose batches were in
// it and hands the lead over; c.mu is locked, and unlocked when it returns. It
// hands over as well when writing panics, since whoever waits has nobody else:
// they fail, and so does every later write, because it is not known what reached
// the disk. The panic goes on to the caller.
func (s *Store) lead() (err error) {
	c := &s.commits
	c.leading = true
	taken := s.take()
	c.mu.Unlock()

	err = fmt.Errorf("%w: writing panicked", ErrFailed)
	ended := false
	defer func() {
		if !ended {
			s.fail(err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		// The first is the leader's own, whose channel may be closed already, since
		// it was told to lead.
		for _, other := range taken[1:] {
			other.done, other.err = true, err
			close(other.wake)
		}
		if len(c.queue) > 0 {
			close(c.queue[0].wake) // it is not done, so it leads
		} else {
			c.leading = false
		}
	}()
	err = s.write(taken)
	ended = true
	return err
}

func (s *Store) over(b *batch) bool {
	return b.bytes > s.limits.batchBytes || len(b.writes) > s.limits.batchWrites
}

// take removes from the queue what fits into one transaction; the first always does.
func (s *Store) take() []*batch {
	queue := s.commits.queue
	n, bytes, writes := 0, 0, 0
	for _, b := range queue {
		bytes += b.bytes
		writes += len(b.writes)
		if n > 0 && (bytes > s.limits.batchBytes || writes > s.limits.batchWrites) {
			break
		}
		n++
	}
	taken := queue[:n:n]
	s.commits.queue = queue[n:]
	return taken
}

// write puts batches into one transaction. Only the leader is here.
func (s *Store) write(batches []*batch) error {
	bytes := 0
	for _, b := range batches {
		bytes += b.bytes
	}
	if failure := s.failure.Load(); failure != nil {
		s.metrics.refused.WithLabelValues(refusedFailed).Add(float64(len(batches)))
		return *failure
	}
	if err := s.room(bytes); err != nil {
		s.metrics.refused.WithLabelValues(refusedDisk).Add(float64(len(batches)))
		return err
	}
	if s.fault != nil {
		if err := s.fault(); err != nil {
			s.fail(err)
			return err
		}
	}
	begun := time.Now()
	if err := s.transact(batches); err != nil {
		// It is not known what reached the disk, so nothing more may be built on it.
		err = fmt.Errorf("%w: %w", ErrFailed, err)
		s.fail(err)
		return err
	}
	s.metrics.seconds.Observe(time.Since(begun).Seconds())
	s.metrics.batch.Observe(float64(len(batches)))
	s.metrics.commits.Add(float64(len(batches)))
	s.metrics.bytes.Add(float64(bytes))
	return nil
}

func (s *Store) transact(batches []*batch) error {
	last, err := s.commit(batches)
	if err != nil {
		return err
	}
	if err := s.anchor.Set(last); err != nil {
		return err
	}
	s.db.SetDiscardTs(s.reads.advance(last))
	return nil
}

// commit makes one transaction and gives its number.
func (s *Store) commit(batches []*batch) (uint64, error) {
	last := s.reads.newest()
	txn := s.db.NewTransactionAt(last, true)
	defer txn.Discard()
	counters, err := s.codec.encode(counterRecord{
		NextXCall: s.nextXCall.Load(), NextGeneration: s.nextGeneration.Load(),
	})
	if err != nil {
		return 0, err
	}
	if err := txn.Set(metaKey(countersName), counters); err != nil {
		return 0, fmt.Errorf("write counters: %w", err)
	}
	for _, b := range batches {
		for _, w := range b.writes {
			if err := set(txn, w); err != nil {
				return 0, fmt.Errorf("write record: %w", err)
			}
		}
	}
	if err := txn.CommitAt(last+1, nil); err != nil {
		return 0, fmt.Errorf("commit: %w", err)
	}
	return last + 1, nil
}

func set(txn *badger.Txn, w write) error {
	if w.del {
		return txn.Delete(w.key) //nolint:wrapcheck // wrapped by the caller
	}
	return txn.Set(w.key, w.value) //nolint:wrapcheck // wrapped by the caller
}

// put writes a few small records in one transaction.
func (s *Store) put(ctx context.Context, writes ...write) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("write to the store: %w", err)
	}
	for _, w := range writes {
		if len(w.value) > maxRecord {
			return fmt.Errorf("%w: record of %d bytes, at most %d", ErrTooLarge, len(w.value), maxRecord)
		}
	}
	b := &batch{}
	b.add(writes...)
	return s.submit(b)
}

// stream writes more than one transaction holds, in order.
type stream struct {
	store *Store
	ctx   context.Context //nolint:containedctx // a stream lives within one call
	next  batch
}

// add writes what is full.
func (st *stream) add(writes ...write) error {
	for _, w := range writes {
		limits := st.store.limits
		if len(st.next.writes) > 0 && (st.next.bytes+w.cost() > limits.batchBytes || len(st.next.writes) >= limits.batchWrites) {
			if err := st.flush(); err != nil {
				return err
			}
		}
		st.next.add(w)
	}
	return nil
}

func (st *stream) flush() error {
	if err := st.ctx.Err(); err != nil {
		return fmt.Errorf("write to the store: %w", err)
	}
	b := st.next
	st.next = batch{}
	return st.store.submit(&b)
}
