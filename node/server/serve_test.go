package server_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"mero/node/api"
	"mero/node/auth"
	"mero/node/server"
	"mero/node/vm/apptest"
)

// live is a node that serves on a port.
type live struct {
	*node

	addr string
	url  string
	stop func() error // ends Serve and returns what it returned
}

func serve(t testing.TB, opts options, listen string) *live {
	t.Helper()
	n := newNode(t, opts)
	listeners, err := server.Listen(t.Context(), server.Config{Listen: []string{listen}})
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.srv.Serve(ctx, listeners...) }()
	l := &live{node: n, addr: listeners[0].Addr().String(), url: "http://" + listeners[0].Addr().String()}
	stopped := false
	l.stop = func() error {
		stopped = true
		cancel()
		return <-done
	}
	t.Cleanup(func() {
		if !stopped {
			must(t, l.stop())
		}
	})
	return l
}

func (l *live) client(t testing.TB, token string) *api.Client {
	t.Helper()
	c, err := api.NewClient(api.ClientConfig{URL: l.url, Token: token, HTTP: &http.Client{Transport: &http.Transport{}}})
	must(t, err)
	return c
}

func TestServeAndStop(t *testing.T) {
	l := serve(t, options{}, "127.0.0.1:0")
	c := l.client(t, l.admin)
	must(t, c.Health(t.Context()))
	idle, err := net.Dial("tcp", l.addr) // a connection without a request, as browsers open
	must(t, err)
	defer idle.Close()
	began := time.Now()
	must(t, l.stop())
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("an idle server took %s to stop", took)
	}
	var unreachable *api.UnreachableError
	if err := c.Health(t.Context()); !errors.As(err, &unreachable) {
		t.Errorf("after the stop: %v", err)
	}
}

// slowBody is a request whose body is on its way: its handler runs.
func (l *live) slowBody(t testing.TB) (net.Conn, string) {
	t.Helper()
	conn, err := net.Dial("tcp", l.addr)
	must(t, err)
	body := rpc(api.CreatedContext{}, "get", "{}")
	_, err = fmt.Fprintf(conn, "POST /jsonrpc HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		l.addr, l.admin, len(body), body[:10])
	must(t, err)
	for !strings.Contains(l.metrics(t), "mero_server_running_requests 2") { // it and the request that asks
		must(t, t.Context().Err())
	}
	return conn, body[10:]
}

func (l *live) metrics(t testing.TB) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, l.url+"/metrics", http.NoBody)
	must(t, err)
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	return string(body)
}

func TestStopLetsRequestsFinish(t *testing.T) {
	l := serve(t, options{}, "127.0.0.1:0")
	conn, rest := l.slowBody(t)
	defer conn.Close()
	stopped := make(chan error, 1)
	go func() { stopped <- l.stop() }()
	for { // until nothing is accepted any more
		c, err := net.Dial("tcp", l.addr)
		if err != nil {
			break
		}
		_ = c.Close()
	}
	_, err := io.WriteString(conn, rest)
	must(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	must(t, err)
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK || !strings.Contains(string(body), "ContextNotFound") {
		t.Errorf("got %d %s", resp.StatusCode, body)
	}
	must(t, <-stopped)
}

func TestStopCutsOffWhatDoesNotEnd(t *testing.T) {
	l := serve(t, options{cfg: func(c *server.Config) { c.DrainTimeout = 100 * time.Millisecond }}, "127.0.0.1:0")
	conn, _ := l.slowBody(t)
	defer conn.Close()
	began := time.Now()
	must(t, l.stop())
	if took := time.Since(began); took < 100*time.Millisecond || took > 2*time.Second {
		t.Errorf("the stop took %s", took)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		// an answer such as 400 may come; then the connection must end
		if _, err := io.Copy(io.Discard, conn); err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the connection lives on: %v", err)
		}
	}
}

func TestBodyTimeout(t *testing.T) {
	l := serve(t, options{cfg: func(c *server.Config) { c.BodyTimeout = 50 * time.Millisecond }}, "127.0.0.1:0")
	conn, _ := l.slowBody(t)
	defer conn.Close()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	must(t, err)
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusRequestTimeout {
		t.Errorf("got %d, want 408", resp.StatusCode)
	}
}

