package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"mero/node/ident"
)

// MethodExecute is the only method of JSON-RPC (http-api 1.1).
const MethodExecute = "execute"

// MaxSubstitute bounds the aliases that one call may substitute (R24).
const MaxSubstitute = 64

// The values of RPCError.Type (http-api 1.2).
const (
	RPCParse                   = "ParseError"
	RPCInternal                = "InternalError"
	RPCSerde                   = "SerdeError"
	RPCFunctionCall            = "FunctionCallError"
	RPCContextNotFound         = "ContextNotFound"
	RPCUnauthorized            = "Unauthorized"
	RPCUninitialized           = "Uninitialized"
	RPCApplicationNotInstalled = "ApplicationNotInstalled"
	RPCAliasResolutionFailed   = "AliasResolutionFailed"
)

// ExecuteParams are the params of execute.
type ExecuteParams struct {
	ContextID ident.ContextID `json:"contextId"`
	Method    string          `json:"method"`
	// ArgsJSON is any JSON value; its compact text is the method's input.
	ArgsJSON          json.RawMessage `json:"argsJson"`
	ExecutorPublicKey ident.PublicKey `json:"executorPublicKey"`
	// Substitute lists identity aliases: {alias} in the arguments becomes the
	// key that it names.
	Substitute []string `json:"substitute,omitempty"`
}

// CallRequest is the body of POST /x/call, mero's own way to call a method:
// the answer has the effects of the call beside its output.
type CallRequest struct {
	ExecuteParams

	// DryRun runs the method on a snapshot and commits nothing.
	DryRun bool `json:"dryRun,omitempty"`
}

// CallResponse is the data of POST /x/call.
type CallResponse struct {
	// Output is what the method returned, null when it returned nothing.
	Output json.RawMessage `json:"output"`
	// RootHash is the context's root after the call; a dry run leaves it.
	RootHash Hash `json:"rootHash"`
	// Delta names the delta that the call made; null when it made none.
	Delta *Hash `json:"delta"`
	// Changes is what a dry run would have changed in the state, by key. It is
	// empty for a call that was committed.
	Changes []StateChange `json:"stateChanges"`
	// Operations are what a dry run would have done to host-managed collections.
	Operations *OperationsPayload `json:"operations,omitempty"`
	Events     []Event            `json:"events"`
	// Logs are the guest's log lines.
	Logs []string `json:"logs"`
}

// StateChange is one key that a call changes; Old and New are null when the
// key is absent before or after.
type StateChange struct {
	Key Bytes  `json:"key"`
	Old *Bytes `json:"old"`
	New *Bytes `json:"new"`
}

// Event is what an application emitted (http-api 2.4).
type Event struct {
	Kind    string  `json:"kind"`
	Data    Bytes   `json:"data"`
	Handler *string `json:"handler"`
}

// ExecuteResult is the result of execute.
type ExecuteResult struct {
	// Output is what the method returned, null when it returned nothing.
	Output json.RawMessage `json:"output"`
}

// RPCError is a call that failed. It has neither code nor message on the wire.
type RPCError struct {
	Type string `json:"type"`
	// Data depends on Type: a string for most.
	Data json.RawMessage `json:"data,omitempty"`
	// Kind is one of the Kind constants, which HeaderErrorKind carries: it says
	// more than Type. Empty from a node that is not mero.
	Kind string `json:"-"`
}

// Error is the text of Data where it is one, unshortened; clients match it.
func (e *RPCError) Error() string {
	var text string
	if json.Unmarshal(e.Data, &text) == nil && text != "" {
		return text
	}
	var data struct {
		Message, Alias string
		ContextID      string `json:"context_id"`
		PublicKey      string `json:"public_key"`
		ApplicationID  string `json:"application_id"`
	}
	_ = json.Unmarshal(e.Data, &data) // what does not fit stays empty
	switch {
	case e.Type == RPCSerde:
		return "the method's output is not JSON: " + data.Message
	case e.Type == RPCUnauthorized && data.Message != "":
		return data.Message
	case e.Type == RPCUnauthorized:
		return fmt.Sprintf("this node cannot act as %s in context %s", data.PublicKey, data.ContextID)
	case e.Type == RPCApplicationNotInstalled:
		return fmt.Sprintf("application %s is not installed", data.ApplicationID)
	case e.Type == RPCAliasResolutionFailed:
		return fmt.Sprintf("unknown alias %q", data.Alias)
	case len(e.Data) == 0 || string(e.Data) == "{}" || string(e.Data) == "null":
		return e.Type
	}
	return e.Type + ": " + string(e.Data)
}

