package line

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"mero/node"
	"mero/node/api"
)

// callError is a failed call as a node of ours tells of it.
func callError(typ, kind, text string) error {
	e := api.NewRPCError(typ, text)
	e.Kind = kind
	return e
}

// TestExplain holds the table from errors to exit codes, which scripts rely on.
func TestExplain(t *testing.T) {
	const interrupted, noHint = true, "none"
	signalled, cancel := context.WithCancelCause(t.Context())
	cancel(ErrInterrupted)
	guest := "guest panicked: " + strings.Repeat("long ", 1000) + "at src/lib.rs:1:2"
	for _, tt := range []struct {
		name string
		sig  bool // a signal has come
		err  error
		want int
		hint string
	}{
		{"plain", false, errors.New("x"), ExitFailed, ""},
		{"usage", false, Usagef("x"), ExitUsage, ""},
		{"setting", false, fmt.Errorf("a: %w", node.UnknownKey("log.levl")), ExitUsage, "did you mean log.level?"},
		{"in use", false, &node.InUseError{PID: 7}, ExitFailed, "--node"},
		{"unreachable", false, &api.UnreachableError{URL: "http://x", Cause: errors.New("refused")}, ExitNoNode, "mero node run"},
		{"no token", false, &api.Error{Status: http.StatusUnauthorized, Kind: api.KindUnauthenticated, Auth: api.AuthMissing}, ExitDenied, "--token"},
		{"expired", false, &api.Error{Status: http.StatusUnauthorized, Auth: api.AuthExpired}, ExitDenied, "admin token"},
		{"narrow", false, &api.Error{Status: http.StatusForbidden, Kind: api.KindDenied, Auth: api.AuthDenied}, ExitDenied, "scope"},
		{"no context", false, &api.Error{Status: http.StatusNotFound, Kind: api.KindContextNotFound}, ExitNotFound, "context list"},
		{"no alias", false, &api.Error{Status: http.StatusInternalServerError, Kind: api.KindAliasNotFound}, ExitNotFound, "alias list"},
		{"guest in init", false, &api.Error{Status: http.StatusInternalServerError, Kind: api.KindGuest}, ExitApplication, ""},
		{"before it began", false, &api.Error{Status: http.StatusNotFound, Kind: api.KindTooEarly}, ExitNotFound, noHint},
		{"nothing there", false, &api.Error{Status: http.StatusNotFound, Kind: api.KindStateNotFound}, ExitNotFound, "context state"},
		{"init: arguments", false, &api.Error{Status: http.StatusUnprocessableEntity, Kind: api.KindArguments}, ExitUsage, "app methods"},
		{"timed out there", false, &api.Error{Status: http.StatusGatewayTimeout, Kind: api.KindTimeout}, ExitTimeout, ""},
		{"other node", false, &api.Error{Status: http.StatusNotFound}, ExitNotFound, ""},
		{"full disk", false, &api.Error{Status: http.StatusServiceUnavailable, Kind: api.KindReadOnly}, ExitFailed, "disk"},
		{"call: no context", false, api.NewRPCError(api.RPCContextNotFound, "x"), ExitNotFound, "context list"},
		{"call: no method", false, callError(api.RPCFunctionCall, api.KindMethodNotFound, `method "x" not found`), ExitNotFound, "app methods"},
		{"call: a guest that speaks of methods", false, callError(api.RPCFunctionCall, api.KindGuest, `method "x" not found`), ExitApplication, ""},
		{"call: arguments", false, callError(api.RPCFunctionCall, api.KindArguments, "a: missing"), ExitUsage, "app methods"},
		{"call: stopped", false, callError(api.RPCFunctionCall, api.KindTimeout, "x"), ExitTimeout, "runtime.call_timeout"},
		{"call: reserved", false, callError(api.RPCFunctionCall, api.KindDenied, "x"), ExitDenied, "the node alone"},
		{"call: limit", false, callError(api.RPCFunctionCall, api.KindLimit, "x"), ExitApplication, ""},
		{"call: fault of the host", false, callError(api.RPCFunctionCall, api.KindInternal, "x"), ExitFailed, "log"},
		{"call: full disk", false, callError(api.RPCInternal, api.KindReadOnly, "x"), ExitFailed, "disk"},
		{"call: guest", false, callError(api.RPCFunctionCall, api.KindGuest, guest), ExitApplication, ""},
		{"call: guest of another node", false, api.NewRPCError(api.RPCFunctionCall, guest), ExitApplication, ""},
		{"call: output", false, api.NewRPCError(api.RPCSerde, map[string]string{"message": "x"}), ExitApplication, ""},
		{"call: identity", false, api.NewRPCError(api.RPCUnauthorized, map[string]string{}), ExitDenied, "identity list"},
		{"call: not installed", false, api.NewRPCError(api.RPCApplicationNotInstalled, map[string]string{}), ExitNotFound, "app install"},
		{"call: fault", false, api.NewRPCError(api.RPCInternal, "x"), ExitFailed, ""},
		{"timeout here", false, fmt.Errorf("x: %w", context.DeadlineExceeded), ExitTimeout, "--timeout"},
		{"interrupt", interrupted, fmt.Errorf("x: %w", ErrInterrupted), ExitInterrupted, ""},
		{"interrupt, as cancelled", interrupted, context.Canceled, ExitInterrupted, ""},
		{"fault while interrupted", interrupted, errors.New("disk broke"), ExitFailed, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx := t.Context()
			if tt.sig {
				ctx = signalled
			}
			got := explain(ctx, tt.err)
			if got.code != tt.want || !strings.Contains(got.hint, tt.hint) && (tt.hint != noHint || got.hint != "") {
				t.Fatalf("got code %d, hint %q; want %d, %q", got.code, got.hint, tt.want, tt.hint)
			}
			if tt.want == ExitApplication && !strings.Contains(got.message, tt.err.Error()) {
				t.Fatal("the guest's text was shortened")
			}
			var out strings.Builder
			got.show(&Env{Err: &out, JSON: true})
			var doc struct{ Error map[string]string }
			if err := json.Unmarshal([]byte(out.String()), &doc); err != nil || strings.Count(out.String(), "\n") != 1 {
				t.Fatalf("not one line of JSON: %q (%v)", out.String(), err)
			}
			for _, field := range []string{"kind", "message", "hint"} {
				if _, ok := doc.Error[field]; !ok || len(doc.Error) != 3 {
					t.Fatalf("the fields are %v", doc.Error)
				}
			}
		})
	}
}

// TestGuestText: an application's error is shown in its own words.
func TestGuestText(t *testing.T) {
	failed := &api.Error{Status: http.StatusUnprocessableEntity, Kind: api.KindGuest, Message: "init: the method call returned an error: [34, 110, 111, 34]"}
	if got := explain(t.Context(), failed).message; got != "init: the application returned an error: no" {
		t.Errorf("of an init: %q", got)
	}
	for message, want := range map[string]string{
		"the method call returned an error: [34, 195, 169, 34]": "the application returned an error: é",
		"call: the method call returned an error: [123, 125]":   "call: the application returned an error: {}",
		"the method call returned an error: [110, 111]":         "the application returned an error: no",
		"the method call returned an error: [255]":              "the method call returned an error: [255]",
		"the method call returned an error: [256]":              "the method call returned an error: [256]",
		"the method call returned an error: []":                 "the method call returned an error: []",
		"the method call returned an error: [34":                "the method call returned an error: [34",
		"another":                                               "another",
	} {
		if got := guestText(message); got != want {
			t.Errorf("%q is shown as %q, want %q", message, got, want)
		}
	}
}
