package commands

import (
	"context"
	"io"
	"time"
	"unicode/utf8"

	"github.com/urfave/cli/v2"

	"mero/commands/line"
	"mero/commands/show"
	"mero/node/api"
	"mero/node/ident"
)

func contextState() *line.Verb {
	return &line.Verb{
		Name: "state", Args: "CONTEXT [KEY…]", Min: 1, Max: 1 + api.MaxStatePath, Slow: true, Summary: "show the state of a context, and who wrote what when",
		Long: "Collections that the host manages are shown with types, values and writers; the state of\n" +
			"other applications as keys with values. Each KEY leads further in: the name of a\n" +
			"collection, a map's key, a set's element, a member's public key, an index of a list.\n" +
			"Keys that are no text are hex:00ff. --at shows the state as it was: of all deltas up to\n" +
			"one, in the canonical order, or up to a time. It works on a running node, and on the home\n" +
			"of one that is stopped. TIME is 2026-01-31T12:00:00Z, 2026-01-31, or how long ago: 90s,\n" +
			"15m, 24h, 7d. Keys of more than 512 bytes are not listed, only found.",
		Example: "mero context state notes --at 10m",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "at", Usage: "the state up to a `DELTA|TIME`"},
			&cli.IntFlag{Name: "limit", Value: api.DefaultStatePage, Usage: "at most `N` entries, those of nested collections too; 1000 are the most"},
			&cli.StringFlag{Name: "after", Usage: "go on behind a `KEY`, or an index of a list or text"},
		},
		Run: runContextState,
	}
}

func runContextState(ctx context.Context, e *line.Env) error {
	q, err := readStateQuery(e)
	if err != nil {
		return err
	}
	return e.Graphs(ctx, func(g line.Graphs) error {
		id, err := e.ContextID(ctx, g, e.Arg(0))
		if err != nil {
			return err
		}
		page, err := g.State(ctx, id, q)
		if err != nil {
			return err
		}
		return e.Object(page, func(io.Writer) { e.Show().State(&page) })
	})
}

func readStateQuery(e *line.Env) (q api.StateQuery, err error) {
	for _, word := range e.Args[1:] {
		if !utf8.ValidString(word) {
			word = api.KeyWord([]byte(word))
		}
		q.Path = append(q.Path, word)
	}
	q.After = e.Flags.String("after")
	if q.Limit = e.Flags.Int("limit"); q.Limit < 1 || q.Limit > api.MaxStatePage {
		return q, line.Usagef("--limit %d: wants 1 to %d", q.Limit, api.MaxStatePage)
	}
	at := e.Flags.String("at")
	if at == "" {
		return q, nil
	}
	if id, err := api.ParseHash(at); err == nil {
		q.At = &id
		return q, nil
	}
	if line.LooksLikeID(at) {
		return q, line.Usagef("--at %s is not the id of a delta", at)
	}
	q.Time, err = line.When("at", at, time.Now())
	return q, err
}

// updatedDoc is a context with another application, in json mode.
type updatedDoc struct {
	ContextID     ident.ContextID `json:"contextId"`
	ApplicationID ident.AppID     `json:"applicationId"`
}

func contextUpdateApp() *line.Verb {
	return &line.Verb{
		Name: "update-app", Args: "CONTEXT APP", Min: 2, Max: 2, Summary: "make a context run another application, for all its members",
		Long: "From here on calls run the code of APP, which has to be installed; other members' nodes\n" +
			"wait until they have it. With --migrate that method of APP first brings the state into\n" +
			"the form it wants. It is for the member that created the context.",
		Example: "mero context update-app notes notes2 --migrate migrate",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "migrate", Usage: "`METHOD` of the new application that changes the state"},
			&cli.StringFlag{Name: "as", Usage: "`KEY` of the member to act as"},
		},
		Run: runContextUpdateApp,
	}
}

func runContextUpdateApp(ctx context.Context, e *line.Env) error {
	client, err := e.Client()
	if err != nil {
		return err
	}
	doc := updatedDoc{}
	if doc.ContextID, err = e.ContextID(ctx, client, e.Arg(0)); err != nil {
		return err
	}
	if doc.ApplicationID, err = e.AppID(ctx, client, e.Arg(1)); err != nil {
		return err
	}
	as, err := e.Member(ctx, client, doc.ContextID, e.Flags.String("as"))
	if err != nil {
		return err
	}
	err = client.UpdateApp(ctx, doc.ContextID, api.UpdateAppRequest{
		ApplicationID: doc.ApplicationID, ExecutorPublicKey: as, MigrateMethod: e.Flags.String("migrate"),
	})
	if err != nil {
		return err
	}
	return e.Object(doc, func(w io.Writer) {
		show.Line(w, "context %s runs application %s", e.ID(doc.ContextID), e.ID(doc.ApplicationID))
	})
}
