package line

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"mero/node"
	"mero/node/api"
)

// Without --timeout: a verb that neither moves data nor waits, and one that was
// told to wait.
const (
	defaultTimeout = 30 * time.Second
	waitTimeout    = 60 * time.Second
)

// ErrInterrupted is the cause of a context that a signal ended.
var ErrInterrupted = errors.New("interrupted")

// Env is what a verb works with: its flags and arguments, the streams, and the
// node that the global flags name.
type Env struct {
	In       io.Reader
	Out, Err io.Writer
	Environ  []string

	// JSON is --output json, Short is --short.
	JSON, Short bool
	Home        node.Home
	// APIURL, Token and LogLevel are empty, and Timeout is 0, when not given.
	APIURL, Token, LogLevel string
	Timeout                 time.Duration

	// Flags are the verb's own, Args its arguments.
	Flags *cli.Context
	Args  []string

	failed error // the first failure to write to out
}

// globalFlags are the flags of every command.
func globalFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "home", EnvVars: []string{"MERO_HOME"}, DefaultText: "~/.mero", Usage: "`DIR` with the homes of nodes: a node lives in DIR/NAME"},
		&cli.StringFlag{Name: "node", Aliases: []string{"n", "node-name"}, EnvVars: []string{"MERO_NODE"}, Value: node.DefaultName, Usage: "`NAME` of the node"},
		&cli.StringFlag{Name: "api", EnvVars: []string{"MERO_API"}, DefaultText: "from the node's home", Usage: "`URL` of the node's API"},
		&cli.StringFlag{Name: "token", EnvVars: []string{"MERO_TOKEN"}, DefaultText: "from the node's home", Usage: "bearer `TOKEN` for the API"},
		&cli.StringFlag{Name: "output", EnvVars: []string{"MERO_OUTPUT"}, Value: "human", Usage: "`FORM` of what is printed: human, or json (one object a line)"},
		&cli.StringFlag{Name: "timeout", EnvVars: []string{"MERO_TIMEOUT"}, DefaultText: "30s, 60s with --wait", Usage: "`DURATION` after which a command gives up: 90s, 15m, 24h, 7d"},
		&cli.StringFlag{Name: "log-level", EnvVars: []string{"MERO_LOG"}, DefaultText: "info", Usage: "`LEVEL` of a node's log: warn, or info,syncer=debug"},
		&cli.BoolFlag{Name: "short", Usage: "abbreviate ids in tables"},
	}
}

// setGlobals reads the global flags of a parsed command line.
func (e *Env) setGlobals(c *cli.Context) error {
	e.Short, e.APIURL, e.Token, e.LogLevel = c.Bool("short"), c.String("api"), c.String("token"), c.String("log-level")
	if text := c.String("timeout"); text != "" {
		d, err := node.ParseDuration(text)
		if err != nil || d <= 0 {
			return Usagef("--timeout %s: wants a duration such as 90s, 15m, 24h, 7d", text)
		}
		e.Timeout = d
	}
	base := c.String("home")
	if base == "" {
		dir, err := os.UserHomeDir()
		if err != nil {
			return Usagef("where nodes live is unknown (%v); give --home DIR", err)
		}
		base = filepath.Join(dir, ".mero")
	}
	home, err := node.HomeAt(base, c.String("node"))
	if err != nil {
		return Usagef("--node: %v", err)
	}
	e.Home = home
	return nil
}

// setOutput reads --output, which has to be known before anything can fail.
func (e *Env) setOutput(form string) error {
	switch form {
	case "", "human":
		e.JSON = false
	case "json":
		e.JSON = true
	default:
		return &UsageError{
			Text:    fmt.Sprintf("--output %s: there is no such form, only human and json", form),
			Nearest: node.Nearest(form, []string{"human", "json"}),
		}
	}
	return nil
}

// Say writes a line for people to standard error.
func (e *Env) Say(format string, args ...any) {
	_, _ = fmt.Fprintf(e.Err, format+"\n", args...) // nobody is left to tell
}

