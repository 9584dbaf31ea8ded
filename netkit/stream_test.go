package netkit_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"

	"mero/netkit"
)

var echoProtocol = netkit.Protocol{ID: "/mero/test/echo/1", MaxFrame: 1 << 20, Idle: 10 * time.Second}

// echo writes back every frame until the other side ends.
func echo(_ context.Context, s *netkit.Stream) {
	for {
		frame, err := s.Read()
		if errors.Is(err, io.EOF) {
			s.Close()
			return
		}
		if err != nil || s.Write(frame) != nil || s.Flush() != nil {
			return
		}
	}
}

// pair is two nodes, the second connected to the first.
func pair(t *testing.T) (a, b *netkit.Net) {
	t.Helper()
	a, _ = start(t, local(), deps(t))
	b, _ = start(t, local(), deps(t))
	join(t, b, a)
	return a, b
}

// join connects a node to another.
func join(t *testing.T, n, to *netkit.Net) {
	t.Helper()
	id, err := n.Connect(t.Context(), to.Addrs())
	if err != nil || id != to.PeerID() {
		t.Fatalf("connect: %q, %v", id, err)
	}
	await(t, "both are connected", func() bool { return connected(n, to) && connected(to, n) })
}

func open(t *testing.T, n, to *netkit.Net, p netkit.Protocol) *netkit.Stream {
	t.Helper()
	s, err := n.Open(t.Context(), to.PeerID(), p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Reset)
	return s
}

func TestStream(t *testing.T) {
	a, b := pair(t)
	a.Handle(echoProtocol, echo)
	s := open(t, b, a, echoProtocol)
	if s.Peer() != a.PeerID() || s.Limited() {
		t.Errorf("peer %s limited %v", s.Peer(), s.Limited())
	}
	frames := [][]byte{{}, []byte("x"), bytes.Repeat([]byte("y"), 64<<10), bytes.Repeat([]byte("z"), 64<<10+1), bytes.Repeat([]byte("w"), 1<<20)}
	total := uint64(0)
	for _, frame := range frames {
		total += uint64(len(frame)) + 4
		if err := errors.Join(s.Write(frame), s.Flush()); err != nil {
			t.Fatal(err)
		}
		got, err := s.Read()
		if err != nil || got == nil || !bytes.Equal(got, frame) {
			t.Fatalf("%d bytes back of %d: %v", len(got), len(frame), err)
		}
	}
	if s.BytesIn() != total || s.BytesOut() != total {
		t.Errorf("%d in, %d out, want %d", s.BytesIn(), s.BytesOut(), total)
	}
	// Frames wait in the buffer until Flush, and CloseWrite flushes.
	if err := errors.Join(s.Write([]byte("a")), s.Write([]byte("b"))); err != nil {
		t.Fatal(err)
	}
	if s.BytesOut() != total {
		t.Error("a small frame did not wait for Flush")
	}
	if err := s.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"a", "b"} {
		if got, err := s.Read(); err != nil || string(got) != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
	for range 2 {
		if _, err := s.Read(); !errors.Is(err, io.EOF) {
			t.Errorf("after the other side's end: %v, want EOF", err)
		}
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Errorf("close: %v", err)
	}
}

func TestStreamTooLarge(t *testing.T) {
	a, b := pair(t)
	small := netkit.Protocol{ID: "/mero/test/small/1", MaxFrame: 10}
	got := make(chan error, 1)
	a.Handle(small, func(_ context.Context, s *netkit.Stream) {
		_, err := s.Read()
		got <- err
		_ = s.Write([]byte("too large"))
		s.Close()
	})
	s := open(t, b, a, small)
	if err := s.Write(make([]byte, 11)); !errors.Is(err, netkit.ErrFrameTooLarge) {
		t.Errorf("write: %v", err)
	}
	large := small
	large.MaxFrame = 11
	s = open(t, b, a, large)
	if err := errors.Join(s.Write(make([]byte, 11)), s.Flush()); err != nil {
		t.Fatal(err)
	}
	if err := <-got; !errors.Is(err, netkit.ErrFrameTooLarge) || !strings.Contains(err.Error(), "11 bytes, /mero/test/small/1 allows 10") {
		t.Errorf("read: %v", err)
	}
	if answer, err := s.Read(); err != nil || string(answer) != "too large" {
		t.Errorf("the refusal is %q, %v", answer, err)
	}
}

