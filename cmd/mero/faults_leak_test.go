package main_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"mero/node"
	"mero/node/api"
)

// inProcess is a node that runs in this process.
type inProcess struct {
	home   node.Home
	client *api.Client
	cancel context.CancelFunc
	done   chan error
}

func quietLogs(t *testing.T) node.Logs {
	t.Helper()
	logs, err := node.NewLogs(io.Discard, node.LogConfig{Level: "trace", Format: "json"})
	must(t, err)
	return logs
}

func loopback() node.Config {
	cfg := node.DefaultConfig()
	cfg.Server.Listen = []string{"127.0.0.1:0"}
	cfg.Network.Listen = []string{"/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"}
	return cfg
}

func startInProcess(t *testing.T, p *place, name string) *inProcess {
	t.Helper()
	home := p.home(t, name)
	n, err := node.Open(t.Context(), home, loopback(), quietLogs(t))
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	in := &inProcess{home: home, cancel: cancel, done: make(chan error, 1)}
	ready := make(chan struct{})
	go func() { in.done <- n.Run(ctx, func() error { close(ready); return nil }) }()
	select {
	case <-ready:
	case err := <-in.done:
		cancel()
		t.Fatalf("the node ended before it was ready: %v", err)
	}
	in.client = p.client(t, name, &process{addr: home.APIAddrs()[0]})
	return in
}

func (in *inProcess) stop(t *testing.T) {
	t.Helper()
	in.cancel()
	if err := <-in.done; err != nil {
		t.Fatalf("stop: %v", err)
	}
}

// TestNothingIsLeft runs nodes in this process, one twice and two at a time,
// stops them under load, and looks for goroutines and open files that they left
// (F27).
func TestNothingIsLeft(t *testing.T) {
	rng := seeded(t)
	p := newPlace(t)
	cache := t.TempDir()
	shareCache(t, p.home(t, "one"), cache)
	shareCache(t, p.home(t, "two"), cache)
	round := func(l map[string]*ledger, names ...string) {
		t.Helper()
		nodes, loads := make(map[string]*inProcess), make(map[string]*writing)
		for _, name := range names {
			nodes[name] = startInProcess(t, p, name)
			if l[name] == nil {
				l[name] = newLedger(t, nodes[name].client, 1, 3, 3)
			}
			l[name].check(t, nodes[name].client)
			loads[name] = l[name].write(t, nodes[name].client, rng)
		}
		for _, name := range names {
			goal := l[name].acked.Load() + 20
			eventually(t, "writes are acknowledged", func() bool { return l[name].acked.Load() > goal })
			nodes[name].stop(t)
			loads[name].after(t)
		}
	}
	books := make(map[string]*ledger)
	round(books, "one") // what libraries start once and keep
	before, files := goroutines(), openFiles()
	round(books, "one")
	round(books, "two", "one")
	// Opened and closed without having run.
	for range 2 {
		n, err := node.Open(t.Context(), p.home(t, "one"), loopback(), quietLogs(t))
		must(t, err)
		must(t, n.Close())
	}
	noneLeft(t, before)
	if now := openFiles(); now > files {
		t.Errorf("%d files are open, %d before", now, files)
	}
	if leaks := pprof.Lookup("goroutineleak"); leaks != nil && leaks.Count() > 0 {
		var text bytes.Buffer
		must(t, leaks.WriteTo(&text, 1))
		t.Errorf("goroutines that can never go on:\n%s", &text)
	}
}

// noneLeft waits until there are no goroutines but those of before.
func noneLeft(t *testing.T, before map[string]int) {
	t.Helper()
	var left []string
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for {
		left = left[:0]
		for stack, n := range goroutines() {
			if n > before[stack] {
				left = append(left, fmt.Sprintf("%d more of\n%s", n-before[stack], stack))
			}
		}
		if len(left) == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("goroutines are left:\n%s", strings.Join(left, "\n"))
		}
	}
}

// goroutines counts all but the caller's by where they were started.
func goroutines() map[string]int {
	buf := make([]byte, 1<<20)
	for n := len(buf); n == len(buf); buf = make([]byte, 2*len(buf)) {
		if n = runtime.Stack(buf, true); n < len(buf) {
			buf = buf[:n]
			break
		}
	}
	counts := make(map[string]int)
	number := regexp.MustCompile(`0x[0-9a-f]+\??|goroutine \d+`)
	for i, stack := range strings.Split(string(buf), "\n\n") {
		if i == 0 {
			continue // this one
		}
		_, made, ok := strings.Cut(stack, "created by ")
		if !ok {
			made = stack
		}
		counts[strings.TrimSpace(number.ReplaceAllString(made, ""))]++
	}
	return counts
}

// openFiles counts this process's; 0 where that cannot be told.
func openFiles() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(entries)
}
