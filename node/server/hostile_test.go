package server_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"mero/node/api"
	"mero/node/server"
)

func TestPanicIsAnAnswer(t *testing.T) {
	n := newNode(t, options{broken: true})
	w := n.do(request{method: "GET", path: "/admin-api/x/status", token: n.admin})
	if w.Code != 500 || w.Header().Get(api.HeaderErrorKind) != api.KindInternal || strings.Contains(w.Body.String(), "boom") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	if log := n.log.String(); !strings.Contains(log, "boom") || !strings.Contains(log, "goroutine") {
		t.Errorf("the log lacks the cause or the stack: %s", log)
	}
	n.want(200, "*", request{method: "GET", path: "/admin-api/health"})
}

// FuzzServer sends anything anywhere, with a good token: no panic, and no
// answer that is not one of the forms clients know.
func FuzzServer(f *testing.F) {
	for _, rt := range server.Routes() {
		req := example(rt)
		f.Add(req.method, req.path, "application/json", req.body)
	}
	f.Add("POST", "/jsonrpc", "application/json", `{"jsonrpc":"2.0","id":{},"method":[],"params":7}`)
	f.Add("GET", "/admin-api/alias/lookup/context/%zz", "", "")
	f.Add("PUT", "/admin-api/x/applications?hash=%00&metadata=!", "text/plain", "\x00asm")
	n := newNode(f, options{})
	f.Fuzz(func(t *testing.T, method, path, contentType, body string) {
		if strings.Contains(path, "install") { // would leave this machine, or read its files
			return
		}
		r, err := http.NewRequestWithContext(t.Context(), method, "http://localhost/", strings.NewReader(body))
		if err != nil {
			return
		}
		if u, err := r.URL.Parse(path); err == nil {
			r.URL = u
		}
		r.Host = "localhost"
		r.Header.Set("Content-Type", contentType)
		r.Header.Set("Authorization", "Bearer "+n.admin)
		w := httptest.NewRecorder()
		n.srv.ServeHTTP(w, r)
		if strings.Contains(n.log.String(), "panicked") {
			t.Fatal("a handler panicked")
		}
		if w.Code < 200 || w.Code > 599 || w.Code == http.StatusInternalServerError && w.Header().Get(api.HeaderErrorKind) == api.KindInternal {
			t.Errorf("%s %s: %d %s", method, path, w.Code, w.Body)
		}
	})
}

// BenchmarkJSONRPC is P26 in small: reads by JSON-RPC beside a bare handler
// that reads the same body, both over sockets in one process.
func BenchmarkJSONRPC(b *testing.B) {
	l := serve(b, options{quiet: true}, "127.0.0.1:0")
	made := l.create("rawkv")
	body := rpc(made, "len", "{}")
	bare := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":{"output":0}}`)
	}))
	defer bare.Close()
	post := func(b *testing.B, url string) {
		b.RunParallel(func(pb *testing.PB) {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for pb.Next() {
				req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, url, strings.NewReader(body))
				must(b, err)
				req.Header.Set("Content-Type", "application/json")
				req.Header.Set("Authorization", "Bearer "+l.admin)
				resp, err := client.Do(req)
				must(b, err)
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					b.Fatal(resp.Status)
				}
			}
		})
	}
	b.Run("bare", func(b *testing.B) { post(b, bare.URL) })
	b.Run("unknown-context", func(b *testing.B) {
		saved := body
		body = rpc(api.CreatedContext{}, "len", "{}")
		post(b, l.url+"/jsonrpc")
		body = saved
	})
	b.Run("health", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r := httptest.NewRequest(http.MethodGet, "/admin-api/peers", http.NoBody)
			r.Host = "localhost"
			r.Header.Set("Authorization", "Bearer "+l.admin)
			l.srv.ServeHTTP(httptest.NewRecorder(), r)
		}
	})
	b.Run("read", func(b *testing.B) { post(b, l.url+"/jsonrpc") })
}
