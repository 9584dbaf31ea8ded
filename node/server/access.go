package server

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"mero/node/api"
	"mero/node/auth"
)

// access holds the rules of R25 about names: which Host a request may be for,
// and which web pages it may come from.
type access struct {
	hosts   map[string]bool // canonical names
	origins map[string]bool // lower case
	open    bool            // no token is asked for
}

func newAccess(cfg Config, mode string) access {
	a := access{hosts: make(map[string]bool), origins: make(map[string]bool), open: mode == auth.ModeNone}
	for _, host := range cfg.AllowedHosts {
		a.hosts[canonicalHost(host)] = true
	}
	// An address that the operator chose is a configured name; "all addresses"
	// is not one.
	for _, address := range cfg.Listen {
		host, err := parseListen(address)
		if err != nil {
			continue
		}
		if ip, err := netip.ParseAddr(host); err == nil && !ip.IsUnspecified() {
			a.hosts[canonicalHost(host)] = true
		}
	}
	for _, origin := range cfg.AllowedOrigins {
		a.origins[strings.ToLower(origin)] = true
	}
	return a
}

// host decides by the Host header, whatever address the connection came to: a
// web page whose name was rebound to 127.0.0.1 still sends its own name.
func (a *access) host(header string) bool {
	host := hostOnly(header)
	return host != "" && (isLoopbackHost(host) || a.hosts[canonicalHost(host)])
}

// hostOnly removes the port.
func hostOnly(header string) string {
	if host, _, err := net.SplitHostPort(header); err == nil {
		return host
	}
	if inner, ok := strings.CutPrefix(header, "["); ok {
		if inner, ok = strings.CutSuffix(inner, "]"); ok {
			return inner
		}
		return ""
	}
	return header
}

// canonicalHost makes equal names equal: case, the root's dot, brackets, and
// the several spellings of an IP address.
func canonicalHost(host string) string {
	host = strings.TrimSuffix(strings.ToLower(strings.Trim(host, "[]")), ".")
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().WithZone("").String()
	}
	return host
}

func isLoopbackHost(host string) bool {
	host = canonicalHost(host)
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// origin decides by the Origin header. With tokens any page may try: a token
// is never a cookie, so a page can only use one that it was given. Without, a
// page must be of the node itself or be named in the configuration.
func (a *access) origin(r *http.Request) bool {
	if len(a.origins) == 0 && !a.open {
		return len(r.Header["Origin"]) <= 1
	}
	return a.ownOrigin(r)
}

// ownOrigin reports whether a request comes from no page, from the node's own,
// or from one that the configuration names. It is what stands in for a token
// where none is asked for and something is told: without it any page that the
// operator opens could read the metrics of a node on this machine.
func (a *access) ownOrigin(r *http.Request) bool {
	if len(r.Header["Origin"]) > 1 {
		return false
	}
	origin := strings.ToLower(r.Header.Get("Origin"))
	// The Host rule has been passed, so the last is the node's own page.
	return origin == "" || a.origins[origin] || origin == "http://"+strings.ToLower(r.Host)
}

// exposed are the headers that a page may read (http-api 0 and 4.7).
const exposed = "X-Auth-Error, X-Auth-User, X-Auth-Permissions, " + api.HeaderErrorKind +
	", X-Blob-ID, X-Blob-Hash, X-Blob-MIME-Type, ETag"

// cors says to the browser what access has decided; only for requests that
// come from a page.
func (a *access) cors(h http.Header, r *http.Request) {
	origin := r.Header.Get("Origin")
	h.Add("Vary", "Origin")
	if origin == "" {
		return
	}
	if len(a.origins) == 0 && !a.open {
		origin = "*"
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", exposed)
}

// preflight answers OPTIONS. Any request header is allowed; they are echoed,
// since the wildcard does not cover Authorization.
func (a *access) preflight(h http.Header, r *http.Request) {
	h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE, OPTIONS")
	if names := r.Header.Get("Access-Control-Request-Headers"); names != "" {
		h.Set("Access-Control-Allow-Headers", names)
	}
	if r.Header.Get("Access-Control-Request-Private-Network") == "true" {
		h.Set("Access-Control-Allow-Private-Network", "true")
	}
	h.Set("Access-Control-Max-Age", "600")
	h.Add("Vary", "Access-Control-Request-Headers")
}
