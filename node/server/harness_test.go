package server_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"mero/blobkit"
	"mero/netkit"
	"mero/node/api"
	"mero/node/apps"
	"mero/node/auth"
	"mero/node/events"
	"mero/node/ident"
	"mero/node/replica"
	"mero/node/server"
	"mero/node/store"
	"mero/node/syncer"
	"mero/node/vm"
	"mero/node/vm/apptest"
)

// node is a server over real parts in a directory of the test.
type node struct {
	t        testing.TB
	srv      *server.Server
	issuer   *auth.Issuer
	store    *store.Store
	contexts *replica.Set
	log      *lockedBuffer
	free     atomic.Uint64 // what the store is told about the disk
	admin    string
	ahead    atomic.Int64 // how far the clock of tokens is moved, in ns
	close    func()
}

type options struct {
	dir  string // empty: a new one
	mode string
	cfg  func(*server.Config)
	// broken makes the status panic; quiet leaves requests out of the log.
	broken, quiet bool
	large         int // makes the answer of /x/peers longer
	callTimeout   time.Duration
}

var secretBytes = [auth.SecretSize]byte{7}

func newNode(t testing.TB, opts options) *node {
	t.Helper()
	dir, reg := opts.dir, prometheus.NewRegistry()
	if dir == "" {
		dir = t.TempDir()
	}
	n := &node{t: t, log: &lockedBuffer{}}
	n.free.Store(1 << 40)
	log := zerolog.New(n.log).Level(zerolog.DebugLevel)
	if opts.quiet {
		log = log.Level(zerolog.InfoLevel)
	}
	quiet := zerolog.Nop()
	var err error
	n.store, err = store.Open(filepath.Join(dir, "db"), store.DefaultConfig(), store.Deps{
		Log: quiet, Metrics: reg, FreeBytes: func(string) (uint64, error) { return n.free.Load(), nil },
	})
	must(t, err)
	blobs, err := blobkit.Open(filepath.Join(dir, "blobs"), blobkit.Deps{Log: quiet, Metrics: reg}, blobkit.DefaultConfig())
	must(t, err)
	runtime := vm.DefaultConfig()
	if opts.callTimeout > 0 {
		runtime.CallTimeout = opts.callTimeout
	}
	engine, err := vm.New(runtime, vm.Deps{CacheDir: cacheDir, Log: quiet, Metrics: reg})
	must(t, err)
	library := apps.New(apps.Deps{Store: n.store, Engine: engine, Blobs: blobs, Log: quiet})
	n.contexts = replica.NewSet(replica.Deps{
		Store: n.store, Apps: library, Blobs: blobs, Events: events.New(events.DefaultQueue, reg), Log: quiet, Metrics: reg, Wall: time.Now,
	})
	authCfg := auth.DefaultConfig()
	if opts.mode != "" {
		authCfg.Mode = opts.mode
	}
	n.issuer, err = auth.New(authCfg, auth.SecretFromBytes(secretBytes), n.store, func() time.Time {
		return time.Now().Add(time.Duration(n.ahead.Load()))
	})
	must(t, err)
	key, err := netkit.LoadKey(filepath.Join(dir, "peer.key"))
	must(t, err)
	network, err := netkit.New(loopback(), netkit.Deps{Key: key, BookFile: filepath.Join(dir, "peers"), Log: quiet, Metrics: reg})
	must(t, err)
	syncing := syncer.New(syncer.DefaultConfig(), syncer.Deps{
		Net: network, Contexts: n.contexts, Apps: library, Blobs: blobs, Log: quiet, Metrics: reg, Wall: time.Now,
	})
	cfg := server.DefaultConfig()
	if opts.cfg != nil {
		opts.cfg(&cfg)
	}
	n.srv, err = server.New(cfg, server.Deps{
		Auth: n.issuer, Store: n.store, Apps: library, Contexts: n.contexts, Sync: syncing, Log: log, Metrics: reg, Gather: reg,
		Addrs: network.Addrs,
		Peers: func() []api.Peer {
			return []api.Peer{{
				ID: "12D3", Addr: "/ip4/1.2.3.4" + strings.Repeat("x", opts.large), Transport: "tcp", Direction: "inbound", LatencyMs: 1.5,
			}}
		},
		Status: func() api.Status {
			if opts.broken {
				panic("boom")
			}
			return api.Status{Name: "test", Version: "1", API: []string{}, P2P: []string{}}
		},
	})
	must(t, err)
	n.admin = n.token("admin")
	n.close = sync.OnceFunc(func() {
		library.Close()
		must(t, errors.Join(network.Close(), engine.Close(), blobs.Close(), n.store.Close()))
	})
	t.Cleanup(n.close)
	return n
}

// cacheDir keeps compiled applications for the time of this test process.
var cacheDir string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if cacheDir, err = os.MkdirTemp("", "mero-server-test-"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(cacheDir)
		return m.Run()
	}())
}

