package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"mero/node/api"
	"mero/node/ident"
)

// graph is a context with six deltas, and the path of its routes.
func graph(t *testing.T) (n *node, c api.CreatedContext, path string) {
	t.Helper()
	n = newNode(t, options{})
	c = n.create("rawkv")
	for i := range 4 {
		n.call(c, "set", fmt.Sprintf(`{"key":"k%d","value":"v"}`, i))
	}
	return n, c, "/admin-api/x/contexts/" + c.ContextID.String()
}

func TestDagRoutes(t *testing.T) {
	n, c, path := graph(t)
	get := func(query string) api.DagPage {
		t.Helper()
		return data[api.DagPage](t, n.do(request{method: "GET", path: path + "/dag" + query, token: n.admin}))
	}
	all := get("")
	if len(all.Deltas) != 6 || all.Next != nil || all.Summary == nil || all.Summary.Folded != 6 || all.ContextID != c.ContextID {
		t.Fatalf("got %+v", all)
	}
	if first := all.Deltas[5]; first.Kind != "genesis" || first.Head || !all.Deltas[0].Head || all.Deltas[0].Author != c.MemberPublicKey {
		t.Errorf("got %+v", all.Deltas)
	}
	two := get("?limit=2")
	if len(two.Deltas) != 2 || two.Next == nil {
		t.Fatalf("got %+v", two)
	}
	rest := get("?after=" + two.Next.String())
	if len(rest.Deltas) != 4 || rest.Summary != nil || rest.Deltas[0].ID != all.Deltas[2].ID {
		t.Errorf("got %+v", rest)
	}
	for query, want := range map[string]int{
		"?author=" + c.MemberPublicKey.String(): 6, "?author=" + someID: 0, "?pending=true": 0, "?pending=false": 6,
		"?since=" + url.QueryEscape(all.Deltas[3].Time.Format(time.RFC3339Nano)): 4,
		"?until=" + url.QueryEscape(all.Deltas[3].Time.Format(time.RFC3339Nano)): 3, "?unknown=1": 6,
	} {
		if got := get(query); len(got.Deltas) != want {
			t.Errorf("%s: %d deltas, want %d", query, len(got.Deltas), want)
		}
	}
	one := data[api.DeltaDetail](t, n.do(request{method: "GET", path: path + "/dag/" + all.Deltas[0].ID.String(), token: n.admin}))
	if one.ID != all.Deltas[0].ID || one.Signature != api.SignatureGood || one.Payload == nil || one.Payload.Artifact.Size == 0 {
		t.Errorf("got %+v", one)
	}
}

func TestDagBadInput(t *testing.T) {
	n, _, path := graph(t)
	for _, query := range []string{
		"limit=0", "limit=1001", "limit=-1", "limit=x", "limit=", "author=x", "author=", "after=x", "since=yesterday", "until=1",
		"pending=maybe", "since=" + strings.Repeat("9", 5000), "after=" + strings.Repeat("1", 5000),
	} {
		w := n.do(request{method: "GET", path: path + "/dag?" + query, token: n.admin})
		name, _, _ := strings.Cut(query, "=")
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), name) {
			t.Errorf("%.30s: got %d %.100s", query, w.Code, w.Body)
		}
	}
	other := "/admin-api/x/contexts/" + someID
	for name, row := range map[string]struct {
		req    request
		status int
		kind   string
	}{
		"dag of an unknown context":     {request{method: "GET", path: other + "/dag"}, 404, api.KindContextNotFound},
		"delta of an unknown context":   {request{method: "GET", path: other + "/dag/" + someID}, 404, api.KindContextNotFound},
		"verify of an unknown context":  {request{method: "POST", path: other + "/verify", body: `{}`}, 404, api.KindContextNotFound},
		"rebuild of an unknown context": {request{method: "POST", path: other + "/rebuild", body: `{}`}, 404, api.KindContextNotFound},
		"unknown delta":                 {request{method: "GET", path: path + "/dag/" + someID}, 404, api.KindDeltaNotFound},
		"after an unknown delta":        {request{method: "GET", path: path + "/dag?after=" + someID}, 404, api.KindDeltaNotFound},
		"verify without a body":         {request{method: "POST", path: path + "/verify"}, 415, api.KindUnsupportedMedia},
		"verify with noise":             {request{method: "POST", path: path + "/verify", body: "noise"}, 400, api.KindInvalid},
		"verify with a wrong type":      {request{method: "POST", path: path + "/verify", body: `{"log":1}`}, 422, api.KindInvalid},
		"dag by POST":                   {request{method: "POST", path: path + "/dag", body: `{}`}, 405, api.KindMethodNotAllowed},
	} {
		row.req.token = n.admin
		if w := n.do(row.req); w.Code != row.status || w.Header().Get(api.HeaderErrorKind) != row.kind {
			t.Errorf("%s: got %d %q %s; want %d %q", name, w.Code, w.Header().Get(api.HeaderErrorKind), w.Body, row.status, row.kind)
		}
	}
}

