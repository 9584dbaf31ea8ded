package server_test

import (
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mero/node/api"
	"mero/node/ident"
	"mero/node/server"
	"mero/node/vm/apptest"
)

const (
	installDev = "/admin-api/install-dev-application"
	installURL = "/admin-api/install-application"
	uploadPath = "/admin-api/x/applications"
)

func TestInstall(t *testing.T) {
	n := newNode(t, options{})
	wasm := apptest.RawKV(t)
	file := filepath.Join(t.TempDir(), "kv.wasm")
	must(t, os.WriteFile(file, wasm, 0o600))
	site := httptest.NewServer(http.FileServer(http.Dir(filepath.Dir(file))))
	t.Cleanup(site.Close)
	hash := api.Hash(sha256.Sum256(wasm)).String()

	byPath := data[api.InstalledResponse](t, n.do(request{method: "POST", path: installDev, token: n.admin, body: `{"path":"` + file + `","metadata":[1,2],"package":"x","version":"9"}`}))
	byURL := data[api.InstalledResponse](t, n.do(request{method: "POST", path: installURL, token: n.admin, body: `{"url":"` + site.URL + `/kv.wasm","hash":"` + hash + `","metadata":[]}`}))
	if uploaded := n.install("rawkv"); byPath.ApplicationID != uploaded || byURL.ApplicationID != uploaded {
		t.Errorf("one application has three ids: %v, %v, %v", byPath, byURL, uploaded)
	}
	app := data[api.ApplicationResponse](t, n.do(request{method: "GET", path: "/admin-api/applications/" + byPath.ApplicationID.String(), token: n.admin})).Application
	if app == nil || app.Size != uint64(len(wasm)) || app.Package != "unknown" || app.Version != "0.0.0" || !cmp.Equal(app.Metadata, api.Bytes{1, 2}) || !strings.HasPrefix(app.Source, "file:///") {
		t.Errorf("got %+v", app)
	}
	list := data[api.ApplicationsResponse](t, n.do(request{method: "GET", path: "/admin-api/applications", token: n.admin}))
	if len(list.Apps) != 1 || list.Apps[0].ID != byPath.ApplicationID {
		t.Errorf("list %+v", list)
	}
	methods := data[api.MethodsResponse](t, n.do(request{method: "GET", path: uploadPath + "/" + byPath.ApplicationID.String() + "/methods", token: n.admin}))
	if !slices.Contains(methods.Methods, "set") || slices.ContainsFunc(methods.Methods, func(m string) bool { return strings.HasPrefix(m, "_") }) {
		t.Errorf("methods %v", methods.Methods)
	}
	other := data[api.InstalledResponse](t, n.do(request{
		method: "PUT", path: uploadPath + "?package=org.example.kv&version=1.2.3&name=..%2f..%2fetc%2fpasswd&metadata=_w", token: n.admin, body: string(wasm),
	}))
	app = data[api.ApplicationResponse](t, n.do(request{method: "GET", path: "/admin-api/applications/" + other.ApplicationID.String(), token: n.admin})).Application
	if app == nil || app.Package != "org.example.kv" || app.Version != "1.2.3" || app.Source != "file:///passwd" || !cmp.Equal(app.Metadata, api.Bytes{255}) {
		t.Errorf("got %+v", app)
	}
	for range 2 { // idempotent
		n.want(200, `{"data":{"applicationId":"`+other.ApplicationID.String()+`"}}`, request{method: "DELETE", path: "/admin-api/applications/" + other.ApplicationID.String()})
	}
	n.want(200, `{"data":{"application":null}}`, request{method: "GET", path: "/admin-api/applications/" + other.ApplicationID.String()})
}

