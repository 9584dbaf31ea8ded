package share

import (
	"context"
	"strings"
	"time"

	"mero/commands/line"
	"mero/commands/show"
	"mero/node/api"
	"mero/node/ident"
)

// Members is `context members`.
func Members() *line.Verb {
	return &line.Verb{
		Name: "members", Args: "CONTEXT", Min: 1, Max: 1, Summary: "list the members of a context with their roles",
		Example: "mero context members notes",
		Run:     runMembers,
	}
}

// memberDoc is a member in json mode.
type memberDoc struct {
	PublicKey    ident.PublicKey  `json:"publicKey"`
	Role         string           `json:"role"`
	Capabilities []string         `json:"capabilities"`
	Since        time.Time        `json:"since"`
	By           *ident.PublicKey `json:"by,omitempty"`
	Admission    api.Hash         `json:"admission"`
	Owned        bool             `json:"owned"`
	Peers        []string         `json:"peers"`
	Aliases      []string         `json:"aliases,omitempty"`
}

func runMembers(ctx context.Context, e *line.Env) error {
	client, id, err := e.Context(ctx)
	if err != nil {
		return err
	}
	members, err := client.Members(ctx, id)
	if err != nil {
		return err
	}
	aliases, err := client.Aliases(ctx, api.AliasScope{Kind: api.AliasIdentity, Context: id})
	if err != nil {
		return err
	}
	docs := make([]memberDoc, 0, len(members))
	for _, m := range members {
		docs = append(docs, memberDoc{
			m.PublicKey, m.Role, m.Capabilities, m.Since, m.By, m.Admission, m.Owned, m.Peers,
			line.AliasesOf(aliases, api.ID(m.PublicKey)),
		})
	}
	return line.List(e, docs, []string{"MEMBER", "ROLE", "MAY", "SINCE", "HERE", "PEER", "ALIAS"}, func(m memberDoc) []string {
		here := ""
		if m.Owned {
			here = "own"
		}
		return []string{
			e.ID(m.PublicKey), m.Role, strings.Join(m.Capabilities, " "), show.Time(m.Since), here,
			strings.Join(m.Peers, " "), strings.Join(m.Aliases, " "),
		}
	})
}
