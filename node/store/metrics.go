package store

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	commits    prometheus.Counter
	batch      prometheus.Histogram
	seconds    prometheus.Histogram
	bytes      prometheus.Counter
	large      prometheus.Counter
	refused    *prometheus.CounterVec
	free       prometheus.Gauge
	readOnly   prometheus.Gauge
	views      prometheus.Gauge
	lost       prometheus.Gauge
	damaged    prometheus.Counter
	engineErrs prometheus.Counter
}

const (
	refusedDisk   = "disk full"
	refusedFailed = "failed"
)

// newMetrics registers the store's metrics; nil keeps them to ourselves.
func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		commits:    counter("mero_store_commits_total", "Acknowledged writes, steps and small records."),
		batch:      histogram("mero_store_batch_writes", "Writes that shared one transaction and one fsync.", prometheus.ExponentialBuckets(1, 2, 8)),
		seconds:    histogram("mero_store_commit_seconds", "Time of one transaction, fsync included.", prometheus.ExponentialBuckets(0.0001, 2.5, 12)),
		bytes:      counter("mero_store_written_bytes", "Bytes given to the database, before its own copies."),
		large:      counter("mero_store_large_steps_total", "Steps that needed an overlay generation."),
		free:       gauge("mero_store_free_bytes", "Free disk space when it was last looked at."),
		readOnly:   gauge("mero_store_read_only_count", "1 while the store refuses writes."),
		views:      gauge("mero_store_open_views_count", "Snapshots and reads in progress."),
		lost:       gauge("mero_store_lost_transactions_count", "Acknowledged transactions that were lost to damage and accepted at start."),
		damaged:    counter("mero_store_damaged_files_total", "Damaged files that the background check found."),
		engineErrs: counter("mero_store_engine_errors_total", "Errors that the database logged."),
	}
	m.refused = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "mero_store_refused_writes_total", Help: "Writes that were refused, by reason.",
	}, []string{"reason"})
	for _, reason := range []string{refusedDisk, refusedFailed} {
		m.refused.WithLabelValues(reason)
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{
		m.commits, m.batch, m.seconds, m.bytes, m.large, m.refused, m.free, m.readOnly, m.views, m.lost, m.damaged, m.engineErrs,
	} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register the store's metrics: %w", err)
		}
	}
	return m, nil
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
}

func gauge(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
}

func histogram(name, help string, buckets []float64) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets})
}
