package netkit_test

import (
	"slices"
	"testing"
	"time"

	ma "github.com/multiformats/go-multiaddr"

	"mero/netkit"
)

// TestRank: TCP before QUIC before relays, and nobody waits for what is not there.
func TestRank(t *testing.T) {
	const (
		tcp   = "/ip4/10.0.0.1/tcp/1"
		quic  = "/ip4/10.0.0.1/udp/1/quic-v1"
		relay = "/ip4/10.0.0.2/tcp/1/p2p/12D3KooWLksJp77tyQobR1JVoxE3n9b8EV3Nitzm9YmrQ6TqqZ9K/p2p-circuit"
	)
	ms := time.Millisecond
	for _, tt := range []struct {
		addrs  []string
		order  []string
		delays []time.Duration
	}{
		{nil, nil, nil},
		{[]string{quic}, []string{quic}, []time.Duration{0}},
		{[]string{relay}, []string{relay}, []time.Duration{0}},
		{[]string{relay, quic, tcp}, []string{tcp, quic, relay}, []time.Duration{0, 250 * ms, 750 * ms}},
		{[]string{relay, quic}, []string{quic, relay}, []time.Duration{0, 500 * ms}},
	} {
		var addrs []ma.Multiaddr
		for _, text := range tt.addrs {
			addrs = append(addrs, ma.StringCast(text))
		}
		var order []string
		var delays []time.Duration
		for _, a := range netkit.Rank(addrs) {
			order, delays = append(order, a.Addr.String()), append(delays, a.Delay)
		}
		if !slices.Equal(order, tt.order) || !slices.Equal(delays, tt.delays) {
			t.Errorf("%v: %v at %v, want %v at %v", tt.addrs, order, delays, tt.order, tt.delays)
		}
	}
}

// TestTCPFirst: of a peer that has both, the connection is TCP.
func TestTCPFirst(t *testing.T) {
	cfg := local()
	cfg.Listen = []string{"/ip4/127.0.0.1/udp/0/quic-v1", "/ip4/127.0.0.1/tcp/0"}
	a, _ := start(t, cfg, deps(t))
	b, _ := start(t, cfg, deps(t))
	if _, err := b.Connect(t.Context(), a.Addrs()); err != nil {
		t.Fatal(err)
	}
	if got := b.Peers()[0].Transport; got != "tcp" {
		t.Errorf("connected by %s", got)
	}
}
