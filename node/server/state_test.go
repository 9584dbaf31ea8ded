package server_test

import (
	"bytes"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mero/node/api"
	"mero/node/ident"
	"mero/node/replica"
	"mero/node/vm/apptest"
)

// collectionsDo calls the collections application: lines are what it is to do.
func (n *node) collectionsDo(c api.CreatedContext, lines ...string) {
	n.t.Helper()
	// Its input is lines, which no JSON is, so that it is called beside the API.
	_, err := n.contexts.Execute(n.t.Context(), collectionsCall(c, lines))
	must(n.t, err)
}

// installMore installs the collections application as other code.
func (n *node) installMore() ident.AppID {
	n.t.Helper()
	code := append(bytes.Clone(apptest.Build(n.t, "collections")), 0, 3, 1, 'x', 1)
	return data[api.InstalledResponse](n.t, n.do(request{
		method: "PUT", path: "/admin-api/x/applications?name=more.wasm", token: n.admin,
		body: string(code), header: map[string]string{"Content-Type": "application/wasm"},
	})).ApplicationID
}

func TestStateRoute(t *testing.T) {
	n := newNode(t, options{})
	c := n.create("collections")
	n.collectionsDo(c, "open 0 m 2 0", `put 1 k {"x":1}`, "open 0 l 5 0", "insert_at 2 0 a", "insert_at 2 1 b")
	path := "/admin-api/x/contexts/" + c.ContextID.String() + "/state"
	get := func(query string) api.StatePage {
		t.Helper()
		return data[api.StatePage](t, n.do(request{method: "GET", path: path + query, token: n.admin}))
	}
	all := get("")
	if !all.HostManaged || all.State.Kind != api.StateRoot || len(all.State.Entries) != 2 || all.State.Entries[1].Key != "m" ||
		string(all.State.Entries[1].Entries[0].Value.JSON) != `{"x":1}` || *all.State.Entries[1].Entries[0].Written.Author != c.MemberPublicKey {
		t.Errorf("got %+v", all)
	}
	query := "?path=" + url.QueryEscape(`["l"]`)
	if one := get(query + "&limit=1"); !one.State.More || one.State.Next != "0" || len(one.State.Entries) != 1 {
		t.Errorf("the first of a list: %+v", one.State)
	}
	if rest := get(query + "&after=0"); rest.State.More || len(rest.State.Entries) != 1 || rest.State.Entries[0].Key != "1" {
		t.Errorf("behind the first: %+v", rest.State)
	}
	n.collectionsDo(c, "open 0 m 2 0", "put 1 k 2")
	for _, at := range []string{all.AsOf.ID.String(), all.AsOf.Time.Format(time.RFC3339Nano)} {
		if past := get("?at=" + url.QueryEscape(at)); !cmp.Equal(past, all) {
			t.Errorf("at %s: %s", at, cmp.Diff(all, past))
		}
	}
}

