package main_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// stopLimit is the longest that a node may take to stop, whatever its clients
// do (F26).
const stopLimit = 5 * time.Second

// TestTerm asks a node under load to stop, again and again (F26).
func TestTerm(t *testing.T) {
	onUnix(t)
	rng := seeded(t)
	stops := scaled(20)
	p := newPlace(t)
	proc := p.start(t, "n")
	l := newLedger(t, p.client(t, "n", proc), 2, 4, 6)
	var plain, stalled []time.Duration
	unknown := 0
	for n := range stops {
		client := p.client(t, "n", proc)
		goal := l.acked.Load() + rng.Int64N(40)
		w := l.write(t, client, rng)
		stalls := n%4 == 1
		if stalls {
			// One client that never finishes its head, one that never sends its body.
			stall(t, proc, "POST /jsonrpc HTTP/1.1\r\nHost: localhost\r\n")
			stall(t, proc, "POST /jsonrpc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAuthorization: Bearer "+
				p.home(t, "n").Token()+"\r\nContent-Length: 100\r\n\r\n{")
		}
		eventually(t, "writes are acknowledged", func() bool { return l.acked.Load() >= goal || proc.ended() })
		begun := time.Now()
		proc.term()
		code := proc.wait(t)
		if took := time.Since(begun); stalls {
			stalled = append(stalled, took)
		} else {
			plain = append(plain, took)
		}
		if code != 0 {
			t.Fatalf("stop %d: exit code %d\n%s", n, code, &proc.stderr)
		}
		w.after(t)
		for _, file := range []string{p.home(t, "n").APIAddrFile(), p.home(t, "n").P2PAddrFile()} {
			if exists(file) {
				t.Errorf("stop %d leaves %s", n, file)
			}
		}
		proc = p.start(t, "n")
		unknown += l.open()
		l.check(t, p.client(t, "n", proc))
	}
	t.Logf("%d stops, %d acknowledged writes, %d without an answer", stops, l.acked.Load(), unknown)
	for name, times := range map[string][]time.Duration{"under load": plain, "with clients that hang": stalled} {
		middle, most := spread(times)
		t.Logf("a stop %s took %s in the middle, %s at most", name, rounded(middle), rounded(most))
		// What others do with the disk can make one stop slow, not most of them.
		if middle > stopLimit || most > allowed(stopLimit) {
			t.Errorf("a stop %s took more than %s", name, stopLimit)
		}
	}
}

// stall sends the beginning of a request and nothing more.
func stall(t *testing.T, proc *process, text string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(proc.addr, "http://"))
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	_, err = fmt.Fprint(conn, text)
	must(t, err)
}

// TestTermAtStart asks a node to stop at any moment of its start.
func TestTermAtStart(t *testing.T) {
	onUnix(t)
	rng := seeded(t)
	p := newPlace(t)
	home := p.home(t, "n")
	proc := p.start(t, "n")
	usual := proc.took
	codes := make(map[int]int)
	for range scaled(20) {
		proc.term()
		proc.wait(t)
		proc = p.run(t, "node", "run", "--node", "n")
		timer := time.AfterFunc(time.Duration(rng.Int64N(int64(2*usual))), proc.term)
		begun := time.Now()
		code := proc.wait(t)
		timer.Stop()
		codes[code]++
		// 0 when it ran, 130 when it was interrupted before, -1 when it did not
		// listen for signals yet.
		if code != 0 && code != 130 && code != -1 {
			t.Fatalf("exit code %d\n%s", code, &proc.stderr)
		}
		if took := time.Since(begun); took > allowed(stopLimit) {
			t.Errorf("it took %s", rounded(took))
		}
		if exists(home.APIAddrFile()) || exists(home.P2PAddrFile()) {
			t.Errorf("exit code %d leaves address files", code)
		}
		proc = p.start(t, "n")
		if _, err := p.client(t, "n", proc).Status(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("exit codes %v", codes)
}

// TestSecondSignal: whoever asks twice does not want to wait, and loses nothing
// by it either.
func TestSecondSignal(t *testing.T) {
	onUnix(t)
	rng := seeded(t)
	p := newPlace(t)
	proc := p.start(t, "n")
	l := newLedger(t, p.client(t, "n", proc), 1, 4, 4)
	w := l.write(t, p.client(t, "n", proc), rng)
	stall(t, proc, "POST /jsonrpc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAuthorization: Bearer "+
		p.home(t, "n").Token()+"\r\nContent-Length: 100\r\n\r\n{")
	eventually(t, "writes are acknowledged", func() bool { return l.acked.Load() > 20 })
	begun := time.Now()
	proc.term()
	eventually(t, "the process is gone", func() bool {
		proc.term()
		return proc.ended()
	})
	if took := time.Since(begun); took > allowed(time.Second) {
		t.Errorf("two signals took %s", rounded(took))
	}
	w.after(t)
	proc = p.start(t, "n")
	l.check(t, p.client(t, "n", proc))
}
