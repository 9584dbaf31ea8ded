package commands

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/urfave/cli/v2"

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

func dagInspect() *verb {
	return &verb{
		name: "inspect", args: "CONTEXT", min: 1, max: 1, slow: true, summary: "show the deltas of a context, the newest first",
		long: "Each delta with its fate: folded (it is in the state), void (it has no effect, for a\n" +
			"reason), or waiting (for something that this node lacks). Works on a running node, and\n" +
			"on the home of one that is stopped. TIME is 2026-01-31T12:00:00Z, 2026-01-31, or how\n" +
			"long ago: 90s, 15m, 24h, 7d.",
		example: "mero dag inspect notes --since 24h --short",
		flags: []cli.Flag{
			&cli.StringFlag{Name: "format", DefaultText: "tree; json with --output json", Usage: "`FORM`: tree, or json (one object a delta)"},
			&cli.StringFlag{Name: "delta", Usage: "everything about the delta `ID`: signature, verdict, payload"},
			&cli.StringFlag{Name: "author", Usage: "only deltas of the member `KEY`"},
			&cli.StringFlag{Name: "since", Usage: "only deltas of `TIME` or later"},
			&cli.StringFlag{Name: "until", Usage: "only deltas of `TIME` or earlier"},
			&cli.IntFlag{Name: "limit", DefaultText: "100 as a tree, all as json", Usage: "at most the newest `N`; 0 for all"},
			&cli.BoolFlag{Name: "pending", Usage: "only deltas that wait, with what for; and what was refused lately"},
		},
		run: runDagInspect,
	}
}

// dagArgs is what the flags of dag inspect say.
type dagArgs struct {
	json  bool
	delta *api.Hash
	query api.DagQuery
	limit int // 0: all
}

func readDagArgs(e *env) (a dagArgs, err error) {
	switch format := e.c.String("format"); format {
	case "":
		a.json = e.json
	case formatTree, formatJSON:
		a.json = format == formatJSON
	default:
		return a, &usageError{
			text:    fmt.Sprintf("--format %s: there is no such form, only tree and json", format),
			nearest: node.Nearest(format, []string{formatTree, formatJSON}),
		}
	}
	if text := e.c.String("delta"); text != "" {
		id, err := api.ParseHash(text)
		if err != nil {
			return a, usagef("--delta %s is not the id of a delta: %v", text, err)
		}
		a.delta = &id
		for _, name := range []string{"author", "since", "until", "limit", "pending"} {
			if e.c.IsSet(name) {
				return a, usagef("--delta is one delta: --%s chooses among several", name)
			}
		}
	}
	now := time.Now()
	if a.query.Since, err = when("since", e.c.String("since"), now); err != nil {
		return a, err
	}
	if a.query.Until, err = when("until", e.c.String("until"), now); err != nil {
		return a, err
	}
	a.query.Pending = e.c.Bool("pending")
	if a.limit = e.c.Int("limit"); a.limit < 0 {
		return a, usagef("--limit %d: wants 0 or more", a.limit)
	}
	if !e.c.IsSet("limit") && !a.json {
		a.limit = treeLimit
	}
	return a, nil
}

func runDagInspect(ctx context.Context, e *env) error {
	a, err := readDagArgs(e)
	if err != nil {
		return err
	}
	return e.graphs(ctx, func(g graphs) error {
		id, err := e.contextID(ctx, g, e.arg(0))
		if err != nil {
			return err
		}
		if a.delta != nil {
			detail, err := g.Delta(ctx, id, *a.delta)
			if err != nil {
				return err
			}
			return e.asJSON(a.json).object(detail, func(io.Writer) { e.show().Delta(&detail) })
		}
		if author := e.c.String("author"); author != "" {
			key, err := e.lookup(ctx, g, api.AliasScope{Kind: api.AliasIdentity, Context: id}, author)
			if err != nil {
				return err
			}
			a.query.Author = (*ident.PublicKey)(&key)
		}
		if _, stopped := g.(stoppedGraphs); stopped && a.query.Pending {
			e.note("what was refused is known to a running node only")
		}
		return e.asJSON(a.json).listDag(ctx, g, id, a)
	})
}

// asJSON is the environment with another form for data: --format may differ from
// --output.
func (e *env) asJSON(on bool) *env {
	other := *e
	other.json = on
	return &other
}

// listDag prints page after page, so that no more than one is held.
func (e *env) listDag(ctx context.Context, g graphs, id ident.ContextID, a dagArgs) error {
	t := &show.Deltas{Printer: e.show(), Flat: a.query.Author != nil || a.query.Pending}
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
		if err := e.dagPage(t, &page); err != nil {
			return err
		}
		shown += len(page.Deltas)
		if page.Next == nil {
			return nil
		}
		if a.limit > 0 && shown >= a.limit {
			e.note("%d of %d deltas shown; --limit 0 shows all", shown, matching)
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

func (e *env) dagPage(t *show.Deltas, page *api.DagPage) error {
	if !e.json {
		t.Page(page)
		return e.failed
	}
	for i := range page.Deltas {
		if err := e.object(&page.Deltas[i], nil); err != nil {
			return err
		}
	}
	for _, r := range page.Refusals {
		if err := e.object(refusedDoc{r, fateRefused}, nil); err != nil {
			return err
		}
	}
	return nil
}