// TestDagScopes: who may list contexts sees how they are made, but not what their
// deltas say; checks are the operator's.
func TestDagScopes(t *testing.T) {
	n, c, path := graph(t)
	id := data[api.DagPage](t, n.do(request{method: "GET", path: path + "/dag", token: n.admin})).Deltas[0].ID.String()
	ctx, key := c.ContextID.String(), c.MemberPublicKey.String()
	routes := []request{
		{method: "GET", path: path + "/dag"},
		{method: "GET", path: path + "/dag/" + id},
		{method: "POST", path: path + "/verify", body: `{}`},
		{method: "POST", path: path + "/rebuild", body: `{}`},
		{method: "GET", path: path + "/state"},
	}
	for scope, want := range map[string][]int{
		"admin":                              {200, 200, 200, 200, 200},
		"context:list":                       {200, 403, 403, 403, 403},
		"context:list[" + ctx + "]":          {200, 403, 403, 403, 403},
		"context:execute[" + ctx + "]":       {403, 200, 403, 403, 200},
		"context[" + ctx + "]":               {200, 200, 403, 403, 200},
		"context[" + someID + "]":            {403, 403, 403, 403, 403},
		"context[" + ctx + "," + key + "]":   {403, 403, 403, 403, 403},
		"application blob keys context:list": {200, 403, 403, 403, 403},
	} {
		token := n.token(scope)
		for i, req := range routes {
			req.token = token
			if w := n.do(req); w.Code != want[i] {
				t.Errorf("%s: %s %s: got %d %s, want %d", scope, req.method, req.path, w.Code, w.Body, want[i])
			}
		}
	}
}

func TestVerifyRoutes(t *testing.T) {
	n, c, path := graph(t)
	info, err := n.contexts.Get(c.ContextID)
	must(t, err)
	for _, req := range []request{
		{method: "POST", path: path + "/verify", body: `{}`},
		{method: "POST", path: path + "/verify", body: `{"log":true,"repair":true}`},
		{method: "POST", path: path + "/rebuild", body: `{}`},
		{method: "POST", path: path + "/rebuild"},
	} {
		req.token = n.admin
		rep := data[api.ContextReport](t, n.do(req))
		if !rep.OK || rep.ContextID != c.ContextID || rep.RootHash != api.Hash(info.Root) || rep.Deltas != 6 || len(rep.Problems) != 0 ||
			rep.Repaired != strings.HasSuffix(req.path, "rebuild") {
			t.Errorf("%s %s: %+v", req.path, req.body, rep)
		}
	}
	shape := data[api.Context](t, n.do(request{method: "GET", path: "/admin-api/contexts/" + c.ContextID.String(), token: n.admin}))
	if shape.Deltas != 6 || shape.Void != 0 || shape.Waiting != 0 {
		t.Errorf("context: %+v", shape)
	}
}

// TestDagClient: what the client reads is what the routes answer.
func TestDagClient(t *testing.T) {
	l := serve(t, options{}, "127.0.0.1:0")
	c := l.create("rawkv")
	client, err := api.NewClient(api.ClientConfig{URL: l.url, Token: l.admin})
	must(t, err)
	page, err := client.Dag(t.Context(), c.ContextID, api.DagQuery{Limit: 1, Author: &c.MemberPublicKey, Since: time.Unix(1, 0), Until: time.Now().Add(time.Hour)})
	must(t, err)
	if len(page.Deltas) != 1 || page.Next == nil || page.Summary.Matching != 2 {
		t.Errorf("got %+v", page)
	}
	detail, err := client.Delta(t.Context(), c.ContextID, page.Deltas[0].ID)
	must(t, err)
	if detail.ID != page.Deltas[0].ID || detail.Payload == nil {
		t.Errorf("got %+v", detail)
	}
	for _, req := range []api.VerifyRequest{{}, {Log: true}, {Repair: true}} {
		rep, err := client.VerifyContext(t.Context(), c.ContextID, req)
		must(t, err)
		if !rep.OK || rep.Deep != req.Log {
			t.Errorf("%+v: %+v", req, rep)
		}
	}
	rep, err := client.RebuildContext(t.Context(), c.ContextID)
	must(t, err)
	if !rep.Repaired {
		t.Errorf("got %+v", rep)
	}
	if _, err := client.Dag(t.Context(), ident.ContextID{1}, api.DagQuery{}); err == nil {
		t.Error("an unknown context has a graph")
	}
}
