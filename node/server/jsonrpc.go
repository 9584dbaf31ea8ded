package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"unicode/utf8"

	"mero/node/api"
	"mero/node/auth"
	"mero/node/ident"
	"mero/node/inspect"
	"mero/node/replica"
	"mero/node/store"
	"mero/node/vm"
)

// maxSubstituted bounds a call's arguments once aliases are replaced: a name of
// one letter grows to 44 (R24).
const maxSubstituted = 16 << 20

// jsonrpc is POST /jsonrpc (http-api 1): 200 for whatever becomes of a call. The
// types of its errors do not tell a timeout from a trap, so the kind that other
// routes answer with stands in the header here too.
func (x *exchange) jsonrpc() error {
	body, err := x.jsonBody()
	if err != nil {
		return err
	}
	req, err := api.DecodeRPC(body)
	switch {
	case errors.Is(err, api.ErrNotJSON):
		return reject(http.StatusBadRequest, "%v", err)
	case errors.Is(err, api.ErrEnvelope):
		return reject(http.StatusUnprocessableEntity, "%v", err)
	}
	var failed *api.RPCError
	if errors.As(err, &failed) {
		x.Header().Set(api.HeaderErrorKind, api.KindInvalid)
		return x.raw(http.StatusOK, jsonType, api.AppendError(nil, req.ID, failed))
	}
	var answer []byte
	result, err := x.execute(req.Params, false)
	if err == nil {
		answer, err = api.AppendResult(make([]byte, 0, len(result.Output)+64), req.ID, output(result))
		if err != nil {
			err = &outputError{cause: err}
		}
	}
	if err != nil {
		failed = x.server.rpcError(err)
		if failed == nil {
			return err
		}
		p := x.server.classify(err)
		x.report(p, err)
		x.Header().Set(api.HeaderErrorKind, p.kind)
		answer = api.AppendError(nil, req.ID, failed)
	}
	return x.raw(http.StatusOK, jsonType, answer)
}

// output is nil when the method returned nothing, and never nil otherwise.
func output(result *replica.Result) []byte {
	switch {
	case !result.HasOutput:
		return nil
	case result.Output == nil: // nothing, which is not JSON
		return []byte{}
	}
	return result.Output
}

// execute checks the scope that only the body could tell, puts keys in the
// place of aliases, and runs the call.
func (x *exchange) execute(p api.ExecuteParams, dryRun bool) (*replica.Result, error) {
	err := x.allow(auth.Need{
		Category: "context", Action: "execute",
		Resource: p.ContextID.String(), User: p.ExecutorPublicKey.String(), Method: p.Method,
	})
	if err != nil {
		return nil, err
	}
	var args bytes.Buffer
	args.Grow(len(p.ArgsJSON))
	if err := json.Compact(&args, p.ArgsJSON); err != nil {
		return nil, fmt.Errorf("arguments: %w", err) // cannot be: they were decoded
	}
	input := args.Bytes()
	if len(p.Substitute) > 0 {
		if input, err = x.server.substitute(p, input); err != nil {
			return nil, err
		}
	}
	return x.server.deps.Contexts.Execute(x.r.Context(), replica.Request{
		Context: p.ContextID, Method: p.Method, Input: input, Executor: p.ExecutorPublicKey, DryRun: dryRun,
	})
}