// net/http reads what is left of a body before it sends an answer: a refused
// client that stalls must not hold its connection by that.
func TestRefusedBodyTimeout(t *testing.T) {
	l := serve(t, options{cfg: func(c *server.Config) { c.BodyTimeout = 500 * time.Millisecond }}, "127.0.0.1:0")
	for name, head := range map[string]string{
		"no token":        "POST /jsonrpc HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{",
		"refused host":    "POST /jsonrpc HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 1000\r\n\r\n{",
		"no such path":    "POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{",
		"body not read":   "GET /admin-api/health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{",
		"body in chunks":  "GET /admin-api/health HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
		"stalled upload":  "PUT /admin-api/x/applications HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + l.admin + "\r\nContent-Length: 1000\r\n\r\nx",
		"unfinished call": "POST /jsonrpc HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + l.admin + "\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", l.addr)
			must(t, err)
			defer conn.Close()
			_, err = io.WriteString(conn, head)
			must(t, err)
			must(t, conn.SetReadDeadline(time.Now().Add(30*time.Second)))
			if answer, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 ") {
				t.Errorf("got %q, %v; want an answer and the end of the connection", answer, err)
			}
		})
	}
}

// A call may take longer than its body may: the deadline ends with the body.
func TestCallOutlivesBodyTimeout(t *testing.T) {
	const bodyTimeout = 100 * time.Millisecond
	l := serve(t, options{cfg: func(c *server.Config) { c.BodyTimeout = bodyTimeout }}, "127.0.0.1:0")
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		<-time.After(3 * bodyTimeout)
		_, _ = w.Write(apptest.RawKV(t))
	}))
	t.Cleanup(site.Close)
	c := l.client(t, l.admin)
	for range 2 { // the second on the same connection
		if _, err := c.InstallURL(t.Context(), api.InstallURLRequest{URL: site.URL + "/kv.wasm"}); err != nil {
			t.Error(err)
		}
	}
}

// A client that asks and does not read is let go.
func TestReaderTimeout(t *testing.T) {
	const size, count = 1 << 20, 40 // far more than the buffers of two sockets
	l := serve(t, options{large: size, cfg: func(c *server.Config) { c.BodyTimeout = 200 * time.Millisecond }}, "127.0.0.1:0")
	conn, err := net.Dial("tcp", l.addr)
	must(t, err)
	defer conn.Close()
	ask := "GET /admin-api/x/peers HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + l.admin + "\r\n\r\n"
	_, err = io.WriteString(conn, strings.Repeat(ask, count))
	must(t, err)
	for !strings.Contains(l.metrics(t), `mero_server_connections_cut_total 1`) {
		must(t, t.Context().Err())
	}
	if n, _ := io.Copy(io.Discard, conn); n == 0 || n > size*(count-1) {
		t.Errorf("%d bytes were waiting, want some answers and not all", n)
	}
}

func TestHeaderLimits(t *testing.T) {
	l := serve(t, options{cfg: func(c *server.Config) { c.HeaderTimeout = 50 * time.Millisecond }}, "127.0.0.1:0")
	conn, err := net.Dial("tcp", l.addr)
	must(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "GET /admin-api/health HTTP/1.1\r\nHost: localhost\r\n")
	must(t, err)
	must(t, conn.SetReadDeadline(time.Now().Add(5*time.Second)))
	if _, err := io.Copy(io.Discard, conn); err != nil {
		t.Errorf("a client that stops within its head: %v", err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, l.url+"/admin-api/health", http.NoBody)
	must(t, err)
	req.Header.Set("X-Large", strings.Repeat("x", 200<<10))
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err == nil {
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("a head of 200 KiB: got %d, want 431", resp.StatusCode)
		}
	}
}

