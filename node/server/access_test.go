package server_test

import (
	"net/http"
	"strings"
	"testing"

	"mero/node/api"
	"mero/node/auth"
	"mero/node/server"
)

// TestHostRule is R25: the Host header decides in every mode, whatever address
// the connection came to.
func TestHostRule(t *testing.T) {
	hosts := map[string]bool{
		"localhost": true, "localhost:2528": true, "LOCALHOST:2528": true, "localhost.:2528": true,
		"127.0.0.1": true, "127.0.0.1:1": true, "127.5.6.7:2528": true, "[::1]": true, "[::1]:2528": true,
		"[::ffff:127.0.0.1]:2528": true, "[0:0:0:0:0:0:0:1]:2528": true,
		"node.example.org": true, "NODE.example.org.:443": true, "192.168.1.5:2528": true, "[fd00::5]:2528": true,

		// What a page sends whose name was rebound to 127.0.0.1, and its like.
		"evil.example": false, "evil.example:2528": false, "127.0.0.1.nip.io": false, "localhost.evil.example": false,
		"evil.example.node.example.org": false, "xnode.example.org": false, "node.example.org.evil.example": false,
		"0.0.0.0:2528": false, "[::]:2528": false, "127.1": false, "2130706433": false, "0x7f.1": false, "0177.0.0.1": false,
		"192.168.1.6": false, "10.0.0.1": false, "sub.localhost": false, "localhost:2528:1": false, "local host": false,
		"localhost@evil.example": false, "evil.example#localhost": false, "127.0.0.1,evil.example": false, "[::1": false,
		"": false, ":2528": false, ".": false, "[]": false,
	}
	for _, mode := range []string{auth.ModeToken, auth.ModeNone} {
		n := newNode(t, options{mode: mode, cfg: func(c *server.Config) {
			c.AllowedHosts = []string{"node.example.org", "[fd00::5]", "192.168.1.5"}
		}})
		for host, ok := range hosts {
			for _, path := range []string{"/admin-api/health", "/admin-api/contexts", "/metrics", "/jsonrpc", "/unknown"} {
				req := request{method: "GET", path: path, token: n.admin, host: host}
				if host == "" {
					req.host = noHost
				}
				refused := n.do(req).Header().Get(api.HeaderErrorKind) == api.KindRefusedHost
				if refused == ok {
					t.Errorf("mode %s: Host %q on %s: refused is %v", mode, host, path, refused)
				}
			}
		}
	}
}

func TestListenAddressIsAName(t *testing.T) {
	n := newNode(t, options{cfg: func(c *server.Config) { c.Listen = []string{"192.168.7.7:2528", "0.0.0.0:80", ":81"} }})
	for host, want := range map[string]int{"192.168.7.7:2528": 200, "192.168.7.8": 403, "0.0.0.0": 403, "localhost": 200} {
		if w := n.do(request{method: "GET", path: "/admin-api/health", host: host}); w.Code != want {
			t.Errorf("%s: got %d, want %d", host, w.Code, want)
		}
	}
}

func TestOriginRule(t *testing.T) {
	const page, evil, own, null = "https://app.example.org", "https://evil.example", "http://localhost:2528", "null"
	for name, row := range map[string]struct {
		mode    string
		allowed []string
		want    map[string]string // Origin → Access-Control-Allow-Origin; "" = refused
	}{
		"token": {auth.ModeToken, nil, map[string]string{page: "*", evil: "*", own: "*", null: "*"}},
		"token, named pages": {auth.ModeToken, []string{page}, map[string]string{
			page: page, "HTTPS://APP.example.org": "HTTPS://APP.example.org", own: own, evil: "", null: "",
		}},
		"none": {auth.ModeNone, nil, map[string]string{
			own: own, page: "", evil: "", null: "", "http://localhost:3000": "", "http://localhost": "",
			"https://localhost:2528": "", "http://127.0.0.1:2528": "", "file://": "",
		}},
		"none, named pages": {auth.ModeNone, []string{page}, map[string]string{
			page: page, own: own, evil: "", "https://app.example.org:444": "", "https://app.example.org.evil.example": "",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, options{mode: row.mode, cfg: func(c *server.Config) { c.AllowedOrigins = row.allowed }})
			for origin, want := range row.want {
				for _, method := range []string{"GET", "OPTIONS"} {
					w := n.do(request{method: method, path: "/admin-api/contexts", token: n.admin, header: map[string]string{"Origin": origin}})
					if got := w.Header().Get("Access-Control-Allow-Origin"); got != want {
						t.Errorf("%s from %s: allowed %q, want %q", method, origin, got, want)
					}
					refused := w.Code == http.StatusForbidden && w.Header().Get(api.HeaderErrorKind) == api.KindRefusedOrigin
					if refused != (want == "") || want != "" && w.Code >= 300 {
						t.Errorf("%s from %s: got %d", method, origin, w.Code)
					}
				}
			}
			if w := n.do(request{method: "GET", path: "/admin-api/contexts", token: n.admin}); w.Code != 200 || w.Header().Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("without Origin: %d, %v", w.Code, w.Header())
			}
		})
	}
}

