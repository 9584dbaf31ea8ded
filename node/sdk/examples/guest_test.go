package examples_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"mero/node/delta"
	"mero/node/hosted"
	"mero/node/hosted/hostedtest"
	"mero/node/ident"
	"mero/node/vm"
	"mero/node/vm/apptest"
)

// guest runs an application of the SDK as a node does.
type guest struct {
	t      testing.TB
	module *vm.Module
	state  *hostedtest.State
	now    delta.Time
	member ident.PublicKey
	last   *vm.Outcome
}

func newGuest(t testing.TB, name string) *guest {
	t.Helper()
	return newGuestOf(t, apptest.BuildPackage(t, "mero/node/sdk/examples/"+name))
}

func newGuestOf(t testing.TB, code []byte) *guest {
	t.Helper()
	engine, err := vm.New(vm.DefaultConfig(), vm.Deps{Log: zerolog.Nop(), Metrics: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close() })
	module, err := engine.Compile(t.Context(), code)
	if err != nil {
		t.Fatal(err)
	}
	if !module.HostManaged() {
		t.Error("it imports nothing of module mero")
	}
	return &guest{t: t, module: module, state: hostedtest.New(), now: 1 << 40, member: ident.PublicKey{7}}
}

// call runs a method and folds what it did; readOnly is as for methods that read.
func (g *guest) call(method, input string, readOnly bool) (output string, err error) {
	g.now += 1 << 16
	tx := hosted.Begin(g.state, delta.Writer{Author: g.member}, g.now)
	if readOnly {
		tx = hosted.BeginReadOnly(g.state)
	}
	out, err := g.module.Run(g.t.Context(), vm.Call{
		Method: method, Input: []byte(input), Time: uint64(g.now), Executor: g.member, Collections: tx,
	})
	if err != nil {
		return "", err
	}
	writes, err := tx.Writes()
	if err != nil {
		return "", err
	}
	g.state.Apply(writes)
	g.last = out
	return string(out.Output), nil
}

func (g *guest) must(method, input string) string {
	g.t.Helper()
	out, err := g.call(method, input, false)
	if err != nil {
		g.t.Fatalf("%s %s: %v", method, input, err)
	}
	return out
}

// TestGuest: an application does as WebAssembly what it does in its own tests.
func TestGuest(t *testing.T) {
	g := newGuest(t, "board")
	if g.must("init", ""); g.last.HasOutput { // a node takes no value from it
		t.Errorf("init gives %s", g.last.Output)
	}
	if got := g.must("create", `{"columns":["todo","done"],"name":"hóme \"1\""}`); got != "null" {
		t.Errorf("create gives %s", got)
	}
	var key string
	if err := json.Unmarshal([]byte(g.must("add_card", `["hóme \"1\"","todo","x"]`)), &key); err != nil {
		t.Fatal(err)
	}
	args := func(rest string) string { return `{"board":"hóme \"1\"","card":"` + key + `",` + rest + `}` }
	g.must("edit", args(`"at":0,"remove":0,"insert":"grün"`))
	g.must("edit", args(`"at":3,"remove":1,"insert":"n!"`))
	g.must("label", args(`"label":"b","on":true`))
	g.must("label", args(`"label":"a","on":true`))
	g.must("add_task", args(`"what":"one"`))
	g.must("add_task", args(`"what":"two"`))
	g.must("tick", args(`"task":1,"done":true`))
	g.must("vote", args(`"yes":true`))
	want := `{"columns":["todo","done"],"cards":[{"key":"` + key + `","title":"x","column":"todo","text":"grün!","labels":["a","b"],` +
		`"tasks":[{"what":"one","done":false},{"what":"two","done":true}],"votes":1}]}`
	if got, err := g.call("show", `{"board":"h\u00f3me \"1\""}`, true); err != nil || got != want {
		t.Errorf("show gives %s, %v\nwant %s", got, err, want)
	}
	for _, test := range []struct {
		method, input string
		reads         bool
		want          string
	}{
		{"create", `{"name":"hóme \"1\"","columns":["a"]}`, false, `{"kind":"Taken","data":"hóme \"1\""}`},
		{"create", `{"name":"","columns":["a"]}`, false, `"a board wants a name and columns"`},
		{"create", `{"name":1,"columns":["a"]}`, false, "arguments: name: want a string at byte 8"},
		{"create", `{"name":"a","columns":["a",2]}`, false, "arguments: columns[1]: want a string at byte 27"},
		{"create", `{"name":"a"}`, false, "arguments: columns: missing"},
		{"create", `{"name":"a","columns":[],"x":1}`, false, "arguments: x: there is no such argument"},
		{"create", `["a",["b"],1]`, false, "arguments: [2]: there are too many arguments"},
		{"create", ``, false, "arguments: name: missing"},
		{"tick", args(`"task":2,"done":true`), false, "2"},
		{"vote", args(`"yes":true`), true, "read"},
	} {
		_, err := g.call(test.method, test.input, test.reads)
		if text := said(err); err == nil || !strings.Contains(text, test.want) {
			t.Errorf("%s %s gives %s, want %s", test.method, test.input, text, test.want)
		}
	}
}

// said is what a client gets of a failed call.
func said(err error) string {
	var failed *vm.Error
	if errors.As(err, &failed) && failed.Kind == vm.KindApplication {
		return string(failed.Data)
	}
	if err == nil {
		return "nothing"
	}
	return err.Error()
}

// BenchmarkKV is what calls of the SDK's key-value application cost, without the
// node around them.
func BenchmarkKV(b *testing.B) {
	for _, size := range []int{0, 10_000} {
		g := newGuest(b, "kv")
		for i := range size {
			g.must("set", `{"key":"key-`+strconv.Itoa(i)+`","value":"some value"}`)
		}
		for method, input := range map[string]string{"set": `{"key":"key-5000","value":"another value"}`, "get": `{"key":"key-5000"}`} {
			b.Run(method+"/"+strconv.Itoa(size), func(b *testing.B) {
				var times []time.Duration
				for b.Loop() {
					start := time.Now()
					g.must(method, input)
					times = append(times, time.Since(start))
				}
				slices.Sort(times)
				b.ReportMetric(float64(times[len(times)/2].Microseconds()), "p50-µs")
			})
		}
	}
}
