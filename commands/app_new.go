package commands

import (
	"context"
	"errors"
	"io"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"mero/commands/appdev"
	"mero/commands/line"
	"mero/commands/show"
)

func appNew() *line.Verb {
	return &line.Verb{
		Name: "new", Args: "DIR", Min: 1, Max: 1, Summary: "make a project for an application in Go",
		Long: "The project is a small application that works, with a test, and has all that it needs:\n" +
			"the SDK's source lies in its folder .mero, so it is built and tested without a network.\n" +
			"Nothing is written over.",
		Example: "mero app new notes",
		Run: func(_ context.Context, e *line.Env) error {
			p, err := appdev.New(e.Arg(0))
			switch {
			case errors.Is(err, appdev.ErrName):
				return line.Usagef("%v", err)
			case errors.Is(err, appdev.ErrTaken):
				return &line.FailedError{Code: line.ExitFailed, Text: err.Error() + ": nothing was written", Hint: "give a folder that is not there yet", Cause: err}
			case err != nil:
				return err
			}
			e.Note("next: cd %s && go test . && mero app build .", e.Arg(0))
			return e.Object(p, func(w io.Writer) {
				for _, file := range p.Files {
					show.Line(w, "%s", filepath.Join(p.Dir, file))
				}
			})
		},
	}
}

func appBuild() *line.Verb {
	return &line.Verb{
		Name: "build", Args: "[DIR]", Max: 1, Slow: true, Summary: "compile an application to WebAssembly",
		Long: "Compiles the Go package in DIR (here, without it) to DIR/NAME.wasm, by the Go toolchain\n" +
			"of this machine and without a network; NAME is that of the module. What the toolchain\n" +
			"needs besides, the project's exports and its description, is written before. Nothing\n" +
			"is compiled when nothing has changed.",
		Example: "mero app build notes",
		Flags:   []cli.Flag{&cli.BoolFlag{Name: "watch", Usage: "go on, and build again after every change, until interrupted"}},
		Run: func(ctx context.Context, e *line.Env) error {
			cfg := appdev.Config{Dir: e.Arg(0), Environ: e.Environ, Note: func(text string) { e.Say("%s", text) }}
			if cfg.Dir == "" {
				cfg.Dir = "."
			}
			show := func(r *appdev.Result) error { return e.Object(r, func(w io.Writer) { show.Line(w, "%s", r.File) }) }
			if !e.Flags.Bool("watch") {
				r, err := appdev.Build(ctx, cfg)
				if err != nil {
					return err
				}
				if r.Fresh {
					e.Note("nothing has changed")
				}
				return show(r)
			}
			err := appdev.Watch(ctx, cfg, func(r *appdev.Result, err error) error {
				if err != nil {
					e.Report(ctx, err)
					return nil
				}
				return show(r)
			})
			return errors.Join(err, context.Cause(ctx))
		},
	}
}
