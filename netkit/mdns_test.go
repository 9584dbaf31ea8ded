package netkit_test

import (
	"net"
	"testing"
	"time"

	"mero/netkit"
)

// multicast skips the test where a multicast packet does not come back.
func multicast(t *testing.T) {
	t.Helper()
	group := &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: 5353}
	in, err := net.ListenMulticastUDP("udp4", nil, group)
	if err != nil {
		t.Skipf("no multicast here: %v", err)
	}
	defer in.Close()
	out, err := net.DialUDP("udp4", nil, group)
	if err != nil {
		t.Skipf("no multicast here: %v", err)
	}
	defer out.Close()
	if _, err := out.Write([]byte("are you there?")); err != nil {
		t.Skipf("no multicast here: %v", err)
	}
	if err := in.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := in.ReadFrom(make([]byte, 100)); err != nil {
		t.Skipf("multicast does not come back here: %v", err)
	}
}

func TestMDNS(t *testing.T) {
	multicast(t)
	cfg := local()
	cfg.Listen = []string{"/ip4/0.0.0.0/tcp/0"}
	off, _ := start(t, cfg, deps(t))
	cfg.MDNS = true
	a, _ := start(t, cfg, deps(t))
	b, _ := start(t, cfg, deps(t))
	await(t, "they find each other", func() bool { return connected(a, b) && connected(b, a) })
	for _, n := range []*netkit.Net{a, b} {
		if connected(n, off) {
			t.Error("a node with mDNS off was found")
		}
	}
}