func TestTooManyRequests(t *testing.T) {
	l := serve(t, options{cfg: func(c *server.Config) { c.MaxInFlight = 1 }}, "127.0.0.1:0")
	conn, err := net.Dial("tcp", l.addr)
	must(t, err)
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "POST /jsonrpc HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n", l.admin)
	must(t, err)
	// It is told to go on when its body is asked for: then it has its place.
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("got %q, %v", line, err)
	}
	c := l.client(t, l.admin)
	var busy *api.Error
	_, err = c.Contexts(t.Context())
	if !errors.As(err, &busy) || busy.Status != 503 || busy.Kind != api.KindBusy {
		t.Errorf("got %v, want 503", err)
	}
	must(t, c.Health(t.Context())) // probes still get through
	_ = conn.Close()
	for {
		if _, err = c.Contexts(t.Context()); err == nil {
			break
		}
	}
}

func TestTooManyConnections(t *testing.T) {
	l := serve(t, options{cfg: func(c *server.Config) { c.MaxConnections = 2 }}, "127.0.0.1:0")
	open := func() net.Conn {
		conn, err := net.Dial("tcp", l.addr)
		must(t, err)
		return conn
	}
	ask := func(conn net.Conn, wait time.Duration) error {
		must(t, conn.SetDeadline(time.Now().Add(wait)))
		if _, err := io.WriteString(conn, "GET /admin-api/health HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			return err
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err == nil {
			_ = resp.Body.Close()
		}
		return err
	}
	first, second, third := open(), open(), open()
	defer second.Close()
	defer third.Close()
	must(t, ask(first, 5*time.Second))
	must(t, ask(second, 5*time.Second))
	if err := ask(third, 100*time.Millisecond); err == nil {
		t.Error("a third connection was served")
	}
	must(t, first.Close())
	must(t, second.Close())
	fourth := open() // the third has one of the places that are free now
	defer fourth.Close()
	must(t, ask(fourth, 5*time.Second))
}

func TestListen(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer taken.Close()
	var inUse *server.AddrInUseError
	_, err = server.Listen(t.Context(), server.Config{Listen: []string{"127.0.0.1:0", taken.Addr().String()}})
	if !errors.As(err, &inUse) || inUse.Addr != taken.Addr().String() || !strings.Contains(err.Error(), inUse.Addr) {
		t.Errorf("got %v, want AddrInUseError", err)
	}
	if _, err := server.Listen(t.Context(), server.Config{Listen: []string{"192.0.2.1:0"}}); err == nil {
		t.Error("an address of no interface was bound")
	}
	some, err := server.Listen(t.Context(), server.Config{Listen: []string{"127.0.0.1:0", "192.0.2.1:0"}})
	if err != nil || len(some) != 1 {
		t.Errorf("got %v, %v; want the address that exists", some, err)
	}
	for _, l := range some {
		_ = l.Close()
	}
}

func TestModeNoneServesLoopbackOnly(t *testing.T) {
	n := newNode(t, options{mode: auth.ModeNone})
	open, err := net.Listen("tcp", "0.0.0.0:0")
	must(t, err)
	defer open.Close()
	if err := n.srv.Serve(t.Context(), open); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("got %v", err)
	}
	if err := n.srv.Serve(t.Context()); err == nil {
		t.Error("no listener is no error")
	}
	l := serve(t, options{mode: auth.ModeNone}, "127.0.0.1:0")
	must(t, l.client(t, "").Health(t.Context()))
	if !strings.Contains(l.log.String(), "auth.mode is none") {
		t.Error("nothing in the log says that the API is open")
	}
}

