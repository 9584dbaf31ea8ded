package server_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mero/node/api"
	"mero/node/ident"
	"mero/node/store"
)

func TestCalls(t *testing.T) {
	n := newNode(t, options{})
	c := n.create("rawkv")
	for _, step := range []struct{ method, args, want string }{
		{"set", `{"key": "a", "value": "1 <&> é"}`, "null"},
		{"get", `{"key":"a"}`, `"1 <&> é"`},
		{"get", `{"key":"b"}`, "null"},
		{"set", `{"key":"b","value":"2"}`, "null"},
		{"len", `{}`, "2"},
		{"remove", `{"key":"a"}`, "*"},
		{"len", `{}`, "1"},
	} {
		got := n.call(c, step.method, step.args)
		want := `{"jsonrpc":"2.0","id":1,"result":{"output":` + step.want + `}}`
		if step.want == "*" {
			if !strings.Contains(got, `"result"`) {
				t.Errorf("%s: %s", step.method, got)
			}
			continue
		}
		if got != want {
			t.Errorf("%s\n got %s\nwant %s", step.method, got, want)
		}
	}
}

func TestIDIsEchoed(t *testing.T) {
	n := newNode(t, options{})
	c := n.create("rawkv")
	for _, id := range []string{`7`, `18446744073709551615`, `"text"`, `null`, `0`} {
		body := strings.Replace(rpc(c, "len", "{}"), `"id":1`, `"id":`+id, 1)
		w := n.do(request{method: "POST", path: "/jsonrpc", token: n.admin, body: body})
		if want := `{"jsonrpc":"2.0","id":` + id + `,"result":{"output":0}}`; w.Code != 200 || w.Body.String() != want {
			t.Errorf("got %d %s, want %s", w.Code, w.Body, want)
		}
		if got := w.Header().Get("Content-Type"); got != "application/json" {
			t.Errorf("Content-Type %q", got)
		}
	}
}

// TestEveryErrorType reaches each row of http-api 1.2 that one node can reach.
func TestEveryErrorType(t *testing.T) {
	n := newNode(t, options{})
	c, kv := n.create("errors"), n.create("rawkv")
	stranger := c
	stranger.MemberPublicKey = ident.PublicKey{1}
	unknown := api.CreatedContext{ContextID: ident.ContextID{1}, MemberPublicKey: c.MemberPublicKey}
	for name, row := range map[string]struct{ body, want string }{
		"ParseError":            {strings.Replace(rpc(c, "set", "{}"), "execute", "mutate", 1), `"error":{"type":"ParseError","data":"unknown method ` + "`mutate`, expected `execute`" + `"}`},
		"ContextNotFound":       {rpc(unknown, "set", "{}"), `"error":{"type":"ContextNotFound","data":"context not found: ` + unknown.ContextID.String() + `"}`},
		"Unauthorized":          {rpc(stranger, "set", "{}"), `"error":{"type":"Unauthorized","data":{"context_id":"` + c.ContextID.String() + `","public_key":"` + stranger.MemberPublicKey.String() + `"}}`},
		"unknown function":      {rpc(c, "nothing", "{}"), `"error":{"type":"FunctionCallError","data":"method \"nothing\" not found"}`},
		"bad signature":         {rpc(c, "with_parameter", "{}"), `"data":"method \"with_parameter\" has invalid signature: expected no arguments and no return value"`},
		"application error":     {rpc(c, "fail_string", "{}"), `"error":{"type":"FunctionCallError","data":"the method call returned an error: [34, 105, 116, 32, 102, 97, 105, 108, 101, 100, 34]"}`},
		"application bytes":     {rpc(c, "fail_bytes", "{}"), `"data":"the method call returned an error: [255, 0, 1]"`},
		"panic":                 {rpc(kv, "set", `{"key":"a"}`), `"error":{"type":"FunctionCallError","data":"`},
		"SerdeError":            {rpc(c, "return_bytes", "{}"), `"error":{"type":"SerdeError","data":{"message":"`},
		"SerdeError, empty":     {rpc(c, "return_empty", "{}"), `"error":{"type":"SerdeError","data":{"message":"`},
		"nothing":               {rpc(c, "return_nothing", "{}"), `"result":{"output":null}`},
		"reserved":              {rpc(c, "init", "{}"), `"error":{"type":"FunctionCallError","data":"method is reserved for the node: init"}`},
		"reserved, internal":    {rpc(c, "__calimero_sync_next", "[]"), `"error":{"type":"FunctionCallError"`},
		"AliasResolutionFailed": {strings.Replace(rpc(c, "set", "{}"), `"argsJson"`, `"substitute":["bob"],"argsJson"`, 1), `"error":{"type":"AliasResolutionFailed","data":{"alias":"bob"}}`},
		"alias, but no context": {strings.Replace(rpc(unknown, "set", "{}"), `"argsJson"`, `"substitute":["bob"],"argsJson"`, 1), `"type":"ContextNotFound"`},
		"alias, but no key":     {strings.Replace(rpc(stranger, "set", "{}"), `"argsJson"`, `"substitute":["bob"],"argsJson"`, 1), `"type":"Unauthorized"`},
	} {
		t.Run(name, func(t *testing.T) {
			w := n.do(request{method: "POST", path: "/jsonrpc", token: n.admin, body: row.body})
			if w.Code != 200 || !strings.Contains(w.Body.String(), row.want) || !strings.HasPrefix(w.Body.String(), `{"jsonrpc":"2.0","id":1,`) {
				t.Errorf("got %d %s\nwant %s", w.Code, w.Body, row.want)
			}
			if !json.Valid(w.Body.Bytes()) {
				t.Errorf("not JSON: %s", w.Body)
			}
		})
	}
}

