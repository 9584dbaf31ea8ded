package commands

import (
	"context"
	"io"
	"maps"
	"slices"

	"github.com/urfave/cli/v2"

	"mero/commands/line"
	"mero/commands/show"
	"mero/node"
	"mero/node/api"
)

// aliasDoc is an alias in json mode.
type aliasDoc struct {
	Alias string        `json:"alias"`
	Kind  api.AliasKind `json:"kind"`
	ID    api.ID        `json:"id"`
}

func kindFlag() cli.Flag {
	return &cli.StringFlag{
		Name: "kind", Aliases: []string{"k"}, Value: string(api.AliasContext),
		Usage: "`KIND` of what it names: context, application or identity",
	}
}

func scopeFlag() cli.Flag {
	return &cli.StringFlag{Name: "context", Aliases: []string{"c"}, Usage: "`CONTEXT` in which an identity has the alias"}
}

// aliasScope reads --kind and --context.
func aliasScope(ctx context.Context, e *line.Env, client *api.Client) (api.AliasScope, error) {
	kinds := []string{string(api.AliasContext), string(api.AliasApplication), string(api.AliasIdentity)}
	kind := e.Flags.String("kind")
	if kind == "app" {
		kind = string(api.AliasApplication)
	}
	if !slices.Contains(kinds, kind) {
		return api.AliasScope{}, &line.UsageError{
			Text: "--kind " + kind + ": an alias names a context, an application or an identity", Nearest: node.Nearest(kind, kinds),
		}
	}
	scope := api.AliasScope{Kind: api.AliasKind(kind)}
	in := e.Flags.String("context")
	switch {
	case scope.Kind != api.AliasIdentity && in != "":
		return api.AliasScope{}, line.Usagef("--context is for --kind identity only")
	case scope.Kind == api.AliasIdentity && in == "":
		return api.AliasScope{}, line.Usagef("--kind identity wants --context CONTEXT: an identity has its aliases in one context")
	case scope.Kind == api.AliasIdentity:
		id, err := e.ContextID(ctx, client, in)
		if err != nil {
			return api.AliasScope{}, err
		}
		scope.Context = id
	}
	return scope, nil
}

func aliasSet() *line.Verb {
	return &line.Verb{
		Name: "set", Args: "ALIAS ID", Min: 2, Max: 2, Summary: "name a context, an application or an identity",
		Example: "mero alias set notes 9oPK2kDyG4wQCCuGW9HYKnqJg4LdCfUtgHYgR4ehyJZt",
		Flags:   []cli.Flag{kindFlag(), scopeFlag(), &cli.BoolFlag{Name: "force", Usage: "take the alias away from what it names now"}},
		Run: func(ctx context.Context, e *line.Env) error {
			name := e.Arg(0)
			if err := api.CheckAlias(name); err != nil {
				return line.Usagef("%q can not be an alias: %v", name, err)
			}
			id, err := api.ParseID(e.Arg(1))
			if err != nil {
				return line.Usagef("%s is not an id: %v", e.Arg(1), err)
			}
			client, err := e.Client()
			if err != nil {
				return err
			}
			scope, err := aliasScope(ctx, e, client)
			if err != nil {
				return err
			}
			if e.Flags.Bool("force") {
				if err := client.DeleteAlias(ctx, scope, name); err != nil {
					return err
				}
			}
			if err := e.SetAlias(ctx, client, scope, name, id); err != nil {
				return err
			}
			return e.Object(aliasDoc{name, scope.Kind, id}, func(w io.Writer) { show.Line(w, "%s is %s %s", name, scope.Kind, e.ID(id)) })
		},
	}
}

func aliasGet() *line.Verb {
	return &line.Verb{
		Name: "get", Args: "ALIAS", Min: 1, Max: 1, Summary: "print the id that an alias names",
		Example: "mero alias get notes",
		Flags:   []cli.Flag{kindFlag(), scopeFlag()},
		Run: func(ctx context.Context, e *line.Env) error {
			_, scope, id, err := namedAlias(ctx, e)
			if err != nil {
				return err
			}
			return e.Object(aliasDoc{e.Arg(0), scope.Kind, id}, func(w io.Writer) { show.Line(w, "%s", e.ID(id)) })
		},
	}
}

func aliasRemove() *line.Verb {
	return &line.Verb{
		Name: "remove", Args: "ALIAS", Min: 1, Max: 1, Summary: "forget an alias; what it names stays",
		Example: "mero alias remove notes",
		Flags:   []cli.Flag{kindFlag(), scopeFlag()},
		Run: func(ctx context.Context, e *line.Env) error {
			client, scope, id, err := namedAlias(ctx, e)
			if err != nil {
				return err
			}
			if err := client.DeleteAlias(ctx, scope, e.Arg(0)); err != nil {
				return err
			}
			return e.Object(aliasDoc{e.Arg(0), scope.Kind, id}, func(w io.Writer) { show.Line(w, "removed %s", e.Arg(0)) })
		},
	}
}

// namedAlias finds the alias of the first argument, or says that there is none.
func namedAlias(ctx context.Context, e *line.Env) (*api.Client, api.AliasScope, api.ID, error) {
	name := e.Arg(0)
	if err := api.CheckAlias(name); err != nil {
		return nil, api.AliasScope{}, api.ID{}, line.Usagef("%q can not be an alias: %v", name, err)
	}
	client, err := e.Client()
	if err != nil {
		return nil, api.AliasScope{}, api.ID{}, err
	}
	scope, err := aliasScope(ctx, e, client)
	if err != nil {
		return nil, api.AliasScope{}, api.ID{}, err
	}
	id, ok, err := client.LookupAlias(ctx, scope, name)
	if err == nil && !ok {
		err = line.NotFound("see mero alias list", "there is no alias %q for a %s", name, scope.Kind)
	}
	return client, scope, id, err
}

func aliasList() *line.Verb {
	return &line.Verb{
		Name: "list", Max: 0, Summary: "list aliases",
		Long:    "Without --kind, those of contexts and applications; those of identities need --context.",
		Example: "mero alias list",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "kind", Aliases: []string{"k"}, Usage: "`KIND` of what they name: context, application or identity"},
			scopeFlag(),
		},
		Run: runAliasList,
	}
}

func runAliasList(ctx context.Context, e *line.Env) error {
	client, err := e.Client()
	if err != nil {
		return err
	}
	scopes := []api.AliasScope{{Kind: api.AliasContext}, {Kind: api.AliasApplication}}
	if e.Flags.String("kind") != "" {
		scope, err := aliasScope(ctx, e, client)
		if err != nil {
			return err
		}
		scopes = []api.AliasScope{scope}
	} else if in := e.Flags.String("context"); in != "" {
		id, err := e.ContextID(ctx, client, in)
		if err != nil {
			return err
		}
		scopes = []api.AliasScope{{Kind: api.AliasIdentity, Context: id}}
	}
	var docs []aliasDoc
	for _, scope := range scopes {
		aliases, err := client.Aliases(ctx, scope)
		if err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(aliases)) {
			docs = append(docs, aliasDoc{name, scope.Kind, aliases[name]})
		}
	}
	return line.List(e, docs, []string{"ALIAS", "KIND", "ID"}, func(a aliasDoc) []string {
		return []string{a.Alias, string(a.Kind), e.ID(a.ID)}
	})
}
