package api_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mero/node/api"
	"mero/node/ident"
)

var goodParams = `{"contextId":"` + ident.ContextID{31: 1}.String() + `","method":"set","argsJson":{"k": "v"},"executorPublicKey":"` + ident.PublicKey{31: 2}.String() + `"}`

func envelope(id, method, params string) string {
	return `{"jsonrpc":"2.0","id":` + id + `,"method":` + method + `,"params":` + params + `}`
}

func TestDecodeRPC(t *testing.T) {
	for name, body := range map[string]string{
		"number":   envelope("7", `"execute"`, goodParams),
		"largest":  envelope("18446744073709551615", `"execute"`, goodParams),
		"string":   envelope(`"a\"b"`, `"execute"`, goodParams),
		"null":     envelope("null", `"execute"`, goodParams),
		"absent":   strings.Replace(envelope("null", `"execute"`, goodParams), `"id":null,`, "", 1),
		"extra":    envelope("7", `"execute"`, strings.Replace(goodParams, "{", `{"x":[],`, 1)),
		"white":    " \n" + envelope("7", `"execute"`, goodParams) + "\n ",
		"no names": envelope("7", `"execute"`, strings.Replace(goodParams, "{", `{"substitute":null,`, 1)),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := api.DecodeRPC([]byte(body))
			if err != nil {
				t.Fatal(err)
			}
			want := api.ExecuteParams{
				ContextID: ident.ContextID{31: 1}, Method: "set", ArgsJSON: json.RawMessage(`{"k": "v"}`), ExecutorPublicKey: ident.PublicKey{31: 2},
			}
			if diff := cmp.Diff(want, got.Params); diff != "" {
				t.Error(diff)
			}
			id := "7"
			switch name {
			case "largest":
				id = "18446744073709551615"
			case "string":
				id = `"a\"b"`
			case "null", "absent":
				id = "null"
			}
			if string(got.ID) != id {
				t.Errorf("id %s, want %s", got.ID, id)
			}
		})
	}
}

func TestArgsMayBeAnything(t *testing.T) {
	for _, args := range []string{"null", "1", `"text"`, "[]", "{}", "true", `{"a":{"b":[1.50,1e400]}}`} {
		got, err := api.DecodeRPC([]byte(envelope("1", `"execute"`, strings.Replace(goodParams, `{"k": "v"}`, args, 1))))
		if err != nil || string(got.Params.ArgsJSON) != args {
			t.Errorf("%s: %s, %v", args, got.Params.ArgsJSON, err)
		}
	}
}

