package netkit_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	mocknet "github.com/libp2p/go-libp2p/p2p/net/mock"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"mero/netkit"
)

// restart runs a node again with the same key, book and address.
func restart(t *testing.T, d netkit.Deps, listen string) (*netkit.Net, func()) {
	t.Helper()
	cfg := local()
	if listen != "" {
		cfg.Listen = []string{listen}
	}
	d.Metrics = prometheus.NewRegistry()
	return start(t, cfg, d)
}

// TestBook: a node that was restarted, with a new port and without entry points,
// finds its peers, and the peers of others through them.
func TestBook(t *testing.T) {
	d := deps(t)
	d.BookFile = filepath.Join(t.TempDir(), "peers")
	a, _ := start(t, local(), deps(t))
	n, stop := start(t, local(), d)
	join(t, n, a)
	await(t, "they know each other", func() bool { return n.Peers()[0].Agent != "" && a.Peers()[0].Agent != "" })
	stop()
	text, err := os.ReadFile(d.BookFile)
	if err != nil {
		t.Fatal(err)
	}
	where := strings.TrimSuffix(a.Addrs()[0], "/p2p/"+a.PeerID())
	if !strings.Contains(string(text), `"addrs":["`+where+`"`) || strings.Count(string(text), "\n") != 1 {
		t.Errorf("the book says %s, want %s", text, where)
	}
	if info, err := os.Stat(d.BookFile); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	await(t, "a sees the loss", func() bool { return len(a.Peers()) == 0 })
	n, stop = restart(t, d, "")
	await(t, "they are connected again", func() bool { return connected(n, a) && connected(a, n) })
	stop()
	await(t, "a sees the loss again", func() bool { return len(a.Peers()) == 0 })

	// A peer of the book is reached although nothing else knows it: before Run
	// nothing has been dialled.
	d.Metrics = prometheus.NewRegistry()
	idle, err := netkit.New(local(), d)
	if err != nil {
		t.Fatal(err)
	}
	a.Handle(echoProtocol, echo)
	open(t, idle, a, echoProtocol)
	if err := idle.Close(); err != nil {
		t.Fatal(err)
	}
	await(t, "a sees that loss", func() bool { return len(a.Peers()) == 0 })

	far := newKey(t).PeerID()
	line := fmt.Sprintf(`{"peer":%q,"addrs":[%q],"seen":%d}`+"\n", a.PeerID(), where, time.Now().Unix())
	old := fmt.Sprintf(`{"peer":%q,"addrs":[%q],"seen":%d}`+"\n", far, where, time.Now().Add(-1000*time.Hour).Unix())
	for name, text := range map[string]string{
		"damaged lines": "nonsense\n{\n" + line + `{"peer":"x","addrs":null,"seen":1}` + "\n\x00\x00",
		"a long line":   line + strings.Repeat("x", 1<<20),
		"old lines":     old + line,
	} {
		if err := os.WriteFile(d.BookFile, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		n, stop = restart(t, d, "")
		await(t, "connected, with "+name, func() bool { return connected(n, a) && n.Peers()[0].Agent != "" })
		stop()
		kept, err := os.ReadFile(d.BookFile)
		if err != nil || !strings.Contains(string(kept), a.PeerID()) || strings.Contains(string(kept), far) || strings.Contains(string(kept), "nonsense") {
			t.Errorf("%s: the book says %s afterwards, %v", name, kept, err)
		}
	}
}

// TestBookSoon: what a node that is killed must not forget is in the file within
// about a second: whom it reached, who is kept since, and nobody else made it write.
func TestBookSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, done := booked(t)
		defer done()
		says := func(what string, parts ...string) {
			t.Helper()
			<-time.After(2 * time.Second)
			text, err := os.ReadFile(b.file)
			for _, part := range parts {
				if err != nil || !strings.Contains(string(text), part) {
					t.Fatalf("%s: the book says %s, %v, want %s in it", what, text, err, part)
				}
			}
		}
		<-time.After(5 * time.Second) // the first moments are over
		if _, err := b.Connect(t.Context(), a.Addrs()); err != nil {
			t.Fatal(err)
		}
		says("connected", a.PeerID(), `"dialled":true`)
		b.Keep(a.PeerID(), nil)
		says("kept", `"kept":true`)
	})
}

// bookedNet is a node with a book.
type bookedNet struct {
	*netkit.Net

	file string
}

