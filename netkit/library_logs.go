package netkit

import (
	"context"
	"log/slog"

	"github.com/libp2p/go-libp2p/gologshim"
	"github.com/rs/zerolog"
)

// LibraryLogs sends what libp2p itself logs to log, instead of to stderr in a
// form of its own. It holds for the whole process, hence for main to call, once,
// before the first New. What libp2p calls warnings and errors (a connection that
// a stranger broke off, a listener that was closed) are everyday things to a
// node, so they come as debug; the rest does not come at all.
func LibraryLogs(log zerolog.Logger) { gologshim.SetDefaultHandler(libraryHandler(log)) }

func libraryHandler(log zerolog.Logger) slog.Handler { return quiet{zerolog.NewSlogHandler(log)} }

// quiet lets warnings and errors through, as debug.
type quiet struct{ to slog.Handler }

// Enabled implements slog.Handler.
func (q quiet) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && q.to.Enabled(ctx, slog.LevelDebug)
}

// Handle implements slog.Handler.
func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	r.Level = slog.LevelDebug
	return q.to.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler { return quiet{q.to.WithAttrs(attrs)} }

// WithGroup implements slog.Handler.
func (q quiet) WithGroup(name string) slog.Handler { return quiet{q.to.WithGroup(name)} }
