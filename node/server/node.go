package server

import (
	"bytes"
	"net/http"
	"strings"

	"mero/node/api"
)

// health is GET /health, which always answers, and /is-authed, which is behind
// the token: 401 is how calimero-client-js learns that a login is needed
// (http-api 4.2).
func (x *exchange) health() error { return x.data(api.Alive{Status: "alive"}) }

// certificate: a node serves plain HTTP on loopback and has none.
func (x *exchange) certificate() error {
	return reject(http.StatusNotFound, "Certificate not found")
}

// tee: there is no such hardware here.
func (x *exchange) tee() error { return errUnsupported }

// ready is GET /ready for those who send traffic: 503 while the node stops or
// cannot write.
func (x *exchange) ready() error {
	if x.server.draining.Load() {
		return x.json(http.StatusServiceUnavailable, api.Ready{Reason: errStopping.Error()})
	}
	if err := x.server.deps.Store.Writable(); err != nil {
		return x.json(http.StatusServiceUnavailable, api.Ready{Reason: err.Error()})
	}
	return x.json(http.StatusOK, api.Ready{Ready: true})
}

// nodeStatus is GET /x/status.
func (x *exchange) nodeStatus() error { return x.data(x.server.deps.Status()) }

// peerCount is GET /peers; it has no data wrapper.
func (x *exchange) peerCount() error {
	return x.json(http.StatusOK, api.PeersCount{Count: len(x.server.deps.Peers())})
}

// clientKeys, emptyList, zero and noApprovals answer for what only a
// blockchain had (http-api 4.9, 4.10).
func (x *exchange) clientKeys() error {
	return x.data(api.ClientKeysResponse{ClientKeys: []struct{}{}})
}

func (x *exchange) emptyList() error { return x.data([]struct{}{}) }

func (x *exchange) zero() error { return x.data(0) }

func (x *exchange) noApprovals() error {
	return x.data(struct {
		ID  string `json:"proposal_id"`
		Num int    `json:"num_approvals"`
	}{ID: x.param("proposal_id")})
}

const (
	openMetrics     = "application/openmetrics-text"
	openMetricsType = openMetrics + "; version=1.0.0; charset=utf-8"
)

// metricsPage is GET /metrics: OpenMetrics for everybody, ending in # EOF. Only
// who names that type gets it as the content type; others expect text/plain
// (http-api 6).
func (x *exchange) metricsPage() error {
	r := x.r.Clone(x.r.Context())
	r.Header.Set("Accept", openMetricsType)
	page := &page{header: make(http.Header)}
	x.server.scrape.ServeHTTP(page, r)
	if page.status >= http.StatusBadRequest {
		return reject(page.status, "%s", strings.TrimSpace(page.body.String()))
	}
	contentType := "text/plain; charset=utf-8"
	if strings.Contains(x.r.Header.Get("Accept"), openMetrics) {
		contentType = openMetricsType
	}
	return x.raw(http.StatusOK, contentType, page.body.Bytes())
}

// page holds an answer until its headers are decided.
type page struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (p *page) Header() http.Header { return p.header }

// WriteHeader implements http.ResponseWriter.
func (p *page) WriteHeader(status int) { p.status = status }

// Write implements http.ResponseWriter.
func (p *page) Write(b []byte) (int, error) { return p.body.Write(b) }
