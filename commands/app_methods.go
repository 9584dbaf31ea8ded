package commands

import (
	"context"
	"errors"
	"io"
	"strings"

	"mero/commands/appdev"
	"mero/commands/line"
	"mero/commands/show"
	"mero/node/api"
	"mero/node/ident"
)

func appMethods() *line.Verb {
	return &line.Verb{
		Name: "methods", Args: "APP|FILE", Min: 1, Max: 1, Summary: "list the methods that can be called",
		Long: "With arguments and types, as far as the application describes itself. FILE is a path\n" +
			"with a slash in it, or that ends in .wasm, or example:kv; no node is needed for it.",
		Example: "mero app methods kv",
		Run: func(ctx context.Context, e *line.Env) error {
			source := e.Arg(0)
			if strings.HasSuffix(source, ".wasm") || strings.ContainsAny(source, `/\`) || strings.HasPrefix(source, "example:") {
				file, err := readApp(source)
				if err != nil {
					return err
				}
				app, err := appdev.Describe(file.Code)
				if err != nil {
					return err
				}
				return methods(e, app)
			}
			return line.Each(ctx, e, e.AppID, func(client *api.Client, id ident.AppID) error {
				answer, err := client.Describe(ctx, id)
				if err != nil {
					return err
				}
				return methods(e, appdev.NewApp(answer.Description, answer.Methods))
			})
		},
	}
}

func methods(e *line.Env, app *appdev.App) error {
	if !e.JSON && app.Bare() {
		for _, m := range app.Methods {
			show.Line(e.Writer(), "%s", m.Name)
		}
		return e.Failed()
	}
	err := line.List(e, app.Methods, []string{"METHOD", "ARGUMENTS", "RESULT", "", "ABOUT"}, func(m appdev.Method) []string {
		about, _, _ := strings.Cut(m.Doc, "\n")
		return []string{m.Name, show.Printable(m.Signature()), m.Result, m.Kind(), show.Printable(about)}
	})
	for _, t := range app.Types {
		err = errors.Join(err, e.Object(t, func(w io.Writer) { show.Line(w, "%s = %s", t.Name, show.Printable(t.Signature())) }))
	}
	return err
}
