package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"mero/node"
)

const (
	// patience is how long a child may take to be ready, or to end.
	patience = 60 * time.Second
	stopTime = 20 * time.Second
	// nodeName is the name of every node here.
	nodeName = "bench"
)

// command is a child of this process that runs mero. It is asked to end when
// ctx does, and killed when it does not follow. It sees none of the user's MERO
// variables.
func (b *bench) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, b.program, args...) //nolint:gosec // this program itself
	cmd.Args[0] = "mero"
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "MERO_") {
			cmd.Env = append(cmd.Env, entry)
		}
	}
	cmd.Cancel = func() error {
		if err := cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return cmd.Process.Kill() // a system without signals
		}
		return nil
	}
	cmd.WaitDelay = stopTime
	endWithParent(cmd)
	return cmd
}

// child is a process that printed one line when it was ready.
type child struct {
	cmd   *exec.Cmd
	line  []byte
	ready time.Duration // from start to that line
	stop  func() error
}

// spawn starts a child and waits for its line. What it writes to standard error
// goes to a file, whose end is part of an error.
func (b *bench) spawn(ctx context.Context, errFile string, args ...string) (*child, error) {
	log, err := os.Create(errFile)
	if err != nil {
		return nil, fmt.Errorf("log of a child: %w", err)
	}
	defer log.Close() //nolint:errcheck // the child has it
	ctx, cancel := context.WithCancel(ctx)
	cmd := b.command(ctx, args...)
	cmd.Stderr = log
	in, err := cmd.StdinPipe() // closed when this process ends
	if err != nil {
		cancel()
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		cancel()
		return nil, err
	}
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		cancel()
		return nil, fmt.Errorf("start %s: %w", b.program, err)
	}
	c := &child{cmd: cmd}
	c.stop = func() error {
		cancel()
		_ = in.Close() // it may have ended
		err := cmd.Wait()
		if errors.Is(err, context.Canceled) || isInterrupted(cmd) {
			return nil
		}
		return err
	}
	late := time.AfterFunc(patience, cancel)
	c.line, err = bufio.NewReader(out).ReadBytes('\n')
	c.ready = time.Since(begin)
	if !late.Stop() && err == nil {
		err = errors.New("it was ready too late")
	}
	if err != nil {
		_ = c.stop() // what it said is in its log
		return nil, fmt.Errorf("mero %s did not become ready (%w): %s", strings.Join(args, " "), err, tail(errFile))
	}
	return c, nil
}

// isInterrupted tells the ends that we asked for: a node ends with 0, another
// command with the exit code of an interrupt.
func isInterrupted(cmd *exec.Cmd) bool {
	code := cmd.ProcessState.ExitCode()
	return code == 0 || code == 130
}

// tail is the end of a file.
func tail(path string) string {
	const most = 2000
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close() //nolint:errcheck // read only
	if info, err := f.Stat(); err == nil && info.Size() > most {
		_, _ = f.Seek(-most, io.SeekEnd) // else all of it is shown
	}
	data, _ := io.ReadAll(f) // as much as can be had
	return strings.TrimSpace(string(data))
}

// home is the home of a node that may be started many times.
type home struct {
	bench *bench
	base  string
	node  node.Home
}

// newHome creates a node on free ports of loopback. With apps it finds the
// applications compiled.
func (b *bench) newHome(ctx context.Context, apps bool) (*home, error) {
	h := &home{bench: b, base: b.newDir()}
	var err error
	if h.node, err = node.HomeAt(h.base, nodeName); err != nil {
		return nil, err
	}
	err = h.mero(ctx, "node", "init", "--server-host", "127.0.0.1", "--server-port", "0", "--swarm-host", "127.0.0.1", "--swarm-port", "0")
	if err != nil {
		return nil, err
	}
	if apps {
		err = b.fillCache(ctx, h.node.CacheDir())
	}
	return h, err
}

// words begin every command line for this home.
func (h *home) words(args ...string) []string {
	return append([]string{"--home", h.base, "--node", nodeName}, args...)
}

// mero runs a command to its end.
func (h *home) mero(ctx context.Context, args ...string) error {
	out, err := h.bench.command(ctx, h.words(args...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("mero %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// remove deletes what the home has on disk; the run's end deletes what stays.
func (h *home) remove() { _ = os.RemoveAll(h.base) }

// process is a running node.
type process struct {
	*child

	url   string
	token string
}

// start runs the node until it is ready.
func (h *home) start(ctx context.Context) (*process, error) {
	c, err := h.bench.spawn(ctx, filepath.Join(h.base, "node.log"), h.words("node", "run", "--output", "json")...)
	if err != nil {
		return nil, err
	}
	var ready struct {
		API []string `json:"api"`
	}
	if err := json.Unmarshal(c.line, &ready); err != nil || len(ready.API) == 0 {
		return nil, errors.Join(fmt.Errorf("the ready line of a node is not understood: %s", c.line), c.stop())
	}
	return &process{child: c, url: ready.API[0], token: h.node.Token()}, nil
}

// while runs do beside a node of this home.
func (h *home) while(ctx context.Context, do func(*process) error) (err error) {
	p, err := h.start(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	if err := do(p); err != nil {
		return fmt.Errorf("%w%s", err, h.died())
	}
	return nil
}

// died says so when a node ended on its own.
func (h *home) died() string {
	if _, running := h.node.Running(); running {
		return ""
	}
	return "; the node ended: " + tail(filepath.Join(h.base, "node.log"))
}
