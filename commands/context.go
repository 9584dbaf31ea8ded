package commands

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"mero/commands/line"
	"mero/commands/show"
	"mero/node/api"
	"mero/node/ident"
)

// contextDoc is a context in json mode.
type contextDoc struct {
	ContextID     ident.ContextID `json:"contextId"`
	ApplicationID ident.AppID     `json:"applicationId"`
	RootHash      api.Hash        `json:"rootHash"`
	DagHeads      []api.Hash      `json:"dagHeads"`
	Members       int             `json:"members"`
	Initialized   bool            `json:"initialized"`
	StateBytes    uint64          `json:"stateBytes"`
	Deltas        uint64          `json:"deltas"`
	Void          uint64          `json:"void"`
	Waiting       uint64          `json:"waiting"`
	CreatedAt     time.Time       `json:"createdAt"`
	Aliases       []string        `json:"aliases,omitempty"`
}

func newContextDoc(c api.Context) contextDoc {
	heads := c.Heads()
	if heads == nil {
		heads = []api.Hash{}
	}
	return contextDoc{
		ContextID: c.ID, ApplicationID: c.ApplicationID, RootHash: c.RootHash, DagHeads: heads, Members: c.Members,
		Initialized: c.Initialized, StateBytes: c.StateBytes, Deltas: c.Deltas,
		Void: c.Void, Waiting: c.Waiting, CreatedAt: c.CreatedAt,
	}
}

func contextList() *line.Verb {
	return &line.Verb{
		Name: "list", Max: 0, Summary: "list the contexts on this node",
		Example: "mero context list --short",
		Run: func(ctx context.Context, e *line.Env) error {
			client, err := e.Client()
			if err != nil {
				return err
			}
			contexts, err := client.Contexts(ctx)
			if err != nil {
				return err
			}
			aliases, err := client.Aliases(ctx, api.AliasScope{Kind: api.AliasContext})
			if err != nil {
				return err
			}
			docs := make([]contextDoc, 0, len(contexts))
			for _, c := range contexts {
				doc := newContextDoc(c)
				doc.Aliases = line.AliasesOf(aliases, api.ID(c.ID))
				docs = append(docs, doc)
			}
			return line.List(e, docs, []string{"CONTEXT", "ALIAS", "APPLICATION", "MEMBERS", "STATE", "DELTAS", "ROOT"}, func(c contextDoc) []string {
				return []string{
					e.ID(c.ContextID), strings.Join(c.Aliases, " "), e.ID(c.ApplicationID), strconv.Itoa(c.Members),
					show.Bytes(c.StateBytes), strconv.FormatUint(c.Deltas, 10), e.ID(c.RootHash),
				}
			})
		},
	}
}

func contextGet() *line.Verb {
	return &line.Verb{
		Name: "get", Args: "CONTEXT…", Min: 1, Max: -1, Summary: "describe contexts",
		Example: "mero context get notes",
		Run: func(ctx context.Context, e *line.Env) error {
			return line.Each(ctx, e, e.ContextID, func(client *api.Client, id ident.ContextID) error {
				c, err := client.Context(ctx, id)
				if err != nil {
					return err
				}
				doc := newContextDoc(c)
				return e.Object(doc, func(w io.Writer) {
					heads := make([]string, 0, len(doc.DagHeads))
					for _, head := range doc.DagHeads {
						heads = append(heads, e.ID(head))
					}
					state := show.Bytes(doc.StateBytes)
					if !doc.Initialized {
						state = "not here yet"
					}
					show.Pairs(
						w, "context", e.ID(doc.ContextID), "application", e.ID(doc.ApplicationID), "root", e.ID(doc.RootHash),
						"heads", strings.Join(heads, " "), "members", strconv.Itoa(doc.Members), "state", state,
						"deltas", fmt.Sprintf("%d folded, %d void, %d waiting", doc.Deltas, doc.Void, doc.Waiting), "created", show.Time(doc.CreatedAt),
					)
				})
			})
		},
	}
}

func contextDelete() *line.Verb {
	return &line.Verb{
		Name: "delete", Args: "CONTEXT…", Min: 1, Max: -1, Summary: "delete contexts from this node, here only",
		Long:    "Other members keep theirs. What only this node has is gone, its aliases here too.",
		Example: "mero context delete notes --yes",
		Flags:   []cli.Flag{line.YesFlag()},
		Run: func(ctx context.Context, e *line.Env) error {
			type deleted struct {
				ContextID ident.ContextID `json:"contextId"`
				Deleted   bool            `json:"deleted"`
			}
			if err := e.Confirm("delete " + countText(len(e.Args), "context") + " and its state from this node"); err != nil {
				return err
			}
			return line.Each(ctx, e, e.ContextID, func(client *api.Client, id ident.ContextID) error {
				was, err := client.DeleteContext(ctx, id)
				if err != nil {
					return err
				}
				if !was {
					return line.NotFound("see mero context list", "context %s is not on this node", id)
				}
				return e.Object(deleted{id, true}, func(w io.Writer) { show.Line(w, "deleted %s", e.ID(id)) })
			})
		},
	}
}
