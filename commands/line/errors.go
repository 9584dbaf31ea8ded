package line

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"mero/node"
	"mero/node/api"
)

// The exit codes, a contract with scripts.
const (
	ExitDone        = 0
	ExitFailed      = 1
	ExitUsage       = 2
	ExitNoNode      = 3
	ExitDenied      = 4
	ExitNotFound    = 5
	ExitApplication = 6
	ExitTimeout     = 7
	ExitInterrupted = 130
)

// kindOf is the word for an exit code in json mode.
func kindOf(code int) string {
	switch code {
	case ExitUsage:
		return "usage"
	case ExitNoNode:
		return "noNode"
	case ExitDenied:
		return "notAllowed"
	case ExitNotFound:
		return "notFound"
	case ExitApplication:
		return "application"
	case ExitTimeout:
		return "timeout"
	case ExitInterrupted:
		return "interrupted"
	}
	return "failed"
}

// UsageError is a command line that can not be understood.
type UsageError struct {
	Text    string
	Nearest string // what was most likely meant
	Usage   string // how to type it
	Help    string // the command that says more
	Cause   error
}

// Error says what is wrong.
func (e *UsageError) Error() string { return e.Text }

// Unwrap is the cause, or nil.
func (e *UsageError) Unwrap() error { return e.Cause }

// Usagef is a *UsageError; the verb adds how to type it.
func Usagef(format string, args ...any) error {
	return &UsageError{Text: fmt.Sprintf(format, args...)}
}

// FailedError is an error whose exit code the verb itself knows.
type FailedError struct {
	Code  int
	Text  string
	Hint  string
	Cause error
}

// Error says what failed.
func (e *FailedError) Error() string { return e.Text }

// Unwrap is the cause, or nil.
func (e *FailedError) Unwrap() error { return e.Cause }

// NotFound is a *FailedError that ends with 5.
func NotFound(hint, format string, args ...any) error {
	return &FailedError{Code: ExitNotFound, Text: fmt.Sprintf(format, args...), Hint: hint}
}

// Code is the exit code of an error. ctx is the command's.
func Code(ctx context.Context, err error) int { return explain(ctx, err).code }

// Report writes an error as Main does, for a verb that goes on.
func (e *Env) Report(ctx context.Context, err error) { explain(ctx, err).show(e) }

// report is what is said of an error, and the code the process ends with.
type report struct {
	code          int
	message, hint string
	usage         string
}

// explain is the one table from errors to exit codes and hints. ctx is the
// command's: it tells a timeout from an interrupt.
func explain(ctx context.Context, err error) report {
	r := report{code: ExitFailed, message: err.Error()}
	var (
		usage       *UsageError
		fail        *FailedError
		config      *node.ConfigError
		inUse       *node.InUseError
		hinted      interface{ Hint() string }
		unreachable *api.UnreachableError
		answer      *api.Error
		call        *api.RPCError
	)
	switch {
	case errors.As(err, &usage):
		r.code, r.usage, r.hint = ExitUsage, usage.Usage, usageHint(usage)
	case errors.Is(err, ErrInterrupted), errors.Is(err, context.Canceled) && errors.Is(context.Cause(ctx), ErrInterrupted):
		r.code, r.message = ExitInterrupted, "interrupted"
	case errors.Is(err, context.DeadlineExceeded):
		r.code, r.hint = ExitTimeout, "give it longer with --timeout"
		r.message = "no answer in time: " + err.Error()
	case errors.As(err, &fail):
		r.code, r.hint = fail.Code, fail.Hint
	case errors.As(err, &config):
		r.code, r.hint = ExitUsage, config.Hint()
	case errors.As(err, &hinted):
		r.hint = hinted.Hint()
	case errors.As(err, &inUse):
		r.hint = "stop that process, or choose another node with --node NAME or --home DIR"
	case errors.As(err, &unreachable):
		r.code, r.hint = ExitNoNode, "is it running? start one with: mero node run"
	case errors.As(err, &answer):
		r.code, r.hint = explainAnswer(answer)
		r.message = guestText(r.message)
	case errors.As(err, &call):
		r.code, r.hint = explainCall(call)
		r.message = guestText(r.message)
	case errors.Is(err, api.ErrTooLong):
		r.hint = "ask for less at a time"
	}
	return r
}

func usageHint(e *UsageError) string {
	var hints []string
	if e.Nearest != "" {
		hints = append(hints, "did you mean "+e.Nearest+"?")
	}
	if e.Help != "" {
		hints = append(hints, "see "+e.Help)
	}
	return strings.Join(hints, " ")
}

// answerCode is by the kind that a node of ours sends, which says more than the
// HTTP status.
type answerCode struct {
	code int
	hint string
}

