package vm

import (
	"bytes"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"github.com/tetratelabs/wazero/sys"
)

// wasiModule is the import module of WASI preview 1, which Go guests need. The
// functions are wazero's, over a world without files, arguments or environment.
const wasiModule = wasi_snapshot_preview1.ModuleName

// stdio is what a guest sees of the world through WASI.
type stdio struct {
	guest  *guest
	out    lineWriter
	err    lineWriter
	slept  uint64       // nanoseconds; only the monotonic clock knows
	stderr bytes.Buffer // everything since the start, the latest maxStderr bytes at least
}

// begin makes the world that of a guest.
func (s *stdio) begin(g *guest) {
	*s = stdio{guest: g, out: lineWriter{guest: g, logs: &g.logs}, err: lineWriter{guest: g, logs: &g.logs}}
}

// config adds the WASI world of whoever s belongs to at a time to a module's
// configuration. The clocks are the guest's one counter (R7). Sleeping takes no
// time, but moves the monotonic clock, or a guest that sleeps would wait for
// ever.
func (s *stdio) config(base wazero.ModuleConfig) wazero.ModuleConfig {
	return base.
		WithStdout(&s.out).
		WithStderr(stderrWriter{s}).
		WithRandSource(randomReader{s}).
		WithWalltime(func() (int64, int32) {
			t := s.guest.now()
			return int64(t / 1e9), int32(t % 1e9)
		}, sys.ClockResolution(1)).
		WithNanotime(func() int64 { return int64(s.guest.now() + s.slept) }, sys.ClockResolution(1)).
		WithNanosleep(func(ns int64) {
			if ns > 0 {
				s.slept += uint64(ns)
			}
		}).
		WithOsyield(func() {})
}

// randomReader gives the random bytes of the guest of the moment.
type randomReader struct{ *stdio }

// Read implements io.Reader.
func (r randomReader) Read(p []byte) (int, error) { return r.guest.Random.Read(p) }

// watchWASI notes what a function of WASI leaves behind.
func (g *guest) watchWASI(name string) {
	switch name {
	case "args_get", "args_sizes_get", "environ_get", "environ_sizes_get", "clock_res_get", "clock_time_get",
		"fd_fdstat_get", "fd_prestat_get", "fd_prestat_dir_name", "poll_oneoff", "random_get", "sched_yield":
		// Nothing but in the guest's memory and its clock.
	case "fd_fdstat_set_flags":
		// Nothing either: there are no files but the standard ones, which keep no
		// flags. Go's package os calls it.
	case "fd_write":
		g.asked = true
	default:
		g.instance.spoiled = true // its table of files, for one
	}
}

// flush logs the last lines, which have no line end.
func (s *stdio) flush() {
	s.out.flush()
	s.err.flush()
}

// panicText is what a guest printed to stderr before it died.
func (s *stdio) panicText() string {
	if s == nil {
		return ""
	}
	return strings.TrimSpace(strings.ToValidUTF8(s.stderr.String(), "\uFFFD"))
}

// lineWriter cuts output into log lines.
type lineWriter struct {
	guest *guest
	logs  *logs
	rest  []byte
}

// Write implements io.Writer.
func (w *lineWriter) Write(p []byte) (int, error) {
	size := len(p)
	w.guest.charge(uint64(size) / bytesPerUnit)
	for {
		line, after, ended := bytes.Cut(p, []byte{'\n'})
		// A line longer than a log line is logged in parts.
		w.keep(line)
		if !ended {
			break
		}
		w.logs.addOutput(string(w.rest))
		w.rest, p = w.rest[:0], after
	}
	if len(w.rest) >= maxLogSize {
		w.flush()
	}
	w.logs.account.add(0) // the lines were noted only
	return size, nil
}

// keep appends to the line that has not ended.
func (w *lineWriter) keep(part []byte) {
	if grown := len(w.rest) + len(part) - cap(w.rest); grown > 0 {
		w.logs.account.add(grown)
	}
	w.rest = append(w.rest, part...)
}

func (w *lineWriter) flush() {
	w.logs.addOutput(string(w.rest))
	w.rest = w.rest[:0]
}

// stderrWriter logs, and keeps the text for the report of a crash.
type stderrWriter struct{ *stdio }

// Write implements io.Writer.
func (w stderrWriter) Write(p []byte) (int, error) {
	before := w.stderr.Cap()
	w.stderr.Write(p[max(0, len(p)-2*maxStderr):])
	w.guest.account.add(w.stderr.Cap() - before)
	if w.stderr.Len() > 2*maxStderr {
		w.stderr.Next(w.stderr.Len() - maxStderr)
	}
	return w.err.Write(p)
}
