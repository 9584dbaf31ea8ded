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

// config adds the guest's WASI world to a module's configuration. The clocks are
// the guest's one counter (R7). Sleeping takes no time, but moves the monotonic
// clock, or a guest that sleeps would wait for ever.
func (s *stdio) config(base wazero.ModuleConfig) wazero.ModuleConfig {
	g := s.guest
	s.out.logs, s.err.logs = &g.logs, &g.logs
	s.out.guest, s.err.guest = g, g
	return base.
		WithStdout(&s.out).
		WithStderr(stderrWriter{s}).
		WithRandSource(g.Random).
		WithWalltime(func() (int64, int32) {
			t := g.now()
			return int64(t / 1e9), int32(t % 1e9)
		}, sys.ClockResolution(1)).
		WithNanotime(func() int64 { return int64(g.now() + s.slept) }, sys.ClockResolution(1)).
		WithNanosleep(func(ns int64) {
			if ns > 0 {
				s.slept += uint64(ns)
			}
		}).
		WithOsyield(func() {})
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
