package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"mero/node/api"
	"mero/node/auth"
	"mero/node/ident"
)

// exchange is one request and its answer. It is the ResponseWriter that
// handlers write to, and remembers what was written for log and metrics.
type exchange struct {
	http.ResponseWriter

	server *Server
	r      *http.Request
	route  *route        // nil while no route matched
	who    auth.Identity // zero on public routes
	status int
	size   int64
	// refused: it was the client's mistake, also where the reference answers 500.
	refused bool
}

// WriteHeader notes the status and bounds how long the client may take to read.
func (x *exchange) WriteHeader(status int) {
	if x.status == 0 {
		x.status = status
		x.writeDeadline()
	}
	x.ResponseWriter.WriteHeader(status)
}

// writeDeadline ends the connection of a client that takes nothing: an answer
// may be large, and many of them would fill the memory (R24). It is twice the
// time of a body, since net/http may wait once for a body that nobody read
// before it sends the answer.
func (x *exchange) writeDeadline() {
	// A test's recorder has no deadlines.
	_ = http.NewResponseController(x.ResponseWriter).SetWriteDeadline(time.Now().Add(2 * x.server.cfg.BodyTimeout))
}

// Write counts the bytes.
func (x *exchange) Write(b []byte) (int, error) {
	if x.status == 0 {
		x.status = http.StatusOK
	}
	n, err := x.ResponseWriter.Write(b)
	x.size += int64(n)
	if err != nil && !errors.Is(err, http.ErrBodyNotAllowed) { // HEAD has none
		x.server.metrics.cut.Inc()
	}
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

const jsonType = "application/json"

// writeSize is what a client must take within the body timeout, in bytes.
const writeSize = 1 << 20

// json answers with a body.
func (x *exchange) json(status int, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	return x.raw(status, jsonType, bytes.TrimSuffix(b.Bytes(), []byte{'\n'}))
}

// data answers 200 {"data": v}.
func (x *exchange) data(v any) error { return x.json(http.StatusOK, api.Data[any]{Data: v}) }

// void answers 200 {"data":null}.
func (x *exchange) void() error { return x.json(http.StatusOK, api.Void{}) }

// raw answers with bytes. A client that went away is no error of the node.
func (x *exchange) raw(status int, contentType string, body []byte) error {
	h := x.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	x.WriteHeader(status)
	for len(body) > writeSize {
		if _, err := x.Write(body[:writeSize]); err != nil {
			return nil //nolint:nilerr // counted by Write; there is nobody to tell
		}
		body = body[writeSize:]
		x.writeDeadline()
	}
	_, _ = x.Write(body)
	return nil
}

// text answers with plain text.
func (x *exchange) text(status int, text string) error {
	return x.raw(status, "text/plain; charset=utf-8", []byte(text))
}

// param is a part of the path, unescaped.
func (x *exchange) param(name string) string {
	value := chi.URLParam(x.r, name)
	if x.r.URL.RawPath == "" {
		return value
	}
	// chi matches the escaped path when it differs, so that %2F is no slash.
	if plain, err := url.PathUnescape(value); err == nil {
		return plain
	}
	return value
}

// pathID reads an id from the path; the error is a 400 (http-api 0).
func pathID[K ident.Kind](x *exchange, name string) (ident.ID[K], error) {
	id, err := ident.Parse[K](x.param(name))
	if err != nil {
		return id, &requestError{status: http.StatusBadRequest, text: "Invalid URL: " + err.Error(), plain: true}
	}
	return id, nil
}

// contextID reads a context id from the path.
func (x *exchange) contextID() (ident.ContextID, error) {
	id, err := pathID[idKind](x, "context_id")
	return ident.ContextID(id), err
}

// appID reads an application id from the path.
func (x *exchange) appID() (ident.AppID, error) {
	id, err := pathID[idKind](x, "application_id")
	return ident.AppID(id), err
}

type idKind struct{}

// Name implements ident.Kind.
func (idKind) Name() string { return "id" }

// requestError is a request that cannot be understood.
type requestError struct {
	status int
	text   string
	plain  bool // plain text: a rejection by the framework in the reference
}

func (e *requestError) Error() string { return e.text }

func (e *requestError) kind() string {
	switch e.status {
	case http.StatusRequestEntityTooLarge:
		return api.KindTooLarge
	case http.StatusUnsupportedMediaType:
		return api.KindUnsupportedMedia
	case http.StatusNotFound:
		return api.KindNotFound
	case http.StatusMethodNotAllowed:
		return api.KindMethodNotAllowed
	}
	return api.KindInvalid
}

func reject(status int, format string, args ...any) error {
	return &requestError{status: status, text: fmt.Sprintf(format, args...), plain: true}
}

// jsonBody reads a JSON body within the limits of size and time. Errors are
// 415, 413, 408 and, for what was cut off, 400.
func (x *exchange) jsonBody() ([]byte, error) {
	if !isJSON(x.r.Header.Get("Content-Type")) {
		return nil, reject(http.StatusUnsupportedMediaType, "Expected request with `Content-Type: application/json`")
	}
	limit := x.server.cfg.MaxBody
	if x.r.ContentLength > limit {
		return nil, &http.MaxBytesError{Limit: limit}
	}
	var b bytes.Buffer
	if n := x.r.ContentLength; n > 0 {
		b.Grow(int(n) + bytes.MinRead) // one allocation; n is within the limit
	}
	if _, err := b.ReadFrom(http.MaxBytesReader(x, x.r.Body, limit)); err != nil {
		return nil, bodyError(err)
	}
	x.bodyDeadline(time.Time{}) // the call may take longer than its body
	return b.Bytes(), nil
}

func isJSON(contentType string) bool {
	if contentType == jsonType { // nearly always
		return true
	}
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == jsonType || strings.HasPrefix(media, "application/") && strings.HasSuffix(media, "+json"))
}

