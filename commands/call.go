package commands

import (
	"context"
	"encoding/json"
	"io"

	"github.com/urfave/cli/v2"

	"mero/commands/line"
	"mero/commands/show"
	"mero/node/api"
)

type outputDoc struct {
	Output json.RawMessage `json:"output"`
}

// dryDoc is what a call would do.
type dryDoc struct {
	Output  json.RawMessage `json:"output"`
	Changes []changeDoc     `json:"stateChanges"`
	Events  []eventDoc      `json:"events"`
	Logs    []string        `json:"logs"`
	// Operations are on collections that the host manages; the state changes are what
	// they come to.
	Operations *api.OperationsPayload `json:"operations,omitempty"`
}

type changeDoc struct {
	Key api.Bytes  `json:"key"`
	Old *api.Bytes `json:"old"`
	New *api.Bytes `json:"new"`
}

type eventDoc struct {
	Kind    string    `json:"kind"`
	Data    api.Bytes `json:"data"`
	Handler *string   `json:"handler"`
}

func callMethod() *line.Verb {
	return &line.Verb{
		Name: "call", Args: "METHOD", Min: 1, Max: 1, Summary: "call a method of a context's application",
		Long:    "Prints what the method returned, as JSON. With --dry-run nothing is committed, and\nwhat would have changed is printed too.",
		Example: `mero call set --context notes --args '{"key":"a","value":"1"}'`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "context", Aliases: []string{"c"}, Usage: "`CONTEXT` to call"},
			&cli.StringFlag{Name: "args", Usage: "`JSON` for the method (default: {})"},
			&cli.StringFlag{Name: "as", Usage: "`KEY` of the member to act as"},
			&cli.BoolFlag{Name: "dry-run", Usage: "commit nothing, and show what would change"},
		},
		Run: runCall,
	}
}

func runCall(ctx context.Context, e *line.Env) error {
	if e.Flags.String("context") == "" {
		return line.Usagef("mero call wants --context CONTEXT")
	}
	args := e.Flags.String("args")
	if args == "" {
		args = "{}"
	}
	if err := checkJSON("--args", args); err != nil {
		return err
	}
	client, err := e.Client()
	if err != nil {
		return err
	}
	params := api.ExecuteParams{Method: e.Arg(0), ArgsJSON: json.RawMessage(args)}
	if params.ContextID, err = e.ContextID(ctx, client, e.Flags.String("context")); err != nil {
		return err
	}
	if params.ExecutorPublicKey, err = e.Member(ctx, client, params.ContextID, e.Flags.String("as")); err != nil {
		return err
	}
	if e.Flags.Bool("dry-run") {
		result, err := client.Call(ctx, api.CallRequest{ExecuteParams: params, DryRun: true})
		if err != nil {
			return err
		}
		return printDryRun(e, result)
	}
	result, err := client.Execute(ctx, params)
	if err != nil {
		return err
	}
	doc := outputDoc{orNull(result.Output)}
	return e.Object(doc, func(w io.Writer) { show.Line(w, "%s", doc.Output) })
}

func orNull(doc json.RawMessage) json.RawMessage {
	if len(doc) == 0 {
		return json.RawMessage("null")
	}
	return doc
}

func printDryRun(e *line.Env, r api.CallResponse) error {
	doc := dryDoc{Output: orNull(r.Output), Changes: []changeDoc{}, Events: []eventDoc{}, Logs: r.Logs, Operations: r.Operations}
	if doc.Logs == nil {
		doc.Logs = []string{}
	}
	for _, c := range r.Changes {
		doc.Changes = append(doc.Changes, changeDoc(c))
	}
	for _, ev := range r.Events {
		doc.Events = append(doc.Events, eventDoc(ev))
	}
	return e.Object(doc, func(io.Writer) { e.Show().DryRun(&r) })
}
