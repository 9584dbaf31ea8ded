package commands

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"mero/commands/line"
	"mero/commands/show"
	"mero/node"
	"mero/node/api"
	"mero/node/auth"
)

// keyDoc is the key behind a token in json mode.
type keyDoc struct {
	KeyID     string     `json:"keyId"`
	Name      string     `json:"name"`
	Scopes    []string   `json:"scopes"`
	ParentID  string     `json:"parentId,omitempty"`
	CreatedAt time.Time  `json:"createdAt"`
	ExpiresAt time.Time  `json:"expiresAt"`
	RevokedAt *time.Time `json:"revokedAt,omitempty"`
}

func newKeyDoc(k auth.Key) keyDoc {
	doc := keyDoc{KeyID: k.ID, Name: k.Name, Scopes: k.Scopes, ParentID: k.Parent, CreatedAt: k.Created, ExpiresAt: k.Expires}
	if !k.Revoked.IsZero() {
		doc.RevokedAt = &k.Revoked
	}
	return doc
}

func (k keyDoc) state() string {
	switch {
	case k.RevokedAt != nil:
		return "revoked"
	case time.Now().After(k.ExpiresAt):
		return "expired"
	}
	return "good"
}

func adminKeys() *line.Verb {
	return &line.Verb{
		Name: "keys", Max: 0, Summary: "list the keys behind all tokens",
		Long:    "Works on a running node, and on the home of one that is stopped.",
		Example: "mero admin keys",
		Run: func(ctx context.Context, e *line.Env) error {
			var docs []keyDoc
			err := tokens(ctx, e,
				func(client *api.Client) error {
					keys, err := client.Tokens(ctx)
					for _, k := range keys {
						docs = append(docs, keyDoc(k))
					}
					return err
				},
				func(issuer *auth.Issuer) error {
					keys, err := issuer.Keys()
					for _, k := range keys {
						docs = append(docs, newKeyDoc(k))
					}
					return err
				})
			if err != nil {
				return err
			}
			return line.List(e, docs, []string{"KEY", "NAME", "SCOPES", "CREATED", "EXPIRES", "STATE"}, func(k keyDoc) []string {
				return []string{k.KeyID, k.Name, strings.Join(k.Scopes, " "), show.Time(k.CreatedAt), show.Time(k.ExpiresAt), k.state()}
			})
		},
	}
}

func adminRevoke() *line.Verb {
	return &line.Verb{
		Name: "revoke", Args: "KEY…", Min: 1, Max: -1, Summary: "end the tokens of keys, now and for good",
		Long: "KEY is an id that mero admin keys shows. Tokens that were made with a token of KEY end\n" +
			"too. Works on a running node, and on the home of one that is stopped.",
		Example: "mero admin revoke 0f3c2b1a99d84e6f8a7b6c5d4e3f2a1b",
		Run: func(ctx context.Context, e *line.Env) error {
			ids, err := e.IDs()
			if err != nil {
				return err
			}
			var docs []keyDoc
			err = tokens(ctx, e,
				func(client *api.Client) error {
					for _, id := range ids {
						k, err := client.RevokeToken(ctx, id)
						if err != nil {
							return err
						}
						docs = append(docs, keyDoc(k))
					}
					return nil
				},
				func(issuer *auth.Issuer) error {
					for _, id := range ids {
						k, err := issuer.Revoke(id)
						if errors.Is(err, auth.ErrUnknownKey) {
							return line.NotFound("see mero admin keys", "there is no key %s", id)
						}
						if err != nil {
							return err
						}
						docs = append(docs, newKeyDoc(k))
					}
					return nil
				})
			// What was revoked before one failed is said all the same.
			for _, k := range docs {
				if outErr := e.Object(k, func(w io.Writer) { show.Line(w, "revoked %s", k.KeyID) }); err == nil {
					err = outErr
				}
			}
			return err
		},
	}
}

// tokens works on the tokens of a running node through its API, and on those of
// a stopped node's home in place.
func tokens(ctx context.Context, e *line.Env, running func(*api.Client) error, stopped func(*auth.Issuer) error) error {
	if _, locked := e.Home.Running(); locked || e.APIURL != "" {
		client, err := e.Client()
		if err != nil {
			return err
		}
		return running(client)
	}
	return e.Offline(func(cfg node.Config) error { return node.WithIssuer(ctx, e.Home, cfg, stopped) })
}
