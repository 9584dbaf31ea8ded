package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mero/node/api"
	"mero/node/ident"
	"mero/node/server"
)

// surface is the whole of it, to be read by eye when it changes: method, path
// and what a caller must hold.
const surface = `
POST   /jsonrpc                                                              context:execute[…]
POST   /admin-api/x/call                                                     context:execute[…]
GET    /admin-api/health                                                     public
GET    /admin-api/is-authed                                                  token
GET    /admin-api/certificate                                                public
GET    /admin-api/tee/info                                                   public
POST   /admin-api/tee/attest                                                 public
POST   /admin-api/tee/verify-quote                                           public
GET    /ready                                                                public
GET    /metrics                                                              token, or loopback
GET    /admin-api/metrics                                                    token, or loopback
GET    /admin-api/peers                                                      token
GET    /admin-api/x/peers                                                    admin
GET    /admin-api/x/status                                                   admin
POST   /admin-api/install-application                                        application:install
POST   /admin-api/install-dev-application                                    application:install
PUT    /admin-api/x/applications                                             application:install
GET    /admin-api/applications                                               application:list
GET    /admin-api/applications/{application_id}                              application:list[{application_id}]
DELETE /admin-api/applications/{application_id}                              application:uninstall[{application_id}]
GET    /admin-api/x/applications/{application_id}/methods                    application:list[{application_id}]
GET    /admin-api/contexts                                                   context:list
POST   /admin-api/contexts                                                   context:create
GET    /admin-api/contexts/{context_id}                                      context:list[{context_id}]
DELETE /admin-api/contexts/{context_id}                                      context:delete[{context_id}]
POST   /admin-api/contexts/{context_id}/application                          context:application:update[{context_id}]
GET    /admin-api/contexts/{context_id}/storage                              context:list[{context_id}]
GET    /admin-api/contexts/{context_id}/identities                           context:list[{context_id}]
GET    /admin-api/contexts/{context_id}/identities-owned                     context:list[{context_id}]
GET    /admin-api/contexts/for-application/{application_id}                  context:list[{application_id}]
GET    /admin-api/contexts/with-executors/for-application/{application_id}   context:list[{application_id}]
POST   /admin-api/identity/context                                           context:create
GET    /admin-api/contexts/{context_id}/client-keys                          context:list[{context_id}]
POST   /admin-api/contexts/{context_id}/proposals                            context:list[{context_id}]
GET    /admin-api/contexts/{context_id}/proposals/count                      context:list[{context_id}]
GET    /admin-api/contexts/{context_id}/proposals/{proposal_id}/approvals/count context:list[{context_id}]
GET    /admin-api/contexts/{context_id}/proposals/{proposal_id}/approvals/users context:list[{context_id}]
POST   /admin-api/contexts/{context_id}/proposals/context-storage-entries    context:list[{context_id}]
POST   /admin-api/contexts/invite                                            context:invite[…]
POST   /admin-api/contexts/invite_by_open_invitation                         context:invite[…]
POST   /admin-api/contexts/join                                              context:create
POST   /admin-api/contexts/join_by_open_invitation                           context:create
POST   /admin-api/contexts/sync                                              context:list
POST   /admin-api/contexts/sync/{context_id}                                 context:list[{context_id}]
POST   /admin-api/x/join                                                     context:create
POST   /admin-api/x/contexts/{context_id}/invitations                        context:invite[…]
POST   /admin-api/x/contexts/{context_id}/invitations/revoke                 context:invite[…]
GET    /admin-api/x/contexts/{context_id}/usable                             context:list[{context_id}]
GET    /admin-api/x/contexts/{context_id}/members                            context:list[{context_id}]
GET    /admin-api/x/sync                                                     context:list
POST   /admin-api/x/contexts/{context_id}/sync                               context:list[{context_id}]
GET    /admin-api/x/contexts/{context_id}/difference                         context:list[{context_id}]
GET    /admin-api/x/contexts/{context_id}/dag                                context:list[{context_id}]
GET    /admin-api/x/contexts/{context_id}/dag/{delta_id}                     context:execute[{context_id}]
GET    /admin-api/x/contexts/{context_id}/state                              context:execute[{context_id}]
POST   /admin-api/x/contexts/{context_id}/verify                             admin
POST   /admin-api/x/contexts/{context_id}/rebuild                            admin
POST   /admin-api/alias/create/context                                       context:alias:create:context
POST   /admin-api/alias/lookup/context/{name}                                context:alias:lookup:context
POST   /admin-api/alias/delete/context/{name}                                context:alias:delete:context
GET    /admin-api/alias/list/context                                         context:alias:list:context
POST   /admin-api/alias/create/application                                   context:alias:create:application
POST   /admin-api/alias/lookup/application/{name}                            context:alias:lookup:application
POST   /admin-api/alias/delete/application/{name}                            context:alias:delete:application
GET    /admin-api/alias/list/application                                     context:alias:list:application
POST   /admin-api/alias/create/identity/{context}                            context:alias:create:identity[{context}]
POST   /admin-api/alias/lookup/identity/{context}/{name}                     context:alias:lookup:identity[{context}]
POST   /admin-api/alias/delete/identity/{context}/{name}                     context:alias:delete:identity[{context}]
GET    /admin-api/alias/list/identity/{context}                              context:alias:list:identity[{context}]
POST   /admin-api/x/tokens                                                   keys:create
GET    /admin-api/x/tokens                                                   keys:list
DELETE /admin-api/x/tokens/{key_id}                                          keys:delete[{key_id}]
`

