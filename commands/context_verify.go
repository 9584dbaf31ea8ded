package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/urfave/cli/v2"

	"mero/commands/show"
	"mero/node/api"
)

func contextVerify() *verb {
	return &verb{
		name: "verify", args: "CONTEXT", min: 1, max: 1, slow: true, summary: "hash what is stored of a context again, and repair it",
		long: "The state is compared with its hash, and every delta with its id. A state that is not\n" +
			"right is folded again from the deltas; nothing is lost by that. With --dry-run it only\n" +
			"says what is wrong, which works on the home of a stopped node too. Ends with 1 when\n" +
			"something is wrong still.",
		example: "mero context verify notes",
		flags:   []cli.Flag{&cli.BoolFlag{Name: "dry-run", Usage: "repair nothing"}},
		run: func(ctx context.Context, e *env) error {
			verify := func(g graphs) error {
				return e.verify(ctx, g, api.VerifyRequest{Repair: !e.c.Bool("dry-run")}, "")
			}
			if e.c.Bool("dry-run") {
				return e.graphs(ctx, verify)
			}
			client, err := e.client()
			var stopped *failure
			if errors.As(err, &stopped) && stopped.code == exitNoNode {
				stopped.hint += "; or only look at its home: mero context verify --dry-run"
			}
			if err != nil {
				return err
			}
			return verify(client)
		},
	}
}

func dagVerify() *verb {
	return &verb{
		name: "verify", args: "CONTEXT", min: 1, max: 1, slow: true, summary: "check everything that is stored of a context",
		long: "Every delta's form, id and signatures, the graph, and that folding all of it again gives\n" +
			"the stored verdicts, state and root. It changes nothing. Ends with 1 when something is\n" +
			"wrong. Works on a running node, and on the home of one that is stopped.",
		example: "mero dag verify notes",
		run: func(ctx context.Context, e *env) error {
			return e.graphs(ctx, func(g graphs) error {
				return e.verify(ctx, g, api.VerifyRequest{Log: true}, "mero context verify repairs the state; a damaged delta can only be had from a copy of the home")
			})
		},
	}
}

func contextRebuild() *verb {
	return &verb{
		name: "rebuild", args: "CONTEXT", min: 1, max: 1, slow: true, summary: "fold the state of a context again from its deltas",
		long: "It is made beside the state that is there, calls go on meanwhile, and it takes its place\n" +
			"at once. Nothing is lost.",
		example: "mero context rebuild notes",
		run: func(ctx context.Context, e *env) error {
			client, err := e.client()
			if err != nil {
				return err
			}
			id, err := e.contextID(ctx, client, e.arg(0))
			if err != nil {
				return err
			}
			rep, err := client.RebuildContext(ctx, id)
			if err != nil {
				return err
			}
			return e.object(rep, func(w io.Writer) {
				show.Line(w, "rebuilt context %s", e.id(id))
				e.figures(w, &rep)
			})
		},
	}
}

// verify checks a context and prints what was found; the error says that something
// is wrong still.
func (e *env) verify(ctx context.Context, g graphs, req api.VerifyRequest, hint string) error {
	id, err := e.contextID(ctx, g, e.arg(0))
	if err != nil {
		return err
	}
	rep, err := g.VerifyContext(ctx, id, req)
	if err != nil {
		return err
	}
	err = e.object(rep, func(w io.Writer) {
		for _, p := range rep.Problems {
			show.Line(w, "wrong: %s", e.problemText(&p))
		}
		switch {
		case len(rep.Problems) == 0:
			show.Line(w, "context %s is as it must be", e.id(id))
		case rep.Repaired:
			show.Line(w, "context %s is repaired: its state was folded again from its deltas", e.id(id))
		}
		e.figures(w, &rep)
	})
	if err != nil || rep.OK {
		return err
	}
	text := fmt.Sprintf("context %s is damaged", id)
	if n := len(rep.Problems); n > 0 {
		text += ": " + show.Count(n, "problem") + ", first: " + e.problemText(&rep.Problems[0])
	}
	if rep.NotRepaired != "" {
		text += "; it could not be repaired: " + show.Printable(rep.NotRepaired)
	}
	if hint == "" && !req.Repair {
		hint = "mero context verify repairs it, without --dry-run"
	}
	return &failure{code: exitFailed, text: text, hint: hint}
}

func (e *env) problemText(p *api.ContextProblem) string {
	text := show.Printable(p.What)
	if p.ID != nil {
		text = fmt.Sprintf("delta %s: %s", e.id(*p.ID), text)
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
func (e *env) figures(w io.Writer, rep *api.ContextReport) {
	show.Pairs(
		w, "root", e.id(rep.RootHash), "heads", e.show().IDs(rep.Heads),
		"deltas", fmt.Sprintf("%d folded, %d void, %d waiting", rep.Deltas, rep.Void, rep.Waiting),
		"state", fmt.Sprintf("%s, %s", show.Count(int(rep.Keys), "key"), show.Bytes(rep.StateBytes)),
		"took", fmt.Sprintf("%d ms", rep.TookMs),
	)
}
