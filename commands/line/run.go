package line

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"
)

// Main runs one command line of a tree, args[0] being the program's name, and
// returns the exit code. Data goes to stdout, everything else to stderr. version
// is what --version runs.
//
// An interrupt or SIGTERM ends the command in order; a second one ends the
// process at once.
func Main(t *Tree, version *Verb, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signalContext()
	defer stop()
	if len(args) > 0 {
		args = args[1:]
	}
	e := &Env{In: stdin, Out: stdout, Err: stderr, Environ: os.Environ()}
	err := run(ctx, t, version, e, args)
	if err == nil {
		return ExitDone
	}
	r := explain(ctx, err)
	r.show(e)
	return r.code
}

// signalContext is done at the first signal, and from then on signals do what
// they do to any process.
func signalContext() (ctx context.Context, stop func()) {
	inner, stopSignals := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ctx, cancel := context.WithCancelCause(context.Background())
	undo := context.AfterFunc(inner, func() {
		stopSignals()
		cancel(ErrInterrupted)
	})
	return ctx, func() {
		undo()
		stopSignals()
		cancel(nil)
	}
}

func run(ctx context.Context, t *Tree, version *Verb, e *Env, args []string) error {
	if len(args) > 0 && args[0] == CompleteWord {
		return complete(e, t, args[1:])
	}
	words, v, err := sortArgs(t, args)
	form, given := words.global("output")
	if !given {
		form = os.Getenv("MERO_OUTPUT")
	}
	if formErr := e.setOutput(form); err == nil {
		err = formErr
	}
	switch {
	case words.help && (err == nil || v != nil):
		return e.help(t, words.path)
	case err != nil:
		return err
	case words.version && v == nil && len(words.path) == 0:
		return version.Run(ctx, e)
	case len(args) == 0:
		return e.help(t, nil)
	case v == nil:
		return noVerb(t, words.path)
	}
	return newApp(ctx, t, e).RunContext(ctx, words.list())
}

func noVerb(t *Tree, path []string) error {
	if len(path) == 0 {
		return &UsageError{Text: "which command?", Usage: "mero [flags] GROUP VERB [flags] [args]", Help: "mero --help"}
	}
	words := t.group(path[0]).words()
	return &UsageError{
		Text:  "mero " + path[0] + ": which verb?",
		Usage: "mero " + path[0] + " " + strings.Join(words, "|"), Help: "mero " + path[0] + " --help",
	}
}

// newApp gives the tree to cli/v2, which parses the flags and finds the verb.
func newApp(ctx context.Context, t *Tree, e *Env) *cli.App {
	app := &cli.App{
		Name: "mero", Reader: e.In, Writer: e.Err, ErrWriter: e.Err,
		Flags: t.globals, HideHelp: true, HideHelpCommand: true, HideVersion: true,
		DisableSliceFlagSeparator: true,
		OnUsageError:              onUsageError(nil),
		CommandNotFound:           func(*cli.Context, string) {}, // the sorter has found it, or reported
		ExitErrHandler:            func(*cli.Context, error) {},  // Main decides on the exit code
	}
	for _, g := range t.groups {
		var verbs []*cli.Command
		for _, v := range g.Verbs {
			verbs = append(verbs, &cli.Command{
				Name: v.Name, Usage: v.Summary, Flags: v.Flags,
				HideHelp: true, HideHelpCommand: true,
				OnUsageError: onUsageError(v),
				Action:       func(c *cli.Context) error { return runVerb(ctx, e, v, c) },
			})
		}
		if g.Name == "" {
			app.Commands = append(app.Commands, verbs...)
			continue
		}
		app.Commands = append(app.Commands, &cli.Command{
			Name: g.Name, Usage: g.Summary, Subcommands: verbs,
			HideHelp: true, HideHelpCommand: true, OnUsageError: onUsageError(nil),
		})
	}
	return app
}

// onUsageError keeps cli/v2 from printing: what is wrong goes up to Main.
func onUsageError(v *Verb) cli.OnUsageErrorFunc {
	return func(_ *cli.Context, err error, _ bool) error {
		wrong := &UsageError{Text: err.Error(), Usage: "mero [flags] GROUP VERB [flags] [args]", Help: "mero --help"}
		if v != nil {
			wrong.Usage, wrong.Help = v.Usage(), "mero "+v.Path()+" --help"
		}
		return wrong
	}
}

func runVerb(ctx context.Context, e *Env, v *Verb, c *cli.Context) error {
	e.Flags, e.Args = c, c.Args().Slice()
	if err := e.setGlobals(c); err != nil {
		return err
	}
	err := v.checkArgs(len(e.Args))
	if err == nil {
		ctx, cancel := e.deadline(ctx, v)
		defer cancel()
		err = v.Run(ctx, e)
	}
	var usage *UsageError
	if errors.As(err, &usage) && usage.Usage == "" {
		usage.Usage, usage.Help = v.Usage(), "mero "+v.Path()+" --help"
	}
	return err
}

func (v *Verb) checkArgs(n int) error {
	switch {
	case n < v.Min && v.Min == 1 && v.Max == 1:
		return Usagef("mero %s wants %s", v.Path(), v.Args)
	case n < v.Min:
		return Usagef("mero %s wants %s; %d given", v.Path(), v.Args, n)
	case v.Max == 0 && n > 0:
		return Usagef("mero %s takes no arguments", v.Path())
	case v.Max >= 0 && n > v.Max:
		return Usagef("mero %s takes only %s; %d arguments given", v.Path(), v.Args, n)
	}
	return nil
}
