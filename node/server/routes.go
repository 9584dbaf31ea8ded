package server

import (
	"net/http"
	"slices"

	"github.com/go-chi/chi/v5"

	"mero/node/api"
	"mero/node/auth"
)

// handler answers a request or returns why not.
type handler func(*exchange) error

// route is one row of the table.
type route struct {
	method, pattern string
	handle          handler

	// public routes ask for no token (R25 lists them). The others ask for one
	// that is good.
	public bool
	// local routes are public to callers on a loopback listener, but not to web
	// pages of others: those need a token there too.
	local bool
	// need is the scope that the token must have; nil: any good token will do.
	need *need
	// fail is how failures of the route look to clients of the reference.
	fail failStyle

	metrics routeMetrics
}

// need is a permission whose parameters are in the path, or in the body.
type need struct {
	category, action string
	// resource is the path parameter that p1 is taken from; empty: p1 is empty.
	resource string
	// body says that the parameters are in the body: the handler asks again,
	// by exchange.allow, when it has read it.
	body bool
}

// of fills the need in for a request.
func (n *need) of(x *exchange) auth.Need {
	filled := auth.Need{Category: n.category, Action: n.action}
	if n.resource != "" {
		filled.Resource = x.param(n.resource)
	}
	return filled
}

const (
	adminAPI = "/admin-api"
	appPath  = adminAPI + "/applications/{application_id}"
	ctxPath  = adminAPI + "/contexts/{context_id}"
	ownAPI   = adminAPI + "/x"
)

// newRoutes is the whole surface. Patterns are chi's; each also answers with a
// slash behind it, and GET rows answer HEAD.
func newRoutes() []*route {
	return slices.Concat(nodeRoutes(), applicationRoutes(), contextRoutes(), shareRoutes(), dagRoutes(), aliasRoutes(), tokenRoutes())
}

func nodeRoutes() []*route {
	execute := &need{category: "context", action: "execute", body: true}
	operator := &need{category: auth.CategoryAdmin}
	return []*route{
		{method: "POST", pattern: "/jsonrpc", handle: (*exchange).jsonrpc, need: execute},
		{method: "POST", pattern: ownAPI + "/call", handle: (*exchange).call, need: execute},

		{method: "GET", pattern: adminAPI + "/health", handle: (*exchange).health, public: true},
		{method: "GET", pattern: adminAPI + "/is-authed", handle: (*exchange).health},
		{method: "GET", pattern: adminAPI + "/certificate", handle: (*exchange).certificate, public: true},
		{method: "GET", pattern: adminAPI + "/tee/info", handle: (*exchange).tee, public: true},
		{method: "POST", pattern: adminAPI + "/tee/attest", handle: (*exchange).tee, public: true},
		{method: "POST", pattern: adminAPI + "/tee/verify-quote", handle: (*exchange).tee, public: true},
		{method: "GET", pattern: "/ready", handle: (*exchange).ready, public: true},
		{method: "GET", pattern: "/metrics", handle: (*exchange).metricsPage, local: true},
		{method: "GET", pattern: adminAPI + "/metrics", handle: (*exchange).metricsPage, local: true},

		{method: "GET", pattern: adminAPI + "/peers", handle: (*exchange).peerCount},
		{method: "GET", pattern: ownAPI + "/peers", handle: (*exchange).peers, need: operator},
		{method: "GET", pattern: ownAPI + "/status", handle: (*exchange).nodeStatus, need: operator},
	}
}

func applicationRoutes() []*route {
	install := &need{category: "application", action: "install"}
	list := &need{category: "application", action: "list"}
	one := &need{category: "application", action: "list", resource: "application_id"}
	remove := &need{category: "application", action: "uninstall", resource: "application_id"}
	return []*route{
		{method: "POST", pattern: adminAPI + "/install-application", handle: (*exchange).installURL, need: install, fail: failText500},
		{method: "POST", pattern: adminAPI + "/install-dev-application", handle: (*exchange).installPath, need: install, fail: failText500},
		{method: "PUT", pattern: ownAPI + "/applications", handle: (*exchange).upload, need: install},
		{method: "GET", pattern: adminAPI + "/applications", handle: (*exchange).applications, need: list, fail: failJSON500},
		{method: "GET", pattern: appPath, handle: (*exchange).application, need: one, fail: failText500},
		{method: "DELETE", pattern: appPath, handle: (*exchange).removeApplication, need: remove, fail: failText500},
		{method: "GET", pattern: ownAPI + "/applications/{application_id}/methods", handle: (*exchange).methods, need: one},
	}
}

