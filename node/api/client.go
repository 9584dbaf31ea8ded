package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// DefaultMaxResponse bounds an answer in bytes: a call's output can be large.
const DefaultMaxResponse = 64 << 20

// ClientConfig says which node to talk to and how.
type ClientConfig struct {
	// URL is the node's address, http://127.0.0.1:2528; a path prefix is kept.
	URL string
	// Token is sent as a bearer token; empty sends none.
	Token string
	// HTTP makes the requests; nil is a client of its own, which talks to the
	// node directly: it takes no proxy from the environment, since a token is for
	// the node alone (R25). Redirects are never followed, whatever it says.
	HTTP *http.Client
	// MaxResponse bounds what is read of an answer; 0 is DefaultMaxResponse.
	MaxResponse int64
}

// Client talks to one node. Its methods are safe for concurrent use.
type Client struct {
	base  url.URL
	token string
	http  *http.Client
	max   int64
}

// NewClient checks the address; it does not connect.
func NewClient(cfg ClientConfig) (*Client, error) {
	base, err := url.Parse(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("address of the node: %w", unwrapURL(err)) // the text could hold a password
	}
	if base.Scheme != "http" && base.Scheme != "https" || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, fmt.Errorf("address of the node: %q is not like http://127.0.0.1:2528", base.Redacted())
	}
	base.Path = strings.TrimRight(base.Path, "/")
	c := &Client{base: *base, token: cfg.Token, max: cfg.MaxResponse}
	if cfg.HTTP != nil {
		copied := *cfg.HTTP
		c.http = &copied
	} else {
		c.http = &http.Client{Transport: directTransport()}
	}
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if c.max <= 0 {
		c.max = DefaultMaxResponse
	}
	return c, nil
}

// directTransport is like http.DefaultTransport, but for its proxy.
func directTransport() http.RoundTripper {
	dialer := &net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy: nil, DialContext: dialer.DialContext, ForceAttemptHTTP2: true,
		MaxIdleConns: 100, IdleConnTimeout: 90 * time.Second,
		TLSHandshakeTimeout: 10 * time.Second, ExpectContinueTimeout: time.Second,
	}
}

// URL is the node's address.
func (c *Client) URL() string { return c.base.String() }

// path joins segments, each escaped, so that an alias may hold a slash.
func path(segments ...string) string {
	var b strings.Builder
	for _, s := range segments {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(s))
	}
	return b.String()
}

func admin(segments ...string) string { return "/admin-api" + path(segments...) }

// request describes one exchange.
type request struct {
	method, path string // path is escaped
	query        url.Values
	body         any       // encoded as JSON; nil: no body
	stream       io.Reader // a raw body in place of body
	size         int64     // of stream, 0 when unknown
}

// do sends a request and returns the body of a 2xx answer.
func (c *Client) do(ctx context.Context, r request) ([]byte, error) {
	body, _, err := c.send(ctx, r)
	return body, err
}

// send is do for who needs the kind of failure that a 2xx answer tells of.
func (c *Client) send(ctx context.Context, r request) (body []byte, kind string, err error) {
	req, err := c.build(ctx, r)
	if err != nil {
		return nil, "", err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return nil, "", fmt.Errorf("%s %s: %w", r.method, r.path, cause)
		}
		return nil, "", &UnreachableError{URL: c.base.String(), Cause: unwrapURL(err)}
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	body, err = io.ReadAll(io.LimitReader(resp.Body, c.max+1))
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return nil, "", fmt.Errorf("%s %s: reading the answer: %w", r.method, r.path, err)
	}
	if int64(len(body)) > c.max {
		return nil, "", fmt.Errorf("%s %s: %w of %d bytes", r.method, r.path, ErrTooLong, c.max)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return body, "", readError(resp, body)
	}
	return body, resp.Header.Get(HeaderErrorKind), nil
}

func (c *Client) build(ctx context.Context, r request) (*http.Request, error) {
	body, size, mime := r.stream, r.size, "application/octet-stream"
	if r.stream == nil && r.body != nil {
		doc, err := json.Marshal(r.body)
		if err != nil {
			return nil, fmt.Errorf("encode request: %w", err)
		}
		body, size, mime = bytes.NewReader(doc), int64(len(doc)), "application/json"
	}
	address := c.base.String() + r.path
	if len(r.query) > 0 {
		address += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, address, body)
	if err != nil {
		return nil, fmt.Errorf("build request: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", mime)
		if size > 0 {
			req.ContentLength = size
		}
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	return req, nil
}

// unwrapURL drops the prefix that repeats method and address.
func unwrapURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// readError makes an Error of an answer: JSON with "error", or plain text.
func readError(resp *http.Response, body []byte) error {
	e := &Error{
		Status: resp.StatusCode, Kind: resp.Header.Get(HeaderErrorKind), Auth: resp.Header.Get(HeaderAuthError),
		Message: strings.TrimSpace(string(body)),
	}
	var doc struct {
		Error *string `json:"error"`
	}
	if json.Unmarshal(body, &doc) == nil {
		e.Message = ""
		if doc.Error != nil {
			e.Message = *doc.Error
		}
	}
	return e
}

// call sends a request and decodes the whole answer.
func call[T any](ctx context.Context, c *Client, r request) (T, error) {
	var out T
	body, err := c.do(ctx, r)
	if err != nil {
		return out, err
	}
	return decode[T](r, body)
}

// decode reads a whole answer.
func decode[T any](r request, body []byte) (T, error) {
	var out T
	if err := json.Unmarshal(body, &out); err != nil {
		return out, fmt.Errorf("%s %s: the answer is not what mero answers: %w", r.method, r.path, err)
	}
	return out, nil
}

// data is call for answers in {"data": …}.
func data[T any](ctx context.Context, c *Client, r request) (T, error) {
	out, err := call[Data[T]](ctx, c, r)
	return out.Data, err
}
