package vm

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of one engine. Labels are the fixed words of Kind: never a method, a
// context or anything else that a user can choose.
type metrics struct {
	executions *prometheus.HistogramVec
	compiles   *prometheus.HistogramVec
	starts     *prometheus.CounterVec
	modules    prometheus.Gauge
	poolIdle   prometheus.Gauge
	poolLive   prometheus.Gauge
	poolHits   prometheus.Counter
	poolMisses prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "mero_vm_pool_requests_total",
		Help: "Requests for guest memory, by whether the pool had some.",
	}, []string{"result"})
	m := &metrics{
		executions: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "mero_vm_execution_seconds",
			Help:    "Executions of guest methods, instantiation included, by outcome.",
			Buckets: prometheus.ExponentialBuckets(20e-6, 3, 14), // 20 µs … 32 s
		}, []string{"outcome"}),
		compiles: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "mero_vm_compile_seconds",
			Help:    "Compilations of modules, by whether the disk cache had the code.",
			Buckets: prometheus.ExponentialBuckets(1e-3, 3, 10), // 1 ms … 20 s
		}, []string{"cache"}),
		starts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mero_vm_starts_total",
			Help: "Instances that calls started in: fresh and set up by the guest, fresh from a memory image, or used again.",
		}, []string{"from"}),
		modules: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "mero_vm_modules",
			Help: "Compiled modules in memory.",
		}),
		poolIdle: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "mero_vm_pool_idle_bytes",
			Help: "Guest memory kept ready between calls, alone or with an instance.",
		}),
		poolLive: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "mero_vm_pool_live_bytes",
			Help: "Memory in use by running calls, their own and what the host holds for them, and by memory images.",
		}),
		poolHits:   requests.WithLabelValues("hit"),
		poolMisses: requests.WithLabelValues("miss"),
	}
	for _, name := range kindNames() {
		m.executions.WithLabelValues(name)
	}
	for _, from := range []string{startFresh, startImage, startReused} {
		m.starts.WithLabelValues(from)
	}
	for _, result := range []string{cacheHit, cacheMiss} {
		m.compiles.WithLabelValues(result)
	}
	for _, c := range []prometheus.Collector{m.executions, m.compiles, m.starts, m.modules, m.poolIdle, m.poolLive, requests} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("vm metrics: %w", err)
		}
	}
	return m, nil
}

const (
	cacheHit  = "hit"
	cacheMiss = "miss"

	startFresh  = "fresh"
	startImage  = "image"
	startReused = "reused"
)

// executed counts one call that began at start and ended with err.
func (m *metrics) executed(start time.Time, err error) {
	var e *Error
	kind := Kind(0)
	if errors.As(err, &e) {
		kind = e.Kind
	}
	m.executions.WithLabelValues(kind.String()).Observe(time.Since(start).Seconds())
}
