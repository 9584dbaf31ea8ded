package netkit

import (
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct{ dials *prometheus.CounterVec }

const (
	dialConnected = "connected"
	dialFailed    = "failed"
)

func newMetrics(reg prometheus.Registerer, n network.Network) *metrics {
	m := &metrics{dials: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "mero_netkit_entry_dials_total", Help: "Attempts to connect to entry points, by result: connected, failed.",
	}, []string{"result"})}
	m.dials.WithLabelValues(dialConnected)
	m.dials.WithLabelValues(dialFailed)
	reg.MustRegister(m.dials,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "mero_netkit_peers", Help: "Peers that are connected.",
		}, func() float64 { return float64(len(n.Peers())) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "mero_netkit_connections", Help: "Open connections; a peer can have several.",
		}, func() float64 { return float64(len(n.Conns())) }),
	)
	return m
}
