package commands

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

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

func contextList() *verb {
	return &verb{
		name: "list", max: 0, summary: "list the contexts on this node",
		example: "mero context list --short",
		run: func(ctx context.Context, e *env) error {
			client, err := e.client()
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
				doc.Aliases = aliasesOf(aliases, api.ID(c.ID))
				docs = append(docs, doc)
			}
			return list(e, docs, []string{"CONTEXT", "ALIAS", "APPLICATION", "MEMBERS", "STATE", "DELTAS", "ROOT"}, func(c contextDoc) []string {
				return []string{
					e.id(c.ContextID), strings.Join(c.Aliases, " "), e.id(c.ApplicationID), strconv.Itoa(c.Members),
					show.Bytes(c.StateBytes), strconv.FormatUint(c.Deltas, 10), e.id(c.RootHash),
				}
			})
		},
	}
}

func contextGet() *verb {
	return &verb{
		name: "get", args: "CONTEXT…", min: 1, max: -1, summary: "describe contexts",
		example: "mero context get notes",
		run: func(ctx context.Context, e *env) error {
			return each(ctx, e, e.contextID, func(client *api.Client, id ident.ContextID) error {
				c, err := client.Context(ctx, id)
				if err != nil {
					return err
				}
				doc := newContextDoc(c)
				return e.object(doc, func(w io.Writer) {
					heads := make([]string, 0, len(doc.DagHeads))
					for _, head := range doc.DagHeads {
						heads = append(heads, e.id(head))
					}
					state := show.Bytes(doc.StateBytes)
					if !doc.Initialized {
						state = "not here yet"
					}
					show.Pairs(
						w, "context", e.id(doc.ContextID), "application", e.id(doc.ApplicationID), "root", e.id(doc.RootHash),
						"heads", strings.Join(heads, " "), "members", strconv.Itoa(doc.Members), "state", state,
						"deltas", fmt.Sprintf("%d folded, %d void, %d waiting", doc.Deltas, doc.Void, doc.Waiting), "created", show.Time(doc.CreatedAt),
					)
				})
			})
		},
	}
}

func contextDelete() *verb {
	return &verb{
		name: "delete", args: "CONTEXT…", min: 1, max: -1, summary: "delete contexts from this node, here only",
		long:    "Other members keep theirs. What only this node has is gone, its aliases here too.",
		example: "mero context delete notes --yes",
		flags:   []cli.Flag{yesFlag()},
		run: func(ctx context.Context, e *env) error {
			type deleted struct {
				ContextID ident.ContextID `json:"contextId"`
				Deleted   bool            `json:"deleted"`
			}
			if err := e.confirm("delete " + countText(len(e.args), "context") + " and its state from this node"); err != nil {
				return err
			}
			return each(ctx, e, e.contextID, func(client *api.Client, id ident.ContextID) error {
				was, err := client.DeleteContext(ctx, id)
				if err != nil {
					return err
				}
				if !was {
					return notFound("see mero context list", "context %s is not on this node", id)
				}
				return e.object(deleted{id, true}, func(w io.Writer) { show.Line(w, "deleted %s", e.id(id)) })
			})
		},
	}
}
