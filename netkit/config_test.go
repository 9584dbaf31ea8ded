package netkit_test

import (
	"strings"
	"testing"
	"time"

	"mero/netkit"
)

func TestConfigValidate(t *testing.T) {
	id := newKey(t).PeerID()
	good := netkit.DefaultConfig()
	good.EntryPoints = []string{
		"/ip4/10.0.0.1/tcp/2428/p2p/" + id, "/ip4/10.0.0.1/udp/2428/quic-v1/p2p/" + id, "/dns4/mero.example/tcp/2428/p2p/" + id,
	}
	good.NodeType = netkit.TypeCoordinator
	if err := good.Validate(); err != nil {
		t.Errorf("a good config: %v", err)
	}
	for _, tt := range []struct {
		change func(*netkit.Config)
		want   string
	}{
		{func(c *netkit.Config) { c.Listen = []string{"0.0.0.0:2428"} }, `network.listen: "0.0.0.0:2428" is no multiaddress`},
		{func(c *netkit.Config) { c.Listen = []string{"/ip4/0.0.0.0/udp/1"} }, "network.listen: "},
		{func(c *netkit.Config) { c.Listen = []string{"/ip4/0.0.0.0"} }, "network.listen: "},
		{func(c *netkit.Config) { c.Listen = []string{"/dns4/localhost/tcp/1"} }, "network.listen: "},
		{func(c *netkit.Config) { c.Listen = []string{"/ip4/0.0.0.0/tcp/1/ws"} }, "network.listen: "},
		{func(c *netkit.Config) { c.Listen = []string{"/ip4/0.0.0.0/tcp/1/p2p/" + id} }, "network.listen: "},
		{func(c *netkit.Config) { c.EntryPoints = []string{"mero.example:2428"} }, `network.entry_points: "mero.example:2428" is no multiaddress`},
		{func(c *netkit.Config) { c.EntryPoints = []string{"/ip4/10.0.0.1/tcp/1"} }, "does not end in /p2p/PEERID"},
		{func(c *netkit.Config) { c.EntryPoints = []string{"/p2p/" + id} }, "has neither /tcp/PORT"},
		{func(c *netkit.Config) { c.EntryPoints = []string{"/ip4/10.0.0.1/tcp/1/ws/p2p/" + id} }, "has neither /tcp/PORT"},
		{func(c *netkit.Config) { c.NodeType = "king" }, `network.node_type: "king" is neither peer nor coordinator`},
		{func(c *netkit.Config) { c.LowWater = 0 }, "network.low_water: 0"},
		{func(c *netkit.Config) { c.HighWater = c.LowWater - 1 }, "network.high_water: 191"},
		{func(c *netkit.Config) { c.MaxConnections = c.HighWater - 1 }, "network.max_connections: 255"},
		{func(c *netkit.Config) { c.MaxPerIP = 0 }, "network.max_per_ip: 0"},
		{func(c *netkit.Config) { c.GracePeriod = -1 }, "network.grace_period: -1ns"},
		{func(c *netkit.Config) { c.MaxKept = 0 }, "network.max_kept: 0"},
		{func(c *netkit.Config) { c.PenaltyLimit = 0 }, "network.penalty_limit: 0"},
		{func(c *netkit.Config) { c.PenaltyHalfLife = 0 }, "network.penalty_half_life: 0s"},
		{func(c *netkit.Config) { c.RefuseFor = -time.Second }, "network.refuse_for: -1s"},
		{func(c *netkit.Config) { c.DialRetryMin = 0 }, "network.dial_retry_min: 0s"},
		{func(c *netkit.Config) { c.DialRetryMax = time.Millisecond }, "network.dial_retry_max: 1ms"},
		{func(c *netkit.Config) { c.DialRetryRecent = 0 }, "network.dial_retry_recent: 0s"},
		{func(c *netkit.Config) { c.DialRecent = -1 }, "network.dial_recent: -1ns"},
	} {
		cfg := netkit.DefaultConfig()
		tt.change(&cfg)
		err := cfg.Validate()
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v, want %q", err, tt.want)
		}
		if _, err := netkit.New(cfg, deps(t)); err == nil {
			t.Errorf("New took what Validate refuses: %s", tt.want)
		}
	}
	if _, err := netkit.New(local(), netkit.Deps{}); err == nil || !strings.Contains(err.Error(), "no peer key") {
		t.Errorf("without a key: %v", err)
	}
}