func TestStateBadInput(t *testing.T) {
	n := newNode(t, options{})
	c, kv := n.create("collections"), n.create("rawkv")
	n.collectionsDo(c, "open 0 m 2 0", "put 1 k 1", "open 0 l 5 0", "insert_at 2 0 a")
	long := strings.Repeat("a", 5000)
	for query, want := range map[string]struct {
		status int
		kind   string
		text   string
	}{
		"limit=0":                    {400, api.KindInvalid, "limit"},
		"limit=1001":                 {400, api.KindInvalid, "limit"},
		"limit=-1":                   {400, api.KindInvalid, "limit"},
		"limit=99999999999999999999": {400, api.KindInvalid, "limit"},
		"path=m":                     {400, api.KindInvalid, "path: not a JSON array of strings"},
		"path=":                      {400, api.KindInvalid, "path"},
		"path=[1]":                   {400, api.KindInvalid, "path"},
		"path={}":                    {400, api.KindInvalid, "path"},
		`path=["m"`:                  {400, api.KindInvalid, "path"},
		`path=[["m"]]`:               {400, api.KindInvalid, "path"},
		`path=[""]`:                  {400, api.KindInvalid, "name"},
		`path=["` + long + `"]`:      {400, api.KindInvalid, "64 bytes"},
		`path=["m","` + long + `"]`:  {400, api.KindInvalid, "480 bytes"},
		`path=["m","hex:0"]`:         {400, api.KindInvalid, "hexadecimal"},
		`path=["l","x"]`:             {400, api.KindInvalid, "no index"},
		`path=["l","1"]`:             {404, api.KindStateNotFound, "nothing there"},
		`path=["m","none"]`:          {404, api.KindStateNotFound, "none"},
		`path=["m","k","x"]`:         {404, api.KindStateNotFound, "nothing there"},
		`path=` + `["m"` + strings.Repeat(`,"m"`, 16) + `]`: {400, api.KindInvalid, "more than 16"},
		`path=["l"]&after=x`:      {400, api.KindInvalid, "no index"},
		"at=yesterday":            {400, api.KindInvalid, "at"},
		"at=":                     {400, api.KindInvalid, "at"},
		"at=" + long:              {400, api.KindInvalid, "at"},
		"at=" + someID:            {404, api.KindDeltaNotFound, ""},
		"at=1990-01-01T00:00:00Z": {404, api.KindTooEarly, "it began at"},
	} {
		name, value, _ := strings.Cut(query, "=")
		value, more, _ := strings.Cut(value, "&")
		w := n.do(request{method: "GET", path: "/admin-api/x/contexts/" + c.ContextID.String() + "/state?" + name + "=" + url.QueryEscape(value) + "&" + more, token: n.admin})
		if w.Code != want.status || w.Header().Get(api.HeaderErrorKind) != want.kind || !strings.Contains(w.Body.String(), want.text) || w.Body.Len() > 1000 {
			t.Errorf("%.60s: got %d %q %.300s", query, w.Code, w.Header().Get(api.HeaderErrorKind), w.Body)
		}
	}
	n.want(404, "*", request{method: "GET", path: "/admin-api/x/contexts/" + someID + "/state"})
	n.want(400, "*", request{method: "GET", path: "/admin-api/x/contexts/zzz/state"})
	n.want(405, "*", request{method: "POST", path: "/admin-api/x/contexts/" + someID + "/state", body: "{}"})
	n.want(400, "*", request{method: "GET", path: "/admin-api/x/contexts/" + kv.ContextID.String() + "/state?path=" + url.QueryEscape(`["a","b"]`)})
}