func TestInstallRefuses(t *testing.T) {
	n := newNode(t, options{})
	site := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(site.Close)
	noMemory := "\x00asm\x01\x00\x00\x00"
	for name, row := range map[string]struct {
		req    request
		status int
		kind   string
		text   string
	}{
		"no such file":      {request{method: "POST", path: installDev, body: `{"path":"/does/not/exist","metadata":[]}`}, 500, api.KindFetchFailed, "application file not found"},
		"a directory":       {request{method: "POST", path: installDev, body: `{"path":"/","metadata":[]}`}, 500, api.KindFetchFailed, ""},
		"no metadata":       {request{method: "POST", path: installDev, body: `{"path":"/x"}`}, 422, api.KindInvalid, "missing field `metadata`"},
		"metadata as text":  {request{method: "POST", path: installDev, body: `{"path":"/x","metadata":"AA=="}`}, 422, api.KindInvalid, "array of numbers"},
		"path is a number":  {request{method: "POST", path: installDev, body: `{"path":7,"metadata":[]}`}, 422, api.KindInvalid, "path"},
		"not JSON":          {request{method: "POST", path: installDev, body: `{`}, 400, api.KindInvalid, ""},
		"a list":            {request{method: "POST", path: installDev, body: `[]`}, 422, api.KindInvalid, ""},
		"other scheme":      {request{method: "POST", path: installURL, body: `{"url":"ftp://x/y.wasm","metadata":[]}`}, 500, api.KindFetchFailed, "http"},
		"404 there":         {request{method: "POST", path: installURL, body: `{"url":"` + site.URL + `/x","metadata":[]}`}, 500, api.KindFetchFailed, "404"},
		"bad hash":          {request{method: "POST", path: installURL, body: `{"url":"` + site.URL + `/x","metadata":[],"hash":"0"}`}, 422, api.KindInvalid, "hash"},
		"not wasm":          {request{method: "PUT", path: uploadPath, body: "text"}, 422, api.KindBadApplication, "not a WebAssembly module"},
		"nothing":           {request{method: "PUT", path: uploadPath}, 422, api.KindBadApplication, ""},
		"no memory":         {request{method: "PUT", path: uploadPath, body: noMemory}, 422, api.KindBadApplication, "memory"},
		"too large":         {request{method: "PUT", path: uploadPath, body: strings.Repeat("x", 20<<20+1)}, 413, api.KindTooLarge, ""},
		"query hash":        {request{method: "PUT", path: uploadPath + "?hash=0", body: noMemory}, 400, api.KindInvalid, "hash"},
		"query metadata":    {request{method: "PUT", path: uploadPath + "?metadata=%25", body: noMemory}, 400, api.KindInvalid, "metadata"},
		"other hash":        {request{method: "PUT", path: uploadPath + "?hash=" + someID, body: noMemory}, 422, api.KindBadApplication, "hash"},
		"methods of none":   {request{method: "GET", path: uploadPath + "/" + someID + "/methods"}, 404, api.KindApplicationNotFound, ""},
		"remove, bad id":    {request{method: "DELETE", path: "/admin-api/applications/zz"}, 400, api.KindInvalid, ""},
		"body without type": {request{method: "POST", path: installDev, body: `{}`, header: map[string]string{"Content-Type": ""}}, 415, api.KindUnsupportedMedia, ""},
	} {
		t.Run(name, func(t *testing.T) {
			row.req.token = n.admin
			w := n.do(row.req)
			if w.Code != row.status || w.Header().Get(api.HeaderErrorKind) != row.kind || !strings.Contains(w.Body.String(), row.text) {
				t.Errorf("got %d %q %s\nwant %d %q %s", w.Code, w.Header().Get(api.HeaderErrorKind), w.Body, row.status, row.kind, row.text)
			}
			isText := strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain")
			if reference := row.req.path == installDev || row.req.path == installURL; reference && !isText {
				t.Errorf("Content-Type %q: failures to install are plain text in the reference", w.Header().Get("Content-Type"))
			}
		})
	}
	n.want(200, `{"data":{"apps":[]}}`, request{method: "GET", path: "/admin-api/applications"}) // nothing was stored
}

