package commands

import (
	"context"
	"io"
	"time"
	"unicode/utf8"

	"github.com/urfave/cli/v2"

	"mero/commands/show"
	"mero/node/api"
	"mero/node/ident"
)

func contextState() *verb {
	return &verb{
		name: "state", args: "CONTEXT [KEY…]", min: 1, max: 1 + api.MaxStatePath, slow: true, summary: "show the state of a context, and who wrote what when",
		long: "Collections that the host manages are shown with types, values and writers; the state of\n" +
			"other applications as keys with values. Each KEY leads further in: the name of a\n" +
			"collection, a map's key, a set's element, a member's public key, an index of a list.\n" +
			"Keys that are no text are hex:00ff. --at shows the state as it was: of all deltas up to\n" +
			"one, in the canonical order, or up to a time. It works on a running node, and on the home\n" +
			"of one that is stopped. TIME is 2026-01-31T12:00:00Z, 2026-01-31, or how long ago: 90s,\n" +
			"15m, 24h, 7d. Keys of more than 512 bytes are not listed, only found.",
		example: "mero context state notes --at 10m",
		flags: []cli.Flag{
			&cli.StringFlag{Name: "at", Usage: "the state up to a `DELTA|TIME`"},
			&cli.IntFlag{Name: "limit", Value: api.DefaultStatePage, Usage: "at most `N` entries, those of nested collections too; 1000 are the most"},
			&cli.StringFlag{Name: "after", Usage: "go on behind a `KEY`, or an index of a list or text"},
		},
		run: runContextState,
	}
}

func runContextState(ctx context.Context, e *env) error {
	q, err := readStateQuery(e)
	if err != nil {
		return err
	}
	return e.graphs(ctx, func(g graphs) error {
		id, err := e.contextID(ctx, g, e.arg(0))
		if err != nil {
			return err
		}
		page, err := g.State(ctx, id, q)
		if err != nil {
			return err
		}
		return e.object(page, func(io.Writer) { e.show().State(&page) })
	})
}

func readStateQuery(e *env) (q api.StateQuery, err error) {
	for _, word := range e.args[1:] {
		if !utf8.ValidString(word) {
			word = api.KeyWord([]byte(word))
		}
		q.Path = append(q.Path, word)
	}
	q.After = e.c.String("after")
	if q.Limit = e.c.Int("limit"); q.Limit < 1 || q.Limit > api.MaxStatePage {
		return q, usagef("--limit %d: wants 1 to %d", q.Limit, api.MaxStatePage)
	}
	at := e.c.String("at")
	if at == "" {
		return q, nil
	}
	if id, err := api.ParseHash(at); err == nil {
		q.At = &id
		return q, nil
	}
	if looksLikeID(at) {
		return q, usagef("--at %s is not the id of a delta", at)
	}
	q.Time, err = when("at", at, time.Now())
	return q, err
}

// updatedDoc is a context with another application, in json mode.
type updatedDoc struct {
	ContextID     ident.ContextID `json:"contextId"`
	ApplicationID ident.AppID     `json:"applicationId"`
}

func contextUpdateApp() *verb {
	return &verb{
		name: "update-app", args: "CONTEXT APP", min: 2, max: 2, summary: "make a context run another application, for all its members",
		long: "From here on calls run the code of APP, which has to be installed; other members' nodes\n" +
			"wait until they have it. With --migrate that method of APP first brings the state into\n" +
			"the form it wants. It is for the member that created the context.",
		example: "mero context update-app notes notes2 --migrate migrate",
		flags: []cli.Flag{
			&cli.StringFlag{Name: "migrate", Usage: "`METHOD` of the new application that changes the state"},
			&cli.StringFlag{Name: "as", Usage: "`KEY` of the member to act as"},
		},
		run: runContextUpdateApp,
	}
}

func runContextUpdateApp(ctx context.Context, e *env) error {
	client, err := e.client()
	if err != nil {
		return err
	}
	doc := updatedDoc{}
	if doc.ContextID, err = e.contextID(ctx, client, e.arg(0)); err != nil {
		return err
	}
	if doc.ApplicationID, err = e.appID(ctx, client, e.arg(1)); err != nil {
		return err
	}
	as, err := e.member(ctx, client, doc.ContextID, e.c.String("as"))
	if err != nil {
		return err
	}
	err = client.UpdateApp(ctx, doc.ContextID, api.UpdateAppRequest{
		ApplicationID: doc.ApplicationID, ExecutorPublicKey: as, MigrateMethod: e.c.String("migrate"),
	})
	if err != nil {
		return err
	}
	return e.object(doc, func(w io.Writer) {
		show.Line(w, "context %s runs application %s", e.id(doc.ContextID), e.id(doc.ApplicationID))
	})
}