func TestUpdateApplication(t *testing.T) {
	n := newNode(t, options{})
	c := n.create("collections")
	n.collectionsDo(c, "open 0 m 2 0", "put 1 k 1")
	next, kv := n.installMore(), n.install("rawkv")
	path := "/admin-api/contexts/" + c.ContextID.String() + "/application"
	body := func(app ident.AppID, key ident.PublicKey, more string) string {
		return `{"applicationId":"` + app.String() + `","executorPublicKey":"` + key.String() + `"` + more + `}`
	}
	other := ident.PublicKey(c.ContextID)
	for name, row := range map[string]struct {
		path, body string
		status     int
		kind       string
	}{
		"another form of state":    {path, body(kv, c.MemberPublicKey, ""), 422, api.KindGuest},
		"not installed":            {path, body(ident.AppID{1}, c.MemberPublicKey, ""), 404, api.KindApplicationNotFound},
		"not a member here":        {path, body(next, other, ""), 403, api.KindUnauthorized},
		"no such method":           {path, body(next, c.MemberPublicKey, `,"migrateMethod":"none"`), 404, api.KindMethodNotFound},
		"unknown context":          {strings.Replace(path, c.ContextID.String(), someID, 1), body(next, c.MemberPublicKey, ""), 404, api.KindContextNotFound},
		"garbled context":          {strings.Replace(path, c.ContextID.String(), "zzz", 1), body(next, c.MemberPublicKey, ""), 400, api.KindInvalid},
		"no executor":              {path, `{"applicationId":"` + next.String() + `"}`, 422, api.KindInvalid},
		"no application":           {path, `{"executorPublicKey":"` + c.MemberPublicKey.String() + `"}`, 422, api.KindInvalid},
		"a method that is no text": {path, body(next, c.MemberPublicKey, `,"migrateMethod":1`), 422, api.KindInvalid},
		"noise":                    {path, "noise", 400, api.KindInvalid},
		"a very long method":       {path, body(next, c.MemberPublicKey, `,"migrateMethod":"`+strings.Repeat("m", 100000)+`"`), 0, ""},
	} {
		w := n.do(request{method: "POST", path: row.path, body: row.body, token: n.admin})
		if w.Code == 200 || row.status != 0 && (w.Code != row.status || w.Header().Get(api.HeaderErrorKind) != row.kind) {
			t.Errorf("%s: got %d %q %.200s; want %d %q", name, w.Code, w.Header().Get(api.HeaderErrorKind), w.Body, row.status, row.kind)
		}
	}
	info, err := n.contexts.Get(c.ContextID)
	must(t, err)
	if info.Deltas != 3 && info.Deltas != 2 || info.App == next {
		t.Fatalf("something changed: %+v", info)
	}
	n.want(200, `{"data":null}`, request{method: "POST", path: path, body: body(next, c.MemberPublicKey, `,"migrateMethod":"migrate"`)})
	w := n.do(request{method: "POST", path: path, body: body(next, c.MemberPublicKey, ""), token: n.admin})
	if w.Code != http.StatusConflict || w.Header().Get(api.HeaderErrorKind) != api.KindSameApplication {
		t.Errorf("the same again: %d %s", w.Code, w.Body)
	}
	n.want(200, `{"data":null}`, request{method: "POST", path: path, body: body(info.App, c.MemberPublicKey, "")})
}

// TestStateClient: what the client reads is what the routes answer.
func TestStateClient(t *testing.T) {
	l := serve(t, options{}, "127.0.0.1:0")
	c := l.create("collections")
	l.collectionsDo(c, "open 0 m 2 0", "put 1 a/b ✓", "put 1 k 1")
	client, err := api.NewClient(api.ClientConfig{URL: l.url, Token: l.admin})
	must(t, err)
	page, err := client.State(t.Context(), c.ContextID, api.StateQuery{Path: []string{"m", "a/b"}})
	must(t, err)
	if page.State.Value.Text != "✓" || len(page.Path) != 2 {
		t.Errorf("got %+v", page)
	}
	page, err = client.State(t.Context(), c.ContextID, api.StateQuery{Path: []string{"m"}, Limit: 1, At: &page.AsOf.ID})
	must(t, err)
	if page.State.Next != "a/b" {
		t.Errorf("got %+v", page.State)
	}
	page, err = client.State(t.Context(), c.ContextID, api.StateQuery{Path: []string{"m"}, After: page.State.Next, Time: page.AsOf.Time})
	must(t, err)
	if len(page.State.Entries) != 1 || page.State.Entries[0].Key != "k" {
		t.Errorf("got %+v", page.State)
	}
	var failed *api.Error
	if _, err := client.State(t.Context(), c.ContextID, api.StateQuery{Time: time.Unix(1, 0)}); !errors.As(err, &failed) || failed.Kind != api.KindTooEarly {
		t.Errorf("before genesis: %v", err)
	}
	req := api.UpdateAppRequest{ApplicationID: l.installMore(), ExecutorPublicKey: c.MemberPublicKey}
	must(t, client.UpdateApp(t.Context(), c.ContextID, req))
	if err := client.UpdateApp(t.Context(), c.ContextID, req); !errors.As(err, &failed) || failed.Kind != api.KindSameApplication {
		t.Errorf("the same again: %v", err)
	}
}

func collectionsCall(c api.CreatedContext, lines []string) replica.Request {
	return replica.Request{Context: c.ContextID, Method: "do", Input: []byte(strings.Join(lines, "\n")), Executor: c.MemberPublicKey}
}