func answerCodes() map[string]answerCode {
	return map[string]answerCode{
		api.KindInvalid:             {ExitUsage, ""},
		api.KindContextNotFound:     {ExitNotFound, "see mero context list"},
		api.KindDeltaNotFound:       {ExitNotFound, DeltaHint},
		api.KindStateNotFound:       {ExitNotFound, StateHint},
		api.KindTooEarly:            {ExitNotFound, ""}, // it says from when there is one
		api.KindSameApplication:     {ExitFailed, "see mero context get"},
		api.KindApplicationNotFound: {ExitNotFound, "see mero app list"},
		api.KindAliasNotFound:       {ExitNotFound, "see mero alias list"},
		api.KindTokenNotFound:       {ExitNotFound, "see mero admin keys"},
		api.KindMethodNotFound:      {ExitNotFound, "see mero app methods"},
		api.KindArguments:           {ExitUsage, "see mero app methods"},
		api.KindNotFound:            {ExitNotFound, ""},
		api.KindInvitationGarbled:   {ExitUsage, "ask for it again: mero context invite"},
		api.KindInvitationVersion:   {ExitFailed, "update the older of the two nodes"},
		api.KindInvitationExpired:   {ExitDenied, "ask for a new one: mero context invite --ttl"},
		api.KindInvitationRevoked:   {ExitDenied, "ask for a new one: mero context invite"},
		api.KindInvitationUsedUp:    {ExitDenied, "ask for a new one: mero context invite --uses"},
		api.KindInvitationOther:     {ExitDenied, "ask for one for a key of this node: mero identity new, and there mero context invite --to KEY"},
		api.KindInvitationIssuer:    {ExitDenied, "ask a member who may invite for a new one"},
		api.KindAskIssuer:           {ExitFailed, "try again when the node that made the invitation can be reached"},
		api.KindUnreachable:         {ExitFailed, "is one of them running, and reachable from here? see mero node peers"},
		api.KindNotAllowed:          {ExitDenied, "see mero context members"},
		api.KindIdentityNotFound:    {ExitNotFound, "see mero identity list; make one: mero identity new"},
		api.KindPeerNotFound:        {ExitNotFound, "see mero node peers, and mero sync status"},
		api.KindNoPeer:              {ExitFailed, "see mero node peers, and mero context members"},
		api.KindGuest:               {ExitApplication, ""},
		api.KindOutput:              {ExitApplication, ""},
		api.KindTimeout:             {ExitTimeout, ""},
		api.KindUnauthorized:        {ExitDenied, "see mero identity list --context CONTEXT"},
		api.KindDenied:              {ExitDenied, "use a token with a wider scope: --token, or mero admin token --scope"},
		api.KindRefusedHost:         {ExitDenied, "use the node's own address, or name the host in server.allowed_hosts"},
		api.KindUninitialized:       {ExitFailed, "its first state has not arrived yet"},
		api.KindApplicationInUse:    {ExitFailed, "delete those contexts first: mero context delete"},
		api.KindDamaged:             {ExitFailed, "mero dag verify says which deltas are damaged"},
		api.KindReadOnly:            {ExitFailed, "free some disk space; the node goes on by itself"},
		api.KindBusy:                {ExitFailed, "try again"},
		api.KindInternal:            {ExitFailed, "see the node's log"},
	}
}

func explainAnswer(e *api.Error) (code int, hint string) {
	switch {
	case e.Auth == api.AuthExpired:
		return ExitDenied, "make a new token: mero admin token"
	case e.Auth == api.AuthRevoked:
		return ExitDenied, "the token was revoked; make a new one: mero admin token"
	case e.Status == http.StatusUnauthorized:
		return ExitDenied, "give a token of that node: --token or MERO_TOKEN; mero admin token on its machine makes one"
	}
	if known, ok := answerCodes()[e.Kind]; ok {
		return known.code, known.hint
	}
	switch e.Status {
	case http.StatusForbidden:
		return ExitDenied, ""
	case http.StatusNotFound:
		return ExitNotFound, ""
	case http.StatusGatewayTimeout, http.StatusRequestTimeout:
		return ExitTimeout, ""
	}
	return ExitFailed, ""
}

// explainCall is for failed calls: a type of JSON-RPC that says it all decides,
// else the kind that a node of ours sends beside it. The text never does: it is
// the application's.
func explainCall(e *api.RPCError) (code int, hint string) {
	switch e.Type {
	case api.RPCContextNotFound:
		return ExitNotFound, "see mero context list"
	case api.RPCApplicationNotInstalled:
		return ExitNotFound, "install it: mero app install"
	case api.RPCAliasResolutionFailed:
		return ExitNotFound, "see mero alias list"
	case api.RPCUnauthorized:
		if e.Kind == api.KindNotAllowed {
			return ExitDenied, "see mero context members CONTEXT"
		}
		return ExitDenied, "see mero identity list --context CONTEXT"
	case api.RPCParse:
		return ExitUsage, ""
	case api.RPCSerde:
		return ExitApplication, ""
	}
	// The other types stand for many things.
	switch e.Kind {
	case api.KindDenied: // not for want of a token: those never get as far
		return ExitDenied, "the node alone calls that method"
	case api.KindTimeout:
		return ExitTimeout, "the node stops a call after its runtime.call_timeout; see mero node config"
	}
	if known, ok := answerCodes()[e.Kind]; ok {
		return known.code, known.hint
	}
	if e.Type == api.RPCFunctionCall {
		return ExitApplication, ""
	}
	return ExitFailed, ""
}

// show writes an error to standard error: in json mode as its last line, one
// object; else as a sentence and what to do about it.
func (r report) show(e *Env) {
	if e.JSON {
		var doc struct {
			Error struct {
				Kind    string `json:"kind"`
				Message string `json:"message"`
				Hint    string `json:"hint"`
			} `json:"error"`
		}
		doc.Error.Kind, doc.Error.Message, doc.Error.Hint = kindOf(r.code), r.message, r.hint
		enc := json.NewEncoder(e.Err)
		enc.SetEscapeHTML(false)
		_ = enc.Encode(doc) // nobody is left to tell
		return
	}
	e.Say("mero: %s", strings.TrimRight(r.message, "\n"))
	if r.hint != "" {
		e.Say("hint: %s", r.hint)
	}
	if r.usage != "" {
		e.Say("usage: %s", r.usage)
	}
}