func TestContexts(t *testing.T) {
	n := newNode(t, options{})
	app := n.install("rawkv")
	seed := api.Hash{1, 2, 3}.String()
	body := `{"protocol":"near","applicationId":"` + app.String() + `","contextSeed":"` + seed + `","initializationParams":[]}`
	made := data[api.CreatedContext](t, n.do(request{method: "POST", path: "/admin-api/contexts", token: n.admin, body: body}))
	id, key := made.ContextID.String(), made.MemberPublicKey.String()

	w := n.do(request{method: "POST", path: "/admin-api/contexts", token: n.admin, body: body})
	if w.Code != 409 || w.Body.String() != `{"error":"seed resulted in an already existing context"}` || w.Header().Get(api.HeaderErrorKind) != api.KindContextExists {
		t.Errorf("the seed again: %d %s", w.Code, w.Body)
	}
	shape := data[api.Context](t, n.do(request{method: "GET", path: "/admin-api/contexts/" + id, token: n.admin}))
	if shape.ID != made.ContextID || shape.ApplicationID != app || shape.RootHash.IsZero() || len(shape.Heads()) != 1 || shape.Members != 1 || !shape.Initialized || shape.Deltas == 0 {
		t.Errorf("got %+v", shape)
	}
	if list := data[api.ContextsResponse](t, n.do(request{method: "GET", path: "/admin-api/contexts", token: n.admin})); !cmp.Equal(list.Contexts, []api.Context{shape}) {
		t.Errorf("list %+v", list)
	}
	if list := data[api.ContextsResponse](t, n.do(request{method: "GET", path: "/admin-api/contexts/for-application/" + app.String(), token: n.admin})); len(list.Contexts) != 1 {
		t.Errorf("of the application: %+v", list)
	}
	n.want(200, `{"data":{"contexts":[]}}`, request{method: "GET", path: "/admin-api/contexts/for-application/" + someID})
	n.want(200, `{"contexts":[{"id":"`+id+`","application_id":"`+app.String()+`","root_hash":"`+shape.RootHash.String()+`","executors":["`+key+`"]}]}`,
		request{method: "GET", path: "/admin-api/contexts/with-executors/for-application/" + app.String()})
	for _, which := range []string{"identities", "identities-owned"} {
		n.want(200, `{"data":{"identities":["`+key+`"]}}`, request{method: "GET", path: "/admin-api/contexts/" + id + "/" + which})
		n.want(404, `{"error":"Context not found"}`, request{method: "GET", path: "/admin-api/contexts/" + someID + "/" + which})
	}
	if got := data[api.StorageResponse](t, n.do(request{method: "GET", path: "/admin-api/contexts/" + id + "/storage", token: n.admin})); got.SizeInBytes != shape.StateBytes {
		t.Errorf("storage %+v, want %d", got, shape.StateBytes)
	}
	w = n.do(request{method: "DELETE", path: "/admin-api/applications/" + app.String(), token: n.admin})
	if w.Code != 500 || w.Header().Get(api.HeaderErrorKind) != api.KindApplicationInUse {
		t.Errorf("removing an application in use: %d %s", w.Code, w.Body)
	}
	n.want(200, `{"data":{"isDeleted":true}}`, request{method: "DELETE", path: "/admin-api/contexts/" + id})
	n.want(200, `{"data":{"isDeleted":false}}`, request{method: "DELETE", path: "/admin-api/contexts/" + id})
	n.want(404, `{"error":"Context not found"}`, request{method: "GET", path: "/admin-api/contexts/" + id})
	n.want(400, `{"error":"Invalid context id"}`, request{method: "DELETE", path: "/admin-api/contexts/zz"})
}

func TestCreateRefuses(t *testing.T) {
	n := newNode(t, options{})
	app := n.install("rawkv").String()
	for name, row := range map[string]struct {
		body   string
		status int
		text   string
	}{
		"unknown application": {`{"protocol":"near","applicationId":"` + someID + `","initializationParams":[]}`, 404, `{"error":"application not found: `},
		"no parameters":       {`{"applicationId":"` + app + `"}`, 422, "initializationParams"},
		"null parameters":     {`{"applicationId":"` + app + `","initializationParams":null}`, 422, "initializationParams"},
		"text parameters":     {`{"applicationId":"` + app + `","initializationParams":"{}"}`, 422, "numbers"},
		"no application":      {`{"initializationParams":[]}`, 422, "applicationId"},
		"bad seed":            {`{"applicationId":"` + app + `","contextSeed":"x","initializationParams":[]}`, 422, "hash"},
	} {
		t.Run(name, func(t *testing.T) {
			w := n.do(request{method: "POST", path: "/admin-api/contexts", token: n.admin, body: row.body})
			if w.Code != row.status || !strings.Contains(w.Body.String(), row.text) {
				t.Errorf("got %d %s, want %d %s", w.Code, w.Body, row.status, row.text)
			}
		})
	}
}

