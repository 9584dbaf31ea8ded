package replica

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"mero/node/vm"
)

// metrics are the DAG and execution families of this node. Nothing here is
// labelled by context or method: clients choose those.
type metrics struct {
	calls   *prometheus.CounterVec
	seconds *prometheus.HistogramVec
	deltas  prometheus.Counter
	xcalls  *prometheus.CounterVec
	ops     *prometheus.CounterVec

	running, applying, storing prometheus.Observer // the phases of a write

	arrived   *prometheus.CounterVec
	waits     *prometheus.CounterVec
	rollbacks prometheus.Histogram
	refolds   *prometheus.CounterVec
	rebuilds  prometheus.Counter
	damage    prometheus.Counter
	scrubs    prometheus.Counter
	forked    prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mero_replica_calls_total",
			Help: "Calls by kind (read, write) and outcome (ok, application, limit, refused, failed).",
		}, []string{"kind", "outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "mero_replica_call_seconds",
			Help:    "Time from request to answer of a successful call, durable if it wrote.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2, 16),
		}, []string{"kind"}),
		deltas: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mero_replica_deltas_folded_total",
			Help: "Deltas folded into the state of contexts on this node.",
		}),
		xcalls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mero_replica_xcalls_total",
			Help: "Calls from context to context by outcome (done, failed, waiting to be tried again, too deep).",
		}, []string{"outcome"}),
	}
	m.ops = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "mero_replica_context_operations_total",
		Help: "Creations and deletions of contexts and changes of members that applications asked for, by outcome (done, failed).",
	}, []string{"outcome"})
	m.phases(reg)
	m.fold(reg)
	reg.MustRegister(m.calls, m.seconds, m.deltas, m.xcalls, m.ops)
	for _, outcome := range []string{"done", "failed"} {
		m.ops.WithLabelValues(outcome)
	}
	for _, kind := range []string{"read", "write"} {
		m.calls.WithLabelValues(kind, "ok")
		m.seconds.WithLabelValues(kind)
	}
	for _, outcome := range []string{"done", "failed", "waiting", "too deep"} {
		m.xcalls.WithLabelValues(outcome)
	}
	return m
}

// phases makes the metric of where the time of writes goes.
func (m *metrics) phases(reg prometheus.Registerer) {
	phases := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "mero_replica_phase_seconds",
		Help:    "Where the time of writes goes: run (the method, by its author), apply (folding one delta), store (one durable step).",
		Buckets: prometheus.ExponentialBuckets(0.00005, 4, 10),
	}, []string{"phase"})
	m.running, m.applying, m.storing = phases.WithLabelValues("run"), phases.WithLabelValues("apply"), phases.WithLabelValues("store")
	reg.MustRegister(phases)
}

// since observes a phase that began at a time.
func since(phase prometheus.Observer, begun time.Time) { phase.Observe(time.Since(begun).Seconds()) }

// fold makes the metrics of what arrives and of how the state follows.
func (m *metrics) fold(reg prometheus.Registerer) {
	m.arrived = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "mero_replica_deltas_received_total",
		Help: "Deltas handed in from elsewhere by what became of them (taken, waiting, duplicate, refused).",
	}, []string{"result"})
	m.waits = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "mero_replica_deltas_held_total",
		Help: "Deltas that had to wait although their parents were there, by what for (key, code, clock, upgrade, watchdog, memory, order).",
	}, []string{"for"})
	m.rollbacks = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "mero_replica_rollback_deltas",
		Help:    "Deltas that were taken back to put late ones into their place, per roll-back at once.",
		Buckets: prometheus.ExponentialBuckets(1, 4, 8),
	})
	m.refolds = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "mero_replica_refolds_total",
		Help: "Deep roll-backs beside the live state, by outcome (done, failed).",
	}, []string{"outcome"})
	m.rebuilds = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "mero_replica_rebuilds_total", Help: "Contexts whose state was folded again from genesis.",
	})
	m.damage = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "mero_replica_damage_total", Help: "Times that stored state or undo spans were not what they must be.",
	})
	m.scrubs = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "mero_replica_scrubs_total", Help: "Contexts whose state was hashed again and compared with its root.",
	})
	m.forked = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "mero_replica_forked_deltas_total", Help: "Deltas taken of writers that gave one number to several deltas.",
	})
	reg.MustRegister(m.forked, m.arrived, m.waits, m.rollbacks, m.refolds, m.rebuilds, m.damage, m.scrubs)
	for _, result := range []string{"taken", "waiting", "duplicate", "refused"} {
		m.arrived.WithLabelValues(result)
	}
	for _, outcome := range []string{"done", "failed"} {
		m.refolds.WithLabelValues(outcome)
	}
}

// received counts what arrived.
func (m *metrics) received(got *Received) {
	m.arrived.WithLabelValues("taken").Add(float64(max(got.New-got.Waiting, 0)))
	m.arrived.WithLabelValues("waiting").Add(float64(got.Waiting))
	m.arrived.WithLabelValues("duplicate").Add(float64(got.Duplicate))
	m.arrived.WithLabelValues("refused").Add(float64(len(got.Refused)))
}

// call counts one call. Failed calls count as reads: nothing was written.
func (m *metrics) call(res *Result, err error, took time.Duration) {
	kind := "read"
	if res != nil && res.Changed {
		kind = "write"
	}
	m.calls.WithLabelValues(kind, outcome(err)).Inc()
	if err == nil {
		m.seconds.WithLabelValues(kind).Observe(took.Seconds())
	}
}

// operation counts what an application asked to be done with contexts.
func (m *metrics) operation(err error) {
	outcome := "done"
	if err != nil {
		outcome = "failed"
	}
	m.ops.WithLabelValues(outcome).Inc()
}

func outcome(err error) string {
	var (
		guest *vm.Error
		limit *LimitError
		who   *UnauthorizedError
	)
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &guest) && guest.Kind == vm.KindLimit, errors.As(err, &limit), errors.Is(err, context.DeadlineExceeded):
		return "limit"
	case errors.As(err, &guest) && guest.Kind != vm.KindHost:
		return "application"
	case errors.As(err, &who), errors.Is(err, ErrContextNotFound), errors.Is(err, ErrReservedMethod), errors.Is(err, ErrBusy):
		return "refused"
	}
	return "failed"
}
