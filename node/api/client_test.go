package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"mero/node/api"
	"mero/node/ident"
)

// answer is a node that gives one answer and remembers the request.
type answer struct {
	status int
	header map[string]string
	body   string

	got     *http.Request
	gotBody string
}

func (a *answer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	a.got, a.gotBody = r, string(body)
	for k, v := range a.header {
		w.Header().Set(k, v)
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body)
}

func newClient(t *testing.T, h http.Handler, cfg api.ClientConfig) *api.Client {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	cfg.URL = srv.URL + cfg.URL
	c, err := api.NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestClientRequests(t *testing.T) {
	id, key := ident.ContextID{31: 7}, ident.PublicKey{31: 8}
	app := ident.AppID(id)
	identity := api.AliasScope{Kind: api.AliasIdentity, Context: id}
	ctx := t.Context()
	for name, row := range map[string]struct {
		answer string
		do     func(*api.Client) error
		want   string // method, path, body
	}{
		"health":       {`{"data":{"status":"alive"}}`, func(c *api.Client) error { return c.Health(ctx) }, "GET /admin-api/health "},
		"status":       {`{"data":{}}`, func(c *api.Client) error { _, err := c.Status(ctx); return err }, "GET /admin-api/x/status "},
		"peers":        {`{"count":3}`, func(c *api.Client) error { _, err := c.PeerCount(ctx); return err }, "GET /admin-api/peers "},
		"applications": {`{"data":{"apps":[]}}`, func(c *api.Client) error { _, err := c.Applications(ctx); return err }, "GET /admin-api/applications "},
		"methods": {
			`{"data":{}}`,
			func(c *api.Client) error { _, err := c.Methods(ctx, app); return err }, "GET /admin-api/x/applications/" + id.String() + "/methods ",
		},
		"create": {
			`{"data":{"contextId":"` + id.String() + `","memberPublicKey":"` + key.String() + `"}}`,
			func(c *api.Client) error {
				made, err := c.CreateContext(ctx, api.CreateContextRequest{ApplicationID: app, InitializationParams: api.Bytes("{}")})
				if err == nil && (made.ContextID != id || made.MemberPublicKey != key) {
					err = fmt.Errorf("got %v", made)
				}
				return err
			}, `POST /admin-api/contexts {"applicationId":"` + id.String() + `","initializationParams":[123,125]}`,
		},
		"upload": {
			`{"data":{"applicationId":"` + id.String() + `"}}`, func(c *api.Client) error {
				_, err := c.Upload(ctx, strings.NewReader("code"), api.UploadOptions{Name: "a b.wasm", Version: "1", Metadata: []byte{255}})
				return err
			}, "PUT /admin-api/x/applications?metadata=_w&name=a+b.wasm&version=1 code",
		},
		"alias with a slash": {`{"data":{"value":null}}`, func(c *api.Client) error {
			_, found, err := c.LookupAlias(ctx, identity, "a/b é")
			if found {
				return errors.New("null was found")
			}
			return err
		}, "POST /admin-api/alias/lookup/identity/" + id.String() + "/a%2Fb%20%C3%A9 {}"},
		"alias": {`{"data":null}`, func(c *api.Client) error { return c.CreateAlias(ctx, identity, "bob", api.ID(key)) }, "POST /admin-api/alias/create/identity/" + id.String() + ` {"alias":"bob","identity":"` + key.String() + `"}`},
		"token": {
			`{"data":{"token":"t"}}`, func(c *api.Client) error {
				_, err := c.IssueToken(ctx, api.IssueTokenRequest{Scopes: []string{"context[a,b]"}, TTLSeconds: 60})
				return err
			}, `POST /admin-api/x/tokens {"scopes":["context[a,b]"],"ttlSeconds":60}`,
		},
		"execute": {
			`{"jsonrpc":"2.0","id":1,"result":{"output":[1, 2]}}`, func(c *api.Client) error {
				got, err := c.Execute(ctx, api.ExecuteParams{ContextID: id, Method: "m", ArgsJSON: json.RawMessage(`{"a":1}`), ExecutorPublicKey: key})
				if err == nil && string(got.Output) != "[1, 2]" {
					err = fmt.Errorf("output %s", got.Output)
				}
				return err
			},
			`POST /jsonrpc {"jsonrpc":"2.0","id":1,"method":"execute","params":{"contextId":"` + id.String() +
				`","method":"m","argsJson":{"a":1},"executorPublicKey":"` + key.String() + `"}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			node := &answer{status: 200, body: row.answer}
			if err := row.do(newClient(t, node, api.ClientConfig{Token: "secret", URL: "/prefix/"})); err != nil {
				t.Fatal(err)
			}
			got := node.got.Method + " " + node.got.RequestURI + " " + node.gotBody
			if want := strings.Replace(row.want, " /", " /prefix/", 1); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if auth := node.got.Header.Get("Authorization"); auth != "Bearer secret" {
				t.Errorf("Authorization %q", auth)
			}
		})
	}
}

func TestClientErrors(t *testing.T) {
	for name, row := range map[string]struct {
		node *answer
		want api.Error
	}{
		"json":        {&answer{status: 404, header: map[string]string{"X-Mero-Error": "context_not_found"}, body: `{"error":"Context not found"}`}, api.Error{Status: 404, Kind: api.KindContextNotFound, Message: "Context not found"}},
		"text":        {&answer{status: 500, body: "alias already exists\n"}, api.Error{Status: 500, Message: "alias already exists"}},
		"empty":       {&answer{status: 401, header: map[string]string{"X-Auth-Error": "token_expired"}}, api.Error{Status: 401, Auth: api.AuthExpired}},
		"redirect":    {&answer{status: 302, header: map[string]string{"Location": "http://evil.example/"}}, api.Error{Status: 302}},
		"other shape": {&answer{status: 500, body: `{"data":null}`}, api.Error{Status: 500}},
	} {
		t.Run(name, func(t *testing.T) {
			err := newClient(t, row.node, api.ClientConfig{}).Health(t.Context())
			var got *api.Error
			if !errors.As(err, &got) || *got != row.want {
				t.Errorf("got %#v, want %#v", err, row.want)
			}
			if err.Error() == "" {
				t.Error("no text")
			}
		})
	}
}

func TestClientRPCErrors(t *testing.T) {
	call := func(c *api.Client) error {
		_, err := c.Execute(t.Context(), api.ExecuteParams{ArgsJSON: json.RawMessage("{}")})
		return err
	}
	try := func(c *api.Client) error {
		_, err := c.Call(t.Context(), api.CallRequest{ExecuteParams: api.ExecuteParams{ArgsJSON: json.RawMessage("{}")}})
		return err
	}
	for name, row := range map[string]struct {
		node *answer
		do   func(*api.Client) error
	}{
		"json-rpc": {&answer{status: 200, header: map[string]string{"X-Mero-Error": "timeout"}, body: `{"jsonrpc":"2.0","id":1,"error":{"type":"FunctionCallError","data":"guest panicked: x at a.rs:1:2"}}`}, call},
		"our own":  {&answer{status: 504, header: map[string]string{"X-Mero-Error": "timeout"}, body: `{"error":"guest panicked","type":"FunctionCallError","data":"guest panicked: x at a.rs:1:2"}`}, try},
	} {
		t.Run(name, func(t *testing.T) {
			var got *api.RPCError
			if err := row.do(newClient(t, row.node, api.ClientConfig{})); !errors.As(err, &got) || got.Type != api.RPCFunctionCall || got.Kind != api.KindTimeout || got.Error() != "guest panicked: x at a.rs:1:2" {
				t.Errorf("got %#v", err)
			}
		})
	}
	for name, node := range map[string]*answer{
		"other id":   {status: 200, body: `{"id":2,"result":{"output":1}}`},
		"no result":  {status: 200, body: `{"id":1}`},
		"not JSON":   {status: 200, body: `<html>`},
		"plain text": {status: 422, body: `the body is not a JSON-RPC 2.0 request`},
	} {
		var rpc *api.RPCError
		if err := call(newClient(t, node, api.ClientConfig{})); err == nil || errors.As(err, &rpc) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestClientSpecialAnswers(t *testing.T) {
	missing := newClient(t, &answer{status: 200, body: `{"data":{"application":null}}`}, api.ClientConfig{})
	var got *api.Error
	if _, err := missing.Application(t.Context(), ident.AppID{}); !errors.As(err, &got) || got.Kind != api.KindApplicationNotFound {
		t.Errorf("absent application: %v", err)
	}
	login := newClient(t, &answer{status: 401, header: map[string]string{"X-Auth-Error": "missing_token"}}, api.ClientConfig{})
	if ok, err := login.IsAuthed(t.Context()); ok || err != nil {
		t.Errorf("IsAuthed: %v, %v", ok, err)
	}
	full := newClient(t, &answer{status: 503, body: `{"ready":false,"reason":"disk full"}`}, api.ClientConfig{})
	if ready, err := full.Ready(t.Context()); err != nil || ready.Ready || ready.Reason != "disk full" {
		t.Errorf("Ready: %v, %v", ready, err)
	}
	broken := newClient(t, &answer{status: 404, body: "not found"}, api.ClientConfig{})
	if _, err := broken.Ready(t.Context()); !errors.As(err, &got) || got.Status != 404 {
		t.Errorf("Ready: %v", err)
	}
}

func TestClientLimits(t *testing.T) {
	long := newClient(t, &answer{status: 200, body: strings.Repeat(" ", 1001)}, api.ClientConfig{MaxResponse: 1000})
	if err := long.Health(t.Context()); !errors.Is(err, api.ErrTooLong) {
		t.Errorf("got %v, want ErrTooLong", err)
	}
	never := newClient(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }), api.ClientConfig{})
	ctx, cancel := context.WithTimeout(t.Context(), 1)
	defer cancel()
	if err := never.Health(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want DeadlineExceeded", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	if err := never.Health(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want Canceled", err)
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	c, err := api.NewClient(api.ClientConfig{URL: gone.URL})
	if err != nil {
		t.Fatal(err)
	}
	var unreachable *api.UnreachableError
	if err := c.Health(t.Context()); !errors.As(err, &unreachable) || !strings.Contains(err.Error(), gone.URL) {
		t.Errorf("got %v, want UnreachableError", err)
	}
}

func TestClientAddress(t *testing.T) {
	for _, bad := range []string{"", "127.0.0.1:2528", "ftp://a", "http://", "http://u:p@a", "http://a?x=1", "http://a#b", "http://a b", "/x"} {
		if c, err := api.NewClient(api.ClientConfig{URL: bad}); err == nil {
			t.Errorf("%q is accepted as %s", bad, c.URL())
		} else if strings.Contains(err.Error(), "u:p") {
			t.Errorf("the error shows a password: %v", err)
		}
	}
}

func ExampleClient_Execute() {
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":{"output":"hello"}}`)
	}))
	defer node.Close()
	client, err := api.NewClient(api.ClientConfig{URL: node.URL, Token: "…"})
	if err != nil {
		panic(err)
	}
	result, err := client.Execute(context.Background(), api.ExecuteParams{
		Method: "get", ArgsJSON: json.RawMessage(`{"key":"greeting"}`),
	})
	fmt.Println(string(result.Output), err)
	// Output: "hello" <nil>
}