// TestCreateBlames: arguments that init does not take are no fault of the node: not by
// their status, and not in its log.
func TestCreateBlames(t *testing.T) {
	n := newNode(t, options{})
	text := `{"abi":1,"name":"c","methods":[{"name":"init","init":true,"args":[{"name":"title","type":"string"}]}]}`
	section := append([]byte{0, byte(len(text) + 5), 4}, "mero"+text...)
	app := data[api.InstalledResponse](t, n.do(request{
		method: "PUT", path: "/admin-api/x/applications?name=described.wasm", token: n.admin,
		body: string(apptest.Build(t, "rawkv")) + string(section), header: map[string]string{"Content-Type": "application/wasm"},
	})).ApplicationID
	for params, text := range map[string]string{
		`{"titel":"x"}`: "titel: there is no such argument",
		`{"title":7}`:   "title: want a string, got a number",
	} {
		body, err := json.Marshal(api.CreateContextRequest{ApplicationID: app, InitializationParams: api.Bytes(params)})
		must(t, err)
		w := n.do(request{method: "POST", path: "/admin-api/contexts", token: n.admin, body: string(body)})
		if w.Code != 422 || w.Header().Get(api.HeaderErrorKind) != api.KindArguments || !strings.Contains(w.Body.String(), text) {
			t.Errorf("%s: %d %q %s", params, w.Code, w.Header().Get(api.HeaderErrorKind), w.Body)
		}
	}
	// Where clients of the reference are told 500, whoever runs the node is not.
	n.create("local")
	w := n.do(request{method: "DELETE", path: "/admin-api/applications/" + n.install("local").String(), token: n.admin})
	if w.Code != 500 || w.Header().Get(api.HeaderErrorKind) != api.KindApplicationInUse {
		t.Errorf("removing an application in use: %d %s", w.Code, w.Body)
	}
	if strings.Contains(n.log.String(), `"level":"warn"`) {
		t.Errorf("the node takes the blame:\n%s", n.log)
	}
}

func TestAliases(t *testing.T) {
	n := newNode(t, options{})
	const value = someID
	post := func(status int, want, path, body string) {
		t.Helper()
		n.want(status, want, request{method: "POST", path: "/admin-api/alias/" + path, body: body})
	}
	for _, kind := range []string{"context", "application", "identity/" + someID} {
		field := map[bool]string{true: "identity", false: strings.TrimSuffix(kind, "/"+someID) + "Id"}[strings.HasPrefix(kind, "identity")]
		body := `{"alias":"a/b é","` + field + `":"` + value + `"}`
		post(200, `{"data":{"value":null}}`, "lookup/"+kind+"/a%2Fb%20%C3%A9", "null")
		post(200, `{"data":null}`, "create/"+kind, body)
		post(500, "alias already exists", "create/"+kind, `{"alias":"a/b é","`+field+`":"8qbHbw2BbbTHBW1sbeqakYXVKRQM8Ne7pLK7m6CVfeR"}`)
		post(200, `{"data":null}`, "create/"+kind, `{"name":"second","value":"`+value+`"}`)
		post(200, `{"data":{"value":"`+value+`"}}`, "lookup/"+kind+"/a%2Fb%20%C3%A9", "")
		post(200, `{"data":{"value":"`+value+`"}}`, "lookup/"+kind+"/second", "{}")
		n.want(200, `{"data":{"a/b é":"`+value+`","second":"`+value+`"}}`, request{method: "GET", path: "/admin-api/alias/list/" + kind})
		post(200, `{"data":null}`, "delete/"+kind+"/a%2Fb%20%C3%A9", "")
		post(200, `{"data":null}`, "delete/"+kind+"/a%2Fb%20%C3%A9", "")
		n.want(200, `{"data":{"second":"`+value+`"}}`, request{method: "GET", path: "/admin-api/alias/list/" + kind})
		post(200, `{"data":{"value":null}}`, "lookup/"+kind+"/"+value, "null") // clients look ids up too
		post(422, "*", "create/"+kind, `{"alias":"","value":"`+value+`"}`)
		post(422, "*", "create/"+kind, `{"alias":"`+strings.Repeat("x", 51)+`","value":"`+value+`"}`)
		post(422, "*", "create/"+kind, `{"alias":"x","value":"zz"}`)
		post(200, `{"data":{"value":null}}`, "lookup/"+kind+"/"+strings.Repeat("x", 51), "")
		post(200, `{"data":null}`, "delete/"+kind+"/"+strings.Repeat("x", 51), "")
	}
	n.want(200, `{"data":{}}`, request{method: "GET", path: "/admin-api/alias/list/identity/8qbHbw2BbbTHBW1sbeqakYXVKRQM8Ne7pLK7m6CVfeR"})
	post(400, "*", "create/identity/zz", `{"alias":"x","identity":"`+value+`"}`)
}