func contextRoutes() []*route {
	list := &need{category: "context", action: "list"}
	one := &need{category: "context", action: "list", resource: "context_id"}
	ofApp := &need{category: "context", action: "list", resource: "application_id"}
	create := &need{category: "context", action: "create"}
	remove := &need{category: "context", action: "delete", resource: "context_id"}
	update := &need{category: "context", action: "application:update", resource: "context_id"}
	proposals := ctxPath + "/proposals"
	return []*route{
		{method: "GET", pattern: adminAPI + "/contexts", handle: (*exchange).contexts, need: list, fail: failJSON500},
		{method: "POST", pattern: adminAPI + "/contexts", handle: (*exchange).createContext, need: create},
		{method: "GET", pattern: ctxPath, handle: (*exchange).context, need: one},
		{method: "DELETE", pattern: ctxPath, handle: (*exchange).deleteContext, need: remove},
		{method: "POST", pattern: ctxPath + "/application", handle: (*exchange).updateApplication, need: update},
		{method: "GET", pattern: ctxPath + "/storage", handle: (*exchange).storage, need: one},
		{method: "GET", pattern: ctxPath + "/identities", handle: (*exchange).identities, need: one},
		{method: "GET", pattern: ctxPath + "/identities-owned", handle: (*exchange).ownedIdentities, need: one},
		{method: "GET", pattern: adminAPI + "/contexts/for-application/{application_id}", handle: (*exchange).contextsOf, need: ofApp, fail: failJSON500},
		{method: "GET", pattern: adminAPI + "/contexts/with-executors/for-application/{application_id}", handle: (*exchange).contextsWithExecutors, need: ofApp, fail: failJSON500},
		// A new identity is of use only in a context that is made or joined next.
		{method: "POST", pattern: adminAPI + "/identity/context", handle: (*exchange).newIdentity, need: create, fail: failJSON500},

		// What only a blockchain had answers empty, so that clients that poll
		// it go on (http-api 4.9, 10).
		{method: "GET", pattern: ctxPath + "/client-keys", handle: (*exchange).clientKeys, need: one},
		{method: "POST", pattern: proposals, handle: (*exchange).emptyList, need: one},
		{method: "GET", pattern: proposals + "/count", handle: (*exchange).zero, need: one},
		{method: "GET", pattern: proposals + "/{proposal_id}/approvals/count", handle: (*exchange).noApprovals, need: one},
		{method: "GET", pattern: proposals + "/{proposal_id}/approvals/users", handle: (*exchange).emptyList, need: one},
		{method: "POST", pattern: proposals + "/context-storage-entries", handle: (*exchange).emptyList, need: one},
	}
}

// shareRoutes are for what nodes do together. Whoever may make contexts may join
// them, too. A session is work that a node does by itself anyway.
func shareRoutes() []*route {
	list := &need{category: "context", action: "list"}
	of := &need{category: "context", action: "list", resource: "context_id"}
	create := &need{category: "context", action: "create"}
	invite := &need{category: "context", action: "invite", body: true}
	contexts, one := adminAPI+"/contexts", ownAPI+"/contexts/{context_id}"
	return []*route{
		{method: "POST", pattern: contexts + "/invite", handle: (*exchange).referenceInvite, need: invite, fail: failJSON500},
		{method: "POST", pattern: contexts + "/invite_by_open_invitation", handle: (*exchange).referenceInvite, need: invite, fail: failJSON500},
		{method: "POST", pattern: contexts + "/join", handle: (*exchange).referenceJoin, need: create, fail: failJSON500},
		{method: "POST", pattern: contexts + "/join_by_open_invitation", handle: (*exchange).referenceJoin, need: create, fail: failJSON500},
		{method: "POST", pattern: contexts + "/sync", handle: (*exchange).syncAll, need: list, fail: failJSON500},
		{method: "POST", pattern: contexts + "/sync/{context_id}", handle: (*exchange).syncContext, need: of},

		{method: "POST", pattern: ownAPI + "/join", handle: (*exchange).joinContext, need: create},
		{method: "POST", pattern: one + "/invitations", handle: (*exchange).newInvitation, need: invite},
		{method: "POST", pattern: one + "/invitations/revoke", handle: (*exchange).revokeInvitation, need: invite},
		{method: "GET", pattern: one + "/usable", handle: (*exchange).usable, need: of},
		{method: "GET", pattern: one + "/members", handle: (*exchange).members, need: of},
		{method: "GET", pattern: ownAPI + "/sync", handle: (*exchange).syncStatus, need: list},
		{method: "POST", pattern: one + "/sync", handle: (*exchange).syncNow, need: of},
		{method: "GET", pattern: one + "/difference", handle: (*exchange).difference, need: of},
	}
}

// dagRoutes show what contexts are made of. Payloads are what calls read and
// write, so they need what a call needs; checks are work, and for the operator.
func dagRoutes() []*route {
	list := &need{category: "context", action: "list", resource: "context_id"}
	read := &need{category: "context", action: "execute", resource: "context_id"}
	operator := &need{category: auth.CategoryAdmin}
	one := ownAPI + "/contexts/{context_id}"
	return []*route{
		{method: "GET", pattern: one + "/dag", handle: (*exchange).dag, need: list},
		{method: "GET", pattern: one + "/dag/{delta_id}", handle: (*exchange).delta, need: read},
		{method: "GET", pattern: one + "/state", handle: (*exchange).state, need: read},
		{method: "POST", pattern: one + "/verify", handle: (*exchange).verifyContext, need: operator},
		{method: "POST", pattern: one + "/rebuild", handle: (*exchange).rebuildContext, need: operator},
	}
}

