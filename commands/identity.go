package commands

import (
	"context"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"mero/commands/line"
	"mero/commands/show"
	"mero/node/api"
	"mero/node/ident"
)

func identityNew() *line.Verb {
	return &line.Verb{
		Name: "new", Max: 0, Summary: "make a member key, to be invited with",
		Long:    "The private key stays on the node; the public one is printed.",
		Example: "mero identity new",
		Run: func(ctx context.Context, e *line.Env) error {
			type identityDoc struct {
				PublicKey ident.PublicKey `json:"publicKey"`
			}
			client, err := e.Client()
			if err != nil {
				return err
			}
			key, err := client.NewIdentity(ctx)
			if err != nil {
				return err
			}
			return e.Object(identityDoc{key}, func(w io.Writer) { show.Line(w, "%s", e.ID(key)) })
		},
	}
}

// memberDoc is a member of a context in json mode.
type memberDoc struct {
	ContextID ident.ContextID `json:"contextId"`
	PublicKey ident.PublicKey `json:"publicKey"`
	Owned     bool            `json:"owned"`
	Aliases   []string        `json:"aliases,omitempty"`
}

func identityList() *line.Verb {
	return &line.Verb{
		Name: "list", Max: 0, Summary: "list the members of contexts, and which of them this node is",
		Long:    "Without --context, the members that this node is in all its contexts.",
		Example: "mero identity list --context notes",
		Flags:   []cli.Flag{&cli.StringFlag{Name: "context", Aliases: []string{"c"}, Usage: "`CONTEXT` whose members are listed"}},
		Run: func(ctx context.Context, e *line.Env) error {
			client, err := e.Client()
			if err != nil {
				return err
			}
			docs, err := memberDocs(ctx, e, client)
			if err != nil {
				return err
			}
			return line.List(e, docs, []string{"CONTEXT", "MEMBER", "OWNED", "ALIAS"}, func(m memberDoc) []string {
				owned := ""
				if m.Owned {
					owned = "here"
				}
				return []string{e.ID(m.ContextID), e.ID(m.PublicKey), owned, strings.Join(m.Aliases, " ")}
			})
		},
	}
}

// memberDocs lists the members of the context that --context names, else those
// that this node is in every context.
func memberDocs(ctx context.Context, e *line.Env, client *api.Client) ([]memberDoc, error) {
	if word := e.Flags.String("context"); word != "" {
		id, err := e.ContextID(ctx, client, word)
		if err != nil {
			return nil, err
		}
		return membersOf(ctx, client, id, false)
	}
	contexts, err := client.Contexts(ctx)
	if err != nil {
		return nil, err
	}
	var docs []memberDoc
	for _, c := range contexts {
		members, err := membersOf(ctx, client, c.ID, true)
		if err != nil {
			return nil, err
		}
		docs = append(docs, members...)
	}
	return docs, nil
}

func membersOf(ctx context.Context, client *api.Client, id ident.ContextID, ownedOnly bool) ([]memberDoc, error) {
	owned, err := client.OwnedIdentities(ctx, id)
	if err != nil {
		return nil, err
	}
	keys := owned
	if !ownedOnly {
		if keys, err = client.Identities(ctx, id); err != nil {
			return nil, err
		}
	}
	aliases, err := client.Aliases(ctx, api.AliasScope{Kind: api.AliasIdentity, Context: id})
	if err != nil {
		return nil, err
	}
	docs := make([]memberDoc, 0, len(keys))
	for _, key := range keys {
		docs = append(docs, memberDoc{
			ContextID: id, PublicKey: key, Owned: slices.Contains(owned, key), Aliases: line.AliasesOf(aliases, api.ID(key)),
		})
	}
	return docs, nil
}
