package netkit_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"mero/netkit"
)

func Example() {
	home, err := os.MkdirTemp("", "node")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(home)
	key, err := netkit.LoadKey(filepath.Join(home, "keys", "peer.key"))
	if err != nil {
		panic(err)
	}

	cfg := netkit.DefaultConfig()
	cfg.Listen = []string{"/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"}
	n, err := netkit.New(cfg, netkit.Deps{Key: key, Log: zerolog.Nop(), Metrics: prometheus.NewRegistry()})
	if err != nil {
		panic(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- n.Run(ctx) }()

	fmt.Println(n.PeerID() == key.PeerID(), len(n.Addrs()))
	stop()
	fmt.Println(<-done)
	// Output:
	// true 2
	// <nil>
}
