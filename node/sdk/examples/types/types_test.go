package main

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"mero/node/collections"
	"mero/node/delta"
	"mero/node/hosted"
	"mero/node/sdk"
	"mero/node/store"
	"mero/node/vm"
	"mero/node/vm/apptest"
)

// memory is an empty state.
type memory struct{ *collections.Mem }

func (memory) Range(_, _ []byte, _ int) ([]store.KeyValue, error) { return nil, nil }

// random fills a value with what is worth trying.
func random(r *rand.Rand, v reflect.Value, depth int) {
	texts := []string{"", "plain", "é 漢 😀", "\"\\/\b\f\n\r\t\x00\x1f\u007f", "<&>\u2028", strings.Repeat("long ", 100)}
	switch value := v.Addr().Interface().(type) {
	case *time.Time:
		*value = time.Unix(r.Int64N(4e9), r.Int64N(1e9)*r.Int64N(2)).In(time.FixedZone("", 3600*r.IntN(5)))
		return
	case *sdk.JSON:
		*value = sdk.JSON(`["a", 1]`)
		return
	case *json.RawMessage:
		*value = json.RawMessage(`{"a":[1,-2.5e3,"x\u00e9",null,true,{}]}`)
		return
	case *any:
		*value = []any{nil, true, 1.5, "x", []any{}, map[string]any{"k": "v"}}[r.IntN(6)]
		return
	}
	switch v.Kind() { //nolint:exhaustive // no other kind is in All
	case reflect.String:
		v.SetString(texts[r.IntN(len(texts))])
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(r.Uint64()) >> r.IntN(64))
		if v.Type() == reflect.TypeFor[Mood]() {
			v.SetInt(r.Int64N(4))
		}
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(r.Uint64() >> r.IntN(64))
	case reflect.Float32:
		v.SetFloat(float64(float32(r.NormFloat64() * math.Pow(10, float64(r.IntN(60)-30)))))
	case reflect.Float64:
		v.SetFloat([]float64{0, 1, -1.5, 1e21, 1e-7, math.MaxFloat64, r.NormFloat64() * math.Pow(10, float64(r.IntN(600)-300))}[r.IntN(7)])
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), r.IntN(3), 3))
		for i := range v.Len() {
			random(r, v.Index(i), depth+1)
		}
	case reflect.Array:
		for i := range v.Len() {
			random(r, v.Index(i), depth+1)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range r.IntN(3) {
			key, elem := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			random(r, key, depth+1)
			random(r, elem, depth+1)
			v.SetMapIndex(key, elem)
		}
	case reflect.Pointer:
		if r.IntN(2) == 0 {
			v.Set(reflect.New(v.Type().Elem()))
			random(r, v.Elem(), depth+1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Field(i)
			if v.Type().Field(i).IsExported() && (depth < 4 || f.Kind() != reflect.Slice) && r.IntN(5) > 0 {
				random(r, f, depth+1)
			}
		}
	}
}

// TestTypes: what generated code reads and writes is what encoding/json does.
func TestTypes(t *testing.T) {
	engine, err := vm.New(vm.DefaultConfig(), vm.Deps{Log: zerolog.Nop(), Metrics: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close() })
	module, err := engine.Compile(t.Context(), apptest.BuildPackage(t, "mero/node/sdk/examples/types"))
	if err != nil {
		t.Fatal(err)
	}
	call := func(tx *hosted.Tx, method string, input []byte) ([]byte, error) {
		out, err := module.Run(t.Context(), vm.Call{Method: method, Input: input, Time: 1 << 40, Collections: tx})
		if err != nil {
			return nil, err
		}
		return out.Output, nil
	}
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	for i := range 300 {
		var want, got All
		random(r, reflect.ValueOf(&want).Elem(), 0)
		input, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		want = All{}
		if err := json.Unmarshal(input, &want); err != nil {
			t.Fatal(err)
		}
		tx := hosted.Begin(memory{&collections.Mem{}}, delta.Writer{}, 1<<40)
		output, err := call(tx, "echo", append(append([]byte(`{"value":`), input...), '}'))
		if err != nil {
			t.Fatalf("seed %d, value %d: %v\n%s", seed, i, err, input)
		}
		if err := json.Unmarshal(output, &got); err != nil {
			t.Fatalf("seed %d, value %d: %v in %s", seed, i, err, output)
		}
		diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(All{}), cmpopts.EquateEmpty(), cmp.Comparer(time.Time.Equal))
		if diff != "" {
			t.Fatalf("seed %d, value %d: %s", seed, i, diff)
		}
		// An object without the fields that are left out has the same fields here and there.
		var a, b map[string]any
		if err := json.Unmarshal(input, &a); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(output, &b); err != nil {
			t.Fatal(err)
		}
		for name := range a {
			if _, ok := b[name]; !ok || len(a) != len(b) {
				t.Fatalf("seed %d, value %d: field %s is missing, or another is new: %s\n%s", seed, i, name, input, output)
			}
		}
		output, err = call(tx, "parts", []byte(`{"many":{"a":[{"name":"x"},null],"b":null},"words":null}`))
		if err != nil || !strings.HasPrefix(string(output), `{"a":[{"name":"x"},null],"b":[],"state":[{"name":`) {
			t.Fatalf("parts gives %s, %v", output, err)
		}
	}
}
