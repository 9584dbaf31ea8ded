package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/gofrs/flock"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"mero/node/auth"
	"mero/node/disk"
	"mero/node/ident"
	"mero/node/store/files"
)

// Deps are what a Store needs from outside.
type Deps struct {
	Log zerolog.Logger
	// Metrics takes the store's metrics; nil for none.
	Metrics prometheus.Registerer
	// FreeBytes tells the free space of a directory; nil asks the system. It is
	// called before every transaction.
	FreeBytes func(dir string) (uint64, error)
}

// Store is the database of one node. Make it with Open.
type Store struct {
	dir  string
	cfg  Config
	log  zerolog.Logger
	free func(dir string) (uint64, error)

	db      *badger.DB
	codec   codec
	lock    *flock.Flock
	anchor  *files.Anchor // written by the leader of a batch only
	metrics *metrics
	lost    atomic.Uint64 // as Lost says
	unread  []string      // tables that Run has to verify

	users   gate
	reads   snapshots
	commits committer
	steps   keyLocks[ident.ContextID]
	names   sync.Mutex // serialises check-and-set of aliases

	nextXCall      atomic.Uint64
	nextGeneration atomic.Uint32
	active         active // generations that are being written

	failure  atomic.Pointer[error] // the first write that the disk refused
	readOnly atomic.Bool           // as it was last logged
	untidy   atomic.Bool           // there may be leftovers for Run

	limits limits
	fault  func() error // a test's crash before a transaction; nil else
}

// limits are constants that tests make smaller.
type limits struct {
	batchBytes, batchWrites int
}

var _ auth.Keys = (*Store)(nil)

// Open opens the store in dir and makes it when there is none; beside it lie
// dir.anchor and dir.lock. It starts nothing of ours; badger starts its own
// goroutines, which Close ends. Errors: ErrLocked, *DamagedError (nothing was
// changed), *SchemaError, ErrDiskFull.
func Open(dir string, cfg Config, deps Deps) (*Store, error) {
	return open(dir, cfg, deps, currentSchema(), verifyAtOpen)
}

func open(dir string, cfg Config, deps Deps, sch schema, verify int64) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Store{
		dir: dir, cfg: cfg, log: deps.Log, free: deps.FreeBytes,
		limits: limits{batchBytes: maxBatchBytes, batchWrites: maxBatchWrites},
	}
	if s.free == nil {
		s.free = disk.Free
	}
	var err error
	if s.codec, err = newCodec(); err != nil {
		return nil, err
	}
	if s.metrics, err = newMetrics(deps.Metrics); err != nil {
		return nil, err
	}
	if err := s.acquire(); err != nil {
		return nil, err
	}
	if err := s.start(sch, verify); err != nil {
		return nil, errors.Join(err, s.release())
	}
	return s, nil
}

// acquire makes the directory and takes the lock.
func (s *Store) acquire() error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("make the store's directory: %w", err)
	}
	s.lock = flock.New(s.dir+".lock", flock.SetPermissions(0o600))
	ok, err := s.lock.TryLock()
	if err != nil {
		return fmt.Errorf("lock the store: %w", err)
	}
	if !ok {
		return fmt.Errorf("%w: %s", ErrLocked, s.dir)
	}
	return nil
}

// start inspects the files, opens badger and reads what every store has.
func (s *Store) start(sch schema, verify int64) error {
	if err := s.roomToOpen(); err != nil {
		return err
	}
	anchored, err := files.ReadAnchor(s.anchorPath())
	if err != nil {
		return err
	}
	in, err := files.Inspect(s.dir, anchored, verify, s.cfg.AcceptLoss, readTables)
	if err != nil {
		return err
	}
	if err := in.Prepare(); err != nil {
		return err
	}
	if s.db, err = openEngine(engineOptions(s.dir, s.cfg, s.log, s.metrics)); err != nil {
		return err
	}
	if got := s.db.MaxVersion(); got != in.Last {
		return &DamagedError{File: s.dir, Reason: fmt.Sprintf("database opened at transaction %d, its files have %d", got, in.Last)}
	}
	s.db.SetDiscardTs(s.reads.advance(in.Last))
	s.unread = in.Unread
	s.untidy.Store(true)
	if err := s.readCounters(); err != nil {
		return err
	}
	// Before the anchor forgets what was lost.
	if err := s.recordLoss(in); err != nil {
		return err
	}
	if s.anchor, err = files.OpenAnchor(s.anchorPath(), s.reads.newest()); err != nil {
		return err
	}
	return s.migrate(sch, in.Fresh)
}

func (s *Store) anchorPath() string { return s.dir + ".anchor" }

// release undoes what was opened.
func (s *Store) release() error {
	var errs []error
	if s.db != nil {
		if err := s.db.Close(); err != nil {
			errs = append(errs, fmt.Errorf("close the store: %w", err))
		}
	}
	if s.anchor != nil {
		errs = append(errs, s.anchor.Close())
	}
	errs = append(errs, s.lock.Unlock())
	return errors.Join(errs...)
}

