package syncer

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// What is dropped because a bound was reached.
const (
	dropInbox    = "inbox"    // deltas from gossip, which sessions bring again
	dropOutbox   = "outbox"   // announcements, which sessions make good
	dropPeer     = "peer"     // a node that is not remembered
	dropKept     = "kept"     // a node that the network does not stay connected to
	dropContext  = "context"  // a context that does not take part
	dropBinding  = "binding"  // a shared context that one hello had no room for
	dropDistrust = "distrust" // a message of somebody who is not bound
)

// The exchanges with peers besides sessions, as values of a label.
const (
	withHello     = "hello"
	withJoin      = "join"
	withHeartbeat = "heartbeat"
	withBlob      = "blob"
	withKeys      = "keys"
)

// metrics are the sync families of this node. Nothing is labelled by context or peer:
// others choose those.
type metrics struct {
	sessions  *prometheus.CounterVec
	seconds   prometheus.Histogram
	deltas    *prometheus.CounterVec
	bytes     *prometheus.CounterVec
	exchanges *prometheus.CounterVec
	refused   *prometheus.CounterVec
	dropped   *prometheus.CounterVec
	gossip    *prometheus.CounterVec
	visible   prometheus.Histogram
	lag       prometheus.Histogram
	diverged  prometheus.Counter
	repaired  prometheus.Counter
	running   prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer, s *Syncer) *metrics {
	m := &metrics{
		sessions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mero_syncer_sessions_total",
			Help: "Sessions that ended, by outcome (equal, moving, waiting, stuck, diverged, refused, failed) and by who began them (us, them).",
		}, []string{"outcome", "by"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "mero_syncer_session_seconds", Help: "How long sessions took.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 10),
		}),
		deltas: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mero_syncer_session_deltas_total", Help: "Deltas that sessions carried, by direction (sent, received).",
		}, []string{"direction"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mero_syncer_session_bytes_total", Help: "Bytes of sessions by direction (sent, received).",
		}, []string{"direction"}),
		exchanges: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mero_syncer_exchanges_total",
			Help: "Other exchanges that this node began, by protocol (hello, join, heartbeat, blob, keys) and outcome (ok, refused, failed).",
		}, []string{"protocol", "outcome"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mero_syncer_refused_total", Help: "What peers sent and this node refused, by reason.",
		}, []string{"reason"}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mero_syncer_dropped_total",
			Help: "What was let go because a bound was reached, by kind; sessions make up for deltas and announcements.",
		}, []string{"kind"}),
		gossip: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mero_syncer_gossip_deltas_total", Help: "Deltas of gossip, by what became of them (published, announced, received, duplicate, rejected).",
		}, []string{"fate"}),
		visible: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "mero_syncer_gossip_seconds", Help: "Time from the arrival of a gossip message until its deltas were durable here.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
		}),
		lag: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "mero_syncer_convergence_seconds",
			Help:    "How long a peer's replica was known to be different from this node's before both were equal again.",
			Buckets: prometheus.ExponentialBuckets(0.005, 4, 10),
		}),
		diverged: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mero_syncer_divergence_found_total", Help: "Replicas with the same folded heads and another root than this node's, which cannot happen by design.",
		}),
		repaired: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mero_syncer_divergence_repaired_total", Help: "Replicas of this node that were folded again after a divergence, and had been wrong.",
		}),
		running: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "mero_syncer_sessions", Help: "Sessions under way, whoever began them.",
		}),
	}
	m.zero()
	reg.MustRegister(m.sessions, m.seconds, m.deltas, m.bytes, m.exchanges, m.refused, m.dropped, m.gossip, m.visible, m.lag,
		m.diverged, m.repaired, m.running, &gauges{s: s})
	return m
}

