package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"mero/commands/appdev"
	"mero/node"
	"mero/node/api"
)

// The exit codes, a contract with scripts.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNoNode      = 3
	exitDenied      = 4
	exitNotFound    = 5
	exitApplication = 6
	exitTimeout     = 7
	exitInterrupted = 130
)

// kindOf is the word for an exit code in json mode.
func kindOf(code int) string {
	switch code {
	case exitUsage:
		return "usage"
	case exitNoNode:
		return "noNode"
	case exitDenied:
		return "notAllowed"
	case exitNotFound:
		return "notFound"
	case exitApplication:
		return "application"
	case exitTimeout:
		return "timeout"
	case exitInterrupted:
		return "interrupted"
	}
	return "failed"
}

// usageError is a command line that can not be understood.
type usageError struct {
	text    string
	nearest string // what was most likely meant
	usage   string // how to type it
	help    string // the command that says more
	cause   error
}

func (e *usageError) Error() string { return e.text }
func (e *usageError) Unwrap() error { return e.cause }

func usagef(format string, args ...any) error {
	return &usageError{text: fmt.Sprintf(format, args...)}
}

// failure is an error whose exit code the verb itself knows.
type failure struct {
	code  int
	text  string
	hint  string
	cause error
}

func (e *failure) Error() string { return e.text }
func (e *failure) Unwrap() error { return e.cause }

func notFound(hint, format string, args ...any) error {
	return &failure{code: exitNotFound, text: fmt.Sprintf(format, args...), hint: hint}
}

// report is what is said of an error, and the code the process ends with.
type report struct {
	code          int
	message, hint string
	usage         string
}

// explain is the one table from errors to exit codes and hints. ctx is the
// command's: it tells a timeout from an interrupt.
func explain(ctx context.Context, err error) report {
	r := report{code: exitFailed, message: err.Error()}
	var (
		usage       *usageError
		fail        *failure
		config      *node.ConfigError
		inUse       *node.InUseError
		toolchain   *appdev.ToolchainError
		unreachable *api.UnreachableError
		answer      *api.Error
		call        *api.RPCError
	)
	switch {
	case errors.As(err, &usage):
		r.code, r.usage, r.hint = exitUsage, usage.usage, usageHint(usage)
	case errors.Is(err, errInterrupted), errors.Is(err, context.Canceled) && errors.Is(context.Cause(ctx), errInterrupted):
		r.code, r.message = exitInterrupted, "interrupted"
	case errors.Is(err, context.DeadlineExceeded):
		r.code, r.hint = exitTimeout, "give it longer with --timeout"
		r.message = "no answer in time: " + err.Error()
	case errors.As(err, &fail):
		r.code, r.hint = fail.code, fail.hint
	case errors.As(err, &config):
		r.code, r.hint = exitUsage, config.Hint()
	case errors.As(err, &toolchain):
		r.hint = toolchain.Hint()
	case errors.As(err, &inUse):
		r.hint = "stop that process, or choose another node with --node NAME or --home DIR"
	case errors.As(err, &unreachable):
		r.code, r.hint = exitNoNode, "is it running? start one with: mero node run"
	case errors.As(err, &answer):
		r.code, r.hint = explainAnswer(answer)
	case errors.As(err, &call):
		r.code, r.hint = explainCall(call)
		r.message = guestText(r.message)
	case errors.Is(err, api.ErrTooLong):
		r.hint = "ask for less at a time"
	}
	return r
}

