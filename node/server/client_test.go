package server_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"mero/node/api"
	"mero/node/ident"
	"mero/node/vm/apptest"
)

// TestClient goes through what the commands do, over a socket.
func TestClient(t *testing.T) {
	l := serve(t, options{}, "127.0.0.1:0")
	c, ctx := l.client(t, l.admin), t.Context()
	wasm := apptest.RawKV(t)
	app, err := c.Upload(ctx, bytes.NewReader(wasm), api.UploadOptions{Name: "kv.wasm", Size: int64(len(wasm)), Metadata: []byte("m")})
	must(t, err)
	if again, err := c.Upload(ctx, bytes.NewReader(wasm), api.UploadOptions{Name: "kv.wasm"}); err != nil || again != app { // in chunks
		t.Errorf("again: %s, %v", again, err)
	}
	got, err := c.Application(ctx, app)
	if err != nil || got.ID != app || got.Source != "file:///kv.wasm" {
		t.Errorf("application %+v, %v", got, err)
	}
	if list, err := c.Applications(ctx); err != nil || len(list) != 1 {
		t.Errorf("applications %v, %v", list, err)
	}
	if methods, err := c.Methods(ctx, app); err != nil || len(methods) == 0 {
		t.Errorf("methods %v, %v", methods, err)
	}
	made, err := c.CreateContext(ctx, api.CreateContextRequest{ApplicationID: app, InitializationParams: api.Bytes{}})
	must(t, err)
	params := api.ExecuteParams{ContextID: made.ContextID, Method: "set", ArgsJSON: json.RawMessage(`{"key":"k","value":"v"}`), ExecutorPublicKey: made.MemberPublicKey}
	trial, err := c.Call(ctx, api.CallRequest{ExecuteParams: params, DryRun: true})
	if err != nil || len(trial.Changes) == 0 {
		t.Errorf("trial %+v, %v", trial, err)
	}
	if _, err := c.Execute(ctx, params); err != nil {
		t.Error(err)
	}
	params.Method, params.ArgsJSON = "get", json.RawMessage(`{"key":"k"}`)
	if out, err := c.Execute(ctx, params); err != nil || string(out.Output) != `"v"` {
		t.Errorf("get: %s, %v", out.Output, err)
	}
	var failed *api.RPCError
	params.Method = "nothing"
	if _, err := c.Execute(ctx, params); !errors.As(err, &failed) || failed.Type != api.RPCFunctionCall {
		t.Errorf("unknown method: %v", err)
	}
	if _, err := c.Call(ctx, api.CallRequest{ExecuteParams: params}); !errors.As(err, &failed) || failed.Error() != `method "nothing" not found` {
		t.Errorf("unknown method, own route: %v", err)
	}
	context, err := c.Context(ctx, made.ContextID)
	if err != nil || len(context.Heads()) != 1 {
		t.Errorf("context %+v, %v", context, err)
	}
	if list, err := c.Contexts(ctx); err != nil || len(list) != 1 {
		t.Errorf("contexts %v, %v", list, err)
	}
	if list, err := c.ContextsOf(ctx, app); err != nil || len(list) != 1 {
		t.Errorf("contexts of the application %v, %v", list, err)
	}
	for _, of := range []func() ([]ident.PublicKey, error){
		func() ([]ident.PublicKey, error) { return c.Identities(ctx, made.ContextID) },
		func() ([]ident.PublicKey, error) { return c.OwnedIdentities(ctx, made.ContextID) },
	} {
		if keys, err := of(); err != nil || len(keys) != 1 || keys[0] != made.MemberPublicKey {
			t.Errorf("identities %v, %v", keys, err)
		}
	}
	if key, err := c.NewIdentity(ctx); err != nil || key.IsZero() {
		t.Errorf("identity %v, %v", key, err)
	}
	if ok, err := c.DeleteContext(ctx, made.ContextID); err != nil || !ok {
		t.Errorf("delete: %v, %v", ok, err)
	}
	var answer *api.Error
	if _, err := c.Context(ctx, made.ContextID); !errors.As(err, &answer) || answer.Kind != api.KindContextNotFound {
		t.Errorf("deleted context: %v", err)
	}
	must(t, c.RemoveApplication(ctx, app))
	if _, err := c.Application(ctx, app); !errors.As(err, &answer) || answer.Kind != api.KindApplicationNotFound {
		t.Errorf("removed application: %v", err)
	}
}

