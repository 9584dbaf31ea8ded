package child

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

const (
	// Patience is how long a child may take to be ready.
	Patience = 60 * time.Second
	// stopTime is how long it may take to end.
	stopTime = 20 * time.Second
)

// Program is what children run.
type Program struct {
	// Path is the file of mero.
	Path string
}

// This is the program that is running.
func This() (Program, error) {
	path, err := os.Executable()
	if err != nil {
		return Program{}, fmt.Errorf("find this program: %w", err)
	}
	return Program{path}, nil
}

// Command is a child that was not started yet. It is interrupted when ctx ends.
func (p Program) Command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, p.Path, args...) //nolint:gosec // this program itself
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

// Process is a child that printed one line when it was ready.
type Process struct {
	// PID is its process id, Line what it printed, Took the time from its start to
	// that line.
	PID  int
	Line []byte
	Took time.Duration

	cmd   *exec.Cmd
	in    io.Closer
	end   context.CancelFunc
	ended chan struct{}
	err   error // of Wait, set before ended is closed
}

// Spawn starts a child and waits for its line. What it writes to standard error
// goes to a file, whose end is part of an error.
func (p Program) Spawn(ctx context.Context, errFile string, args ...string) (*Process, error) {
	log, err := os.OpenFile(errFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("log of a child: %w", err)
	}
	defer log.Close() //nolint:errcheck // the child has it
	ctx, cancel := context.WithCancel(ctx)
	cmd := p.Command(ctx, args...)
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
		return nil, fmt.Errorf("start %s: %w", p.Path, err)
	}
	c := &Process{PID: cmd.Process.Pid, cmd: cmd, in: in, end: cancel, ended: make(chan struct{})}
	late := time.AfterFunc(Patience, cancel)
	c.Line, err = bufio.NewReader(out).ReadBytes('\n')
	c.Took = time.Since(begin)
	if !late.Stop() && err == nil {
		err = errors.New("it was ready too late")
	}
	go func() { // ends with the child, which Stop waits for
		c.err = cmd.Wait()
		close(c.ended)
	}()
	if err != nil {
		_ = c.Stop() // what it said is in its log
		if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
			return nil, cause
		}
		return nil, fmt.Errorf("mero %s did not become ready (%w): %s", strings.Join(args, " "), err, Tail(errFile))
	}
	return c, nil
}

// Ended is closed when the child has ended, whoever ended it.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Stop ends the child and waits for its end. That it was interrupted is no error.
func (p *Process) Stop() error {
	p.end()
	_ = p.in.Close() // it may have ended
	<-p.ended
	if errors.Is(p.err, context.Canceled) || p.interrupted() {
		return nil
	}
	return p.err
}

// interrupted tells the ends that were asked for: a node ends with 0, another
// command with the exit code of an interrupt.
func (p *Process) interrupted() bool {
	code := p.cmd.ProcessState.ExitCode()
	return code == 0 || code == 130
}

// Tail is the end of a file of words.
func Tail(path string) string {
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