func aliasRoutes() []*route {
	var routes []*route
	for _, kind := range []api.AliasKind{api.AliasContext, api.AliasApplication, api.AliasIdentity} {
		scope, resource := string(kind), ""
		if kind == api.AliasIdentity {
			scope, resource = scope+"/{context}", "context"
		}
		for _, verb := range []struct {
			method, name, tail string
			handle             func(*exchange, api.AliasKind) error
			fail               failStyle
		}{
			{"POST", "create", "", (*exchange).createAlias, failText500},
			{"POST", "lookup", "/{name}", (*exchange).lookupAlias, failText500},
			{"POST", "delete", "/{name}", (*exchange).deleteAlias, failText500},
			{"GET", "list", "", (*exchange).listAliases, failJSON500},
		} {
			routes = append(routes, &route{
				method: verb.method, pattern: adminAPI + "/alias/" + verb.name + "/" + scope + verb.tail, fail: verb.fail,
				need:   &need{category: "context", action: "alias:" + verb.name + ":" + string(kind), resource: resource},
				handle: func(x *exchange) error { return verb.handle(x, kind) },
			})
		}
	}
	return routes
}

func tokenRoutes() []*route {
	return []*route{
		{method: "POST", pattern: ownAPI + "/tokens", handle: (*exchange).issueToken, need: &need{category: "keys", action: "create"}},
		{method: "GET", pattern: ownAPI + "/tokens", handle: (*exchange).tokens, need: &need{category: "keys", action: "list"}},
		{method: "DELETE", pattern: ownAPI + "/tokens/{key_id}", handle: (*exchange).revokeToken, need: &need{category: "keys", action: "delete", resource: "key_id"}},
	}
}

// RouteInfo describes a row of the table to tests and documents.
type RouteInfo struct {
	Method, Pattern string
	// Access is "public", "token", "token, or loopback", or the scope needed,
	// with {parameter} where it is taken from the path and a trailing "…" where
	// it is taken from the body.
	Access string
}

// Routes lists the whole surface in the order of the table.
func Routes() []RouteInfo {
	routes := newRoutes()
	infos := make([]RouteInfo, 0, len(routes))
	for _, rt := range routes {
		info := RouteInfo{Method: rt.method, Pattern: rt.pattern, Access: "token"}
		switch {
		case rt.public:
			info.Access = "public"
		case rt.local:
			info.Access = "token, or loopback"
		case rt.need != nil:
			n := auth.Need{Category: rt.need.category, Action: rt.need.action}
			if rt.need.resource != "" {
				n.Resource = "{" + rt.need.resource + "}"
			}
			info.Access = n.String()
			if rt.need.body {
				info.Access += "[…]"
			}
		}
		infos = append(infos, info)
	}
	return infos
}

// newMux builds the router from the table.
func (s *Server) newMux() *chi.Mux {
	mux := chi.NewMux()
	mux.Use(withoutSlash)
	mux.NotFound(func(w http.ResponseWriter, r *http.Request) {
		x := w.(*exchange) // ServeHTTP made it
		x.fail(reject(http.StatusNotFound, "no such path"))
		_ = r
	})
	mux.MethodNotAllowed(func(w http.ResponseWriter, r *http.Request) {
		x := w.(*exchange) // ServeHTTP made it
		s.allowed(x.Header(), mux, r)
		x.fail(reject(http.StatusMethodNotAllowed, "the path does not take this method"))
	})
	for _, rt := range newRoutes() {
		rt.metrics = s.metrics.of(rt.pattern, rt.method)
		serve := func(w http.ResponseWriter, r *http.Request) {
			x := w.(*exchange) // ServeHTTP made it
			x.r, x.route = r, rt
			if err := x.serve(); err != nil {
				x.fail(err)
			}
		}
		mux.MethodFunc(rt.method, rt.pattern, serve)
		if rt.method == http.MethodGet {
			mux.MethodFunc(http.MethodHead, rt.pattern, serve)
		}
	}
	return mux
}

// withoutSlash lets a path match with a slash behind it too (http-api 0).
func withoutSlash(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.RawPath
		if path == "" {
			path = r.URL.Path
		}
		if n := len(path); n > 1 && path[n-1] == '/' {
			chi.RouteContext(r.Context()).RoutePath = path[:n-1]
		}
		next.ServeHTTP(w, r)
	})
}

// allowed lists what a path takes in the Allow header, as HTTP asks for.
func (s *Server) allowed(h http.Header, mux *chi.Mux, r *http.Request) {
	path := chi.RouteContext(r.Context()).RoutePath
	if path == "" {
		path = r.URL.Path
	}
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE"} {
		if mux.Match(chi.NewRouteContext(), method, path) {
			h.Add("Allow", method)
		}
	}
}
