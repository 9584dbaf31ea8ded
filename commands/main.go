package commands

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

// Main runs one command line, args[0] being the program's name, and returns the
// exit code. Data goes to stdout, everything else to stderr.
//
// An interrupt or SIGTERM ends the command in order; a second one ends the
// process at once.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signalContext()
	defer stop()
	if len(args) > 0 {
		args = args[1:]
	}
	e := &env{in: stdin, out: stdout, err: stderr, environ: os.Environ()}
	err := run(ctx, e, args)
	if err == nil {
		return exitDone
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
		cancel(errInterrupted)
	})
	return ctx, func() {
		undo()
		stopSignals()
		cancel(nil)
	}
}

func run(ctx context.Context, e *env, args []string) error {
	t := newTree()
	if len(args) > 0 && args[0] == completeWord {
		return complete(e, t, args[1:])
	}
	line, v, err := sortArgs(t, args)
	form, given := line.global("output")
	if !given {
		form = os.Getenv("MERO_OUTPUT")
	}
	if formErr := e.setOutput(form); err == nil {
		err = formErr
	}
	switch {
	case line.help && (err == nil || v != nil):
		return e.help(t, line.path)
	case err != nil:
		return err
	case line.version && v == nil && len(line.path) == 0:
		return version().run(ctx, e)
	case len(args) == 0:
		return e.help(t, nil)
	case v == nil:
		return noVerb(t, line.path)
	}
	return newApp(ctx, t, e).RunContext(ctx, line.list())
}

func noVerb(t *tree, path []string) error {
	if len(path) == 0 {
		return &usageError{text: "which command?", usage: "mero [flags] GROUP VERB [flags] [args]", help: "mero --help"}
	}
	words := t.group(path[0]).words()
	return &usageError{
		text:  "mero " + path[0] + ": which verb?",
		usage: "mero " + path[0] + " " + strings.Join(words, "|"), help: "mero " + path[0] + " --help",
	}
}

// newApp gives the tree to cli/v2, which parses the flags and finds the verb.
func newApp(ctx context.Context, t *tree, e *env) *cli.App {
	app := &cli.App{
		Name: "mero", Reader: e.in, Writer: e.err, ErrWriter: e.err,
		Flags: t.globals, HideHelp: true, HideHelpCommand: true, HideVersion: true,
		DisableSliceFlagSeparator: true,
		OnUsageError:              onUsageError(nil),
		CommandNotFound:           func(*cli.Context, string) {}, // the sorter has found it, or reported
		ExitErrHandler:            func(*cli.Context, error) {},  // Main decides on the exit code
	}
	for _, g := range t.groups {
		var verbs []*cli.Command
		for _, v := range g.verbs {
			verbs = append(verbs, &cli.Command{
				Name: v.name, Usage: v.summary, Flags: v.flags,
				HideHelp: true, HideHelpCommand: true,
				OnUsageError: onUsageError(v),
				Action:       func(c *cli.Context) error { return e.runVerb(ctx, v, c) },
			})
		}
		if g.name == "" {
			app.Commands = append(app.Commands, verbs...)
			continue
		}
		app.Commands = append(app.Commands, &cli.Command{
			Name: g.name, Usage: g.summary, Subcommands: verbs,
			HideHelp: true, HideHelpCommand: true, OnUsageError: onUsageError(nil),
		})
	}
	return app
}

// onUsageError keeps cli/v2 from printing: what is wrong goes up to Main.
func onUsageError(v *verb) cli.OnUsageErrorFunc {
	return func(_ *cli.Context, err error, _ bool) error {
		wrong := &usageError{text: err.Error(), usage: "mero [flags] GROUP VERB [flags] [args]", help: "mero --help"}
		if v != nil {
			wrong.usage, wrong.help = v.usage(), "mero "+v.path()+" --help"
		}
		return wrong
	}
}

func (e *env) runVerb(ctx context.Context, v *verb, c *cli.Context) error {
	e.c, e.args = c, c.Args().Slice()
	if err := e.setGlobals(c); err != nil {
		return err
	}
	err := v.checkArgs(len(e.args))
	if err == nil {
		ctx, cancel := e.deadline(ctx, v)
		defer cancel()
		err = v.run(ctx, e)
	}
	var usage *usageError
	if errors.As(err, &usage) && usage.usage == "" {
		usage.usage, usage.help = v.usage(), "mero "+v.path()+" --help"
	}
	return err
}

func (v *verb) checkArgs(n int) error {
	switch {
	case n < v.min && v.min == 1 && v.max == 1:
		return usagef("mero %s wants %s", v.path(), v.args)
	case n < v.min:
		return usagef("mero %s wants %s; %d given", v.path(), v.args, n)
	case v.max == 0 && n > 0:
		return usagef("mero %s takes no arguments", v.path())
	case v.max >= 0 && n > v.max:
		return usagef("mero %s takes only %s; %d arguments given", v.path(), v.args, n)
	}
	return nil
}