func TestTokens(t *testing.T) {
	n := newNode(t, options{})
	issue := func(token, body string) *httptest.ResponseRecorder {
		return n.do(request{method: "POST", path: "/admin-api/x/tokens", token: token, body: body})
	}
	made := data[api.IssuedToken](t, issue(n.admin, `{"name":"ci","scopes":["keys","context:list"],"ttlSeconds":60}`))
	if !cmp.Equal(made.Scopes, []string{"keys", "context:list"}) || made.Name != "ci" || made.KeyID == "" {
		t.Errorf("got %+v", made)
	}
	n.want(200, "*", request{method: "GET", path: "/admin-api/contexts", token: made.Token})

	// Nobody can hand on more than he has.
	for _, body := range []string{`{}`, `{"scopes":["admin"]}`, `{"scopes":["context:list","context:create"]}`, `{"scopes":["context"]}`} {
		if w := issue(made.Token, body); w.Code != 403 {
			t.Errorf("%s by keys and context:list: got %d", body, w.Code)
		}
	}
	if w := issue(made.Token, `{"scopes":["context:list[`+someID+`]"]}`); w.Code != 200 {
		t.Errorf("narrower: %d %s", w.Code, w.Body)
	}
	for name, body := range map[string]string{
		"scope": `{"scopes":["everything"]}`, "name": `{"name":"local"}`, "ttl": `{"ttlSeconds":18446744073709551615}`, "long": `{"ttlSeconds":999999999999}`,
		"negative": `{"ttlSeconds":-1}`, "type": `{"scopes":"admin"}`,
	} {
		if w := issue(n.admin, body); w.Code != 422 {
			t.Errorf("bad %s: %d %s", name, w.Code, w.Body)
		}
	}
	w := n.do(request{method: "GET", path: "/admin-api/x/tokens", token: n.admin})
	if strings.Contains(w.Body.String(), "eyJ") {
		t.Error("the list shows tokens")
	}
	if keys := data[api.TokensResponse](t, w).Keys; len(keys) != 3 || !slices.ContainsFunc(keys, func(k api.TokenKey) bool { return k.KeyID == made.KeyID && k.Name == "ci" }) {
		t.Errorf("keys %+v", keys)
	}
	revoked := data[api.TokenKey](t, n.do(request{method: "DELETE", path: "/admin-api/x/tokens/" + made.KeyID, token: made.Token}))
	if revoked.RevokedAt == nil {
		t.Errorf("got %+v", revoked)
	}
	if w := n.do(request{method: "GET", path: "/admin-api/contexts", token: made.Token}); w.Code != 401 || w.Header().Get(api.HeaderAuthError) != api.AuthRevoked {
		t.Errorf("a revoked token: %d", w.Code)
	}
	w = n.do(request{method: "DELETE", path: "/admin-api/x/tokens/nobody", token: n.admin})
	if w.Code != 404 || w.Header().Get(api.HeaderErrorKind) != api.KindTokenNotFound {
		t.Errorf("an unknown key: %d %s", w.Code, w.Body)
	}
}