func TestSurface(t *testing.T) {
	var got, want []string
	for _, rt := range server.Routes() {
		got = append(got, fmt.Sprintf("%s %s %s", rt.Method, rt.Pattern, rt.Access))
	}
	for line := range strings.Lines(strings.TrimSpace(surface)) {
		method, rest, _ := strings.Cut(line, " ")
		pattern, access, _ := strings.Cut(strings.TrimSpace(rest), " ")
		want = append(want, fmt.Sprintf("%s %s %s", method, pattern, strings.TrimSpace(access)))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

const someID = "4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi" // 32 bytes

// example is a request that a route understands, by method and pattern; the
// others take no body.
func example(rt server.RouteInfo) request {
	path := rt.Pattern
	for name, value := range map[string]string{
		"{application_id}": someID, "{context_id}": someID, "{context}": someID, "{name}": "bob", "{proposal_id}": "p", "{key_id}": "k", "{delta_id}": someID,
	} {
		path = strings.ReplaceAll(path, name, value)
	}
	id, _ := ident.ParseContextID(someID)
	created := api.CreatedContext{ContextID: id, MemberPublicKey: ident.PublicKey(id)}
	bodies := map[string]string{
		"/jsonrpc":                                                rpc(created, "get", "{}"),
		"/admin-api/x/call":                                       `{"contextId":"` + someID + `","method":"get","argsJson":{},"executorPublicKey":"` + someID + `","dryRun":true}`,
		"/admin-api/install-application":                          `{"url":"http://127.0.0.1:1/x.wasm","metadata":[]}`,
		"/admin-api/install-dev-application":                      `{"path":"/does/not/exist.wasm","metadata":[]}`,
		"/admin-api/x/applications":                               "not wasm",
		"/admin-api/contexts":                                     `{"protocol":"near","applicationId":"` + someID + `","initializationParams":[]}`,
		"/admin-api/contexts/invite":                              `{"contextId":"` + someID + `","inviterId":"` + someID + `","inviteeId":"` + someID + `"}`,
		"/admin-api/contexts/invite_by_open_invitation":           `{"contextId":"` + someID + `","inviterId":"` + someID + `","validForBlocks":60}`,
		"/admin-api/contexts/join":                                `{"invitationPayload":"x"}`,
		"/admin-api/contexts/join_by_open_invitation":             `{"invitation":{},"newMemberPublicKey":"` + someID + `"}`,
		"/admin-api/x/join":                                       `{"invitation":"mero1x"}`,
		"/admin-api/x/contexts/" + someID + "/invitations":        `{"executorPublicKey":"` + someID + `"}`,
		"/admin-api/x/contexts/" + someID + "/invitations/revoke": `{"executorPublicKey":"` + someID + `","invitation":"` + someID + `"}`,
		"/admin-api/x/contexts/" + someID + "/sync":               `{}`,
		"/admin-api/x/contexts/" + someID + "/verify":             `{"log":true,"repair":true}`,
		"/admin-api/contexts/" + someID + "/application":          `{"applicationId":"` + someID + `","executorPublicKey":"` + someID + `"}`,
		"/admin-api/alias/create/context":                         `{"alias":"bob","contextId":"` + someID + `"}`,
		"/admin-api/alias/create/application":                     `{"alias":"bob","applicationId":"` + someID + `"}`,
		"/admin-api/alias/create/identity/" + someID:              `{"alias":"bob","identity":"` + someID + `"}`,
		"/admin-api/x/tokens":                                     `{"name":"x","scopes":["keys:create"]}`,
	}
	body := ""
	if rt.Method == http.MethodPost || rt.Method == http.MethodPut {
		body = bodies[path]
	}
	return request{method: rt.Method, path: path, body: body}
}

// TestEveryRouteIsGuarded is F21: each route without a token, with ones that
// are expired, revoked, of the wrong type and too narrow; and, so that the rows
// mean something, with one that is just enough.
func TestEveryRouteIsGuarded(t *testing.T) {
	n := newNode(t, options{})
	bad := n.badTokens()
	for _, rt := range server.Routes() {
		t.Run(rt.Method+" "+rt.Pattern, func(t *testing.T) {
			req := example(rt)
			for name, row := range bad {
				req.token = row.token
				w := n.do(req)
				if rt.Access == "public" {
					if w.Code == http.StatusUnauthorized || w.Code == http.StatusForbidden {
						t.Errorf("%s token: got %d on a public route", name, w.Code)
					}
					continue
				}
				if w.Code != http.StatusUnauthorized || w.Header().Get(api.HeaderAuthError) != row.reason {
					t.Errorf("%s token: got %d, %s; want 401, %s", name, w.Code, w.Header().Get(api.HeaderAuthError), row.reason)
				}
			}
			narrow, enough := narrowScopes(rt.Access)
			for _, scope := range narrow {
				req.token = n.token(scope)
				w := n.do(req)
				if w.Code != http.StatusForbidden || w.Header().Get(api.HeaderAuthError) != api.AuthDenied {
					t.Errorf("%s: got %d %s, want 403", scope, w.Code, w.Body)
				}
			}
			req.token = n.token(enough)
			if w := n.do(req); w.Code == http.StatusUnauthorized || w.Code == http.StatusForbidden && w.Header().Get(api.HeaderAuthError) != "" {
				t.Errorf("%s: got %d %s", enough, w.Code, w.Body)
			} else if w.Code == http.StatusNotFound && w.Header().Get(api.HeaderErrorKind) == api.KindNotFound && !strings.HasSuffix(rt.Pattern, "certificate") ||
				w.Code == http.StatusMethodNotAllowed {
				t.Errorf("the route was not reached: %d %s", w.Code, w.Body)
			}
		})
	}
}

// narrowScopes gives scopes that are nearly enough for a route, and one that is
// just enough.
func narrowScopes(access string) (narrow []string, enough string) {
	const other = "8qbHbw2BbbTHBW1sbeqakYXVKRQM8Ne7pLK7m6CVfeR"
	fill := func(id string) string {
		for _, name := range []string{"{application_id}", "{context_id}", "{context}", "{key_id}"} {
			if name == "{key_id}" && id == someID {
				access = strings.ReplaceAll(access, name, "k")
				continue
			}
			access = strings.ReplaceAll(access, name, id)
		}
		return access
	}
	switch {
	case access == "public", access == "token", access == "token, or loopback":
		return nil, "blob:add"
	case access == "admin":
		return []string{"keys application blob context package"}, "admin"
	case access == "context:invite[…]":
		return []string{"blob", "context:list", "context:invite[" + other + "]", "context:invite[" + someID + "," + other + "]"}, "context:invite[" + someID + "," + someID + "]"
	case access == "context:execute[…]":
		return []string{
			"blob", "context:list", "context:execute[" + other + "]", "context[" + someID + "," + other + "]",
			"context[" + someID + "," + someID + ",set]",
		}, "context[" + someID + "," + someID + ",get]"
	case strings.Contains(access, "{"):
		action, _, _ := strings.Cut(access, "[")
		return []string{"blob", action + "[" + other + "]"}, fill(someID)
	}
	return []string{"blob:add", "context[" + someID + "]", access + "[" + other + "]"}, access
}

func TestPathsAndMethods(t *testing.T) {
	n := newNode(t, options{})
	for name, row := range map[string]struct {
		req    request
		status int
		kind   string
	}{
		"slash behind":            {request{method: "GET", path: "/admin-api/health/"}, 200, ""},
		"slash behind, escaped":   {request{method: "POST", path: "/admin-api/alias/lookup/context/a%2Fb/"}, 200, ""},
		"two slashes":             {request{method: "GET", path: "/admin-api/health//"}, 404, api.KindNotFound},
		"head":                    {request{method: "HEAD", path: "/admin-api/health"}, 200, ""},
		"head of a list":          {request{method: "HEAD", path: "/admin-api/applications"}, 200, ""},
		"unknown path":            {request{method: "GET", path: "/admin-api/unknown"}, 404, api.KindNotFound},
		"root":                    {request{method: "GET", path: "/"}, 404, api.KindNotFound},
		"no prefix":               {request{method: "GET", path: "/health"}, 404, api.KindNotFound},
		"case counts":             {request{method: "GET", path: "/Admin-Api/health"}, 404, api.KindNotFound},
		"dots":                    {request{method: "GET", path: "/admin-api/x/../health"}, 404, api.KindNotFound},
		"wrong method":            {request{method: "DELETE", path: "/admin-api/health"}, 405, api.KindMethodNotAllowed},
		"get on jsonrpc":          {request{method: "GET", path: "/jsonrpc"}, 405, api.KindMethodNotAllowed},
		"strange method":          {request{method: "BREW", path: "/admin-api/health"}, 405, api.KindMethodNotAllowed},
		"a later issue":           {request{method: "GET", path: "/ws"}, 404, api.KindNotFound},
		"a later issue, too":      {request{method: "GET", path: "/admin-api/packages"}, 404, api.KindNotFound},
		"bad id":                  {request{method: "GET", path: "/admin-api/contexts/zzz"}, 400, api.KindInvalid},
		"bad id, dag":             {request{method: "GET", path: "/admin-api/x/contexts/zzz/dag"}, 400, api.KindInvalid},
		"bad delta id":            {request{method: "GET", path: "/admin-api/x/contexts/" + someID + "/dag/zzz"}, 400, api.KindInvalid},
		"bad query":               {request{method: "GET", path: "/admin-api/x/contexts/" + someID + "/dag?limit=0"}, 400, api.KindInvalid},
		"bad id, delete":          {request{method: "DELETE", path: "/admin-api/contexts/zzz"}, 400, api.KindInvalid},
		"token in the query only": {request{method: "GET", path: "/admin-api/contexts?token=" + n.admin, token: "-"}, 401, api.KindUnauthenticated},
	} {
		t.Run(name, func(t *testing.T) {
			row.req.token = map[bool]string{true: "", false: n.admin}[row.req.token == "-"]
			w := n.do(row.req)
			if w.Code != row.status || w.Header().Get(api.HeaderErrorKind) != row.kind {
				t.Errorf("got %d %q %s; want %d %q", w.Code, w.Header().Get(api.HeaderErrorKind), w.Body, row.status, row.kind)
			}
			if row.status == 405 && w.Header().Get("Allow") == "" {
				t.Error("405 without Allow")
			}
			if row.req.method == "HEAD" && w.Header().Get("Content-Length") == "" {
				t.Error("HEAD without the length of GET")
			}
		})
	}
	if w := n.do(request{method: "DELETE", path: "/admin-api/health"}); strings.Join(w.Header().Values("Allow"), " ") != "GET HEAD" {
		t.Errorf("Allow: %v", w.Header().Values("Allow"))
	}
}
