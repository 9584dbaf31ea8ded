package netkit_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"mero/netkit"
)

// transports are the listen addresses to measure with.
var transports = map[string]string{"tcp": "/ip4/127.0.0.1/tcp/0", "quic": "/ip4/127.0.0.1/udp/0/quic-v1"}

// nodes are n nodes, all connected to each other.
func nodes(b *testing.B, n int, listen string) (nets []*netkit.Net) {
	b.Helper()
	for range n {
		key, err := netkit.NewKey()
		if err != nil {
			b.Fatal(err)
		}
		cfg := netkit.DefaultConfig()
		cfg.Listen = []string{listen}
		net, err := netkit.New(cfg, netkit.Deps{Key: key, Log: zerolog.Nop(), Metrics: prometheus.NewRegistry()})
		if err != nil {
			b.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- net.Run(ctx) }()
		net.DHT()
		b.Cleanup(func() {
			cancel()
			if err := <-done; err != nil {
				b.Error(err)
			}
		})
		for _, other := range nets {
			if _, err := net.Connect(b.Context(), other.Addrs()); err != nil {
				b.Fatal(err)
			}
		}
		nets = append(nets, net)
	}
	return nets
}

// BenchmarkStream sends frames of 1 MiB.
func BenchmarkStream(b *testing.B) {
	for name, listen := range transports {
		b.Run(name, func(b *testing.B) {
			nets := nodes(b, 2, listen)
			read := make(chan int, 1)
			nets[0].Handle(echoProtocol, func(_ context.Context, s *netkit.Stream) {
				n := 0
				for {
					frame, err := s.Read()
					if err != nil {
						read <- n
						return
					}
					n += len(frame)
				}
			})
			s, err := nets[1].Open(b.Context(), nets[0].PeerID(), echoProtocol)
			if err != nil {
				b.Fatal(err)
			}
			frame := make([]byte, 1<<20)
			b.SetBytes(int64(len(frame)))
			for b.Loop() {
				if err := s.Write(frame); err != nil {
					b.Fatal(err)
				}
			}
			if err := s.CloseWrite(); err != nil {
				b.Fatal(err)
			}
			<-read
		})
	}
}

// BenchmarkEcho sends a frame of 1 KiB there and back, on an open stream and on a
// new one.
func BenchmarkEcho(b *testing.B) {
	echoOnce := func(s *netkit.Stream, frame []byte) error {
		err := errors.Join(s.Write(frame), s.Flush())
		if err == nil {
			_, err = s.Read()
		}
		return err
	}
	frame := make([]byte, 1<<10)
	for name, listen := range transports {
		nets := nodes(b, 2, listen)
		nets[0].Handle(echoProtocol, echo)
		open := func() *netkit.Stream {
			s, err := nets[1].Open(b.Context(), nets[0].PeerID(), echoProtocol)
			if err != nil {
				b.Fatal(err)
			}
			return s
		}
		b.Run(name+"/open", func(b *testing.B) {
			s := open()
			for b.Loop() {
				if err := echoOnce(s, frame); err != nil {
					b.Fatal(err)
				}
			}
			s.Reset()
		})
		b.Run(name+"/new", func(b *testing.B) {
			for b.Loop() {
				s := open()
				if err := errors.Join(echoOnce(s, frame), s.CloseWrite()); err != nil {
					b.Fatal(err)
				}
				if _, err := s.Read(); !errors.Is(err, io.EOF) {
					b.Fatal(err)
				}
				s.Close()
			}
		})
	}
}

// BenchmarkGossip publishes messages of 1 KiB until all nodes have each, with 64 on
// the way at most.
func BenchmarkGossip(b *testing.B) {
	for _, n := range []int{2, 5} {
		b.Run(fmt.Sprint(n, "nodes"), func(b *testing.B) {
			nets := nodes(b, n, transports["tcp"])
			got := make(chan struct{}, 1<<16)
			var topics []*netkit.Topic
			for _, net := range nets {
				topic, err := net.Join(netkit.TopicOptions{
					Name:    "topic",
					Allow:   func(string) bool { return true },
					Check:   func(string, []byte) netkit.Verdict { return netkit.Accept },
					Receive: func(string, []byte) { got <- struct{}{} },
				})
				if err != nil {
					b.Fatal(err)
				}
				topics = append(topics, topic)
			}
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			for len(topics[0].Peers()) < n-1 {
				<-tick.C
			}
			text := strings.Repeat("x", 1<<10)
			way := 0
			i := 0
			for b.Loop() {
				if err := topics[0].Publish(b.Context(), []byte(fmt.Sprint(i, text))); err != nil {
					b.Fatal(err)
				}
				i++
				for way += n - 1; way > 64*(n-1); way-- {
					<-got
				}
			}
			for ; way > 0; way-- {
				<-got
			}
		})
	}
}

// BenchmarkStart is from New to Run's end.
func BenchmarkStart(b *testing.B) {
	key, err := netkit.NewKey()
	if err != nil {
		b.Fatal(err)
	}
	cfg := netkit.DefaultConfig()
	cfg.Listen = []string{transports["tcp"], transports["quic"]}
	for b.Loop() {
		net, err := netkit.New(cfg, netkit.Deps{Key: key, Log: zerolog.Nop(), Metrics: prometheus.NewRegistry()})
		if err != nil {
			b.Fatal(err)
		}
		ctx, cancel := context.WithCancel(b.Context())
		done := make(chan error, 1)
		go func() { done <- net.Run(ctx) }()
		net.DHT()
		cancel()
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
}