// A name goes with what it stands for, and no other does.
func TestDeletionDropsAliases(t *testing.T) {
	n := newNode(t, options{})
	c, d := n.create("rawkv"), n.create("rawkv")
	app := data[api.Context](t, n.do(request{method: "GET", path: "/admin-api/contexts/" + c.ContextID.String(), token: n.admin})).ApplicationID
	name := func(kind, alias, id string) {
		t.Helper()
		n.want(200, `{"data":null}`, request{method: "POST", path: "/admin-api/alias/create/" + kind, body: `{"name":"` + alias + `","value":"` + id + `"}`})
	}
	left := func(kind, want string) {
		t.Helper()
		n.want(200, `{"data":`+want+`}`, request{method: "GET", path: "/admin-api/alias/list/" + kind})
	}
	name("context", "notes", c.ContextID.String())
	name("context", "again", c.ContextID.String())
	name("context", "other", d.ContextID.String())
	name("application", "notes", c.ContextID.String()) // of another kind
	name("application", "kv", app.String())
	remove := request{method: "DELETE", path: "/admin-api/applications/" + app.String()}
	n.want(500, "*", remove) // in use
	left("application", `{"kv":"`+app.String()+`","notes":"`+c.ContextID.String()+`"}`)
	n.want(200, `{"data":{"isDeleted":true}}`, request{method: "DELETE", path: "/admin-api/contexts/" + c.ContextID.String()})
	left("context", `{"other":"`+d.ContextID.String()+`"}`)
	n.want(200, `{"data":{"isDeleted":true}}`, request{method: "DELETE", path: "/admin-api/contexts/" + d.ContextID.String()})
	n.want(200, "*", remove)
	left("context", `{}`)
	left("application", `{"notes":"`+c.ContextID.String()+`"}`)
	name("application", "kv", someID)
}

// A token ends with the one that asked for it, whatever lifetime it asked for.
func TestTokenEndsWithItsMaker(t *testing.T) {
	n := newNode(t, options{})
	issue := func(by, body string) api.IssuedToken {
		t.Helper()
		return data[api.IssuedToken](t, n.do(request{method: "POST", path: "/admin-api/x/tokens", token: by, body: body}))
	}
	parent := issue(n.admin, `{"scopes":["keys:create","context:list"],"ttlSeconds":5}`)
	child := issue(parent.Token, `{"scopes":["keys:create","context:list"],"ttlSeconds":315360000}`)
	grandchild := issue(child.Token, `{"scopes":["context:list"]}`)
	for _, made := range []api.IssuedToken{child, grandchild} {
		if made.ExpiresAt.After(parent.ExpiresAt) {
			t.Errorf("ends %s, its maker %s", made.ExpiresAt, parent.ExpiresAt)
		}
	}
	keys := data[api.TokensResponse](t, n.do(request{method: "GET", path: "/admin-api/x/tokens", token: n.admin})).Keys
	if !slices.ContainsFunc(keys, func(k api.TokenKey) bool { return k.KeyID == child.KeyID && k.ParentID == parent.KeyID }) {
		t.Errorf("the keys do not say who made whom: %+v", keys)
	}
	n.want(200, "*", request{method: "GET", path: "/admin-api/contexts", token: grandchild.Token})
	n.want(200, "*", request{method: "DELETE", path: "/admin-api/x/tokens/" + parent.KeyID})
	w := n.do(request{method: "GET", path: "/admin-api/contexts", token: grandchild.Token})
	if w.Code != 401 || w.Header().Get(api.HeaderAuthError) != api.AuthRevoked {
		t.Errorf("after its maker was revoked: %d %s", w.Code, w.Body)
	}
}

func TestTokenSurvivesRestart(t *testing.T) {
	dir := t.TempDir()
	n := newNode(t, options{dir: dir})
	token := n.admin
	n.close()
	n = newNode(t, options{dir: dir})
	n.want(200, "*", request{method: "GET", path: "/admin-api/x/status", token: token})
}

