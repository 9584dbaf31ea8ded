package commands

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"mero/commands/show"
	"mero/node/api"
	"mero/node/ident"
)

// createdDoc is a context that was made or joined, in json mode.
type createdDoc struct {
	ContextID       ident.ContextID `json:"contextId"`
	MemberPublicKey ident.PublicKey `json:"memberPublicKey"`
}

func contextCreate() *verb {
	return &verb{
		name: "create", max: 0, summary: "make a context: an instance of an application",
		long:    "The application's init runs with --params; what it wrote is the first state. With\n--seed the context's id follows from the seed, the same everywhere.",
		example: "mero context create --app kv --name notes",
		flags: []cli.Flag{
			&cli.StringFlag{Name: "app", Aliases: []string{"a"}, Usage: "`APP` to run"},
			&cli.StringFlag{Name: "params", Aliases: []string{"p"}, Usage: "`JSON` for the application's init"},
			&cli.StringFlag{Name: "seed", Usage: "`SEED` of 32 bytes in base58, which fixes the context's id"},
			&cli.StringFlag{Name: "name", Usage: "`ALIAS` for the context"},
		},
		run: runContextCreate,
	}
}

func runContextCreate(ctx context.Context, e *env) error {
	if e.c.String("app") == "" {
		return usagef("mero context create wants --app APP")
	}
	params := e.c.String("params")
	if params != "" {
		if err := checkJSON("--params", params); err != nil {
			return err
		}
	}
	name := e.c.String("name")
	if name != "" {
		if err := api.CheckAlias(name); err != nil {
			return usagef("--name: %v", err)
		}
	}
	req := api.CreateContextRequest{InitializationParams: api.Bytes(params)}
	if text := e.c.String("seed"); text != "" {
		seed, err := api.ParseHash(text)
		if err != nil {
			return usagef("--seed: %v", err)
		}
		req.ContextSeed = &seed
	}
	client, err := e.client()
	if err != nil {
		return err
	}
	if req.ApplicationID, err = e.appID(ctx, client, e.c.String("app")); err != nil {
		return err
	}
	scope := api.AliasScope{Kind: api.AliasContext}
	if name != "" {
		// Before the context is made: a taken name must not leave one behind.
		if err := e.aliasFree(ctx, client, scope, name); err != nil {
			return err
		}
	}
	made, err := client.CreateContext(ctx, req)
	if err != nil {
		return err
	}
	if name != "" {
		err = e.setAlias(ctx, client, scope, name, api.ID(made.ContextID))
	}
	doc := createdDoc{made.ContextID, made.MemberPublicKey}
	// It is there, whatever became of its name.
	return errors.Join(err, e.object(doc, func(w io.Writer) {
		show.Pairs(w, "context", e.id(doc.ContextID), "member", e.id(doc.MemberPublicKey))
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
			return usagef("%s is not JSON: something follows the value", flag)
		}
		return nil
	}
	return &usageError{text: flag + " is not JSON: " + err.Error() + " in " + text, cause: err}
}