// RPCRequest is a decoded call.
type RPCRequest struct {
	// ID is the JSON text of the id as it was sent; null when it was absent.
	ID     json.RawMessage
	Params ExecuteParams
}

// Why a body is not a request at all (http-api 1.2, HTTP-level failures).
var (
	// ErrNotJSON maps to 400.
	ErrNotJSON = errors.New("the body is not JSON")
	// ErrEnvelope maps to 422.
	ErrEnvelope = errors.New("the body is not a JSON-RPC 2.0 request")
)

// paramsForm has pointers where a field must be there.
type paramsForm struct {
	ContextID         *ident.ContextID `json:"contextId"`
	Method            *string          `json:"method"`
	ArgsJSON          json.RawMessage  `json:"argsJson"`
	ExecutorPublicKey *ident.PublicKey `json:"executorPublicKey"`
	Substitute        []string         `json:"substitute"`
}

// DecodeRPC reads the body of POST /jsonrpc. The error wraps ErrNotJSON or
// ErrEnvelope, or is an *RPCError of type ParseError; with the latter the
// request's ID is set.
func DecodeRPC(body []byte) (RPCRequest, error) {
	if !utf8.Valid(body) { // the guest would get the bytes as they are
		return RPCRequest{}, fmt.Errorf("%w: it is not UTF-8", ErrNotJSON)
	}
	// Nearly every request is good, so the whole body is decoded in one pass
	// and looked at part by part only when that fails.
	var form struct {
		Version string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Method  string          `json:"method"`
		Params  *paramsForm     `json:"params"`
	}
	err := json.Unmarshal(body, &form)
	if err != nil {
		return diagnose(body)
	}
	req := RPCRequest{ID: form.ID}
	if req.ID == nil {
		req.ID = json.RawMessage("null")
	}
	if form.Version != "2.0" {
		return RPCRequest{}, fmt.Errorf("%w: `jsonrpc` is not \"2.0\"", ErrEnvelope)
	}
	if !validID(req.ID) {
		return RPCRequest{}, fmt.Errorf("%w: `id` is neither a string, an unsigned integer nor null", ErrEnvelope)
	}
	if form.Method != MethodExecute {
		return req, parseError(fmt.Sprintf("unknown method `%s`, expected `%s`", form.Method, MethodExecute))
	}
	if form.Params == nil {
		return req, parseError("missing field `params`")
	}
	req.Params, err = form.Params.check()
	if err != nil {
		return req, parseError(err.Error())
	}
	return req, nil
}

// diagnose finds out which part of a body that did not decode is wrong.
func diagnose(body []byte) (RPCRequest, error) {
	if !json.Valid(body) {
		return RPCRequest{}, ErrNotJSON
	}
	var envelope struct {
		Version string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Method  json.RawMessage `json:"method"`
		Params  json.RawMessage `json:"params"`
	}
	if err := json.Unmarshal(body, &envelope); err != nil || envelope.Version != "2.0" {
		return RPCRequest{}, fmt.Errorf("%w: it needs `jsonrpc`: \"2.0\", `method` and `params`", ErrEnvelope)
	}
	req := RPCRequest{ID: envelope.ID}
	if req.ID == nil {
		req.ID = json.RawMessage("null")
	}
	if !validID(req.ID) {
		return RPCRequest{}, fmt.Errorf("%w: `id` is neither a string, an unsigned integer nor null", ErrEnvelope)
	}
	var method string
	if err := json.Unmarshal(envelope.Method, &method); err != nil {
		return req, parseError("`method` is not a string")
	}
	if method != MethodExecute {
		return req, parseError(fmt.Sprintf("unknown method `%s`, expected `%s`", method, MethodExecute))
	}
	_, err := DecodeParams(envelope.Params)
	if err == nil { // cannot be: the pass over the whole body had failed
		err = errors.New("malformed request")
	}
	return req, parseError(err.Error())
}

