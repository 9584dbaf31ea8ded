package commands

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/urfave/cli/v2"

	"mero/commands/line"
	"mero/commands/show"
	"mero/node"
	"mero/node/api"
	"mero/node/ident"
)

// The forms in which a graph is printed.
const (
	formatTree = "tree"
	formatJSON = "json"
)

// treeLimit is how many deltas a tree shows unless told.
const treeLimit = 100

func dagInspect() *line.Verb {
	return &line.Verb{
		Name: "inspect", Args: "CONTEXT", Min: 1, Max: 1, Slow: true, Summary: "show the deltas of a context, the newest first",
		Long: "Each delta with its fate: folded (it is in the state), void (it has no effect, for a\n" +
			"reason), or waiting (for something that this node lacks). Works on a running node, and\n" +
			"on the home of one that is stopped. TIME is 2026-01-31T12:00:00Z, 2026-01-31, or how\n" +
			"long ago: 90s, 15m, 24h, 7d.",
		Example: "mero dag inspect notes --since 24h --short",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "format", DefaultText: "tree; json with --output json", Usage: "`FORM`: tree, or json (one object a delta)"},
			&cli.StringFlag{Name: "delta", Usage: "everything about the delta `ID`: signature, verdict, payload"},
			&cli.StringFlag{Name: "author", Usage: "only deltas of the member `KEY`"},
			&cli.StringFlag{Name: "since", Usage: "only deltas of `TIME` or later"},
			&cli.StringFlag{Name: "until", Usage: "only deltas of `TIME` or earlier"},
			&cli.IntFlag{Name: "limit", DefaultText: "100 as a tree, all as json", Usage: "at most the newest `N`; 0 for all"},
			&cli.BoolFlag{Name: "pending", Usage: "only deltas that wait, with what for; and what was refused lately"},
		},
		Run: runDagInspect,
	}
}

// dagArgs is what the flags of dag inspect say.
type dagArgs struct {
	json  bool
	delta *api.Hash
	query api.DagQuery
	limit int // 0: all
}

func readDagArgs(e *line.Env) (a dagArgs, err error) {
	switch format := e.Flags.String("format"); format {
	case "":
		a.json = e.JSON
	case formatTree, formatJSON:
		a.json = format == formatJSON
	default:
		return a, &line.UsageError{
			Text:    fmt.Sprintf("--format %s: there is no such form, only tree and json", format),
			Nearest: node.Nearest(format, []string{formatTree, formatJSON}),
		}
	}
	if text := e.Flags.String("delta"); text != "" {
		id, err := api.ParseHash(text)
		if err != nil {
			return a, line.Usagef("--delta %s is not the id of a delta: %v", text, err)
		}
		a.delta = &id
		for _, name := range []string{"author", "since", "until", "limit", "pending"} {
			if e.Flags.IsSet(name) {
				return a, line.Usagef("--delta is one delta: --%s chooses among several", name)
			}
		}
	}
	now := time.Now()
	if a.query.Since, err = line.When("since", e.Flags.String("since"), now); err != nil {
		return a, err
	}
	if a.query.Until, err = line.When("until", e.Flags.String("until"), now); err != nil {
		return a, err
	}
	a.query.Pending = e.Flags.Bool("pending")
	if a.limit = e.Flags.Int("limit"); a.limit < 0 {
		return a, line.Usagef("--limit %d: wants 0 or more", a.limit)
	}
	if !e.Flags.IsSet("limit") && !a.json {
		a.limit = treeLimit
	}
	return a, nil
}

func runDagInspect(ctx context.Context, e *line.Env) error {
	a, err := readDagArgs(e)
	if err != nil {
		return err
	}
	return e.Graphs(ctx, func(g line.Graphs) error {
		id, err := e.ContextID(ctx, g, e.Arg(0))
		if err != nil {
			return err
		}
		if a.delta != nil {
			detail, err := g.Delta(ctx, id, *a.delta)
			if err != nil {
				return err
			}
			return e.AsJSON(a.json).Object(detail, func(io.Writer) { e.Show().Delta(&detail) })
		}
		if author := e.Flags.String("author"); author != "" {
			key, err := e.Lookup(ctx, g, api.AliasScope{Kind: api.AliasIdentity, Context: id}, author)
			if err != nil {
				return err
			}
			a.query.Author = (*ident.PublicKey)(&key)
		}
		if line.IsStopped(g) && a.query.Pending {
			e.Note("what was refused is known to a running node only")
		}
		return listDag(ctx, e.AsJSON(a.json), g, id, a)
	})
}

// listDag prints page after page, so that no more than one is held.
func listDag(ctx context.Context, e *line.Env, g line.Graphs, id ident.ContextID, a dagArgs) error {
	t := &show.Deltas{Printer: e.Show(), Flat: a.query.Author != nil || a.query.Pending}
	shown, matching := 0, 0
	for {
		a.query.Limit = api.MaxDagPage
		if a.limit > 0 {
			a.query.Limit = min(api.MaxDagPage, a.limit-shown)
		}
		page, err := g.Dag(ctx, id, a.query)
		if err != nil {
			return err
		}
		if s := page.Summary; s != nil {
			matching = s.Matching
		}
		if err := dagPage(e, t, &page); err != nil {
			return err
		}
		shown += len(page.Deltas)
		if page.Next == nil {
			return nil
		}
		if a.limit > 0 && shown >= a.limit {
			e.Note("%d of %d deltas shown; --limit 0 shows all", shown, matching)
			return nil
		}
		a.query.After = page.Next
	}
}

// refusedDoc is a refusal in json mode: among deltas it has a fate of its own.
type refusedDoc struct {
	api.DeltaRefusal

	Fate string `json:"fate"`
}

const fateRefused = "refused"

func dagPage(e *line.Env, t *show.Deltas, page *api.DagPage) error {
	if !e.JSON {
		t.Page(page)
		return e.Failed()
	}
	for i := range page.Deltas {
		if err := e.Object(&page.Deltas[i], nil); err != nil {
			return err
		}
	}
	for _, r := range page.Refusals {
		if err := e.Object(refusedDoc{r, fateRefused}, nil); err != nil {
			return err
		}
	}
	return nil
}
