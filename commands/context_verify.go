package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/urfave/cli/v2"

	"mero/commands/line"
	"mero/commands/show"
	"mero/node/api"
)

func contextVerify() *line.Verb {
	return &line.Verb{
		Name: "verify", Args: "CONTEXT", Min: 1, Max: 1, Slow: true, Summary: "hash what is stored of a context again, and repair it",
		Long: "The state is compared with its hash, and every delta with its id. A state that is not\n" +
			"right is folded again from the deltas; nothing is lost by that. With --dry-run it only\n" +
			"says what is wrong, which works on the home of a stopped node too. Ends with 1 when\n" +
			"something is wrong still.",
		Example: "mero context verify notes",
		Flags:   []cli.Flag{&cli.BoolFlag{Name: "dry-run", Usage: "repair nothing"}},
		Run: func(ctx context.Context, e *line.Env) error {
			verify := func(g line.Graphs) error {
				return verify(ctx, e, g, api.VerifyRequest{Repair: !e.Flags.Bool("dry-run")}, "")
			}
			if e.Flags.Bool("dry-run") {
				return e.Graphs(ctx, verify)
			}
			client, err := e.Client()
			var stopped *line.FailedError
			if errors.As(err, &stopped) && stopped.Code == line.ExitNoNode {
				stopped.Hint += "; or only look at its home: mero context verify --dry-run"
			}
			if err != nil {
				return err
			}
			return verify(client)
		},
	}
}

func dagVerify() *line.Verb {
	return &line.Verb{
		Name: "verify", Args: "CONTEXT", Min: 1, Max: 1, Slow: true, Summary: "check everything that is stored of a context",
		Long: "Every delta's form, id and signatures, the graph, and that folding all of it again gives\n" +
			"the stored verdicts, state and root. It changes nothing. Ends with 1 when something is\n" +
			"wrong. Works on a running node, and on the home of one that is stopped.",
		Example: "mero dag verify notes",
		Run: func(ctx context.Context, e *line.Env) error {
			return e.Graphs(ctx, func(g line.Graphs) error {
				return verify(ctx, e, g, api.VerifyRequest{Log: true}, "mero context verify repairs the state; a damaged delta can only be had from a copy of the home")
			})
		},
	}
}

func contextRebuild() *line.Verb {
	return &line.Verb{
		Name: "rebuild", Args: "CONTEXT", Min: 1, Max: 1, Slow: true, Summary: "fold the state of a context again from its deltas",
		Long: "It is made beside the state that is there, calls go on meanwhile, and it takes its place\n" +
			"at once. Nothing is lost.",
		Example: "mero context rebuild notes",
		Run: func(ctx context.Context, e *line.Env) error {
			client, id, err := e.Context(ctx)
			if err != nil {
				return err
			}
			rep, err := client.RebuildContext(ctx, id)
			if err != nil {
				return err
			}
			return e.Object(rep, func(w io.Writer) {
				show.Line(w, "rebuilt context %s", e.ID(id))
				figures(e, w, &rep)
			})
		},
	}
}

// verify checks a context and prints what was found; the error says that something
// is wrong still.
func verify(ctx context.Context, e *line.Env, g line.Graphs, req api.VerifyRequest, hint string) error {
	id, err := e.ContextID(ctx, g, e.Arg(0))
	if err != nil {
		return err
	}
	rep, err := g.VerifyContext(ctx, id, req)
	if err != nil {
		return err
	}
	err = e.Object(rep, func(w io.Writer) {
		for _, p := range rep.Problems {
			show.Line(w, "wrong: %s", problemText(e, &p))
		}
		switch {
		case len(rep.Problems) == 0:
			show.Line(w, "context %s is as it must be", e.ID(id))
		case rep.Repaired:
			show.Line(w, "context %s is repaired: its state was folded again from its deltas", e.ID(id))
		}
		figures(e, w, &rep)
	})
	if err != nil || rep.OK {
		return err
	}
	text := fmt.Sprintf("context %s is damaged", id)
	if n := len(rep.Problems); n > 0 {
		text += ": " + show.Count(n, "problem") + ", first: " + problemText(e, &rep.Problems[0])
	}
	if rep.NotRepaired != "" {
		text += "; it could not be repaired: " + show.Printable(rep.NotRepaired)
	}
	if hint == "" && !req.Repair {
		hint = "mero context verify repairs it, without --dry-run"
	}
	return &line.FailedError{Code: line.ExitFailed, Text: text, Hint: hint}
}

func problemText(e *line.Env, p *api.ContextProblem) string {
	text := show.Printable(p.What)
	if p.ID != nil {
		text = fmt.Sprintf("delta %s: %s", e.ID(*p.ID), text)
	}
	if p.Key != nil {
		key := fmt.Sprintf("%x", []byte(p.Key))
		if utf8.Valid(p.Key) && show.Printable(string(p.Key)) == string(p.Key) {
			key = strconv.Quote(string(p.Key))
		}
		text = fmt.Sprintf("key %s: %s", key, text)
	}
	return text
}

// figures are what a check or a rebuild counted.
func figures(e *line.Env, w io.Writer, rep *api.ContextReport) {
	show.Pairs(
		w, "root", e.ID(rep.RootHash), "heads", e.Show().IDs(rep.Heads),
		"deltas", fmt.Sprintf("%d folded, %d void, %d waiting", rep.Deltas, rep.Void, rep.Waiting),
		"state", fmt.Sprintf("%s, %s", show.Count(int(rep.Keys), "key"), show.Bytes(rep.StateBytes)),
		"took", fmt.Sprintf("%d ms", rep.TookMs),
	)
}
