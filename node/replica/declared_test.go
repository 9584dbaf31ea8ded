package replica_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mero/node/apps"
	"mero/node/replica"
	"mero/node/vm"
	"mero/node/vm/apptest"
)

// described adds a description to an application.
func described(wasm []byte, text string) []byte {
	body := append([]byte("\x04mero"), text...)
	return append(append(append(bytes.Clone(wasm), 0), binary.AppendUvarint(nil, uint64(len(body)))...), body...)
}

const kvDescription = `{"abi":1,"name":"kv","methods":[
	{"name":"set","args":[{"name":"key","type":"string"},{"name":"value","type":"string"}]},
	{"name":"get","reads":true,"args":[{"name":"key","type":"string"}],"result":"string"},
	{"name":"remove","reads":true,"args":[{"name":"key","type":"string"}]}]}`

// TestDeclared: what an application says of its methods holds: arguments are checked
// before it runs, and one that claims to change nothing cannot.
func TestDeclared(t *testing.T) {
	h := newQuickHome(t)
	wasm := apptest.BuildPackage(t, "mero/node/sdk/examples/kv")
	app, err := h.apps.Install(t.Context(), bytes.NewReader(described(wasm, kvDescription)), apps.Source{})
	must(t, err)
	c, err := h.set.Create(t.Context(), replica.CreateRequest{App: app.ID})
	must(t, err)
	call := func(method, args string) (*replica.Result, error) {
		return h.set.Execute(t.Context(), replica.Request{Context: c.Context, Method: method, Input: []byte(args), Executor: c.Member})
	}
	for range 2 { // the second time the method is known to write
		_, err = call("set", `{"key":"a","value":"b"}`)
		must(t, err)
		_, err = call("set", `{"key":7,"wert":"b"}`)
		for _, want := range []string{"key: want a string, got a number", "value", "wert"} {
			if !kind(vm.KindMisuse)(err) || !strings.Contains(err.Error(), want) {
				t.Errorf("wrong arguments: %v, want %q", err, want)
			}
		}
	}
	before := h.info(c)
	if res, err := call("get", `{"key":"a"}`); err != nil || string(res.Output) != `"b"` || res.Changed {
		t.Errorf("get: %+v, %v", res, err)
	}
	if _, err := call("remove", `{"key":"a"}`); !kind(vm.KindMisuse)(err) || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("a method that claims to read: %v", err)
	}
	if got := h.info(c); !cmp.Equal(got, before) {
		t.Errorf("the context changed: %s", cmp.Diff(before, got))
	}
	_, err = h.apps.Install(t.Context(), bytes.NewReader(described(wasm, `{"abi":1,"name":"kv","methods":[{"name":""}]}`)), apps.Source{})
	if err == nil || !strings.Contains(err.Error(), "description") {
		t.Errorf("a broken description: %v", err)
	}
}