func usageHint(e *usageError) string {
	var hints []string
	if e.nearest != "" {
		hints = append(hints, "did you mean "+e.nearest+"?")
	}
	if e.help != "" {
		hints = append(hints, "see "+e.help)
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
		api.KindInvalid:             {exitUsage, ""},
		api.KindContextNotFound:     {exitNotFound, "see mero context list"},
		api.KindDeltaNotFound:       {exitNotFound, deltaHint},
		api.KindStateNotFound:       {exitNotFound, stateHint},
		api.KindSameApplication:     {exitFailed, "see mero context get"},
		api.KindApplicationNotFound: {exitNotFound, "see mero app list"},
		api.KindAliasNotFound:       {exitNotFound, "see mero alias list"},
		api.KindTokenNotFound:       {exitNotFound, "see mero admin keys"},
		api.KindMethodNotFound:      {exitNotFound, "see mero app methods"},
		api.KindNotFound:            {exitNotFound, ""},
		api.KindGuest:               {exitApplication, ""},
		api.KindOutput:              {exitApplication, ""},
		api.KindTimeout:             {exitTimeout, ""},
		api.KindUnauthorized:        {exitDenied, "see mero identity list --context CONTEXT"},
		api.KindDenied:              {exitDenied, "use a token with a wider scope: --token, or mero admin token --scope"},
		api.KindRefusedHost:         {exitDenied, "use the node's own address, or name the host in server.allowed_hosts"},
		api.KindUninitialized:       {exitFailed, "its first state has not arrived yet"},
		api.KindApplicationInUse:    {exitFailed, "delete those contexts first: mero context delete"},
		api.KindDamaged:             {exitFailed, "mero dag verify says which deltas are damaged"},
		api.KindReadOnly:            {exitFailed, "free some disk space; the node goes on by itself"},
		api.KindBusy:                {exitFailed, "try again"},
		api.KindInternal:            {exitFailed, "see the node's log"},
	}
}

func explainAnswer(e *api.Error) (code int, hint string) {
	switch {
	case e.Auth == api.AuthExpired:
		return exitDenied, "make a new token: mero admin token"
	case e.Auth == api.AuthRevoked:
		return exitDenied, "the token was revoked; make a new one: mero admin token"
	case e.Status == http.StatusUnauthorized:
		return exitDenied, "give a token of that node: --token or MERO_TOKEN; mero admin token on its machine makes one"
	}
	if known, ok := answerCodes()[e.Kind]; ok {
		return known.code, known.hint
	}
	switch e.Status {
	case http.StatusForbidden:
		return exitDenied, ""
	case http.StatusNotFound:
		return exitNotFound, ""
	case http.StatusGatewayTimeout, http.StatusRequestTimeout:
		return exitTimeout, ""
	}
	return exitFailed, ""
}

// explainCall is for failed calls: a type of JSON-RPC that says it all decides,
// else the kind that a node of ours sends beside it. The text never does: it is
// the application's.
func explainCall(e *api.RPCError) (code int, hint string) {
	switch e.Type {
	case api.RPCContextNotFound:
		return exitNotFound, "see mero context list"
	case api.RPCApplicationNotInstalled:
		return exitNotFound, "install it: mero app install"
	case api.RPCAliasResolutionFailed:
		return exitNotFound, "see mero alias list"
	case api.RPCUnauthorized:
		return exitDenied, "see mero identity list --context CONTEXT"
	case api.RPCParse:
		return exitUsage, ""
	case api.RPCSerde:
		return exitApplication, ""
	}
	// The other types stand for many things.
	switch e.Kind {
	case api.KindDenied: // not for want of a token: those never get as far
		return exitDenied, "the node alone calls that method"
	case api.KindTimeout:
		return exitTimeout, "the node stops a call after its runtime.call_timeout; see mero node config"
	}
	if known, ok := answerCodes()[e.Kind]; ok {
		return known.code, known.hint
	}
	if e.Type == api.RPCFunctionCall {
		return exitApplication, ""
	}
	return exitFailed, ""
}

// show writes an error to standard error: in json mode as its last line, one
// object; else as a sentence and what to do about it.
func (r report) show(e *env) {
	if e.json {
		var doc struct {
			Error struct {
				Kind    string `json:"kind"`
				Message string `json:"message"`
				Hint    string `json:"hint"`
			} `json:"error"`
		}
		doc.Error.Kind, doc.Error.Message, doc.Error.Hint = kindOf(r.code), r.message, r.hint
		enc := json.NewEncoder(e.err)
		enc.SetEscapeHTML(false)
		_ = enc.Encode(doc) // nobody is left to tell
		return
	}
	e.say("mero: %s", strings.TrimRight(r.message, "\n"))
	if r.hint != "" {
		e.say("hint: %s", r.hint)
	}
	if r.usage != "" {
		e.say("usage: %s", r.usage)
	}
}
