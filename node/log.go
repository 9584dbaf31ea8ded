package node

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/term"

	"mero/netkit"
)

// LogConfig is the section `log`.
type LogConfig struct {
	Level  string `koanf:"level" comment:"What is written to the log: trace, debug, info, warn, error or off, and after commas the level of single packages: info,replica=debug."`
	Format string `koanf:"format" comment:"Form of the log: console (for people), json (one object per line), or auto, which is console on a terminal and json elsewhere."`
}

// DefaultLogConfig writes what an operator wants to know.
func DefaultLogConfig() LogConfig { return LogConfig{Level: "info", Format: "auto"} }

// Validate reports the first setting that can not work, by its key.
func (c LogConfig) Validate() error {
	if _, err := ParseLevels(c.Level); err != nil {
		return fmt.Errorf("log.level: %w", err)
	}
	switch c.Format {
	case "auto", "console", "json":
		return nil
	}
	return fmt.Errorf("log.format: wants auto, console or json")
}

// Levels are the log levels of a node: one for all packages, others for some.
type Levels struct {
	all zerolog.Level
	pkg map[string]zerolog.Level
}

// ParseLevels reads `warn` or `info,syncer=debug`.
func ParseLevels(text string) (Levels, error) {
	levels := Levels{all: zerolog.InfoLevel, pkg: make(map[string]zerolog.Level)}
	for item := range strings.SplitSeq(text, ",") {
		name, word, single := strings.Cut(strings.TrimSpace(item), "=")
		if !single {
			name, word = "", name
		}
		level, err := parseLevel(word)
		if err != nil {
			return Levels{}, err
		}
		switch {
		case !single:
			levels.all = level
		case name == "":
			return Levels{}, fmt.Errorf("%q has no package before the =", item)
		default:
			levels.pkg[name] = level
		}
	}
	return levels, nil
}

func parseLevel(word string) (zerolog.Level, error) {
	switch word {
	case "trace":
		return zerolog.TraceLevel, nil
	case "debug":
		return zerolog.DebugLevel, nil
	case "info":
		return zerolog.InfoLevel, nil
	case "warn":
		return zerolog.WarnLevel, nil
	case "error":
		return zerolog.ErrorLevel, nil
	case "off":
		return zerolog.Disabled, nil
	}
	return 0, fmt.Errorf("%q is no level; wants trace, debug, info, warn, error or off", word)
}

// Logs gives each package its logger.
type Logs struct {
	base   zerolog.Logger
	levels Levels
}

// NewLogs writes to w in the configured form. cfg must be valid.
func NewLogs(w io.Writer, cfg LogConfig) (Logs, error) {
	levels, err := ParseLevels(cfg.Level)
	if err != nil {
		return Logs{}, err
	}
	if cfg.Format == "console" || cfg.Format == "auto" && isTerminal(w) {
		w = zerolog.ConsoleWriter{
			Out: w, TimeFormat: time.TimeOnly, NoColor: !isTerminal(w) || os.Getenv("NO_COLOR") != "",
		}
	}
	w = zerolog.SyncWriter(w) // packages write at the same time
	return Logs{base: zerolog.New(w).With().Timestamp().Logger(), levels: levels}, nil
}

// For is the logger of one package, which it names in the field `pkg`.
func (l Logs) For(pkg string) zerolog.Logger {
	level, ok := l.levels.pkg[pkg]
	if !ok {
		level = l.levels.all
	}
	return l.base.Level(level).With().Str("pkg", pkg).Logger()
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// TakeLibraries sends what libraries log for the whole process here, instead of to
// stderr in a form of their own. It is for main to call, once, before Open.
func (l Logs) TakeLibraries() { netkit.LibraryLogs(l.For("libp2p")) }
