package api_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"

	"mero/node/api"
)

const askNode = "MERO_TEST_ASK_NODE"

// TestClientTakesNoProxy is R25: the token is for the node alone. net/http reads
// the environment once a process and never uses a proxy for loopback names, so
// the client runs in a process of its own and asks by another name for this host.
func TestClientTakesNoProxy(t *testing.T) {
	if url := os.Getenv(askNode); url != "" {
		c, err := api.NewClient(api.ClientConfig{URL: url, Token: "secret"})
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Health(t.Context()) // who was asked counts
		return
	}
	var proxied, direct atomic.Int64
	count := func(n *atomic.Int64) *httptest.Server {
		srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { n.Add(1) }))
		t.Cleanup(srv.Close)
		return srv
	}
	proxy, node := count(&proxied), count(&direct)
	cmd := exec.Command(os.Args[0], "-test.run=^TestClientTakesNoProxy$")
	cmd.Env = append(os.Environ(), "HTTP_PROXY="+proxy.URL, "http_proxy="+proxy.URL, "NO_PROXY=", "no_proxy=",
		askNode+"="+strings.Replace(node.URL, "127.0.0.1", "0.0.0.0", 1))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if proxied.Load() != 0 || direct.Load() != 1 {
		t.Errorf("the proxy was asked %d times, the node %d times", proxied.Load(), direct.Load())
	}
}