// TestStreamEnds: how the end of a stream looks to the other side.
func TestStreamEnds(t *testing.T) {
	a, b := pair(t)
	p := netkit.Protocol{ID: "/mero/test/ends/1", Idle: 50 * time.Millisecond}
	act := make(chan func(*netkit.Stream), 1)
	a.Handle(p, func(_ context.Context, s *netkit.Stream) { (<-act)(s) })
	hold := make(chan struct{})
	defer close(hold)
	for _, tt := range []struct {
		name string
		act  func(*netkit.Stream)
		want error
	}{
		{"closes", func(s *netkit.Stream) { s.Close() }, io.EOF},
		{"returns", func(*netkit.Stream) {}, netkit.ErrReset},
		{"resets", func(s *netkit.Stream) { s.Reset() }, netkit.ErrReset},
		{"only ends its writing", func(s *netkit.Stream) { s.CloseWrite(); <-hold }, io.EOF},
		{"says nothing", func(*netkit.Stream) { <-hold }, os.ErrDeadlineExceeded},
	} {
		act <- tt.act
		if _, err := open(t, b, a, p).Read(); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	unknown := netkit.Protocol{ID: "/mero/test/unknown/1"}
	s, err := b.Open(t.Context(), a.PeerID(), unknown)
	if err == nil {
		_, err = s.Read()
	}
	if !errors.Is(err, netkit.ErrProtocol) {
		t.Errorf("a protocol that the other side does not speak: %v", err)
	}
}

// rawStream is a stream of a protocol without our framing.
func rawStream(t *testing.T, to *netkit.Net, p netkit.Protocol) network.Stream {
	t.Helper()
	h := dialer(t)
	if err := h.Connect(t.Context(), infoOf(t, to)); err != nil {
		t.Fatal(err)
	}
	s, err := h.NewStream(t.Context(), infoOf(t, to).ID, protocol.ID(p.ID))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestStreamHostile: frames that lie about their length, stop, or come too slowly.
func TestStreamHostile(t *testing.T) {
	a, _ := start(t, local(), deps(t))
	p := netkit.Protocol{ID: "/mero/test/hostile/1", MaxFrame: 64 << 20, Idle: 100 * time.Millisecond}
	got := make(chan error, 1)
	a.Handle(p, func(_ context.Context, s *netkit.Stream) {
		_, err := s.Read()
		got <- err
	})
	header := func(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
	for _, tt := range []struct {
		name string
		send []byte
		end  bool
		want error
	}{
		{"half a header", []byte{0, 0}, true, io.ErrUnexpectedEOF},
		{"a header and nothing", header(100), true, io.ErrUnexpectedEOF},
		{"half a frame", append(header(100), make([]byte, 50)...), true, io.ErrUnexpectedEOF},
		{"a frame that never ends", append(header(64<<20), make([]byte, 100<<10)...), false, os.ErrDeadlineExceeded},
		{"half a header and no more", []byte{0, 0}, false, os.ErrDeadlineExceeded},
		{"four gigabytes", header(1<<32 - 1), false, netkit.ErrFrameTooLarge},
		{"nothing", nil, true, io.EOF},
	} {
		s := rawStream(t, a, p)
		if _, err := s.Write(tt.send); err != nil {
			t.Fatal(err)
		}
		if tt.end {
			if err := s.CloseWrite(); err != nil {
				t.Fatal(err)
			}
		}
		if err := <-got; !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

// TestSlowReader: who does not read can not hold a writer for ever.
func TestSlowReader(t *testing.T) {
	a, _ := start(t, local(), deps(t))
	p := netkit.Protocol{ID: "/mero/test/slow/1", MaxFrame: 16 << 20, Idle: 100 * time.Millisecond}
	got := make(chan error, 1)
	a.Handle(p, func(_ context.Context, s *netkit.Stream) {
		if _, err := s.Read(); err != nil {
			got <- err
			return
		}
		for range 100 {
			if err := errors.Join(s.Write(make([]byte, 16<<20)), s.Flush()); err != nil {
				got <- err
				return
			}
		}
		got <- nil
	})
	s := rawStream(t, a, p)
	if _, err := s.Write(binary.BigEndian.AppendUint32(nil, 0)); err != nil {
		t.Fatal(err)
	}
	if err := <-got; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("write to who does not read: %v", err)
	}
}

// TestStreamLimits: streams over the limits are refused, and room comes back.
func TestStreamLimits(t *testing.T) {
	d := deps(t)
	a, _ := start(t, local(), d)
	b, _ := start(t, local(), deps(t))
	c, _ := start(t, local(), deps(t))
	p := netkit.Protocol{ID: "/mero/test/limits/1", MaxIn: 3, MaxPerPeer: 2}
	hold := make(chan struct{})
	a.Handle(p, func(_ context.Context, s *netkit.Stream) {
		if s.Write([]byte("in")) == nil && s.Flush() == nil {
			<-hold
			s.Close()
		}
	})
	join(t, b, a)
	join(t, c, a)
	refused := func(n *netkit.Net) bool {
		_, err := open(t, n, a, p).Read()
		if err != nil && !errors.Is(err, netkit.ErrBusy) {
			t.Errorf("refused: %v, want ErrBusy", err)
		}
		return err != nil
	}
	for i, tt := range []struct {
		n    *netkit.Net
		want bool
	}{{b, false}, {b, false}, {b, true}, {c, false}, {c, true}} {
		if got := refused(tt.n); got != tt.want {
			t.Errorf("stream %d: refused %v, want %v", i, got, tt.want)
		}
	}
	values := gather(t, registry(d))
	for name, want := range map[string]float64{
		"mero_netkit_streams /mero/test/limits/1":                    3,
		"mero_netkit_streams_refused_total /mero/test/limits/1 peer": 1,
		"mero_netkit_streams_refused_total /mero/test/limits/1 full": 1,
	} {
		if values[name] != want {
			t.Errorf("%s is %v, want %v", name, values[name], want)
		}
	}
	close(hold)
	await(t, "there is room again", func() bool { return !refused(b) })
}

// TestStreamsEndWithRun: Run waits for who serves, and breaks off what they wait for.
func TestStreamsEndWithRun(t *testing.T) {
	a, stop := start(t, local(), deps(t))
	b, _ := start(t, local(), deps(t))
	begun, ended := make(chan struct{}), make(chan struct{})
	a.Handle(echoProtocol, func(ctx context.Context, s *netkit.Stream) {
		_, err := s.Read()
		close(begun)
		if err == nil {
			_, err = s.Read()
		}
		if !errors.Is(err, netkit.ErrReset) || ctx.Err() == nil {
			t.Errorf("read ended with %v, the context with %v", err, ctx.Err())
		}
		close(ended)
	})
	join(t, b, a)
	s := open(t, b, a, echoProtocol)
	if err := errors.Join(s.Write([]byte("x")), s.Flush()); err != nil {
		t.Fatal(err)
	}
	<-begun
	stop()
	select {
	case <-ended:
	default:
		t.Error("Run did not wait")
	}
}

func TestOpenFails(t *testing.T) {
	a, stop := start(t, local(), deps(t))
	if _, err := a.Open(t.Context(), "nobody", echoProtocol); err == nil {
		t.Error("a malformed peer id was taken")
	}
	for name, id := range map[string]string{"itself": a.PeerID(), "a stranger": newKey(t).PeerID()} {
		if _, err := a.Open(t.Context(), id, echoProtocol); !errors.Is(err, netkit.ErrUnreachable) {
			t.Errorf("open to %s: %v, want ErrUnreachable", name, err)
		}
	}
	gone, stopGone := start(t, local(), deps(t))
	addrs := gone.Addrs()
	stopGone()
	if _, err := a.Connect(t.Context(), addrs); !errors.Is(err, netkit.ErrUnreachable) || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("connect to a node that is gone: %v, want ErrUnreachable and why", err)
	}
	stop()
	if _, err := a.Open(t.Context(), gone.PeerID(), echoProtocol); !errors.Is(err, netkit.ErrClosed) {
		t.Errorf("open after the end: %v, want ErrClosed", err)
	}
}

// TestStreamBeforeRun: who comes between New and Run is answered after.
func TestStreamBeforeRun(t *testing.T) {
	a, err := netkit.New(local(), deps(t))
	if err != nil {
		t.Fatal(err)
	}
	a.Handle(echoProtocol, echo)
	b, _ := start(t, local(), deps(t))
	if _, err := b.Connect(t.Context(), a.Addrs()); err != nil {
		t.Fatal(err)
	}
	s := open(t, b, a, echoProtocol)
	if err := errors.Join(s.Write([]byte("early")), s.Flush()); err != nil {
		t.Fatal(err)
	}
	run(t, a)
	if got, err := s.Read(); err != nil || string(got) != "early" {
		t.Errorf("%q, %v", got, err)
	}
	// One that is never run closes all the same.
	idle, err := netkit.New(local(), deps(t))
	if err != nil {
		t.Fatal(err)
	}
	idle.Handle(echoProtocol, echo)
	if _, err := b.Connect(t.Context(), idle.Addrs()); err != nil {
		t.Fatal(err)
	}
	s = open(t, b, idle, echoProtocol)
	if err := errors.Join(s.Write([]byte("never")), s.Flush(), idle.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(); err == nil {
		t.Error("it was answered")
	}
}

// TestGiveWay: strangers who hold all places of a protocol by saying nothing keep nobody
// out, and whom this node keeps has a place for sure.
func TestGiveWay(t *testing.T) {
	a, _ := start(t, local(), deps(t))
	friend, _ := start(t, local(), deps(t))
	p := netkit.Protocol{ID: "/mero/test/way/1", MaxIn: 3, MaxPerPeer: 2, GiveWay: true}
	a.Handle(p, func(_ context.Context, s *netkit.Stream) {
		if s.Write([]byte("in")) == nil && s.Flush() == nil {
			_, _ = s.Read()
		}
	})
	join(t, friend, a)
	a.Keep(friend.PeerID(), nil)
	kept := open(t, friend, a, p)
	if _, err := kept.Read(); err != nil {
		t.Fatal(err)
	}
	var silent []*netkit.Stream
	for range 6 {
		stranger, _ := start(t, local(), deps(t))
		join(t, stranger, a)
		s := open(t, stranger, a, p)
		if _, err := s.Read(); err != nil {
			t.Fatalf("a stranger after %d others: %v", len(silent), err)
		}
		silent = append(silent, s)
	}
	for i, s := range silent[:4] {
		if _, err := s.Read(); !errors.Is(err, netkit.ErrBusy) {
			t.Errorf("stranger %d: %v, want ErrBusy", i, err)
		}
	}
	if _, err := open(t, friend, a, p).Read(); err != nil {
		t.Errorf("whom this node keeps: %v", err)
	}
	_ = kept.CloseWrite()
	if _, err := kept.Read(); errors.Is(err, netkit.ErrBusy) {
		t.Errorf("the stream of whom this node keeps gave way: %v", err)
	}
}