// zero makes known labels exist before anything happens.
func (m *metrics) zero() {
	for _, o := range []Outcome{OutcomeEqual, OutcomeMoving, OutcomeWaiting, OutcomeStuck, OutcomeDiverged, OutcomeRefused, OutcomeFailed} {
		m.sessions.WithLabelValues(string(o), "us")
		m.sessions.WithLabelValues(string(o), "them")
	}
	for _, d := range []string{"sent", "received"} {
		m.deltas.WithLabelValues(d)
		m.bytes.WithLabelValues(d)
	}
	for _, p := range []string{withHello, withJoin, withHeartbeat, withBlob, withKeys} {
		for _, o := range []string{"ok", "refused", "failed"} {
			m.exchanges.WithLabelValues(p, o)
		}
	}
	for _, r := range []string{"version", "malformed", "unbound", "busy", "invitation", "absent", "failed"} {
		m.refused.WithLabelValues(r)
	}
	for _, k := range []string{dropInbox, dropOutbox, dropPeer, dropKept, dropContext, dropBinding, dropDistrust} {
		m.dropped.WithLabelValues(k)
	}
	for _, f := range []string{"published", "announced", "received", "duplicate", "rejected"} {
		m.gossip.WithLabelValues(f)
	}
}

// session counts one that ended.
func (m *metrics) session(r *Report, ours bool) {
	by := "them"
	if ours {
		by = "us"
	}
	m.sessions.WithLabelValues(string(r.Outcome), by).Inc()
	m.seconds.Observe(r.Took.Seconds())
	m.deltas.WithLabelValues("sent").Add(float64(r.Sent))
	m.deltas.WithLabelValues("received").Add(float64(r.Received))
	m.bytes.WithLabelValues("sent").Add(float64(r.BytesSent))
	m.bytes.WithLabelValues("received").Add(float64(r.BytesReceived))
}

// gauges are what is looked at when metrics are read.
type gauges struct{ s *Syncer }

// Describe sends nothing: the families are only known by Collect.
func (g *gauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range g.descs() {
		ch <- d
	}
}

func (*gauges) descs() [6]*prometheus.Desc {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("mero_syncer_"+name, help, labels, nil)
	}
	return [6]*prometheus.Desc{
		desc("contexts", "Contexts that take part in the exchange between nodes."),
		desc("links", "Pairs of a context and a connected member's node, by state (equal, different, unknown).", "state"),
		desc("lonely_contexts", "Contexts without a connected member's node."),
		desc("mesh_peers", "Peers that messages of topics go to directly, over all contexts."),
		desc("behind_seconds_max", "For how long the peer that is different for longest has been."),
		desc("queued_deltas", "Deltas that wait, by queue (inbox, outbox).", "queue"),
	}
}

// Collect counts links.
func (g *gauges) Collect(ch chan<- prometheus.Metric) {
	g.s.mu.Lock()
	now, wall := time.Now(), g.s.deps.Wall()
	var equal, different, unknown, lonely, in, out int
	var longest time.Duration
	for _, c := range g.s.contexts {
		connected := 0
		for _, l := range c.links {
			if !l.isBound(wall) {
				continue
			}
			connected++
			switch {
			case !l.differs.IsZero():
				different++
				longest = max(longest, now.Sub(l.differs))
			case l.equal.IsZero():
				unknown++
			default:
				equal++
			}
		}
		if connected == 0 {
			lonely++
		}
		in += c.in.len()
		out += len(c.out.list)
	}
	contexts := len(g.s.contexts)
	topics := g.s.topics()
	g.s.mu.Unlock()
	mesh := 0
	for _, t := range topics { // without the lock: netkit asks us who is allowed
		mesh += len(t.Peers())
	}
	d := g.descs()
	gauge := func(desc *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, v, labels...)
	}
	gauge(d[0], float64(contexts))
	gauge(d[1], float64(equal), "equal")
	gauge(d[1], float64(different), "different")
	gauge(d[1], float64(unknown), "unknown")
	gauge(d[2], float64(lonely))
	gauge(d[3], float64(mesh))
	gauge(d[4], longest.Seconds())
	gauge(d[5], float64(in), "inbox")
	gauge(d[5], float64(out), "outbox")
}
