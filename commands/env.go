package commands

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

// errInterrupted is the cause of a context that a signal ended.
var errInterrupted = errors.New("interrupted")

// env is what a verb works with: its flags and arguments, the streams, and the
// node that the global flags name.
type env struct {
	in       io.Reader
	out, err io.Writer
	environ  []string

	json     bool
	short    bool
	home     node.Home
	apiURL   string
	token    string
	logLevel string
	timeout  time.Duration // 0: not given

	c    *cli.Context
	args []string

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
func (e *env) setGlobals(c *cli.Context) error {
	e.short, e.apiURL, e.token, e.logLevel = c.Bool("short"), c.String("api"), c.String("token"), c.String("log-level")
	if text := c.String("timeout"); text != "" {
		d, err := node.ParseDuration(text)
		if err != nil || d <= 0 {
			return usagef("--timeout %s: wants a duration such as 90s, 15m, 24h, 7d", text)
		}
		e.timeout = d
	}
	base := c.String("home")
	if base == "" {
		dir, err := os.UserHomeDir()
		if err != nil {
			return usagef("where nodes live is unknown (%v); give --home DIR", err)
		}
		base = filepath.Join(dir, ".mero")
	}
	home, err := node.HomeAt(base, c.String("node"))
	if err != nil {
		return usagef("--node: %v", err)
	}
	e.home = home
	return nil
}

// setOutput reads --output, which has to be known before anything can fail.
func (e *env) setOutput(form string) error {
	switch form {
	case "", "human":
		e.json = false
	case "json":
		e.json = true
	default:
		return &usageError{
			text:    fmt.Sprintf("--output %s: there is no such form, only human and json", form),
			nearest: node.Nearest(form, []string{"human", "json"}),
		}
	}
	return nil
}

// say writes a line for people to standard error.
func (e *env) say(format string, args ...any) {
	_, _ = fmt.Fprintf(e.err, format+"\n", args...) // nobody is left to tell
}

// note is say for what scripts do not need: hints, progress.
func (e *env) note(format string, args ...any) {
	if !e.json {
		e.say(format, args...)
	}
}

// arg is an argument by its place, or "".
func (e *env) arg(i int) string {
	if i < len(e.args) {
		return e.args[i]
	}
	return ""
}

// ids are the arguments from a place on, with those of standard input, one a
// line, where an argument is `-`.
func (e *env) ids() ([]string, error) {
	var ids []string
	for _, arg := range e.args {
		if arg != "-" {
			ids = append(ids, arg)
			continue
		}
		lines := bufio.NewScanner(e.in)
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

// client is the API of the node that the global flags name.
func (e *env) client() (*api.Client, error) {
	url, token := e.apiURL, e.token
	own := e.home.APIAddrs()
	if url == "" {
		if len(own) == 0 {
			return nil, e.notRunning()
		}
		url = own[0]
	}
	// The token of the home is for this node alone, never for an address that
	// somebody else may answer at (R25).
	if token == "" && slices.Contains(own, strings.TrimRight(url, "/")) {
		token = e.home.Token()
	}
	client, err := api.NewClient(api.ClientConfig{URL: url, Token: token})
	if err != nil {
		return nil, usagef("--api: %v", err)
	}
	return client, nil
}

func (e *env) notRunning() error {
	hint := "start it: mero node run"
	if e.home.Name() != node.DefaultName {
		hint += " --node " + e.home.Name()
	}
	if pid, running := e.home.Running(); running {
		return &failure{
			code: exitNoNode, text: fmt.Sprintf("node %s (pid %d) does not answer yet", e.home.Name(), pid),
			hint: "wait until it has printed its ready line",
		}
	}
	return &failure{code: exitNoNode, text: fmt.Sprintf("node %s is not running (%s)", e.home.Name(), e.home.Dir()), hint: hint}
}

// interactive reports whether a person sits at standard input.
func (e *env) interactive() bool {
	f, ok := e.in.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// confirm asks before something is destroyed; without a terminal --yes is
// needed.
func (e *env) confirm(question string) error {
	if e.c.Bool("yes") {
		return nil
	}
	if !e.interactive() {
		return usagef("%s: say --yes, since there is no terminal to ask on", question)
	}
	_, _ = fmt.Fprintf(e.err, "%s? [y/N] ", question)
	line, err := bufio.NewReader(e.in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return nil
	}
	return &failure{code: exitFailed, text: "nothing was done"}
}

// yesFlag is for verbs that destroy.
func yesFlag() cli.Flag {
	return &cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "do not ask"}
}

// deadline is the context of a verb with its timeout.
func (e *env) deadline(ctx context.Context, v *verb) (context.Context, context.CancelFunc) {
	switch {
	case v.daemon, v.slow && e.timeout == 0:
		return context.WithCancel(ctx)
	case e.timeout > 0:
		return context.WithTimeout(ctx, e.timeout)
	case e.c.Bool("wait"):
		return context.WithTimeout(ctx, waitTimeout)
	default:
		return context.WithTimeout(ctx, defaultTimeout)
	}
}

// object prints one value: as JSON, or as human writes it.
func (e *env) object(v any, human func(w io.Writer)) error {
	if !e.json {
		human(sticky{e})
		return e.failed
	}
	enc := json.NewEncoder(e.out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// sticky remembers the first failed write, so that printing needs no error
// check a line.
type sticky struct{ e *env }

func (s sticky) Write(p []byte) (int, error) {
	n, err := s.e.out.Write(p)
	if err != nil && s.e.failed == nil {
		s.e.failed = fmt.Errorf("write: %w", err)
	}
	return n, err
}