// The types of JSON-RPC do not tell these apart; the kind in the header does.
func TestKindOfFailedCalls(t *testing.T) {
	n := newNode(t, options{callTimeout: time.Second})
	c := n.create("errors")
	for method, want := range map[string]string{
		"loop_forever": api.KindTimeout, "init": api.KindDenied, "nothing": api.KindMethodNotFound,
		"fail_string": api.KindGuest, "return_bytes": api.KindOutput, "return_nothing": "",
	} {
		w := n.do(request{method: "POST", path: "/jsonrpc", token: n.admin, body: rpc(c, method, "{}")})
		if got := w.Header().Get(api.HeaderErrorKind); w.Code != 200 || got != want {
			t.Errorf("%s: got %d %q %s, want kind %q", method, w.Code, got, w.Body, want)
		}
	}
	body := strings.Replace(rpc(c, "set", "{}"), "execute", "mutate", 1)
	w := n.do(request{method: "POST", path: "/jsonrpc", token: n.admin, body: body})
	if got := w.Header().Get(api.HeaderErrorKind); got != api.KindInvalid {
		t.Errorf("ParseError: kind %q", got)
	}
}

func TestApplicationNotInstalled(t *testing.T) {
	dir := t.TempDir()
	n := newNode(t, options{dir: dir})
	c := n.create("rawkv")
	list := data[api.ApplicationsResponse](t, n.do(request{method: "GET", path: "/admin-api/applications", token: n.admin}))
	id := list.Apps[0].ID
	must(t, n.store.DeleteApp(t.Context(), id)) // behind the library's back, as after a restore
	n.close()
	n = newNode(t, options{dir: dir})
	got := n.call(c, "get", `{"key":"a"}`)
	if want := `"error":{"type":"ApplicationNotInstalled","data":{"application_id":"` + id.String() + `"}}`; !strings.Contains(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestFullDisk(t *testing.T) {
	n := newNode(t, options{})
	c := n.create("rawkv")
	n.want(200, `{"ready":true}`, request{method: "GET", path: "/ready"})
	n.free.Store(1)
	if got := n.call(c, "set", `{"key":"a","value":"1"}`); !strings.Contains(got, `"type":"InternalError","data":"`) || !strings.Contains(got, store.ErrDiskFull.Error()) {
		t.Errorf("write: %s", got)
	}
	if got := n.call(c, "len", `{}`); !strings.Contains(got, `"output":0`) {
		t.Errorf("read: %s", got)
	}
	w := n.do(request{method: "GET", path: "/ready"})
	if w.Code != 503 || !strings.Contains(w.Body.String(), `"ready":false,"reason":"`) {
		t.Errorf("ready: %d %s", w.Code, w.Body)
	}
	w = n.do(request{method: "POST", path: "/admin-api/identity/context", token: n.admin})
	if w.Code != 503 || w.Header().Get(api.HeaderErrorKind) != api.KindReadOnly {
		t.Errorf("identity: %d %s", w.Code, w.Body)
	}
	n.free.Store(1 << 40)
	if got := n.call(c, "set", `{"key":"a","value":"1"}`); !strings.Contains(got, `"output":null`) {
		t.Errorf("with room again: %s", got)
	}
	n.want(200, `{"ready":true}`, request{method: "GET", path: "/ready"})
}

func TestSubstitute(t *testing.T) {
	n := newNode(t, options{})
	c := n.create("rawkv")
	key := c.MemberPublicKey.String()
	n.want(200, `{"data":null}`, request{
		method: "POST", path: "/admin-api/alias/create/identity/" + c.ContextID.String(), body: `{"alias":"bob","identity":"` + key + `"}`,
	})
	call := func(names, args string) string {
		body := strings.Replace(rpc(c, "set", args), `"argsJson"`, `"substitute":`+names+`,"argsJson"`, 1)
		return n.do(request{method: "POST", path: "/jsonrpc", token: n.admin, body: body}).Body.String()
	}
	if got := call(`["bob","`+key+`"]`, `{"key":"{bob}","value":"{bob} {`+key+`} {eve} bob"}`); !strings.Contains(got, `"result"`) {
		t.Fatal(got)
	}
	if got := n.call(c, "get", `{"key":"`+key+`"}`); !strings.Contains(got, `"output":"`+key+" "+key+` {eve} bob"`) {
		t.Errorf("got %s", got)
	}
	if got := call(`["bob"]`, `{"key":"k","value":"`+strings.Repeat("{bob}", 400_000)+`"}`); !strings.Contains(got, "over the limit") {
		t.Errorf("got %.200s", got)
	}
}

func TestNotARequest(t *testing.T) {
	n := newNode(t, options{})
	good := rpc(api.CreatedContext{}, "get", "{}")
	for name, row := range map[string]struct {
		body, contentType string
		status            int
	}{
		"no type":        {good, "", 415},
		"form":           {good, "application/x-www-form-urlencoded", 415},
		"text":           {good, "text/plain", 415},
		"broken type":    {good, "application/json; charset", 415},
		"charset":        {good, "application/json; charset=utf-8", 200},
		"case":           {good, "Application/JSON", 200},
		"json-rpc":       {good, "application/json-rpc+json", 200},
		"not an app":     {good, "image/x+json", 415},
		"not JSON":       {"{", "application/json", 400},
		"two values":     {good + good, "application/json", 400},
		"not UTF-8":      {strings.Replace(good, "get", "\xff", 1), "application/json", 400},
		"array":          {"[]", "application/json", 422},
		"batch":          {"[" + good + "]", "application/json", 422},
		"version":        {strings.Replace(good, "2.0", "1.0", 1), "application/json", 422},
		"id":             {strings.Replace(good, `"id":1`, `"id":-1`, 1), "application/json", 422},
		"too large":      {good[:1] + strings.Repeat(" ", 2<<20) + good[1:], "application/json", 413},
		"nearly as much": {good[:1] + strings.Repeat(" ", 2<<20-len(good)) + good[1:], "application/json", 200},
	} {
		t.Run(name, func(t *testing.T) {
			w := n.do(request{method: "POST", path: "/jsonrpc", token: n.admin, body: row.body, header: map[string]string{"Content-Type": row.contentType}})
			if w.Code != row.status {
				t.Errorf("got %d %s, want %d", w.Code, w.Body, row.status)
			}
			if row.status != 200 && !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
				t.Errorf("Content-Type %q: a rejection is plain text", w.Header().Get("Content-Type"))
			}
		})
	}
}

func TestTrial(t *testing.T) {
	n := newNode(t, options{})
	c, events := n.create("rawkv"), n.create("events")
	try := func(c api.CreatedContext, method, args string, dry bool) api.CallResponse {
		t.Helper()
		body, err := json.Marshal(api.CallRequest{
			ExecuteParams: api.ExecuteParams{ContextID: c.ContextID, Method: method, ArgsJSON: json.RawMessage(args), ExecutorPublicKey: c.MemberPublicKey}, DryRun: dry,
		})
		must(t, err)
		return data[api.CallResponse](t, n.do(request{method: "POST", path: "/admin-api/x/call", token: n.admin, body: string(body)}))
	}
	trial := try(c, "set", `{"key":"a","value":"1"}`, true)
	if len(trial.Changes) == 0 || trial.Delta != nil || string(trial.Output) != "null" {
		t.Errorf("trial: %+v", trial)
	}
	if got := n.call(c, "len", "{}"); !strings.Contains(got, `"output":0`) {
		t.Errorf("a trial changed the state: %s", got)
	}
	done := try(c, "set", `{"key":"a","value":"1"}`, false)
	if done.Delta == nil || done.RootHash == trial.RootHash || len(done.Changes) != 0 {
		t.Errorf("call: %+v after %+v", done, trial)
	}
	context := data[api.Context](t, n.do(request{method: "GET", path: "/admin-api/contexts/" + c.ContextID.String(), token: n.admin}))
	if context.RootHash != done.RootHash || !cmp.Equal(context.Heads(), []api.Hash{*done.Delta}) {
		t.Errorf("context %+v, call %+v", context, done)
	}
	got := try(events, "emit", `{"kind":"Ping","data":"hi"}`, true)
	if len(got.Events) != 1 || got.Events[0].Kind != "Ping" || got.Events[0].Handler != nil {
		t.Errorf("events: %+v", got)
	}
}

func TestTrialFailures(t *testing.T) {
	n := newNode(t, options{})
	c := n.create("errors")
	unknown := api.CreatedContext{ContextID: ident.ContextID{1}, MemberPublicKey: c.MemberPublicKey}
	params := func(c api.CreatedContext, method string) string {
		_, params, _ := strings.Cut(rpc(c, method, "{}"), `"params":`)
		return strings.TrimSuffix(strings.TrimSuffix(params, "}"), "}") + `,"dryRun":true}`
	}
	for name, row := range map[string]struct {
		body       string
		status     int
		kind, want string
	}{
		"application": {params(c, "fail_string"), 422, api.KindGuest, `"type":"FunctionCallError","data":"the method call returned an error: [34,`},
		"no method":   {params(c, "nothing"), 404, api.KindMethodNotFound, `"type":"FunctionCallError"`},
		"no context":  {params(unknown, "set"), 404, api.KindContextNotFound, `"type":"ContextNotFound"`},
		"output":      {params(c, "return_bytes"), 422, api.KindOutput, `"type":"SerdeError"`},
		"no field":    {`{}`, 422, api.KindInvalid, "contextId"},
		"not JSON":    {`{`, 400, api.KindInvalid, ""},
		"flag":        {strings.Replace(params(c, "set"), "true", `"yes"`, 1), 422, api.KindInvalid, "dryRun"},
	} {
		t.Run(name, func(t *testing.T) {
			w := n.do(request{method: "POST", path: "/admin-api/x/call", token: n.admin, body: row.body})
			if w.Code != row.status || w.Header().Get(api.HeaderErrorKind) != row.kind || !strings.Contains(w.Body.String(), row.want) {
				t.Errorf("got %d %q %s\nwant %d %q %s", w.Code, w.Header().Get(api.HeaderErrorKind), w.Body, row.status, row.kind, row.want)
			}
		})
	}
}

// A session's scope is decided by what the body asks for (R25).
func TestScopeOfCalls(t *testing.T) {
	n := newNode(t, options{})
	c, d := n.create("rawkv"), n.create("rawkv")
	id, key := c.ContextID.String(), c.MemberPublicKey.String()
	for scope, rows := range map[string]map[string]int{
		"context[" + id + "," + key + "]": {rpc(c, "len", "{}"): 200, rpc(c, "set", `{"key":"a","value":"b"}`): 200, rpc(d, "len", "{}"): 403},
		"context:execute[,,len]":          {rpc(c, "len", "{}"): 200, rpc(d, "len", "{}"): 200, rpc(c, "set", `{"key":"a","value":"b"}`): 403},
		"context:execute[" + id + "]":     {rpc(c, "len", "{}"): 200, rpc(d, "len", "{}"): 403},
		"context:list":                    {rpc(c, "len", "{}"): 403, "not json": 403},
	} {
		token := n.token(scope)
		for body, want := range rows {
			if w := n.do(request{method: "POST", path: "/jsonrpc", token: token, body: body}); w.Code != want || w.Code == http.StatusOK && !strings.Contains(w.Body.String(), `"result"`) {
				t.Errorf("%s: got %d %s, want %d", scope, w.Code, w.Body, want)
			}
		}
	}
	if !strings.Contains(n.call(c, "get", `{"key":"a"}`), `"b"`) {
		t.Error("the allowed write is missing")
	}
}
