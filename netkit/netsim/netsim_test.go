package netsim_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"mero/netkit/netsim"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
)

const echo = "/test/echo"

// hosts makes hosts at spots 0, 1, … that send back what they get.
func hosts(t *testing.T, n *netsim.Network, count int) []host.Host {
	t.Helper()
	list := make([]host.Host, count)
	for i := range list {
		list[i] = hostAt(t, n, spot(i))
	}
	return list
}

func hostAt(t *testing.T, n *netsim.Network, at netsim.Spot) host.Host {
	t.Helper()
	h, err := n.Host(at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	h.SetStreamHandler(echo, func(s network.Stream) {
		_, _ = io.Copy(s, s)
		_ = s.Close()
	})
	return h
}

func spot(i int) netsim.Spot { return netsim.Spot(fmt.Sprint(i)) }

func connect(t *testing.T, from, to host.Host) {
	t.Helper()
	if err := from.Connect(t.Context(), *host.InfoFromHost(to)); err != nil {
		t.Fatal(err)
	}
}

// call sends bytes to the other host's echo and waits at most limit for them to
// come back. It tells how long that took. libp2p gives a stream 10 s to agree on the
// protocol, which many lost packets in a row outlast: then it begins again.
func call(ctx context.Context, from, to host.Host, size int, limit time.Duration) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	start := time.Now()
	for {
		err := callOnce(ctx, from, to, size, start.Add(limit))
		var reset *network.StreamError
		if !errors.As(err, &reset) || reset.ErrorCode != network.StreamProtocolNegotiationFailed {
			return time.Since(start), err
		}
	}
}

func callOnce(ctx context.Context, from, to host.Host, size int, until time.Time) error {
	s, err := from.NewStream(ctx, to.ID(), echo)
	if err != nil {
		return err
	}
	defer s.Reset() //nolint:errcheck // all has been said
	_ = s.SetDeadline(until)
	data := bytes.Repeat([]byte("x"), size)
	go func() {
		_, _ = s.Write(data)
		_ = s.CloseWrite()
	}()
	got, err := io.ReadAll(s)
	if err == nil && !bytes.Equal(got, data) {
		err = fmt.Errorf("%d bytes came back of %d", len(got), size)
	}
	return err
}

func TestLatency(t *testing.T) {
	for _, latency := range []time.Duration{0, 5 * time.Millisecond, 250 * time.Millisecond} {
		t.Run(latency.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := netsim.New(1)
				h := hosts(t, n, 2)
				n.SetAll(netsim.Link{Latency: latency})
				connect(t, h[0], h[1])
				<-time.After(time.Minute)
				if _, err := call(t.Context(), h[0], h[1], 1, time.Minute); err != nil { // agrees on the protocol
					t.Fatal(err)
				}
				took, err := call(t.Context(), h[0], h[1], 1, time.Minute)
				if err != nil {
					t.Fatal(err)
				}
				// QUIC waits up to 25 ms with an acknowledgement, never with data.
				if took < 2*latency || took > 2*latency+time.Millisecond {
					t.Errorf("there and back took %s over links of %s", took, latency)
				}
				n.SetLink(spot(1), spot(0), netsim.Link{Latency: time.Second})
				took, err = call(t.Context(), h[0], h[1], 1, time.Minute)
				if err != nil {
					t.Fatal(err)
				}
				if want := latency + time.Second; took < want || took > want+time.Millisecond {
					t.Errorf("there and back took %s, want %s", took, want)
				}
			})
		})
	}
}

// TestGossip: 20 hosts, one topic, each says something to all.
func TestGossip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const count = 20
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		n := netsim.New(1)
		n.SetAll(netsim.Link{Latency: 20 * time.Millisecond})
		h := hosts(t, n, count)
		topics := make([]*pubsub.Topic, count)
		got := make(chan string, count*count)
		for i := range h {
			router, err := pubsub.NewGossipSub(ctx, h[i])
			if err != nil {
				t.Fatal(err)
			}
			topics[i], err = router.Join("news")
			if err != nil {
				t.Fatal(err)
			}
			sub, err := topics[i].Subscribe()
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				for {
					m, err := sub.Next(ctx)
					if err != nil {
						return
					}
					got <- string(m.Data)
				}
			}()
		}
		for i := range h {
			for j := range i {
				connect(t, h[i], h[j])
			}
		}
		<-time.After(5 * time.Second)
		for i, topic := range topics {
			if err := topic.Publish(ctx, []byte(fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
		}
		<-time.After(time.Second)
		if len(got) != count*count {
			t.Errorf("%d messages arrived, want %d", len(got), count*count)
		}
		if s := n.Stats(); s.Lost+s.Cut+s.Full > 0 {
			t.Errorf("a network without faults lost packets: %+v", s)
		}
	})
}