// loopback is a network that nobody else is in.
func loopback() netkit.Config {
	cfg := netkit.DefaultConfig()
	cfg.Listen = []string{"/ip4/127.0.0.1/tcp/0"}
	return cfg
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// token issues one with scopes separated by blanks.
func (n *node) token(scopes string) string {
	n.t.Helper()
	parsed, err := auth.ParseScopes(strings.Fields(scopes))
	must(n.t, err)
	token, _, err := n.issuer.Issue("test", parsed, time.Hour)
	must(n.t, err)
	return token
}

// badTokens are those that no route may accept, with the X-Auth-Error of each.
func (n *node) badTokens() map[string]struct{ token, reason string } {
	n.t.Helper()
	revoked := n.token("admin")
	n.ahead.Store(-int64(2 * time.Hour)) // issue a token whose hour is over
	expired := n.token("admin")
	n.ahead.Store(0)
	who, err := n.issuer.Verify(revoked)
	must(n.t, err)
	_, err = n.issuer.Revoke(who.KeyID)
	must(n.t, err)
	var claims auth.Claims
	_, _, err = jwt.NewParser().ParseUnverified(n.admin, &claims)
	must(n.t, err)
	claims.TokenType = auth.TypeRefresh
	refresh, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(secretBytes[:])
	must(n.t, err)
	return map[string]struct{ token, reason string }{
		"none":    {"", api.AuthMissing},
		"noise":   {"noise", api.AuthInvalid},
		"expired": {expired, api.AuthExpired},
		"revoked": {revoked, api.AuthRevoked},
		"refresh": {refresh, api.AuthInvalid},
	}
}

// request is what a test sends; zero values are the usual ones.
type request struct {
	method, path, token, body string
	host                      string
	header                    map[string]string
}

// noHost sends an empty Host header.
const noHost = "none"

func (n *node) do(req request) *httptest.ResponseRecorder {
	n.t.Helper()
	r := httptest.NewRequest(req.method, req.path, strings.NewReader(req.body))
	r.Host = "localhost:2528"
	switch req.host {
	case "":
	case noHost:
		r.Host = ""
	default:
		r.Host = req.host
	}
	if req.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if req.token != "" {
		r.Header.Set("Authorization", "Bearer "+req.token)
	}
	for k, v := range req.header {
		if v == "" {
			r.Header.Del(k)
			continue
		}
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	n.srv.ServeHTTP(w, r)
	return w
}

// want sends a request as admin and checks status and body.
func (n *node) want(status int, body string, req request) {
	n.t.Helper()
	if req.token == "" {
		req.token = n.admin
	}
	w := n.do(req)
	if w.Code != status || body != "*" && w.Body.String() != body {
		n.t.Errorf("%s %s\n got %d %s\nwant %d %s", req.method, req.path, w.Code, w.Body, status, body)
	}
}

// data decodes {"data": …} of a 200.
func data[T any](t testing.TB, w *httptest.ResponseRecorder) T {
	t.Helper()
	var out api.Data[T]
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code != http.StatusOK {
		t.Fatalf("got %d %s: %v", w.Code, w.Body, err)
	}
	return out.Data
}

// install puts a test application on the node.
func (n *node) install(name string) ident.AppID {
	n.t.Helper()
	w := n.do(request{
		method: "PUT", path: "/admin-api/x/applications?name=" + name + ".wasm", token: n.admin,
		body: string(apptest.Build(n.t, name)), header: map[string]string{"Content-Type": "application/wasm"},
	})
	return data[api.InstalledResponse](n.t, w).ApplicationID
}

// create makes a context of a test application.
func (n *node) create(name string) api.CreatedContext {
	n.t.Helper()
	body, err := json.Marshal(api.CreateContextRequest{ApplicationID: n.install(name), InitializationParams: api.Bytes{}})
	must(n.t, err)
	return data[api.CreatedContext](n.t, n.do(request{method: "POST", path: "/admin-api/contexts", token: n.admin, body: string(body)}))
}

// rpc is the body of a call.
func rpc(c api.CreatedContext, method, args string) string {
	return `{"jsonrpc":"2.0","id":1,"method":"execute","params":{"contextId":"` + c.ContextID.String() + `","method":"` + method +
		`","argsJson":` + args + `,"executorPublicKey":"` + c.MemberPublicKey.String() + `"}}`
}

// call calls a method and returns the body of the answer.
func (n *node) call(c api.CreatedContext, method, args string) string {
	n.t.Helper()
	w := n.do(request{method: "POST", path: "/jsonrpc", token: n.admin, body: rpc(c, method, args)})
	if w.Code != http.StatusOK {
		n.t.Errorf("%s: status %d", method, w.Code)
	}
	return w.Body.String()
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

var _ io.Writer = (*lockedBuffer)(nil)
