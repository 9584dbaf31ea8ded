package server

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// unmatched is the route label of requests that no route matched: their paths
// are the client's choice and must not become labels.
const unmatched = "unmatched"

// metrics are the HTTP families. Labels are bounded: the patterns of the route
// table, the methods in it, five classes of status.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	running  prometheus.Gauge
	refused  *prometheus.CounterVec
	panics   prometheus.Counter
	cut      prometheus.Counter
	none     routeMetrics
}

// routeMetrics are the series of one route, looked up once.
type routeMetrics struct {
	byClass [6]prometheus.Counter
	seconds prometheus.Observer
}

// reasons are the values of the label of mero_server_refused_total.
const (
	refusedHost    = "host"
	refusedOrigin  = "origin"
	refusedToken   = "token"
	refusedScope   = "scope"
	refusedTooBusy = "busy"
)

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mero_server_requests_total",
			Help: "HTTP requests by route pattern, method and class of status.",
		}, []string{"route", "method", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "mero_server_request_seconds",
			Help:    "Time from the head of a request to the end of its answer.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 4, 10),
		}, []string{"route", "method"}),
		running: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "mero_server_running_requests",
			Help: "Requests that run now.",
		}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mero_server_refused_total",
			Help: "Requests refused before they reached a handler, by reason (host, origin, token, scope, busy).",
		}, []string{"reason"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mero_server_panics_total",
			Help: "Handlers that panicked; each is a bug.",
		}),
		cut: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mero_server_connections_cut_total",
			Help: "Answers that ended early because the client did not read them or went away.",
		}),
	}
	reg.MustRegister(m.requests, m.seconds, m.running, m.refused, m.panics, m.cut)
	for _, reason := range []string{refusedHost, refusedOrigin, refusedToken, refusedScope, refusedTooBusy} {
		m.refused.WithLabelValues(reason)
	}
	m.none = m.of(unmatched, "any")
	return m
}

func (m *metrics) of(pattern, method string) routeMetrics {
	var r routeMetrics
	for class, name := range []string{"", "", "2xx", "3xx", "4xx", "5xx"} {
		if name != "" {
			r.byClass[class] = m.requests.WithLabelValues(pattern, method, name)
		}
	}
	r.seconds = m.seconds.WithLabelValues(pattern, method)
	return r
}

func (r *routeMetrics) done(status int, took time.Duration) {
	class := status / 100
	if class < 2 || class > 5 {
		class = http.StatusInternalServerError / 100
	}
	r.byClass[class].Inc()
	r.seconds.Observe(took.Seconds())
}