// Close ends the store. It refuses new work, waits for writes and views that are
// open, and leaves all of it on disk. When views stay open for 10 s it gives up
// with an error: closing under them would crash the process, and nothing that
// was acknowledged needs it. So it does, with ErrDiskFull, when there is no room
// to write the log to a table: the next Open replays the log. A second call does
// nothing.
func (s *Store) Close() error {
	first, idle := s.users.close()
	if !first {
		return nil
	}
	select {
	case <-idle:
		if err := s.roomToClose(); err != nil {
			return err
		}
		return s.release()
	case <-time.After(closeWait):
		return fmt.Errorf("close the store %s: %d views or writes are still open", filepath.Base(s.dir), s.users.count())
	}
}

// Writable is nil, or why writes are refused: ErrDiskFull, ErrFailed, ErrClosed or
// a *DamagedError that Run found.
func (s *Store) Writable() error {
	if s.users.closed() {
		return ErrClosed
	}
	if failure := s.failure.Load(); failure != nil {
		return *failure
	}
	return s.room(0)
}

// fail makes the store read-only until it is opened again.
func (s *Store) fail(err error) {
	if s.failure.CompareAndSwap(nil, &err) {
		s.metrics.readOnly.Set(1)
		s.log.Error().Err(err).Msg("store is read-only from now on")
	}
}

// room checks that need bytes may be written. The write goes to a log and then to
// a table, so twice the bytes have to fit above the reserve.
func (s *Store) room(need int) error {
	if s.cfg.Reserve == 0 {
		return nil
	}
	free, err := s.free(s.dir)
	if err != nil {
		return err
	}
	s.metrics.free.Set(float64(free))
	full := free < s.cfg.Reserve+2*uint64(max(need, 0))
	if s.readOnly.CompareAndSwap(!full, full) {
		if full {
			s.metrics.readOnly.Set(1)
			s.log.Error().Uint64("free", free).Uint64("reserve", s.cfg.Reserve).Msg("disk is full: the store is read-only")
		} else {
			s.metrics.readOnly.Set(0)
			s.log.Info().Uint64("free", free).Msg("there is room again: the store takes writes")
		}
	}
	if full {
		return fmt.Errorf("%w: %d bytes are free in %s, %d are kept in reserve", ErrDiskFull, free, s.dir, s.cfg.Reserve)
	}
	return nil
}

// FreeBytes is the space on the store's disk that may still be filled, in bytes.
func (s *Store) FreeBytes() (uint64, error) { return s.free(s.dir) }

// roomToOpen makes sure that opening does not crash: badger maps new files and
// writes the logs of the last run to tables.
func (s *Store) roomToOpen() error {
	need := min(s.cfg.Reserve/2, 4*memTable)
	free, err := s.free(s.dir)
	if err != nil {
		return err
	}
	if need > 0 && free < need {
		return fmt.Errorf("%w: %d bytes are free in %s, opening needs %d", ErrDiskFull, free, s.dir, need)
	}
	return nil
}

// roomToClose makes sure that closing does not crash either: badger writes both
// of its logs to tables, through mapped files, when others may have taken what
// the reserve was for.
func (s *Store) roomToClose() error {
	need := min(s.cfg.Reserve/2, 2*memTable+memTable/8)
	free, err := s.free(s.dir)
	if err != nil {
		return err
	}
	if free < need {
		return fmt.Errorf("%w: %d bytes are free in %s, closing in order needs %d; nothing is lost, the next start does the rest",
			ErrDiskFull, free, s.dir, need)
	}
	return nil
}

// read runs f in a snapshot.
func (s *Store) read(f func(txn *badger.Txn) error) error {
	if !s.users.enter() {
		return ErrClosed
	}
	defer s.users.leave()
	txn := s.begin()
	defer s.end(txn)
	return f(txn)
}

// begin opens a snapshot of what is durable now; end must follow.
func (s *Store) begin() *badger.Txn {
	return s.db.NewTransactionAt(s.reads.acquire(), false)
}

func (s *Store) end(txn *badger.Txn) {
	txn.Discard()
	s.reads.release(txn.ReadTs())
}

// Run does what needs no caller: it moves overlays and sweeps leftovers of crashes,
// verifies tables that Open did not, and watches the disk. It returns nil when
// ctx ends.
func (s *Store) Run(ctx context.Context) error {
	s.tidy(ctx)
	s.verifyRest(ctx)
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if s.failure.Load() == nil {
				_ = s.room(0) // logs and counts
				s.tidy(ctx)
			}
		}
	}
}

// verifyRest reads the tables that were too many for Open, about 64 MiB a second.
func (s *Store) verifyRest(ctx context.Context) {
	var v verifier
	for _, path := range s.unread {
		begun := time.Now()
		_, size, err := v.table(path, true)
		var damaged *DamagedError
		switch {
		case errors.Is(err, os.ErrNotExist):
			continue // compacted meanwhile
		case errors.As(err, &damaged):
			s.metrics.damaged.Inc()
			s.fail(err)
			return
		case err != nil:
			s.log.Warn().Err(err).Msg("cannot verify a table of the store")
		}
		pause := time.Duration(size)*time.Second/(64<<20) - time.Since(begun)
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(pause, 0)):
		}
	}
}