func TestClientAliases(t *testing.T) {
	l := serve(t, options{}, "127.0.0.1:0")
	c, ctx := l.client(t, l.admin), t.Context()
	value := api.ID{1}
	for _, scope := range []api.AliasScope{{Kind: api.AliasContext}, {Kind: api.AliasApplication}, {Kind: api.AliasIdentity, Context: ident.ContextID{2}}} {
		for _, name := range []string{"bob", "a/b", "..", "é %2F ?#", "x\ty", someID} {
			must(t, c.CreateAlias(ctx, scope, name, value))
			if got, ok, err := c.LookupAlias(ctx, scope, name); err != nil || !ok || got != value {
				t.Errorf("%s %q: %v, %v, %v", scope.Kind, name, got, ok, err)
			}
			var answer *api.Error
			if err := c.CreateAlias(ctx, scope, name, api.ID{9}); !errors.As(err, &answer) || answer.Kind != api.KindAliasExists {
				t.Errorf("%s %q twice: %v", scope.Kind, name, err)
			}
			if list, err := c.Aliases(ctx, scope); err != nil || list[name] != value {
				t.Errorf("%s %q: list %v, %v", scope.Kind, name, list, err)
			}
			must(t, c.DeleteAlias(ctx, scope, name))
			if _, ok, err := c.LookupAlias(ctx, scope, name); ok || err != nil {
				t.Errorf("%s %q deleted: %v, %v", scope.Kind, name, ok, err)
			}
		}
	}
}

func TestClientNode(t *testing.T) {
	l := serve(t, options{}, "127.0.0.1:0")
	c, ctx := l.client(t, l.admin), t.Context()
	if ok, err := c.IsAuthed(ctx); err != nil || !ok {
		t.Errorf("is authed: %v, %v", ok, err)
	}
	if ok, err := l.client(t, "").IsAuthed(ctx); err != nil || ok {
		t.Errorf("nobody is authed: %v, %v", ok, err)
	}
	if ready, err := c.Ready(ctx); err != nil || !ready.Ready {
		t.Errorf("ready: %v, %v", ready, err)
	}
	l.free.Store(0)
	if ready, err := c.Ready(ctx); err != nil || ready.Ready || ready.Reason == "" {
		t.Errorf("full disk: %v, %v", ready, err)
	}
	l.free.Store(1 << 40)
	if status, err := c.Status(ctx); err != nil || status.Name != "test" {
		t.Errorf("status: %v, %v", status, err)
	}
	if n, err := c.PeerCount(ctx); err != nil || n != 1 {
		t.Errorf("peers: %d, %v", n, err)
	}
	if peers, err := c.Peers(ctx); err != nil || len(peers) != 1 || peers[0].LatencyMs != 1.5 {
		t.Errorf("peers: %v, %v", peers, err)
	}
	made, err := c.IssueToken(ctx, api.IssueTokenRequest{Name: "x", Scopes: []string{"context:list"}})
	must(t, err)
	narrow := l.client(t, made.Token)
	var answer *api.Error
	if _, err := narrow.Status(ctx); !errors.As(err, &answer) || answer.Kind != api.KindDenied || answer.Auth != api.AuthDenied {
		t.Errorf("too narrow: %v", err)
	}
	if keys, err := c.Tokens(ctx); err != nil || len(keys) != 2 {
		t.Errorf("tokens: %v, %v", keys, err)
	}
	if key, err := c.RevokeToken(ctx, made.KeyID); err != nil || key.RevokedAt == nil {
		t.Errorf("revoke: %v, %v", key, err)
	}
	if _, err := narrow.Contexts(ctx); !errors.As(err, &answer) || answer.Auth != api.AuthRevoked {
		t.Errorf("revoked: %v", err)
	}
}