// DecodeParams reads the params of execute. Errors say which field is wrong.
func DecodeParams(doc []byte) (ExecuteParams, error) {
	var form paramsForm
	if err := json.Unmarshal(doc, &form); err != nil {
		return ExecuteParams{}, decodeError(err)
	}
	return form.check()
}

func (f *paramsForm) check() (ExecuteParams, error) {
	switch {
	case f.ContextID == nil:
		return ExecuteParams{}, errors.New("missing field `contextId`")
	case f.Method == nil:
		return ExecuteParams{}, errors.New("missing field `method`")
	case f.ArgsJSON == nil:
		return ExecuteParams{}, errors.New("missing field `argsJson`")
	case f.ExecutorPublicKey == nil:
		return ExecuteParams{}, errors.New("missing field `executorPublicKey`")
	case len(f.Substitute) > MaxSubstitute:
		return ExecuteParams{}, fmt.Errorf("`substitute` has %d names, at most %d are allowed", len(f.Substitute), MaxSubstitute)
	}
	for _, name := range f.Substitute {
		if err := CheckAlias(name); err != nil {
			return ExecuteParams{}, fmt.Errorf("`substitute`: %w", err)
		}
	}
	return ExecuteParams{
		ContextID: *f.ContextID, Method: *f.Method, ArgsJSON: f.ArgsJSON,
		ExecutorPublicKey: *f.ExecutorPublicKey, Substitute: f.Substitute,
	}, nil
}

// decodeError says in the API's words what encoding/json found.
func decodeError(err error) error {
	var typ *json.UnmarshalTypeError
	if errors.As(err, &typ) {
		return fmt.Errorf("field `%s`: unexpected %s", typ.Field, typ.Value)
	}
	return err
}

func parseError(text string) *RPCError { return &RPCError{Type: RPCParse, Data: quote(text)} }

// quote is the JSON text of a string. Invalid UTF-8 becomes U+FFFD.
func quote(text string) json.RawMessage {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(text) // a string always encodes
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'})
}

// NewRPCError makes an error whose data is v as JSON.
func NewRPCError(typ string, v any) *RPCError {
	if text, ok := v.(string); ok {
		return &RPCError{Type: typ, Data: quote(text)}
	}
	doc, err := json.Marshal(v)
	if err != nil { // v is always one of our own shapes
		doc = quote(err.Error())
	}
	return &RPCError{Type: typ, Data: doc}
}

// validID: a string, an unsigned 64-bit integer or null (http-api 1.1).
func validID(id json.RawMessage) bool {
	if len(id) == 0 {
		return false
	}
	if id[0] == '"' || string(id) == "null" {
		return true
	}
	_, err := strconv.ParseUint(string(id), 10, 64)
	return err == nil
}

// AppendResult appends the answer to a call: output is the method's output, or
// nil for none. The error, when output is not JSON, leaves dst as it was.
func AppendResult(dst []byte, id json.RawMessage, output []byte) ([]byte, error) {
	start := len(dst)
	dst = append(dst, `{"jsonrpc":"2.0","id":`...)
	dst = append(dst, id...)
	dst = append(dst, `,"result":{"output":`...)
	if output == nil {
		return append(dst, `null}}`...), nil
	}
	if !utf8.Valid(output) {
		return dst[:start], errors.New("the output is not UTF-8")
	}
	b := bytes.NewBuffer(dst)
	if err := json.Compact(b, output); err != nil {
		return dst[:start], err
	}
	return append(b.Bytes(), `}}`...), nil
}

// AppendError appends the answer to a call that failed.
func AppendError(dst []byte, id json.RawMessage, e *RPCError) []byte {
	dst = append(dst, `{"jsonrpc":"2.0","id":`...)
	dst = append(dst, id...)
	dst = append(dst, `,"error":{"type":`...)
	dst = append(dst, quote(e.Type)...)
	if len(e.Data) > 0 {
		dst = append(dst, `,"data":`...)
		dst = append(dst, e.Data...)
	}
	return append(dst, `}}`...)
}
