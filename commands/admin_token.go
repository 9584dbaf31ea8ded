package commands

import (
	"context"
	"io"
	"math"
	"time"

	"github.com/urfave/cli/v2"

	"mero/commands/line"
	"mero/commands/show"
	"mero/node"
	"mero/node/api"
	"mero/node/auth"
)

// tokenDoc is a new token in json mode.
type tokenDoc struct {
	Token     string    `json:"token"`
	KeyID     string    `json:"keyId"`
	Name      string    `json:"name,omitempty"`
	Scopes    []string  `json:"scopes"`
	ExpiresAt time.Time `json:"expiresAt"`
}

func adminToken() *line.Verb {
	return &line.Verb{
		Name: "token", Max: 0, Summary: "make a token for the API",
		Long: "Prints the token alone, so that TOKEN=$(mero admin token) works. Works on a running\n" +
			"node, and on the home of one that is stopped.\n\n" +
			"Made through a running node, it ends no later than the token that the command came\n" +
			"with, and together with it when that is revoked.\n\n" +
			"A scope is category:action[resource,user,method], for example context:execute[ID]\n" +
			"or context[ID,KEY]; admin allows everything.",
		Example: "mero admin token --scope context:execute --ttl 7d --name ci",
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "scope", Usage: "`SCOPE` of what it allows, may be repeated (default: admin)"},
			&cli.StringFlag{Name: "ttl", DefaultText: "24h", Usage: "`DURATION` for which it is good"},
			&cli.StringFlag{Name: "name", Usage: "`NAME` by which mero admin keys shows it"},
		},
		Run: runAdminToken,
	}
}

func runAdminToken(ctx context.Context, e *line.Env) error {
	texts := e.Flags.StringSlice("scope")
	if len(texts) == 0 {
		texts = auth.Admin().Strings()
	}
	scopes, err := auth.ParseScopes(texts)
	if err != nil {
		return &line.UsageError{Text: "--scope: " + err.Error(), Cause: err}
	}
	var ttl time.Duration
	if text := e.Flags.String("ttl"); text != "" {
		if ttl, err = node.ParseDuration(text); err != nil || ttl < auth.MinTTL || ttl > auth.MaxTTL {
			return line.Usagef("--ttl %s: wants a duration such as 90s, 24h or 7d, from a second to ten years", text)
		}
	}
	var doc tokenDoc
	err = tokens(ctx, e,
		func(client *api.Client) error {
			seconds := uint64(math.Ceil(ttl.Seconds()))
			made, err := client.IssueToken(ctx, api.IssueTokenRequest{Name: e.Flags.String("name"), Scopes: scopes.Strings(), TTLSeconds: seconds})
			doc = tokenDoc{made.Token, made.KeyID, made.Name, made.Scopes, made.ExpiresAt}
			return err
		},
		func(issuer *auth.Issuer) error {
			token, claims, err := issuer.Issue(e.Flags.String("name"), scopes, ttl)
			if err != nil {
				return err
			}
			doc = tokenDoc{
				Token: token, KeyID: claims.Subject, Name: e.Flags.String("name"),
				Scopes: claims.Permissions, ExpiresAt: claims.ExpiresAt.UTC(),
			}
			return nil
		})
	if err != nil {
		return err
	}
	return e.Object(doc, func(w io.Writer) { show.Line(w, "%s", doc.Token) })
}