// Note is say for what scripts do not need: hints, progress.
func (e *Env) Note(format string, args ...any) {
	if !e.JSON {
		e.Say(format, args...)
	}
}

// Arg is an argument by its place, or "".
func (e *Env) Arg(i int) string {
	if i < len(e.Args) {
		return e.Args[i]
	}
	return ""
}

// IDs are the arguments from a place on, with those of standard input, one a
// line, where an argument is `-`.
func (e *Env) IDs() ([]string, error) {
	var ids []string
	for _, arg := range e.Args {
		if arg != "-" {
			ids = append(ids, arg)
			continue
		}
		lines := bufio.NewScanner(e.In)
		for lines.Scan() {
			if line := strings.TrimSpace(lines.Text()); line != "" {
				ids = append(ids, line)
			}
		}
		if err := lines.Err(); err != nil {
			return nil, fmt.Errorf("read ids from standard input: %w", err)
		}
	}
	return ids, nil
}

// Client is the API of the node that the global flags name.
func (e *Env) Client() (*api.Client, error) {
	url, token := e.APIURL, e.Token
	own := e.Home.APIAddrs()
	if url == "" {
		if len(own) == 0 {
			return nil, e.notRunning()
		}
		url = own[0]
	}
	// The token of the home is for this node alone, never for an address that
	// somebody else may answer at (R25).
	if token == "" && slices.Contains(own, strings.TrimRight(url, "/")) {
		token = e.Home.Token()
	}
	client, err := api.NewClient(api.ClientConfig{URL: url, Token: token})
	if err != nil {
		return nil, Usagef("--api: %v", err)
	}
	return client, nil
}

func (e *Env) notRunning() error {
	hint := "start it: mero node run"
	if e.Home.Name() != node.DefaultName {
		hint += " --node " + e.Home.Name()
	}
	if pid, running := e.Home.Running(); running {
		return &FailedError{
			Code: ExitNoNode, Text: fmt.Sprintf("node %s (pid %d) does not answer yet", e.Home.Name(), pid),
			Hint: "wait until it has printed its ready line",
		}
	}
	return &FailedError{Code: ExitNoNode, Text: fmt.Sprintf("node %s is not running (%s)", e.Home.Name(), e.Home.Dir()), Hint: hint}
}

// Interactive reports whether a person sits at standard input.
func (e *Env) Interactive() bool {
	f, ok := e.In.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Confirm asks before something is destroyed; without a terminal --yes is
// needed.
func (e *Env) Confirm(question string) error {
	if e.Flags.Bool("yes") {
		return nil
	}
	if !e.Interactive() {
		return Usagef("%s: say --yes, since there is no terminal to ask on", question)
	}
	_, _ = fmt.Fprintf(e.Err, "%s? [y/N] ", question)
	line, err := bufio.NewReader(e.In).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return nil
	}
	return &FailedError{Code: ExitFailed, Text: "nothing was done"}
}

// YesFlag is for verbs that destroy.
func YesFlag() cli.Flag {
	return &cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "do not ask"}
}

// deadline is the context of a verb with its timeout.
func (e *Env) deadline(ctx context.Context, v *Verb) (context.Context, context.CancelFunc) {
	switch {
	case v.Daemon, v.Slow && e.Timeout == 0:
		return context.WithCancel(ctx)
	case e.Timeout > 0:
		return context.WithTimeout(ctx, e.Timeout)
	case e.Flags.Bool("wait"):
		return context.WithTimeout(ctx, waitTimeout)
	default:
		return context.WithTimeout(ctx, defaultTimeout)
	}
}

// Object prints one value: as JSON, or as human writes it.
func (e *Env) Object(v any, human func(w io.Writer)) error {
	if !e.JSON {
		human(e.Writer())
		return e.failed
	}
	enc := json.NewEncoder(e.Out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// sticky remembers the first failed write, so that printing needs no error
// check a line.
type sticky struct{ e *Env }

func (s sticky) Write(p []byte) (int, error) {
	n, err := s.e.Out.Write(p)
	if err != nil && s.e.failed == nil {
		s.e.failed = fmt.Errorf("write: %w", err)
	}
	return n, err
}
