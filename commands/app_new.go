package commands

import (
	"context"
	"errors"
	"io"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"mero/commands/appdev"
	"mero/commands/show"
)

func appNew() *verb {
	return &verb{
		name: "new", args: "DIR", min: 1, max: 1, summary: "make a project for an application in Go",
		long: "The project is a small application that works, with a test, and has all that it needs:\n" +
			"the SDK's source lies in its folder .mero, so it is built and tested without a network.\n" +
			"Nothing is written over.",
		example: "mero app new notes",
		run: func(_ context.Context, e *env) error {
			p, err := appdev.New(e.arg(0))
			switch {
			case errors.Is(err, appdev.ErrName):
				return usagef("%v", err)
			case errors.Is(err, appdev.ErrTaken):
				return &failure{code: exitFailed, text: err.Error() + ": nothing was written", hint: "give a folder that is not there yet", cause: err}
			case err != nil:
				return err
			}
			e.note("next: cd %s && go test . && mero app build .", e.arg(0))
			return e.object(p, func(w io.Writer) {
				for _, file := range p.Files {
					show.Line(w, "%s", filepath.Join(p.Dir, file))
				}
			})
		},
	}
}

func appBuild() *verb {
	return &verb{
		name: "build", args: "[DIR]", max: 1, slow: true, summary: "compile an application to WebAssembly",
		long: "Compiles the Go package in DIR (here, without it) to DIR/NAME.wasm, by the Go toolchain\n" +
			"of this machine and without a network; NAME is that of the module. What the toolchain\n" +
			"needs besides, the project's exports and its description, is written before. Nothing\n" +
			"is compiled when nothing has changed.",
		example: "mero app build notes",
		flags:   []cli.Flag{&cli.BoolFlag{Name: "watch", Usage: "go on, and build again after every change, until interrupted"}},
		run: func(ctx context.Context, e *env) error {
			cfg := appdev.Config{Dir: e.arg(0), Environ: e.environ, Note: func(text string) { e.say("%s", text) }}
			if cfg.Dir == "" {
				cfg.Dir = "."
			}
			show := func(r *appdev.Result) error { return e.object(r, func(w io.Writer) { show.Line(w, "%s", r.File) }) }
			if !e.c.Bool("watch") {
				r, err := appdev.Build(ctx, cfg)
				if err != nil {
					return err
				}
				if r.Fresh {
					e.note("nothing has changed")
				}
				return show(r)
			}
			err := appdev.Watch(ctx, cfg, func(r *appdev.Result, err error) error {
				if err != nil {
					explain(ctx, err).show(e)
					return nil
				}
				return show(r)
			})
			return errors.Join(err, context.Cause(ctx))
		},
	}
}