// bodyDeadline bounds how long the rest of the body may take to come. It is set
// for every request with a body before anything else is decided, and taken
// away only once the body is complete: net/http reads what a handler left
// before it sends the answer, and without a deadline a client that sends
// nothing would hold the connection for ever. (Its own deadline for whole
// requests would also end calls that run longer.)
func (x *exchange) bodyDeadline(at time.Time) {
	// A test's recorder has no deadlines.
	_ = http.NewResponseController(x.ResponseWriter).SetReadDeadline(at)
}

// bodyError classifies what went wrong while a body was read.
func bodyError(err error) error {
	var tooLarge *http.MaxBytesError
	var network interface{ Timeout() bool }
	switch {
	case errors.As(err, &tooLarge):
		return tooLarge
	case errors.As(err, &network) && network.Timeout():
		return reject(http.StatusRequestTimeout, "the body did not arrive in time")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return reject(http.StatusBadRequest, "the body ended early")
	}
	return reject(http.StatusBadRequest, "the body could not be read: %v", err)
}

// decode reads a JSON body into to; the named fields must be there.
func (x *exchange) decode(to any, required ...string) error {
	body, err := x.jsonBody()
	if err != nil {
		return err
	}
	if !json.Valid(body) {
		return reject(http.StatusBadRequest, "Failed to parse the request body as JSON")
	}
	if err := api.RequireFields(body, required...); err != nil {
		return unprocessable(err)
	}
	if err := json.Unmarshal(body, to); err != nil {
		return unprocessable(err)
	}
	return nil
}

// unprocessable is JSON of the wrong shape.
func unprocessable(err error) error {
	var typ *json.UnmarshalTypeError
	if errors.As(err, &typ) {
		err = fmt.Errorf("%s: unexpected %s", typ.Field, typ.Value)
	}
	return reject(http.StatusUnprocessableEntity, "Failed to deserialize the JSON body into the target type: %v", err)
}