func TestPreflight(t *testing.T) {
	n := newNode(t, options{})
	w := n.do(request{method: "OPTIONS", path: "/jsonrpc", header: map[string]string{
		"Origin": "https://app.example.org", "Access-Control-Request-Method": "POST",
		"Access-Control-Request-Headers": "authorization,content-type,x-any", "Access-Control-Request-Private-Network": "true",
	}})
	if w.Code != http.StatusNoContent {
		t.Errorf("got %d: a preflight carries no token", w.Code)
	}
	for header, want := range map[string]string{
		"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "authorization,content-type,x-any",
		"Access-Control-Allow-Private-Network": "true", "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE, OPTIONS",
	} {
		if got := w.Header().Get(header); got != want {
			t.Errorf("%s: %q, want %q", header, got, want)
		}
	}
}

// A browser shows a page the token's error only if CORS exposes it (http-api 9,
// client item 3).
func TestAuthErrorIsExposed(t *testing.T) {
	n := newNode(t, options{})
	w := n.do(request{method: "GET", path: "/admin-api/is-authed", header: map[string]string{"Origin": "https://app.example.org"}})
	exposed := strings.ToLower(w.Header().Get("Access-Control-Expose-Headers"))
	for _, name := range []string{"x-auth-error", "x-auth-user", "x-auth-permissions", "x-blob-id", "x-blob-hash", "x-blob-mime-type", "etag"} {
		if !strings.Contains(exposed, name) {
			t.Errorf("%s is not exposed: %s", name, exposed)
		}
	}
	if w.Code != 401 || w.Header().Get("X-Auth-Error") != "missing_token" || w.Header().Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("got %d, %v", w.Code, w.Header())
	}
	if !strings.HasPrefix(w.Body.String(), `{"error":"`) {
		t.Errorf("body %s: a client throws on what is not an object", w.Body)
	}
}

func TestSchemeOfToken(t *testing.T) {
	n := newNode(t, options{})
	for header, want := range map[string]int{
		"Bearer " + n.admin: 200, "bearer " + n.admin: 200, "BEARER  " + n.admin: 200,
		"Basic " + n.admin: 401, n.admin: 401, "Bearer": 401, "Bearer ": 401, "Bearer x " + n.admin: 401,
	} {
		w := n.do(request{method: "GET", path: "/admin-api/is-authed", header: map[string]string{"Authorization": header}})
		if w.Code != want {
			t.Errorf("%.12s…: got %d, want %d", header, w.Code, want)
		}
	}
}

func TestModeNone(t *testing.T) {
	n := newNode(t, options{mode: auth.ModeNone})
	for _, path := range []string{"/admin-api/is-authed", "/admin-api/contexts", "/admin-api/x/status", "/metrics"} {
		if w := n.do(request{method: "GET", path: path}); w.Code != 200 {
			t.Errorf("%s: got %d", path, w.Code)
		}
	}
	cfg := server.DefaultConfig()
	for address, ok := range map[string]bool{"127.0.0.1:0": true, "localhost:0": true, "[::1]:0": true, "0.0.0.0:0": false, ":0": false, "192.168.1.1:0": false} {
		cfg.Listen = []string{"127.0.0.1:0", address}
		if got := cfg.Loopback(); got != ok {
			t.Errorf("%s: loopback is %v", address, got)
		}
	}
}

// TestPagesNeedATokenForMetrics: what needs no token on loopback is for tools on
// this machine, not for any page that a browser on it shows.
func TestPagesNeedATokenForMetrics(t *testing.T) {
	const evil, page = "https://evil.example", "https://app.example.org"
	for name, row := range map[string]struct {
		cfg  func(*server.Config)
		want map[string]int // by Origin
	}{
		"default": {nil, map[string]int{"": 200, evil: 403, "null": 403, "own": 200}},
		"public":  {func(c *server.Config) { c.MetricsPublic = true }, map[string]int{"": 200, evil: 403, "own": 200}},
		"named":   {func(c *server.Config) { c.AllowedOrigins = []string{page} }, map[string]int{page: 200, evil: 403}},
	} {
		t.Run(name, func(t *testing.T) {
			l := serve(t, options{cfg: row.cfg}, "127.0.0.1:0")
			get := func(path, origin, token string) (status int, allowed string) {
				t.Helper()
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, l.url+path, http.NoBody)
				must(t, err)
				if origin == "own" {
					origin = l.url
				}
				if origin != "" {
					req.Header.Set("Origin", origin)
				}
				if token != "" {
					req.Header.Set("Authorization", "Bearer "+token)
				}
				resp, err := http.DefaultTransport.RoundTrip(req)
				must(t, err)
				must(t, resp.Body.Close())
				return resp.StatusCode, resp.Header.Get("Access-Control-Allow-Origin")
			}
			for origin, want := range row.want {
				for _, path := range []string{"/metrics", "/admin-api/metrics"} {
					status, allowed := get(path, origin, "")
					if status != want {
						t.Errorf("%s from %q: got %d, want %d", path, origin, status, want)
					}
					if want == 403 && allowed != "" {
						t.Errorf("%s: the refusal allows %s to read it", path, allowed)
					}
				}
			}
			if row.cfg != nil {
				return
			}
			// With a token any page may (R25), and what tells nothing is for all.
			if status, _ := get("/metrics", evil, l.admin); status != 200 {
				t.Errorf("with a token: got %d", status)
			}
			for path, want := range map[string]int{"/admin-api/health": 200, "/admin-api/is-authed": 401} {
				if status, allowed := get(path, evil, ""); status != want || allowed != "*" {
					t.Errorf("%s: got %d, allowed %q", path, status, allowed)
				}
			}
		})
	}
}