func TestListenerFailureEndsServe(t *testing.T) {
	n := newNode(t, options{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	must(t, l.Close())
	if err := n.srv.Serve(t.Context(), l); err == nil || !strings.Contains(err.Error(), "serve ") {
		t.Errorf("got %v", err)
	}
}

// TestMetricsRule is R25: without a token on loopback listeners alone.
func TestMetricsRule(t *testing.T) {
	get := func(l *live, path, token, accept string) (int, string, string) {
		_, port, err := net.SplitHostPort(l.addr)
		must(t, err)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:"+port+path, http.NoBody)
		must(t, err)
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		if accept != "" {
			req.Header.Set("Accept", accept)
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		must(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		must(t, err)
		return resp.StatusCode, resp.Header.Get("Content-Type"), string(body)
	}
	public := func(c *server.Config) { c.MetricsPublic = true }
	for name, row := range map[string]struct {
		listen string
		cfg    func(*server.Config)
		want   int
	}{
		"loopback": {"127.0.0.1:0", nil, 200}, "all addresses": {"0.0.0.0:0", nil, 401}, "all addresses, public": {"0.0.0.0:0", public, 200},
	} {
		l := serve(t, options{cfg: row.cfg}, row.listen)
		for _, path := range []string{"/metrics", "/admin-api/metrics"} {
			status, _, body := get(l, path, "", "")
			if status != row.want {
				t.Errorf("%s: %s without a token: got %d, want %d", name, path, status, row.want)
			}
			if row.want == 401 && strings.Contains(body, "mero_") {
				t.Errorf("%s: the refusal has figures", name)
			}
			if status, _, _ := get(l, path, l.admin, ""); status != http.StatusOK {
				t.Errorf("%s: %s with a token: got %d", name, path, status)
			}
		}
	}
	l := serve(t, options{}, "127.0.0.1:0")
	_, contentType, body := get(l, "/metrics", "", "")
	if !strings.HasSuffix(body, "# EOF\n") || contentType != "text/plain; charset=utf-8" {
		t.Errorf("ends with %q, Content-Type %s", body[max(0, len(body)-20):], contentType)
	}
	_, contentType, body = get(l, "/metrics", "", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
	if !strings.HasSuffix(body, "# EOF\n") || !strings.HasPrefix(contentType, "application/openmetrics-text") {
		t.Errorf("Content-Type %s", contentType)
	}
	for _, want := range []string{
		`mero_server_requests_total{method="GET",route="/metrics",status="2xx"} 1`, `mero_server_refused_total{reason="host"} 0`,
		"mero_replica_", "mero_server_request_seconds_bucket",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("%s is missing", want)
		}
	}
}

// Whatever paths, methods and hosts clients choose, labels stay those of the
// table.
func TestMetricLabelsAreBounded(t *testing.T) {
	l := serve(t, options{}, "127.0.0.1:0")
	before := len(strings.Split(l.metrics(t), "\n"))
	for i := range 50 {
		l.do(request{method: "GET", path: fmt.Sprintf("/x%d", i)})
		l.do(request{method: fmt.Sprintf("M%d", i), path: "/jsonrpc"})
		l.do(request{method: "GET", path: "/admin-api/contexts/" + someID, host: fmt.Sprintf("h%d", i)})
		l.do(request{method: "GET", path: fmt.Sprintf("/admin-api/contexts/%d", i), token: l.admin})
	}
	if after := len(strings.Split(l.metrics(t), "\n")); after != before {
		t.Errorf("%d lines grew to %d", before, after)
	}
}

func TestLogHasNoSecrets(t *testing.T) {
	n := newNode(t, options{})
	c := n.create("rawkv")
	const secret = "my-secret-value"
	n.call(c, "set", `{"key":"`+secret+`","value":"`+secret+`"}`)
	n.do(request{method: "GET", path: "/admin-api/contexts?token=" + n.admin + "&x=" + secret})
	n.do(request{method: "GET", path: "/" + secret})
	n.do(request{method: "POST", path: "/admin-api/alias/lookup/context/" + secret, token: n.admin})
	n.do(request{method: "POST", path: "/admin-api/x/tokens", token: n.admin, body: `{"name":"` + secret + `"}`})
	log := n.log.String()
	if !strings.Contains(log, `"route":"/jsonrpc"`) || !strings.Contains(log, `"took":`) || !strings.Contains(log, `"status":401`) {
		t.Errorf("the log lacks requests: %s", log)
	}
	for name, text := range map[string]string{"token": n.admin, "signature": n.admin[len(n.admin)-20:], "value": secret} {
		if strings.Contains(log, text) {
			t.Errorf("the log has a %s", name)
		}
	}
}
