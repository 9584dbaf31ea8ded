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

// Two nodes: one asks the other over a stream.
func ExampleNet_Open() {
	ctx, stop := context.WithCancel(context.Background())
	node := func() (*netkit.Net, chan error) {
		key, err := netkit.NewKey()
		if err != nil {
			panic(err)
		}
		cfg := netkit.DefaultConfig()
		cfg.Listen = []string{"/ip4/127.0.0.1/tcp/0"}
		n, err := netkit.New(cfg, netkit.Deps{Key: key, Log: zerolog.Nop(), Metrics: prometheus.NewRegistry()})
		if err != nil {
			panic(err)
		}
		done := make(chan error, 1)
		go func() { done <- n.Run(ctx) }()
		return n, done
	}
	server, serverDone := node()
	client, clientDone := node()

	greet := netkit.Protocol{ID: "/example/greet/1", MaxFrame: 100}
	server.Handle(greet, func(_ context.Context, s *netkit.Stream) {
		name, err := s.Read()
		if err != nil {
			return // without Close the stream is reset
		}
		if s.Write(append([]byte("hello "), name...)) == nil {
			_ = s.Close() // sends what was written
		}
	})

	peer, err := client.Connect(ctx, server.Addrs())
	if err != nil {
		panic(err)
	}
	s, err := client.Open(ctx, peer, greet)
	if err != nil {
		panic(err)
	}
	if err := s.Write([]byte("world")); err != nil {
		panic(err)
	}
	if err := s.CloseWrite(); err != nil {
		panic(err)
	}
	answer, err := s.Read()
	fmt.Printf("%s %v\n", answer, err)
	s.Reset()

	stop()
	fmt.Println(<-serverDone, <-clientDone)
	// Output:
	// hello world <nil>
	// <nil> <nil>
}
