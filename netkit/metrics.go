package netkit

import (
	"sync"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/prometheus/client_golang/prometheus"
)

// metrics are counted per node. Labels are protocols of this node and words of
// this package, never what others send.
type metrics struct {
	dials    *prometheus.CounterVec
	keptFull prometheus.Counter
	silent   prometheus.Counter
	streams  *prometheus.GaugeVec
	refused  *prometheus.CounterVec
	bytes    *prometheus.CounterVec
	gossip   *prometheus.CounterVec
	mesh     prometheus.Gauge

	provideRefused prometheus.Counter

	penalties *prometheus.CounterVec
	mu        sync.Mutex
	reasons   map[string]struct{}
}

const (
	dialConnected = "connected"
	dialFailed    = "failed"

	refusedFull = "full"
	refusedPeer = "peer"

	gossipAccepted  = "accepted"
	gossipIgnored   = "ignored"
	gossipRejected  = "rejected"
	gossipStranger  = "stranger"
	gossipDuplicate = "duplicate"
	gossipLost      = "lost"
	gossipPublished = "published"
)

func newMetrics(reg prometheus.Registerer, n network.Network, who *standings) *metrics {
	m := &metrics{
		dials: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mero_netkit_entry_dials_total", Help: "Attempts to connect to entry points, by result: connected, failed.",
		}, []string{"result"}),
		keptFull: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mero_netkit_kept_refused_total", Help: "Peers that are not kept connected, because network.max_kept are.",
		}),
		silent: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mero_netkit_silent_total", Help: "Times that an entry point or kept peer was disconnected, because it did not answer.",
		}),
		streams: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "mero_netkit_streams", Help: "Streams that others have open to this node, by protocol.",
		}, []string{"protocol"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mero_netkit_streams_refused_total", Help: "Streams of others that were refused, by protocol and reason: full, or peer when it has too many.",
		}, []string{"protocol", "reason"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mero_netkit_stream_bytes_total", Help: "Bytes on streams that others opened and that have ended, by protocol and direction: in, out.",
		}, []string{"protocol", "direction"}),
		gossip: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mero_netkit_gossip_messages_total",
			Help: "Gossip messages by what became of them: published by this node, accepted, ignored, rejected, duplicate, stranger (of a peer that is not admitted to the topic), lost (a queue was full).",
		}, []string{"fate"}),
		provideRefused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "mero_netkit_provide_refused_total", Help: "Provider records of others that were not kept, because there are too many.",
		}),
		penalties: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mero_netkit_penalty_points_total", Help: "Points counted against peers, by reason.",
		}, []string{"reason"}),
		reasons: make(map[string]struct{}),
		mesh: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "mero_netkit_gossip_links", Help: "Links of the gossip meshes of all topics.",
		}),
	}
	m.dials.WithLabelValues(dialConnected)
	m.dials.WithLabelValues(dialFailed)
	for _, fate := range []string{gossipPublished, gossipAccepted, gossipIgnored, gossipRejected, gossipDuplicate, gossipStranger, gossipLost} {
		m.gossip.WithLabelValues(fate)
	}
	m.penalty(whyGossip)
	m.penalty(whyTopic)
	reg.MustRegister(m.dials, m.keptFull, m.silent, m.streams, m.refused, m.bytes, m.gossip, m.mesh, m.provideRefused, m.penalties,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "mero_netkit_refused_peers", Help: "Peers that are refused at the moment, because of their penalties.",
		}, func() float64 { return float64(who.refused()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "mero_netkit_peers", Help: "Peers that are connected.",
		}, func() float64 { return float64(len(n.Peers())) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "mero_netkit_connections", Help: "Open connections; a peer can have several.",
		}, func() float64 { return float64(len(n.Conns())) }),
	)
	return m
}

// protocol makes the series of a protocol, at zero.
func (m *metrics) protocol(id string) {
	m.streams.WithLabelValues(id)
	m.refused.WithLabelValues(id, refusedFull)
	m.refused.WithLabelValues(id, refusedPeer)
	m.bytes.WithLabelValues(id, "in")
	m.bytes.WithLabelValues(id, "out")
}

func (m *metrics) transferred(id string, s *Stream) {
	m.bytes.WithLabelValues(id, "in").Add(float64(s.BytesIn()))
	m.bytes.WithLabelValues(id, "out").Add(float64(s.BytesOut()))
}

// penalty is the counter of a reason. There are few; should somebody make them up,
// the rest is counted as one.
func (m *metrics) penalty(why string) prometheus.Counter {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.reasons[why]; !known && (len(m.reasons) >= maxReasons || len(why) > maxReasonLength) {
		why = otherReasons
	} else {
		m.reasons[why] = struct{}{}
	}
	return m.penalties.WithLabelValues(why)
}
