package api_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mero/blobkit"
	"mero/node/api"
	"mero/node/ident"
)

const ones = "11111111111111111111111111111111"

func TestShapes(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ctx, app, key, hash := ident.ContextID{31: 1}, ident.AppID{31: 2}, ident.PublicKey{31: 3}, api.Hash{31: 4}
	idCtx, idApp, idKey, idHash := ctx.String(), app.String(), key.String(), hash.String()
	handler := "on_set"
	empty, value := api.Bytes{}, api.Bytes{1, 255}
	for name, row := range map[string]struct {
		value any
		want  string
	}{
		"void":      {api.Void{}, `{"data":null}`},
		"bytes":     {api.Bytes{0, 1, 255}, `[0,1,255]`},
		"nil bytes": {api.Bytes(nil), `[]`},
		"application": {
			api.Data[api.ApplicationsResponse]{Data: api.ApplicationsResponse{Apps: []api.Application{{
				ID: app, Blob: api.ApplicationBlob{Bytecode: blobkit.ID{31: 5}}, Size: 7, Source: "file:///a.wasm",
				Metadata: api.Bytes{1}, Package: "unknown", Version: "0.0.0", InstalledAt: at,
			}}}},
			`{"data":{"apps":[{"id":"` + idApp + `","blob":{"bytecode":"` + blobkit.ID{31: 5}.String() + `","compiled":"` + ones + `"},` +
				`"size":7,"source":"file:///a.wasm","metadata":[1],"package":"unknown","version":"0.0.0","installedAt":"2026-01-02T03:04:05Z"}]}}`,
		},
		"no application": {api.Data[api.ApplicationResponse]{}, `{"data":{"application":null}}`},
		"context": {
			api.Context{ID: ctx, ApplicationID: app, RootHash: hash, DagHeads: []api.Bytes{{1, 2}}, Members: 1, CreatedAt: at, Initialized: true, StateBytes: 9, Deltas: 2, Void: 3, Waiting: 4},
			`{"id":"` + idCtx + `","applicationId":"` + idApp + `","rootHash":"` + idHash + `","dagHeads":[[1,2]],"members":1,` +
				`"createdAt":"2026-01-02T03:04:05Z","initialized":true,"stateBytes":9,"deltas":2,"void":3,"waiting":4}`,
		},
		"with executors": {
			api.ContextsWithExecutorsResponse{Contexts: []api.ContextWithExecutors{{ID: ctx, ApplicationID: app, RootHash: hash, Executors: []ident.PublicKey{key}}}},
			`{"contexts":[{"id":"` + idCtx + `","application_id":"` + idApp + `","root_hash":"` + idHash + `","executors":["` + idKey + `"]}]}`,
		},
		"created":      {api.CreatedContext{ContextID: ctx, MemberPublicKey: key}, `{"contextId":"` + idCtx + `","memberPublicKey":"` + idKey + `"}`},
		"deleted":      {api.DeletedContext{IsDeleted: true}, `{"isDeleted":true}`},
		"storage":      {api.StorageResponse{SizeInBytes: 3}, `{"sizeInBytes":3}`},
		"identity":     {api.IdentityResponse{PublicKey: key}, `{"publicKey":"` + idKey + `"}`},
		"no alias":     {api.Data[api.LookupAliasResponse]{}, `{"data":{"value":null}}`},
		"peers":        {api.PeersCount{Count: 2}, `{"count":2}`},
		"event":        {api.Event{Kind: "Set", Data: api.Bytes{1}, Handler: &handler}, `{"kind":"Set","data":[1],"handler":"on_set"}`},
		"no handler":   {api.Event{Kind: "Set"}, `{"kind":"Set","data":[],"handler":null}`},
		"state change": {api.StateChange{Key: api.Bytes{7}, Old: &empty, New: &value}, `{"key":[7],"old":[],"new":[1,255]}`},
		"removed":      {api.StateChange{Key: api.Bytes{7}, Old: &value}, `{"key":[7],"old":[1,255],"new":null}`},
		"create": {
			api.CreateContextRequest{ApplicationID: app},
			`{"applicationId":"` + idApp + `","initializationParams":[]}`,
		},
		"install": {api.InstallPathRequest{Path: "/a"}, `{"path":"/a","metadata":[]}`},
		"call": {
			api.CallRequest{ExecuteParams: api.ExecuteParams{ContextID: ctx, Method: "get", ArgsJSON: json.RawMessage(`{"k":1}`), ExecutorPublicKey: key}, DryRun: true},
			`{"contextId":"` + idCtx + `","method":"get","argsJson":{"k":1},"executorPublicKey":"` + idKey + `","dryRun":true}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := json.Marshal(row.value)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(row.want, string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestBytesRead(t *testing.T) {
	for text, want := range map[string]api.Bytes{
		"[]": {}, "[ ]": {}, "[0,1 , 255]": {0, 1, 255}, "null": nil, " [7] ": {7},
	} {
		var got api.Bytes
		if err := json.Unmarshal([]byte(text), &got); err != nil || !cmp.Equal(got, want) {
			t.Errorf("%s: %#v, %v; want %#v", text, got, err, want)
		}
	}
	for _, text := range []string{`"AAE="`, "[256]", "[-1]", "[1.5]", "[1e1]", `["1"]`, "[null]", "{}", "[[1]]", "7", "true"} {
		var got api.Bytes
		if err := json.Unmarshal([]byte(text), &got); err == nil {
			t.Errorf("%s reads as %v", text, got)
		}
	}
}

func FuzzBytes(f *testing.F) {
	f.Add([]byte("[1,2,255]"))
	f.Add([]byte("[1,]"))
	f.Add([]byte(" null"))
	f.Fuzz(func(t *testing.T, doc []byte) {
		var got api.Bytes
		if got.UnmarshalJSON(doc) != nil {
			return
		}
		again, err := got.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		var back api.Bytes
		if err := back.UnmarshalJSON(again); err != nil || string(back) != string(got) {
			t.Errorf("%q reads as %v, prints %s", doc, got, again)
		}
	})
}

func TestContextHeads(t *testing.T) {
	head := api.Hash{1, 2, 3}
	c := api.Context{DagHeads: []api.Bytes{head[:], {1}}}
	if got := c.Heads(); len(got) != 1 || got[0] != head {
		t.Errorf("got %v", got)
	}
}

func TestDecodeCreateAlias(t *testing.T) {
	value := api.ID{31: 9}
	v := value.String()
	for name, row := range map[string]struct {
		kind api.AliasKind
		body string
		ok   bool
	}{
		"context":         {api.AliasContext, `{"alias":"a","contextId":"` + v + `"}`, true},
		"application":     {api.AliasApplication, `{"alias":"a","applicationId":"` + v + `"}`, true},
		"identity":        {api.AliasIdentity, `{"alias":"a","identity":"` + v + `"}`, true},
		"mero-js":         {api.AliasContext, `{"name":"a","value":"` + v + `"}`, true},
		"unknown fields":  {api.AliasContext, `{"name":"a","value":"` + v + `","x":1}`, true},
		"other kind":      {api.AliasContext, `{"alias":"a","applicationId":"` + v + `"}`, false},
		"no name":         {api.AliasContext, `{"contextId":"` + v + `"}`, false},
		"null":            {api.AliasContext, `{"alias":null,"contextId":"` + v + `"}`, false},
		"empty":           {api.AliasContext, `{"alias":"","contextId":"` + v + `"}`, false},
		"fifty bytes":     {api.AliasContext, `{"alias":"` + strings.Repeat("a", 50) + `","contextId":"` + v + `"}`, true},
		"fifty-one bytes": {api.AliasContext, `{"alias":"` + strings.Repeat("a", 51) + `","contextId":"` + v + `"}`, false},
		"bad id":          {api.AliasContext, `{"alias":"a","contextId":"0"}`, false},
		"number":          {api.AliasContext, `{"alias":1,"contextId":"` + v + `"}`, false},
		"array":           {api.AliasContext, `[]`, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := api.DecodeCreateAlias(row.kind, []byte(row.body))
			if (err == nil) != row.ok {
				t.Fatalf("%v, want ok=%v", err, row.ok)
			}
			if row.ok && got.Value != value {
				t.Errorf("value %s", got.Value)
			}
		})
	}
	for _, kind := range []api.AliasKind{api.AliasContext, api.AliasApplication, api.AliasIdentity} {
		req := api.CreateAliasRequest{Alias: "é/…", Value: value}
		doc, err := req.EncodeFor(kind)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := api.DecodeCreateAlias(kind, doc); err != nil || got != req {
			t.Errorf("%s: %v, %v", doc, got, err)
		}
	}
	if err := api.CheckAlias("\xff"); !errors.Is(err, api.ErrBadAlias) {
		t.Errorf("not UTF-8: %v", err)
	}
}

func TestRequireFields(t *testing.T) {
	for body, missing := range map[string]string{
		`{"a":1,"b":[]}`: "", `{"a":1}`: "b", `{"b":1}`: "a", `{"a":1,"b":null}`: "b", `{"A":1,"b":1}`: "a", `{}`: "a",
	} {
		err := api.RequireFields([]byte(body), "a", "b")
		if (err == nil) != (missing == "") || err != nil && !strings.Contains(err.Error(), "`"+missing+"`") {
			t.Errorf("%s: %v, want %q", body, err, missing)
		}
	}
	if api.RequireFields([]byte(`[1]`), "a") == nil {
		t.Error("an array has fields")
	}
}
