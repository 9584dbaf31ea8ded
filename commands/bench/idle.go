package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// proxies are between all pairs of some nodes.
type proxies struct{ links [][]*proxy } // links[from][to], from > to

func (p *proxies) close() {
	for _, row := range p.links {
		for _, link := range row {
			link.close()
		}
	}
}

// restart starts all nodes again on other ports, each with proxies as the addresses of
// those before it: so each pair has one connection, through a proxy of its own.
func (g *group) restart(ctx context.Context) (_ *proxies, err error) {
	if err := g.stop(); err != nil {
		return nil, err
	}
	made := &proxies{links: make([][]*proxy, len(g.nodes))}
	defer func() {
		if err != nil {
			made.close()
		}
	}()
	for from := range g.nodes {
		var addresses []string
		for _, there := range g.nodes[:from] {
			link, err := newProxy(ctx)
			if err != nil {
				return nil, err
			}
			made.links[from] = append(made.links[from], link)
			at, err := tcpAddress(there.P2P)
			if err != nil {
				return nil, err
			}
			link.connect(at)
			addresses = append(addresses, link.address(there.PeerID))
		}
		if err := g.startKnowing(ctx, from, addresses...); err != nil {
			return nil, err
		}
	}
	return made, nil
}

// idle is what some nodes do that have nothing to do.
type idle struct {
	contexts, peers int
	length          time.Duration
	cpu             []float64 // percent of a core, of each node; empty: not known here
	traffic         []float64 // KB/s of each pair that was seen, sorted
	pairs           int
}

// idling watches nodes that share contexts: once, for both measures.
func (b *bench) idling(ctx context.Context) (*idle, error) {
	if b.idle != nil {
		return b.idle, nil
	}
	nodes := b.cfg.Size.Peers + 1
	seen := &idle{contexts: b.cfg.Size.Contexts, peers: b.cfg.Size.Peers, length: b.cfg.Size.Idle, pairs: nodes * (nodes - 1) / 2}
	err := b.meshed(ctx, b.apps[0], nodes, seen.contexts, func(g *group) error {
		between, err := g.restart(ctx)
		if err != nil {
			return err
		}
		defer between.close()
		if err := g.together(ctx); err != nil {
			return err
		}
		// A node that has just started tells the DHT of all its contexts, for some time.
		if err := sleep(ctx, b.cfg.Size.Idle*3/4); err != nil {
			return err
		}
		return seen.watch(ctx, g, between)
	})
	if err == nil {
		b.idle = seen
	}
	return seen, err
}

// together waits until each node is connected to all others and finds all contexts
// equal there.
func (g *group) together(ctx context.Context) error {
	deadline := time.Now().Add(equalTime)
	for {
		done := 0
		for _, client := range g.clients {
			status, err := client.Status(ctx)
			if err != nil {
				return err
			}
			if status.Peers >= len(g.clients)-1 && status.Sync.Equal == len(g.shared[0]) {
				done++
			}
		}
		if done == len(g.clients) {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("after %s only %d nodes are connected to all others and equal", equalTime, done)
		}
		if err := sleep(ctx, 10*glance); err != nil {
			return err
		}
	}
}

// watch reads counters before and after a while.
func (s *idle) watch(ctx context.Context, g *group, between *proxies) error {
	read := func() (cpu []time.Duration, bytes []int64, err error) {
		for _, p := range g.nodes {
			used, err := cpuTime(p.PID)
			if err != nil && !errors.Is(err, errors.ErrUnsupported) {
				return nil, nil, err
			}
			if err == nil {
				cpu = append(cpu, used)
			}
		}
		for _, row := range between.links {
			for _, link := range row {
				bytes = append(bytes, link.through())
			}
		}
		return cpu, bytes, nil
	}
	begin := time.Now()
	cpu, bytes, err := read()
	if err != nil {
		return err
	}
	if err := sleep(ctx, s.length); err != nil {
		return err
	}
	cpuAfter, bytesAfter, err := read()
	if err != nil {
		return err
	}
	s.length = time.Since(begin)
	for i := range cpu {
		s.cpu = append(s.cpu, 100*(cpuAfter[i]-cpu[i]).Seconds()/s.length.Seconds())
	}
	for i := range bytes {
		if bytes[i] >= 0 && bytesAfter[i] >= 0 { // else that pair found another way
			s.traffic = append(s.traffic, float64(bytesAfter[i]-bytes[i])/1000/s.length.Seconds())
		}
	}
	slices.Sort(s.cpu)
	slices.Sort(s.traffic)
	return nil
}

// measureIdleCPU is P20.
func measureIdleCPU(ctx context.Context, b *bench) error {
	s, err := b.idling(ctx)
	if err != nil {
		return err
	}
	r := Result{ID: "P20", Measure: fmt.Sprintf("CPU of an idle node, %d contexts and %d peers, part of a core", s.contexts, s.peers), App: b.apps[0].Name, Unit: percent, Better: Less}
	if len(s.cpu) == 0 {
		return b.emit(r.note("not available on " + runtime.GOOS))
	}
	r = s.median(r, s.cpu, fmt.Sprintf("median of %d nodes", len(s.cpu)), 1, 0.3)
	return b.emit(r)
}

// measureIdleNetwork is P21.
func measureIdleNetwork(ctx context.Context, b *bench) error {
	s, err := b.idling(ctx)
	if err != nil {
		return err
	}
	r := Result{ID: "P21", Measure: fmt.Sprintf("traffic of a pair of idle nodes, both ways, %d contexts and %d peers", s.contexts, s.peers), App: b.apps[0].Name, Unit: kilobytes, Better: Less}
	if len(s.traffic) == 0 {
		return b.emit(r.note("no pair is connected through the counter"))
	}
	return b.emit(s.median(r, s.traffic, fmt.Sprintf("bytes within TCP; median of %d of %d pairs", len(s.traffic), s.pairs), 1, 0.2))
}

// median fills a result.
func (s *idle) median(r Result, sorted []float64, of string, target, stretch float64) Result {
	r.Value = round(sorted[len(sorted)/2])
	r = r.note(fmt.Sprintf("%s, %.3g to %.3g, over %s", of, sorted[0], sorted[len(sorted)-1], s.length.Round(time.Millisecond)))
	if s.contexts >= designContexts && s.peers >= designPeers {
		r = r.targets(target, stretch)
	}
	return r
}

// cpuTime is what a process has used, in the kernel too. It is exact to 10 ms.
func cpuTime(pid int) (time.Duration, error) {
	if runtime.GOOS != "linux" {
		return 0, errors.ErrUnsupported
	}
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("CPU time of a node: %w", err)
	}
	// proc(5): after the name in brackets come the fields from the third on, and utime
	// and stime are the 14th and 15th, in hundredths of a second.
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	var ticks uint64
	for _, at := range []int{11, 12} {
		if len(fields) <= at {
			return 0, errors.New("CPU time of a node: the fields of its stat are not understood")
		}
		n, err := strconv.ParseUint(fields[at], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("CPU time of a node: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}