// booked are two nodes that run in fake time, the second with a book.
func booked(t *testing.T) (a *netkit.Net, b bookedNet, done func()) {
	t.Helper()
	sim := mocknet.New()
	file := filepath.Join(t.TempDir(), "peers")
	var nets []*netkit.Net
	var stops []func()
	for _, book := range []string{"", file} {
		h, err := sim.GenPeer()
		if err != nil {
			t.Fatal(err)
		}
		n, err := netkit.FromHost(h, netkit.DefaultConfig(), netkit.Deps{Log: zerolog.Nop(), Metrics: prometheus.NewRegistry(), BookFile: book})
		if err != nil {
			t.Fatal(err)
		}
		nets, stops = append(nets, n), append(stops, run(t, n))
	}
	if err := sim.LinkAll(); err != nil {
		t.Fatal(err)
	}
	return nets[0], bookedNet{nets[1], file}, func() {
		for _, stop := range stops {
			stop()
		}
		if err := sim.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestBookUnreadable: what can not be read is an error, not a new book.
func TestBookUnreadable(t *testing.T) {
	d := deps(t)
	d.BookFile = filepath.Join(t.TempDir(), "peers", "x")
	if err := os.WriteFile(filepath.Dir(d.BookFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := netkit.New(local(), d); err == nil || !strings.Contains(err.Error(), d.BookFile) {
		t.Errorf("a book that can not be read: %v", err)
	}
}

// TestBookLost: a node that loses everybody goes through its book again, in fake time.
func TestBookLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := mocknet.New()
		defer sim.Close()
		hostA, errA := sim.GenPeer()
		hostB, errB := sim.GenPeer()
		if err := errors.Join(errA, errB); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "peers")
		a, err := netkit.FromHost(hostA, netkit.DefaultConfig(), netkit.Deps{Log: zerolog.Nop(), Metrics: prometheus.NewRegistry()})
		if err != nil {
			t.Fatal(err)
		}
		where := strings.TrimSuffix(a.Addrs()[0], "/p2p/"+a.PeerID())
		line := fmt.Sprintf(`{"peer":%q,"addrs":[%q],"seen":%d}`+"\n", a.PeerID(), where, time.Now().Unix())
		if err := os.WriteFile(file, []byte(line), 0o600); err != nil {
			t.Fatal(err)
		}
		b, err := netkit.FromHost(hostB, netkit.DefaultConfig(), netkit.Deps{Log: zerolog.Nop(), Metrics: prometheus.NewRegistry(), BookFile: file})
		if err != nil {
			t.Fatal(err)
		}
		stopA, stopB := run(t, a), run(t, b)
		defer stopA()
		defer stopB()
		for range 2 {
			if err := sim.LinkAll(); err != nil {
				t.Fatal(err)
			}
			<-time.After(2 * time.Minute)
			synctest.Wait()
			if !connected(b, a) {
				t.Fatal("it is not connected")
			}
			if err := errors.Join(sim.UnlinkPeers(hostA.ID(), hostB.ID()), sim.DisconnectPeers(hostA.ID(), hostB.ID())); err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Hour)
			if connected(b, a) {
				t.Fatal("it is still connected")
			}
		}
	})
}

// TestBookBounds: the best stay.
func TestBookBounds(t *testing.T) {
	file := filepath.Join(t.TempDir(), "peers")
	kept, newest := newKey(t).PeerID(), ""
	var notes []netkit.BookEntry
	notes = append(notes, netkit.BookEntry{Peer: kept, Addrs: many(40), Seen: 1, Kept: true})
	now := time.Now().Unix()
	for i := range netkit.MaxBook + 10 {
		newest = newKey(t).PeerID()
		notes = append(notes, netkit.BookEntry{Peer: newest, Addrs: many(1), Seen: now - int64(netkit.MaxBook) + int64(i)})
	}
	oldest := notes[1].Peer
	got, err := netkit.FillBook(file, notes)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != netkit.MaxBook || got[0] != kept || got[1] != newest {
		t.Errorf("%d peers, the first are %v, want %d, %s and %s", len(got), got[:2], netkit.MaxBook, kept, newest)
	}
	text, err := os.ReadFile(file)
	if err != nil || strings.Contains(string(text), oldest) || strings.Count(string(text), "/tcp/") != 16+netkit.MaxBook-1 {
		t.Errorf("%d addresses in the file, %v", strings.Count(string(text), "/tcp/"), err)
	}
}

func many(n int) (addrs []string) {
	for i := range n {
		addrs = append(addrs, fmt.Sprintf("/ip4/10.0.0.1/tcp/%d", i+1))
	}
	return addrs
}