func TestDecodeRPCRefuses(t *testing.T) {
	without := func(field string) string {
		var fields map[string]json.RawMessage
		if err := json.Unmarshal([]byte(goodParams), &fields); err != nil {
			t.Fatal(err)
		}
		delete(fields, field)
		doc, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		return envelope("7", `"execute"`, string(doc))
	}
	with := func(field, value string) string {
		return envelope("7", `"execute"`, strings.Replace(goodParams, "{", "{"+`"`+field+`":`+value+",", 1))
	}
	names := strings.TrimSuffix(strings.Repeat(`"a",`, api.MaxSubstitute+1), ",")
	const notJSON, notEnvelope, parse = "json", "envelope", "parse"
	for name, row := range map[string]struct{ body, want, text string }{
		"nothing":           {"", notJSON, ""},
		"half":              {envelope("7", `"execute"`, goodParams)[:40], notJSON, ""},
		"behind":            {envelope("7", `"execute"`, goodParams) + "x", notJSON, ""},
		"two":               {envelope("7", `"execute"`, goodParams) + envelope("7", `"execute"`, goodParams), notJSON, ""},
		"not UTF-8":         {envelope("7", `"execute"`, strings.Replace(goodParams, `"v"`, "\"\xff\"", 1)), notJSON, ""},
		"array":             {"[]", notEnvelope, ""},
		"batch":             {"[" + envelope("7", `"execute"`, goodParams) + "]", notEnvelope, ""},
		"null":              {"null", notEnvelope, ""},
		"empty":             {"{}", notEnvelope, ""},
		"version 1":         {strings.Replace(envelope("7", `"execute"`, goodParams), "2.0", "1.0", 1), notEnvelope, ""},
		"version number":    {strings.Replace(envelope("7", `"execute"`, goodParams), `"2.0"`, "2.0", 1), notEnvelope, ""},
		"negative id":       {envelope("-1", `"execute"`, goodParams), notEnvelope, ""},
		"fraction id":       {envelope("1.0", `"execute"`, goodParams), notEnvelope, ""},
		"exponent id":       {envelope("1e2", `"execute"`, goodParams), notEnvelope, ""},
		"huge id":           {envelope("18446744073709551616", `"execute"`, goodParams), notEnvelope, ""},
		"true id":           {envelope("true", `"execute"`, goodParams), notEnvelope, ""},
		"object id":         {envelope("{}", `"execute"`, goodParams), notEnvelope, ""},
		"object id, broken": {envelope("{}", `"execute"`, "7"), notEnvelope, ""},
		"unknown method":    {envelope("7", `"query"`, goodParams), parse, "query"},
		"method number":     {envelope("7", `1`, goodParams), parse, "method"},
		"method broken":     {envelope("7", `"query"`, "7"), parse, "query"},
		"no params":         {`{"jsonrpc":"2.0","id":7,"method":"execute"}`, parse, "params"},
		"null params":       {envelope("7", `"execute"`, "null"), parse, "params"},
		"list params":       {envelope("7", `"execute"`, "[]"), parse, "array"},
		"no context":        {without("contextId"), parse, "contextId"},
		"no method":         {without("method"), parse, "`method`"},
		"no args":           {without("argsJson"), parse, "argsJson"},
		"no executor":       {without("executorPublicKey"), parse, "executorPublicKey"},
		"bad base58":        {envelope("7", `"execute"`, strings.Replace(goodParams, `"contextId":"1`, `"contextId":"0`, 1)), parse, "context id"},
		"short id":          {envelope("7", `"execute"`, strings.Replace(goodParams, `"contextId":"1`, `"contextId":"`, 1)), parse, "31 bytes"},
		"substitute":        {with("substitute", `"a"`), parse, "substitute"},
		"long name":         {with("substitute", `["`+strings.Repeat("a", 51)+`"]`), parse, "substitute"},
		"many names":        {with("substitute", "["+names+"]"), parse, "substitute"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := api.DecodeRPC([]byte(row.body))
			var rpc *api.RPCError
			switch {
			case row.want == notJSON && errors.Is(err, api.ErrNotJSON), row.want == notEnvelope && errors.Is(err, api.ErrEnvelope):
			case row.want == parse && errors.As(err, &rpc) && rpc.Type == api.RPCParse && string(got.ID) == "7":
				if !strings.Contains(rpc.Error(), row.text) {
					t.Errorf("%q does not say %q", rpc, row.text)
				}
			default:
				t.Errorf("got id %s, %v; want %s", got.ID, err, row.want)
			}
		})
	}
}

func TestAppendResult(t *testing.T) {
	for output, want := range map[string]string{
		`{ "a" : [1, 2] }`: `{"a":[1,2]}`, `1.50`: `1.50`, `"<&>"`: `"<&>"`, "null": "null",
	} {
		got, err := api.AppendResult(nil, json.RawMessage(`"x"`), []byte(output))
		if err != nil || string(got) != `{"jsonrpc":"2.0","id":"x","result":{"output":`+want+`}}` {
			t.Errorf("%s: %s, %v", output, got, err)
		}
	}
	if got, err := api.AppendResult(nil, json.RawMessage("7"), nil); err != nil || string(got) != `{"jsonrpc":"2.0","id":7,"result":{"output":null}}` {
		t.Errorf("no output: %s, %v", got, err)
	}
	for _, output := range []string{"", "{", "1 2", "\"\xff\"", "text"} {
		if got, err := api.AppendResult([]byte("kept"), json.RawMessage("7"), []byte(output)); err == nil || string(got) != "kept" {
			t.Errorf("%q: %s, %v", output, got, err)
		}
	}
}

