package commands

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"

	"github.com/urfave/cli/v2"

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
func (e *env) aliasScope(ctx context.Context, client *api.Client) (api.AliasScope, error) {
	kinds := []string{string(api.AliasContext), string(api.AliasApplication), string(api.AliasIdentity)}
	kind := e.c.String("kind")
	if kind == "app" {
		kind = string(api.AliasApplication)
	}
	if !slices.Contains(kinds, kind) {
		return api.AliasScope{}, &usageError{
			text: "--kind " + kind + ": an alias names a context, an application or an identity", nearest: node.Nearest(kind, kinds),
		}
	}
	scope := api.AliasScope{Kind: api.AliasKind(kind)}
	in := e.c.String("context")
	switch {
	case scope.Kind != api.AliasIdentity && in != "":
		return api.AliasScope{}, usagef("--context is for --kind identity only")
	case scope.Kind == api.AliasIdentity && in == "":
		return api.AliasScope{}, usagef("--kind identity wants --context CONTEXT: an identity has its aliases in one context")
	case scope.Kind == api.AliasIdentity:
		id, err := e.contextID(ctx, client, in)
		if err != nil {
			return api.AliasScope{}, err
		}
		scope.Context = id
	}
	return scope, nil
}

func aliasSet() *verb {
	return &verb{
		name: "set", args: "ALIAS ID", min: 2, max: 2, summary: "name a context, an application or an identity",
		example: "mero alias set notes 9oPK2kDyG4wQCCuGW9HYKnqJg4LdCfUtgHYgR4ehyJZt",
		flags:   []cli.Flag{kindFlag(), scopeFlag(), &cli.BoolFlag{Name: "force", Usage: "take the alias away from what it names now"}},
		run: func(ctx context.Context, e *env) error {
			name := e.arg(0)
			if err := api.CheckAlias(name); err != nil {
				return usagef("%q can not be an alias: %v", name, err)
			}
			id, err := api.ParseID(e.arg(1))
			if err != nil {
				return usagef("%s is not an id: %v", e.arg(1), err)
			}
			client, err := e.client()
			if err != nil {
				return err
			}
			scope, err := e.aliasScope(ctx, client)
			if err != nil {
				return err
			}
			if e.c.Bool("force") {
				if err := client.DeleteAlias(ctx, scope, name); err != nil {
					return err
				}
			}
			if err := e.setAlias(ctx, client, scope, name, id); err != nil {
				return err
			}
			return e.object(aliasDoc{name, scope.Kind, id}, func(w io.Writer) { show.Line(w, "%s is %s %s", name, scope.Kind, e.id(id)) })
		},
	}
}

// setAlias names an id; having that name already is no error.
func (e *env) setAlias(ctx context.Context, client *api.Client, scope api.AliasScope, name string, id api.ID) error {
	err := client.CreateAlias(ctx, scope, name, id)
	var answer *api.Error
	if !errors.As(err, &answer) || answer.Kind != api.KindAliasExists {
		return err
	}
	now, ok, lookErr := client.LookupAlias(ctx, scope, name)
	if lookErr == nil && ok && now == id {
		return nil
	}
	return aliasTaken(scope, name, now, err)
}

func aliasTaken(scope api.AliasScope, name string, id api.ID, cause error) error {
	return &failure{
		code: exitFailed, text: "alias " + name + " is already that of " + string(scope.Kind) + " " + id.String(),
		hint: "choose another name, or free that one: mero alias remove " + name + " --kind " + string(scope.Kind), cause: cause,
	}
}

func (e *env) aliasFree(ctx context.Context, client *api.Client, scope api.AliasScope, name string) error {
	id, taken, err := client.LookupAlias(ctx, scope, name)
	if err != nil || !taken {
		return err
	}
	return aliasTaken(scope, name, id, nil)
}

func aliasGet() *verb {
	return &verb{
		name: "get", args: "ALIAS", min: 1, max: 1, summary: "print the id that an alias names",
		example: "mero alias get notes",
		flags:   []cli.Flag{kindFlag(), scopeFlag()},
		run: func(ctx context.Context, e *env) error {
			_, scope, id, err := e.namedAlias(ctx)
			if err != nil {
				return err
			}
			return e.object(aliasDoc{e.arg(0), scope.Kind, id}, func(w io.Writer) { show.Line(w, "%s", e.id(id)) })
		},
	}
}

func aliasRemove() *verb {
	return &verb{
		name: "remove", args: "ALIAS", min: 1, max: 1, summary: "forget an alias; what it names stays",
		example: "mero alias remove notes",
		flags:   []cli.Flag{kindFlag(), scopeFlag()},
		run: func(ctx context.Context, e *env) error {
			client, scope, id, err := e.namedAlias(ctx)
			if err != nil {
				return err
			}
			if err := client.DeleteAlias(ctx, scope, e.arg(0)); err != nil {
				return err
			}
			return e.object(aliasDoc{e.arg(0), scope.Kind, id}, func(w io.Writer) { show.Line(w, "removed %s", e.arg(0)) })
		},
	}
}

// namedAlias finds the alias of the first argument, or says that there is none.
func (e *env) namedAlias(ctx context.Context) (*api.Client, api.AliasScope, api.ID, error) {
	name := e.arg(0)
	if err := api.CheckAlias(name); err != nil {
		return nil, api.AliasScope{}, api.ID{}, usagef("%q can not be an alias: %v", name, err)
	}
	client, err := e.client()
	if err != nil {
		return nil, api.AliasScope{}, api.ID{}, err
	}
	scope, err := e.aliasScope(ctx, client)
	if err != nil {
		return nil, api.AliasScope{}, api.ID{}, err
	}
	id, ok, err := client.LookupAlias(ctx, scope, name)
	if err == nil && !ok {
		err = notFound("see mero alias list", "there is no alias %q for a %s", name, scope.Kind)
	}
	return client, scope, id, err
}

func aliasList() *verb {
	return &verb{
		name: "list", max: 0, summary: "list aliases",
		long:    "Without --kind, those of contexts and applications; those of identities need --context.",
		example: "mero alias list",
		flags: []cli.Flag{
			&cli.StringFlag{Name: "kind", Aliases: []string{"k"}, Usage: "`KIND` of what they name: context, application or identity"},
			scopeFlag(),
		},
		run: runAliasList,
	}
}

func runAliasList(ctx context.Context, e *env) error {
	client, err := e.client()
	if err != nil {
		return err
	}
	scopes := []api.AliasScope{{Kind: api.AliasContext}, {Kind: api.AliasApplication}}
	if e.c.String("kind") != "" {
		scope, err := e.aliasScope(ctx, client)
		if err != nil {
			return err
		}
		scopes = []api.AliasScope{scope}
	} else if in := e.c.String("context"); in != "" {
		id, err := e.contextID(ctx, client, in)
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
	return list(e, docs, []string{"ALIAS", "KIND", "ID"}, func(a aliasDoc) []string {
		return []string{a.Alias, string(a.Kind), e.id(a.ID)}
	})
}

// aliasesOf are the names of one id, sorted.
func aliasesOf(aliases map[string]api.ID, id api.ID) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(aliases)) {
		if aliases[name] == id {
			names = append(names, name)
		}
	}
	return names
}
