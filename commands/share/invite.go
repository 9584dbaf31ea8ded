package share

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"mero/commands/line"
	"mero/commands/show"
	"mero/node"
	"mero/node/api"
	"mero/node/ident"
)

// defaultTTL is for how long an invitation is good unless told.
const defaultTTL = "24h"

// Invite is `context invite`.
func Invite() *line.Verb {
	return &line.Verb{
		Name: "invite", Args: "CONTEXT", Min: 1, Max: 1, Summary: "invite to a context: prints one word to hand on",
		Long: "Who has the word can find the context's members, and join: keep it as a password. With\n" +
			"--to it is good for that key alone, which mero identity new makes there. An invitation\n" +
			"with a number of uses is redeemed by this node only, one for any number or for one key\n" +
			"by every node whose member may invite. --revoke makes one worthless.",
		Example: "mero context invite notes --uses 3 --ttl 7d",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "to", Usage: "`KEY` that it is for (default: whoever has it)"},
			&cli.StringFlag{Name: "role", Value: "member", Usage: "`ROLE` in the context: admin, member, or read-only"},
			&cli.StringFlag{Name: "ttl", Value: defaultTTL, Usage: "`DURATION` for which it is good: 90s, 24h, 7d"},
			&cli.IntFlag{Name: "uses", Value: 1, Usage: "`N` may join by it; 0 for any number"},
			&cli.StringFlag{Name: "as", Usage: "`KEY` of the member who invites"},
			&cli.StringFlag{Name: "revoke", Usage: "make `INVITATION`, a word or its id, worthless instead"},
		},
		Run: runInvite,
	}
}

// inviteDoc is an invitation in json mode.
type inviteDoc struct {
	Invitation   string           `json:"invitation"`
	ExpiresAt    time.Time        `json:"expiresAt"`
	Uses         uint32           `json:"uses"`
	InvitationID api.Hash         `json:"invitationId"`
	ContextID    ident.ContextID  `json:"contextId"`
	Role         string           `json:"role"`
	To           *ident.PublicKey `json:"to,omitempty"`
}

func runInvite(ctx context.Context, e *line.Env) error {
	if e.Flags.IsSet("revoke") {
		return runRevoke(ctx, e)
	}
	req, err := inviteRequest(e)
	if err != nil {
		return err
	}
	client, id, err := e.Context(ctx)
	if err != nil {
		return err
	}
	if to := e.Flags.String("to"); to != "" {
		key, err := e.Lookup(ctx, client, api.AliasScope{Kind: api.AliasIdentity, Context: id}, to)
		if err != nil {
			return err
		}
		req.To = (*ident.PublicKey)(&key)
	}
	if req.Executor, err = executor(ctx, e, client, id); err != nil {
		return err
	}
	made, err := client.Invite(ctx, id, req)
	if err != nil {
		return err
	}
	doc := inviteDoc{made.Invitation, made.ExpiresAt, made.Uses, made.ID, made.ContextID, made.Role, made.To}
	return e.Object(doc, func(w io.Writer) {
		uses := "any number"
		switch {
		case made.To != nil:
			uses = e.ID(*made.To)
		case made.Uses > 0:
			uses = show.Count(int(made.Uses), "use")
		}
		e.Note("good until %s, for %s; id %s", show.Time(made.ExpiresAt), uses, e.ID(made.ID))
		show.Line(w, "%s", made.Invitation)
	})
}

// executor is the member to act as, when it is named or has to be.
func executor(ctx context.Context, e *line.Env, client *api.Client, id ident.ContextID) (*ident.PublicKey, error) {
	key, err := e.Member(ctx, client, id, e.Flags.String("as"))
	return &key, err
}

// inviteRequest reads the flags that need no node.
func inviteRequest(e *line.Env) (api.InviteRequest, error) {
	req := api.InviteRequest{Role: e.Flags.String("role")}
	roles := []string{"admin", "member", "read-only"}
	if !slices.Contains(roles, req.Role) {
		return req, &line.UsageError{
			Text: "--role " + req.Role + ": a role is admin, member or read-only", Nearest: node.Nearest(req.Role, roles),
		}
	}
	text := e.Flags.String("ttl")
	ttl, err := node.ParseDuration(text)
	if err != nil || ttl <= 0 {
		return req, line.Usagef("--ttl %s: wants a duration such as 90s, 24h or 7d", text)
	}
	req.TTLSeconds = uint64(math.Ceil(ttl.Seconds()))
	uses := e.Flags.Int("uses")
	if uses < 0 || uses > math.MaxInt32 {
		return req, line.Usagef("--uses %d: wants 0, for any number, or how many may join", uses)
	}
	many := uint32(uses)
	req.Uses = &many
	if e.Flags.IsSet("to") && e.Flags.IsSet("uses") {
		return req, line.Usagef("--to is for one key, which may use it as often as it likes: leave --uses away")
	}
	return req, nil
}