func TestRPCErrorForms(t *testing.T) {
	long := strings.Repeat("guest text ", 1000)
	for name, row := range map[string]struct {
		err        *api.RPCError
		json, text string
	}{
		"text":     {api.NewRPCError(api.RPCFunctionCall, "a <b> & \"c\""), `"data":"a <b> & \"c\""`, `a <b> & "c"`},
		"long":     {api.NewRPCError(api.RPCFunctionCall, long), long, long},
		"no data":  {&api.RPCError{Type: api.RPCContextNotFound}, `"error":{"type":"ContextNotFound"}`, "ContextNotFound"},
		"empty":    {api.NewRPCError(api.RPCInternal, struct{}{}), `"data":{}`, "InternalError"},
		"serde":    {api.NewRPCError(api.RPCSerde, map[string]string{"message": "eof"}), `{"message":"eof"}`, "eof"},
		"alias":    {api.NewRPCError(api.RPCAliasResolutionFailed, map[string]string{"alias": "bob"}), `{"alias":"bob"}`, `"bob"`},
		"app":      {api.NewRPCError(api.RPCApplicationNotInstalled, map[string]string{"application_id": "A"}), `{"application_id":"A"}`, "application A"},
		"unauth":   {api.NewRPCError(api.RPCUnauthorized, map[string]string{"context_id": "C", "public_key": "K"}), `"context_id":"C"`, "act as K in context C"},
		"stranger": {&api.RPCError{Type: "New", Data: json.RawMessage(`[1]`)}, `"data":[1]`, "New: [1]"},
	} {
		t.Run(name, func(t *testing.T) {
			doc := api.AppendError(nil, json.RawMessage("null"), row.err)
			if !json.Valid(doc) || !strings.Contains(string(doc), row.json) {
				t.Errorf("form %s", doc)
			}
			if !strings.Contains(row.err.Error(), row.text) {
				t.Errorf("text %q, want %q", row.err, row.text)
			}
		})
	}
}

func FuzzDecodeRPC(f *testing.F) {
	f.Add([]byte(envelope("7", `"execute"`, goodParams)))
	f.Add([]byte(envelope(`"\ud800"`, `"execute"`, goodParams)))
	f.Add([]byte(envelope("{}", `"x"`, "[]")))
	f.Add([]byte(`{"jsonrpc":"2.0","id":null,"method":7,"params":{"substitute":[""]}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		req, err := api.DecodeRPC(body)
		var rpc *api.RPCError
		switch {
		case errors.Is(err, api.ErrNotJSON):
			return
		case errors.Is(err, api.ErrEnvelope):
			if !json.Valid(body) {
				t.Error("422 for what is not JSON")
			}
			return
		case errors.As(err, &rpc):
		case err != nil:
			t.Fatalf("untyped error %v", err)
		}
		answer := api.AppendError(nil, req.ID, api.NewRPCError(api.RPCParse, "x"))
		if !json.Valid(answer) {
			t.Fatalf("the id %q makes a broken answer", req.ID)
		}
		if rpc != nil {
			return
		}
		if !json.Valid(req.Params.ArgsJSON) {
			t.Errorf("args %q are not JSON", req.Params.ArgsJSON)
		}
		doc, err := json.Marshal(req.Params)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := api.DecodeParams(doc); err != nil {
			t.Errorf("%s, which was read, does not read: %v", doc, err)
		}
	})
}

func BenchmarkDecodeRPC(b *testing.B) {
	body := []byte(envelope("7", `"execute"`, goodParams))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := api.DecodeRPC(body); err != nil {
			b.Fatal(err)
		}
	}
}
