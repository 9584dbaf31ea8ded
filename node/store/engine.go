package store

import (
	"fmt"
	"strings"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

const (
	// memTable is the size of badger's log and of the table in memory. 15 % of it
	// bounds a transaction.
	memTable = 8 << 20
	// maxBatchBytes and maxBatchWrites bound a transaction of ours, below badger's
	// 1.26 MB and 13 107 records.
	maxBatchBytes  = 1 << 20
	maxBatchWrites = 10_000
)

// engineOptions tunes badger for a laptop (measurements, E).
func engineOptions(dir string, cfg Config, log zerolog.Logger, m *metrics) badger.Options {
	return badger.DefaultOptions(dir).
		WithSyncWrites(cfg.Fsync).
		WithMemTableSize(memTable).
		WithNumMemtables(2).
		WithNumLevelZeroTables(2).
		WithNumLevelZeroTablesStall(6).
		WithBaseTableSize(2 << 20).
		WithNumCompactors(2).
		WithBlockCacheSize(8 << 20).
		WithIndexCacheSize(0). // without encryption the index is read from the mapped file
		WithCompression(options.None).
		// The greatest allowed. No record of ours is near it, so the value log, which
		// never shrinks under overwrites, stays empty, and its file can be small.
		WithValueThreshold(1 << 20).
		WithValueLogFileSize(1 << 20).
		// A bad block reads as absent, which is why Open verifies first; this limits
		// what damage can do later.
		WithChecksumVerificationMode(options.OnBlockRead).
		// There is one writer (commit.go), so there are no conflicts to detect.
		WithDetectConflicts(false).
		// Those are global variables, and two nodes may run in one process.
		WithMetricsEnabled(false).
		WithLogger(engineLog{log: log, errors: m.engineErrs})
}

// engineLog gives badger's messages to ours. Its "info" is detail.
type engineLog struct {
	log    zerolog.Logger
	errors prometheus.Counter
}

// Errorf implements badger.Logger.
func (l engineLog) Errorf(format string, args ...any) {
	l.errors.Inc()
	l.log.Error().Str("engine", text(format, args)).Msg("database reports an error")
}

// Warningf implements badger.Logger.
func (l engineLog) Warningf(format string, args ...any) {
	l.log.Warn().Str("engine", text(format, args)).Msg("database warns")
}

// Infof implements badger.Logger.
func (l engineLog) Infof(format string, args ...any) {
	if e := l.log.Debug(); e.Enabled() {
		e.Str("engine", text(format, args)).Msg("database reports")
	}
}

// Debugf implements badger.Logger; there are several a transaction.
func (engineLog) Debugf(string, ...any) {}

func text(format string, args []any) string {
	return strings.TrimSpace(fmt.Sprintf(format, args...))
}

// openEngine opens badger. It panics on some damage, all of which the inspection
// should have found.
func openEngine(opt badger.Options) (db *badger.DB, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &DamagedError{File: opt.Dir, Reason: fmt.Sprintf("database cannot be opened: %v", r)}
		}
	}()
	db, err = badger.OpenManaged(opt)
	if err == nil {
		return db, nil
	}
	// badger wraps errors as text.
	switch text := err.Error(); {
	case strings.Contains(text, "Cannot acquire directory lock"):
		return nil, fmt.Errorf("%w: %w", ErrLocked, err)
	case strings.Contains(text, "no space left"):
		return nil, fmt.Errorf("%w: %w", ErrDiskFull, err)
	case strings.Contains(text, "permission denied"), strings.Contains(text, "too many open files"):
		return nil, fmt.Errorf("open the store: %w", err)
	}
	return nil, &DamagedError{File: opt.Dir, Reason: "database cannot be opened", Err: err}
}
