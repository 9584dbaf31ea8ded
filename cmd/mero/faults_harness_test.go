package main_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"mero/commands"
	"mero/node"
	"mero/node/api"
)

const (
	// childVar makes the test binary be mero: so a node under test is built with
	// what the tests are built with, the race detector too.
	childVar = "MERO_FAULTS_CHILD"
	seedVar  = "MERO_SEED"
	killsVar = "MERO_KILLS"

	// patience bounds each wait; a loaded machine is slow.
	patience = 2 * time.Minute
)

func TestMain(m *testing.M) {
	if os.Getenv(childVar) == "" {
		os.Exit(m.Run())
	}
	// The test holds the other end: a child does not outlive it.
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(99)
	}()
	os.Exit(commands.Main(os.Args, strings.NewReader(""), os.Stdout, os.Stderr))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// scaled is how often to do something: less with -short, and under the race
// detector, where the first call after a start alone takes seconds.
func scaled(full int) int {
	switch {
	case testing.Short():
		return max(full/10, 1)
	case raced:
		return max(full/7, 1)
	}
	return full
}

// seeded gives a test its random numbers, and says on failure how to have them
// again.
func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv(seedVar); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		must(t, err)
	}
	t.Logf("seed %d", seed)
	t.Cleanup(func() {
		if t.Failed() {
			kills, flags := "", "-count=1"
			if n := os.Getenv(killsVar); n != "" {
				kills, flags = killsVar+"="+n+" ", "-count=1 -timeout 0"
			}
			top, _, _ := strings.Cut(t.Name(), "/")
			t.Logf("repeat with: %s=%d %sgo test ./cmd/mero %s -run '^%s$'", seedVar, seed, kills, flags, top)
		}
	})
	return rand.New(rand.NewPCG(seed, 0))
}

// some takes as many cases as scaled allows, any of them.
func some[T any](t *testing.T, rng *rand.Rand, cases []T) []T {
	t.Helper()
	n := scaled(len(cases))
	if n < len(cases) {
		rng.Shuffle(len(cases), func(i, j int) { cases[i], cases[j] = cases[j], cases[i] })
	}
	t.Logf("%d of %d cases", n, len(cases))
	return cases[:n]
}

// place is where the nodes of one test live: DIR/NAME below base, and what all
// of its processes get as environment.
type place struct {
	base string
	env  []string
}

// newPlace makes a directory for homes. Compiled applications are shared by all
// tests, since compiling takes seconds.
func newPlace(t *testing.T, env ...string) *place {
	t.Helper()
	return placeAt(t, t.TempDir(), env...)
}

func placeAt(t *testing.T, base string, env ...string) *place {
	t.Helper()
	p := &place{base: base}
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "MERO_") {
			p.env = append(p.env, entry)
		}
	}
	p.env = append(p.env,
		childVar+"=1", "MERO_HOME="+base, "MERO_OUTPUT=json",
		"MERO_SERVER_LISTEN=127.0.0.1:0",
		"MERO_NETWORK_LISTEN=/ip4/127.0.0.1/tcp/0",
	)
	p.env = append(p.env, env...)
	return p
}

// home names a node's home, which need not exist.
func (p *place) home(t testing.TB, name string) node.Home {
	t.Helper()
	home, err := node.HomeAt(p.base, name)
	must(t, err)
	return home
}

// shareCache makes a home whose compiled applications are those of cache.
func shareCache(t *testing.T, home node.Home, cache string) {
	t.Helper()
	must(t, os.MkdirAll(home.Dir(), 0o700))
	must(t, os.Symlink(cache, filepath.Join(home.Dir(), "cache")))
}

// process is a mero that was started.
type process struct {
	cmd     *exec.Cmd
	started time.Time
	stdin   io.Closer
	stderr  tail

	ready chan readyDoc // one, when it printed its line
	done  chan struct{} // closed at its end
	err   error         // of Wait, after done
	took  time.Duration // from start to ready, after ready

	addr string
}

// readyDoc is what `node run` prints.
type readyDoc struct {
	API    []string `json:"api"`
	P2P    []string `json:"p2p"`
	PeerID string   `json:"peerId"`
}

// tail keeps what a process said last.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

const tailSize = 256 << 10

// Write implements io.Writer.
func (b *tail) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.buf.Len() > tailSize {
		b.buf.Next(tailSize / 2)
	}
	return b.buf.Write(p)
}

// String is what is kept.
func (b *tail) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// run starts mero with arguments. It is killed when the test ends.
func (p *place) run(t *testing.T, args ...string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = p.env
	proc := &process{cmd: cmd, ready: make(chan readyDoc, 1), done: make(chan struct{})}
	cmd.Stderr = &proc.stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	proc.stdin, err = cmd.StdinPipe()
	must(t, err)
	proc.started = time.Now()
	must(t, cmd.Start())
	go func() {
		defer close(proc.done)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			var doc readyDoc
			if json.Unmarshal(lines.Bytes(), &doc) == nil && len(doc.API) > 0 {
				proc.took = time.Since(proc.started)
				proc.ready <- doc
			}
		}
		proc.err = cmd.Wait()
	}()
	t.Cleanup(func() {
		proc.kill()
		<-proc.done
		if strings.Contains(proc.stderr.String(), "DATA RACE") {
			t.Errorf("the node has a data race:\n%s", &proc.stderr)
		}
	})
	return proc
}

// start runs a node and waits until it is ready.
func (p *place) start(t *testing.T, name string) *process {
	t.Helper()
	proc := p.run(t, "node", "run", "--node", name)
	proc.waitReady(t)
	return proc
}

func (proc *process) waitReady(t *testing.T) readyDoc {
	t.Helper()
	select {
	case doc := <-proc.ready:
		proc.addr = doc.API[0]
		return doc
	case <-proc.done:
		t.Fatalf("the node ended before it was ready: %v\n%s", proc.err, &proc.stderr)
	case <-time.After(patience):
		t.Fatalf("the node is not ready after %s\n%s", patience, &proc.stderr)
	}
	return readyDoc{}
}

// kill is kill -9.
func (proc *process) kill() { _ = proc.cmd.Process.Kill() }

// term asks it to stop.
func (proc *process) term() { _ = proc.cmd.Process.Signal(syscall.SIGTERM) }

// wait waits for the end and gives the exit code; -1 after a signal.
func (proc *process) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-proc.done:
	case <-time.After(patience):
		t.Fatalf("the process does not end after %s\n%s", patience, &proc.stderr)
	}
	return proc.cmd.ProcessState.ExitCode()
}

// ended reports whether it is over.
func (proc *process) ended() bool {
	select {
	case <-proc.done:
		return true
	default:
		return false
	}
}

// client talks to a node that is ready, with connections of its own.
func (p *place) client(t *testing.T, name string, proc *process) *api.Client {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	client, err := api.NewClient(api.ClientConfig{
		URL: proc.addr, Token: p.home(t, name).Token(), HTTP: &http.Client{Transport: transport, Timeout: patience},
	})
	must(t, err)
	return client
}

// eventually waits until a condition holds; what says what was waited for.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("after %s not yet: %s", patience, what)
		}
	}
}

func onUnix(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("needs signals")
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, os.ErrNotExist)
}

// spread is the middle and the greatest of durations, for the log.
func spread(times []time.Duration) (middle, most time.Duration) {
	if len(times) == 0 {
		return 0, 0
	}
	sorted := slices.Sorted(slices.Values(times))
	return sorted[len(sorted)/2], sorted[len(sorted)-1]
}

func rounded(d time.Duration) string { return fmt.Sprint(d.Round(time.Millisecond)) }
