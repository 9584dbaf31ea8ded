package bench

import (
	"io"
	"net"
	"testing"
	"time"
)

// TestProxy: what goes through is counted, and a link that is cut carries nothing, until
// it is connected again.
func TestProxy(t *testing.T) {
	node, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	go func() {
		for {
			conn, err := node.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(conn, conn) }()
		}
	}()
	p, err := newProxy(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	at := p.listeners[0].Addr().String()
	dial := func() net.Conn {
		conn, err := net.DialTimeout("tcp", at, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	echo := func(conn net.Conn) error {
		if _, err := conn.Write([]byte("hello")); err != nil {
			return err
		}
		_, err := io.ReadFull(conn, make([]byte, 5))
		return err
	}
	if echo(dial()) == nil || p.through() != -1 {
		t.Error("a proxy that leads nowhere answers")
	}
	met := p.connect(node.Addr().String())
	conn := dial()
	if err := echo(conn); err != nil {
		t.Fatal(err)
	}
	<-met
	if got := p.through(); got != 10 {
		t.Errorf("%d bytes went through, want 10", got)
	}
	p.cut()
	if echo(conn) == nil || echo(dial()) == nil {
		t.Error("a link that was cut carries something")
	}
	p.connect(node.Addr().String())
	if err := echo(dial()); err != nil {
		t.Error(err)
	}
}

// TestNumber: what reads find is the number that a write had.
func TestNumber(t *testing.T) {
	in := instance{}
	for answer, want := range map[string]int{
		string(in.set(0, 0, 1234)):        1234,
		`{"result":{"output":"0/7/....`:   7,
		`{"result":{"output":null}}`:      0,
		`{"result":{"output":"16/9/...."`: 0,
	} {
		// A call's arguments quote the value as an answer does.
		if got := numberIn([]byte(answer)); got != want {
			t.Errorf("%s: %d, want %d", answer, got, want)
		}
	}
}

// TestTCPAddress: the first address that a proxy can lead to.
func TestTCPAddress(t *testing.T) {
	got, err := tcpAddress([]string{"/ip4/127.0.0.1/udp/1/quic-v1/p2p/x", "/ip6/::1/tcp/2/p2p/x", "/ip4/127.0.0.1/tcp/3/p2p/x"})
	if err != nil || got != "127.0.0.1:3" {
		t.Errorf("%s, %v", got, err)
	}
	if got, err := tcpAddress([]string{"/ip4/1.2.3.4", ""}); err == nil {
		t.Errorf("%s of nothing", got)
	}
}
