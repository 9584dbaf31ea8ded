package commands

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"mero/commands/line"
	"mero/commands/show"
	"mero/node/api"
	"mero/node/ident"
)

// createdDoc is a context that was made or joined, in json mode.
type createdDoc struct {
	ContextID       ident.ContextID `json:"contextId"`
	MemberPublicKey ident.PublicKey `json:"memberPublicKey"`
}

func contextCreate() *line.Verb {
	return &line.Verb{
		Name: "create", Max: 0, Summary: "make a context: an instance of an application",
		Long:    "The application's init runs with --params; what it wrote is the first state. With\n--seed the context's id follows from the seed, the same everywhere.",
		Example: "mero context create --app kv --name notes",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "app", Aliases: []string{"a"}, Usage: "`APP` to run"},
			&cli.StringFlag{Name: "params", Aliases: []string{"p"}, Usage: "`JSON` for the application's init"},
			&cli.StringFlag{Name: "seed", Usage: "`SEED` of 32 bytes in base58, which fixes the context's id"},
			&cli.StringFlag{Name: "name", Usage: "`ALIAS` for the context"},
		},
		Run: runContextCreate,
	}
}

func runContextCreate(ctx context.Context, e *line.Env) error {
	if e.Flags.String("app") == "" {
		return line.Usagef("mero context create wants --app APP")
	}
	params := e.Flags.String("params")
	if params != "" {
		if err := checkJSON("--params", params); err != nil {
			return err
		}
	}
	name := e.Flags.String("name")
	if name != "" {
		if err := api.CheckAlias(name); err != nil {
			return line.Usagef("--name: %v", err)
		}
	}
	req := api.CreateContextRequest{InitializationParams: api.Bytes(params)}
	if text := e.Flags.String("seed"); text != "" {
		seed, err := api.ParseHash(text)
		if err != nil {
			return line.Usagef("--seed: %v", err)
		}
		req.ContextSeed = &seed
	}
	client, err := e.Client()
	if err != nil {
		return err
	}
	if req.ApplicationID, err = e.AppID(ctx, client, e.Flags.String("app")); err != nil {
		return err
	}
	scope := api.AliasScope{Kind: api.AliasContext}
	if name != "" {
		// Before the context is made: a taken name must not leave one behind.
		if err := e.AliasFree(ctx, client, scope, name); err != nil {
			return err
		}
	}
	made, err := client.CreateContext(ctx, req)
	if err != nil {
		return err
	}
	if name != "" {
		err = e.SetAlias(ctx, client, scope, name, api.ID(made.ContextID))
	}
	doc := createdDoc{made.ContextID, made.MemberPublicKey}
	// It is there, whatever became of its name.
	return errors.Join(err, e.Object(doc, func(w io.Writer) {
		show.Pairs(w, "context", e.ID(doc.ContextID), "member", e.ID(doc.MemberPublicKey))
	}))
}

// checkJSON says where a flag's value is not JSON.
func checkJSON(flag, text string) error {
	var v any
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	err := dec.Decode(&v)
	if err == nil {
		if _, err := dec.Token(); err != io.EOF {
			return line.Usagef("%s is not JSON: something follows the value", flag)
		}
		return nil
	}
	return &line.UsageError{
		Text: flag + " is not JSON: " + err.Error() + " in " + text + "; in quotes for the shell it is " + flag + ` '{"key":"value"}'`, Cause: err,
	}
}