// substitute replaces {alias} by the key that it stands for in the context, or
// that it is (http-api 1.1). What is wrong with the context or the executor is
// said first (http-api 1.3).
func (s *Server) substitute(p api.ExecuteParams, input []byte) ([]byte, error) {
	info, err := s.deps.Contexts.Get(p.ContextID)
	if err != nil {
		return nil, err
	}
	if !info.Initialised {
		return nil, fmt.Errorf("%w: %s", replica.ErrUninitialized, p.ContextID)
	}
	owned, err := s.deps.Contexts.Owned(p.ContextID)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(owned, p.ExecutorPublicKey) {
		return nil, &replica.UnauthorizedError{Context: p.ContextID, Key: p.ExecutorPublicKey}
	}
	for _, alias := range p.Substitute {
		target, err := s.deps.Store.Alias(store.AliasIdentity, p.ContextID, alias)
		key := ident.PublicKey(target)
		if errors.Is(err, store.ErrNotFound) {
			if key, err = ident.ParsePublicKey(alias); err != nil {
				return nil, &aliasError{alias: alias}
			}
		} else if err != nil {
			return nil, err
		}
		name, value := []byte("{"+alias+"}"), []byte(key.String())
		if grown := len(input) + bytes.Count(input, name)*(len(value)-len(name)); grown > maxSubstituted {
			return nil, &replica.LimitError{
				What: "arguments with aliases replaced", Size: uint64(grown), Max: maxSubstituted,
				Suggestion: "use fewer of them",
			}
		}
		input = bytes.ReplaceAll(input, name, value)
	}
	return input, nil
}

// callFailure is the body of a failed POST /x/call: an RPC error with the
// usual text beside.
type callFailure struct {
	Error string          `json:"error"`
	Type  string          `json:"type"`
	Data  json.RawMessage `json:"data,omitempty"`
}

// call is POST /x/call: a call, or a trial of one, with its effects.
func (x *exchange) call() error {
	body, err := x.jsonBody()
	if err != nil {
		return err
	}
	if !utf8.Valid(body) || !json.Valid(body) {
		return reject(http.StatusBadRequest, "%v", api.ErrNotJSON)
	}
	params, err := api.DecodeParams(body)
	if err != nil {
		return unprocessable(err)
	}
	var flags struct {
		DryRun bool `json:"dryRun"`
	}
	if err := json.Unmarshal(body, &flags); err != nil {
		return unprocessable(err)
	}
	result, err := x.execute(params, flags.DryRun)
	var answer api.CallResponse
	if err == nil {
		answer, err = callResponse(result)
	}
	if err == nil {
		return x.data(answer)
	}
	failed := x.server.rpcError(err)
	if failed == nil {
		return err
	}
	p := x.server.classify(err)
	x.report(p, err)
	x.Header().Set(api.HeaderErrorKind, p.kind)
	return x.json(p.status, callFailure{Error: err.Error(), Type: failed.Type, Data: failed.Data})
}

func callResponse(result *replica.Result) (api.CallResponse, error) {
	answer := api.CallResponse{
		Output: json.RawMessage("null"), RootHash: api.Hash(result.Root), Logs: result.Logs,
		Changes: make([]api.StateChange, 0, len(result.Writes)), Events: events(result),
	}
	if answer.Logs == nil {
		answer.Logs = []string{}
	}
	if result.HasOutput {
		if !utf8.Valid(result.Output) || !json.Valid(result.Output) {
			return api.CallResponse{}, &outputError{cause: errors.New("it is not a JSON value")}
		}
		answer.Output = result.Output
	}
	if result.Changed {
		id := api.Hash(result.Delta)
		answer.Delta = &id
	}
	for _, w := range result.Writes {
		answer.Changes = append(answer.Changes, stateChange(w))
	}
	if len(result.Ops) > 0 {
		answer.Operations = inspect.Operations(result.Ops)
	}
	return answer, nil
}

func stateChange(w vm.Write) api.StateChange {
	change := api.StateChange{Key: w.Key}
	if w.HadOld {
		old := api.Bytes(w.Old)
		change.Old = &old
	}
	if !w.Delete {
		value := api.Bytes(w.Value)
		change.New = &value
	}
	return change
}

func events(result *replica.Result) []api.Event {
	out := make([]api.Event, 0, len(result.Events))
	for _, e := range result.Events {
		event := api.Event{Kind: e.Kind, Data: e.Data}
		if e.Handler != "" {
			event.Handler = &e.Handler
		}
		out = append(out, event)
	}
	return out
}