func TestSmallAnswers(t *testing.T) {
	n := newNode(t, options{})
	for path, want := range map[string]string{
		"GET /admin-api/health":                                                          `200 {"data":{"status":"alive"}}`,
		"GET /admin-api/is-authed":                                                       `200 {"data":{"status":"alive"}}`,
		"GET /admin-api/certificate":                                                     `404 Certificate not found`,
		"GET /admin-api/tee/info":                                                        `501 {"error":"this node has no trusted execution hardware"}`,
		"POST /admin-api/tee/attest":                                                     `501 {"error":"this node has no trusted execution hardware"}`,
		"GET /admin-api/peers":                                                           `200 {"count":1}`,
		"GET /admin-api/x/peers":                                                         `200 {"data":{"peers":[{"id":"12D3","addr":"/ip4/1.2.3.4","transport":"tcp","direction":"inbound","latencyMs":1.5,"contexts":[]}]}}`,
		"GET /admin-api/contexts":                                                        `200 {"data":{"contexts":[]}}`,
		"GET /admin-api/contexts/" + someID + "/client-keys":                             `200 {"data":{"clientKeys":[]}}`,
		"POST /admin-api/contexts/" + someID + "/proposals":                              `200 {"data":[]}`,
		"GET /admin-api/contexts/" + someID + "/proposals/count":                         `200 {"data":0}`,
		"GET /admin-api/contexts/" + someID + "/proposals/p/approvals/count":             `200 {"data":{"proposal_id":"p","num_approvals":0}}`,
		"GET /admin-api/contexts/" + someID + "/proposals/p/approvals/users":             `200 {"data":[]}`,
		"POST /admin-api/contexts/" + someID + "/proposals/context-storage-entries":      `200 {"data":[]}`,
		"GET /admin-api/contexts/" + someID + "/identities":                              `404 {"error":"Context not found"}`,
		"GET /admin-api/contexts/" + strings.Repeat("z", 100) + "/identities":            `400 Invalid URL: id: malformed id: 100 characters, want at most 44`,
		"GET /admin-api/contexts/" + someID + "/proposals/p/approvals/users/and/further": `404 no such path`,
	} {
		method, path, _ := strings.Cut(path, " ")
		w := n.do(request{method: method, path: path, token: n.admin})
		if got := http.StatusText(w.Code); got == "" {
			t.Errorf("%s: %d", path, w.Code)
		}
		if got := strings.Join([]string{jsonNumber(w.Code), w.Body.String()}, " "); got != want {
			t.Errorf("%s\n got %s\nwant %s", path, got, want)
		}
	}
	identity := data[api.IdentityResponse](t, n.do(request{method: "POST", path: "/admin-api/identity/context", token: n.admin, body: "null"}))
	again := data[api.IdentityResponse](t, n.do(request{method: "POST", path: "/admin-api/identity/context", token: n.admin}))
	if identity == again || identity.PublicKey == (ident.PublicKey{}) {
		t.Errorf("identities %v, %v", identity, again)
	}
	if status := data[api.Status](t, n.do(request{method: "GET", path: "/admin-api/x/status", token: n.admin})); status.Name != "test" {
		t.Errorf("status %+v", status)
	}
}

func jsonNumber(n int) string {
	doc, _ := json.Marshal(n)
	return string(doc)
}

func TestConfig(t *testing.T) {
	must(t, server.DefaultConfig().Validate())
	for key, change := range map[string]func(*server.Config){
		"listen: at":      func(c *server.Config) { c.Listen = nil },
		"listen: \"x\"":   func(c *server.Config) { c.Listen = []string{"x"} },
		"listen: \"a:1\"": func(c *server.Config) { c.Listen = []string{"a:1"} },
		"listen: \"127.0.0.1:65536\"": func(c *server.Config) {
			c.Listen = []string{"127.0.0.1:65536"}
		},
		"allowed_hosts: \"a:1\"":       func(c *server.Config) { c.AllowedHosts = []string{"a:1"} },
		"allowed_hosts: \"*\"":         func(c *server.Config) { c.AllowedHosts = []string{"*"} },
		"allowed_hosts: \"\"":          func(c *server.Config) { c.AllowedHosts = []string{""} },
		"allowed_origins: \"a\"":       func(c *server.Config) { c.AllowedOrigins = []string{"a"} },
		"allowed_origins: \"http://a/": func(c *server.Config) { c.AllowedOrigins = []string{"http://a/"} },
		"max_body":                     func(c *server.Config) { c.MaxBody = 0 },
		"max_in_flight":                func(c *server.Config) { c.MaxInFlight = 0 },
		"max_connections":              func(c *server.Config) { c.MaxConnections = -1 },
		"header_timeout":               func(c *server.Config) { c.HeaderTimeout = 0 },
		"body_timeout":                 func(c *server.Config) { c.BodyTimeout = 0 },
		"idle_timeout":                 func(c *server.Config) { c.IdleTimeout = 0 },
		"drain_timeout":                func(c *server.Config) { c.DrainTimeout = 0 },
	} {
		c := server.DefaultConfig()
		change(&c)
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), "server."+key) {
			t.Errorf("%s: %v", key, err)
		}
	}
}
