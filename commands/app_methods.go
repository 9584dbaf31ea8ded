package commands

import (
	"context"
	"errors"
	"io"
	"strings"

	"mero/commands/appdev"
	"mero/commands/show"
	"mero/node/api"
	"mero/node/ident"
)

func appMethods() *verb {
	return &verb{
		name: "methods", args: "APP|FILE", min: 1, max: 1, summary: "list the methods that can be called",
		long: "With arguments and types, as far as the application describes itself. FILE is a path\n" +
			"with a slash in it, or that ends in .wasm, or example:kv; no node is needed for it.",
		example: "mero app methods kv",
		run: func(ctx context.Context, e *env) error {
			source := e.arg(0)
			if strings.HasSuffix(source, ".wasm") || strings.ContainsAny(source, `/\`) || strings.HasPrefix(source, "example:") {
				file, err := readApp(source)
				if err != nil {
					return err
				}
				app, err := appdev.Describe(file.Code)
				if err != nil {
					return err
				}
				return e.methods(app)
			}
			return each(ctx, e, e.appID, func(client *api.Client, id ident.AppID) error {
				answer, err := client.Describe(ctx, id)
				if err != nil {
					return err
				}
				return e.methods(appdev.NewApp(answer.Description, answer.Methods))
			})
		},
	}
}

func (e *env) methods(app *appdev.App) error {
	if !e.json && app.Bare() {
		for _, m := range app.Methods {
			show.Line(sticky{e}, "%s", m.Name)
		}
		return e.failed
	}
	err := list(e, app.Methods, []string{"METHOD", "ARGUMENTS", "RESULT", "", "ABOUT"}, func(m appdev.Method) []string {
		about, _, _ := strings.Cut(m.Doc, "\n")
		return []string{m.Name, show.Printable(m.Signature()), m.Result, m.Kind(), show.Printable(about)}
	})
	for _, t := range app.Types {
		err = errors.Join(err, e.object(t, func(w io.Writer) { show.Line(w, "%s = %s", t.Name, show.Printable(t.Signature())) }))
	}
	return err
}