func runRevoke(ctx context.Context, e *line.Env) error {
	type revokedDoc struct {
		ContextID ident.ContextID `json:"contextId"`
		Revoked   bool            `json:"revoked"`
	}
	for _, name := range []string{"to", "role", "ttl", "uses"} {
		if e.Flags.IsSet(name) {
			return line.Usagef("--revoke takes an invitation back: --%s is for one that is made", name)
		}
	}
	client, id, err := e.Context(ctx)
	if err != nil {
		return err
	}
	as, err := executor(ctx, e, client, id)
	if err != nil {
		return err
	}
	if err := client.RevokeInvitation(ctx, id, api.RevokeInvitation{Executor: as, Invitation: e.Flags.String("revoke")}); err != nil {
		return err
	}
	return e.Object(revokedDoc{id, true}, func(w io.Writer) { show.Line(w, "revoked; who has joined by it stays a member") })
}

// Join is `context join`.
func Join() *line.Verb {
	return &line.Verb{
		Name: "join", Args: "INVITATION", Min: 1, Max: 1, Summary: "join a context by an invitation",
		Long: "Returns when the membership is recorded; with --wait, when the state can be used. The\n" +
			"application comes from the members. INVITATION is the word that mero context invite\n" +
			"prints, or what clients of the HTTP API get; - reads it from standard input. Where this\n" +
			"node is a member already, the answer is the same.",
		Example: "mero context join mero1QxkYQ3n --name notes --wait",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "name", Usage: "`ALIAS` for the context"},
			&cli.StringFlag{Name: "as", Usage: "own `KEY`, of mero identity new, that becomes the member (default: the invited one, or a new one)"},
			&cli.BoolFlag{Name: "wait", Usage: "until the state can be used, at most 60s or --timeout"},
		},
		Run: runJoin,
	}
}

// joinedDoc is a context that was joined, in json mode.
type joinedDoc struct {
	ContextID       ident.ContextID `json:"contextId"`
	MemberPublicKey ident.PublicKey `json:"memberPublicKey"`
	Already         bool            `json:"already"`
}

// maxInvitation bounds what is read of an invitation, in bytes.
const maxInvitation = 64 << 10

func runJoin(ctx context.Context, e *line.Env) error {
	req := api.JoinRequest{Invitation: e.Arg(0)}
	if req.Invitation == "-" {
		text, err := io.ReadAll(io.LimitReader(e.In, maxInvitation+1))
		if err != nil {
			return fmt.Errorf("read the invitation: %w", err)
		}
		req.Invitation = string(text)
	}
	name := e.Flags.String("name")
	if name != "" {
		if err := api.CheckAlias(name); err != nil {
			return line.Usagef("--name: %v", err)
		}
	}
	if as := e.Flags.String("as"); as != "" {
		key, err := ident.ParsePublicKey(as)
		if err != nil {
			return line.Usagef("--as %s is not a key: %v", as, err)
		}
		req.Member = &key
	}
	client, err := e.Client()
	if err != nil {
		return err
	}
	joined, err := client.Join(ctx, req)
	if err != nil {
		return err
	}
	doc := joinedDoc(joined)
	if name != "" {
		err = e.SetAlias(ctx, client, api.AliasScope{Kind: api.AliasContext}, name, api.ID(doc.ContextID))
	}
	if e.Flags.Bool("wait") {
		err = errors.Join(err, waitUsable(ctx, client, doc.ContextID))
	}
	// It is joined, whatever became of its name and its state.
	return errors.Join(err, e.Object(doc, func(w io.Writer) {
		if doc.Already {
			e.Note("this node was a member already")
		}
		show.Pairs(w, "context", e.ID(doc.ContextID), "member", e.ID(doc.MemberPublicKey))
	}))
}

// answerTime is what of the time that is left is for the node's answer.
const answerTime = 500 * time.Millisecond

// waitUsable waits for the state of a context that was joined.
func waitUsable(ctx context.Context, client *api.Client, id ident.ContextID) error {
	within := time.Hour
	if at, ok := ctx.Deadline(); ok {
		within = time.Until(at) - answerTime
	}
	state, err := client.WaitUsable(ctx, id, within)
	if err != nil || state.Usable {
		return err
	}
	return &line.FailedError{
		Code: line.ExitTimeout, Text: "joined, but the state of context " + id.String() + " cannot be used yet: " + show.Printable(state.Missing),
		Hint: "it goes on by itself; see mero sync status",
	}
}
