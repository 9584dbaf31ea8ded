package manifest_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mero/node/manifest"
	"mero/node/vm/apptest"
)

const notes = `{"abi":1,"name":"notes","methods":[
 {"name":"add","args":[{"name":"title","type":"string"},{"name":"tags","type":"?list<string>"},{"name":"note","type":"?Note"}],"result":"Note"},
 {"name":"list","reads":true,"args":[{"name":"limit","type":"uint"}],"result":"list<Note>"},
 {"name":"kinds","args":[{"name":"b","type":"bool"},{"name":"i","type":"int"},{"name":"f","type":"float"},{"name":"y","type":"bytes"},{"name":"t","type":"time"},{"name":"d","type":"id"},{"name":"j","type":"json"},{"name":"m","type":"map<int>"}]},
 {"name":"added","handler":true,"args":[{"name":"note","type":"Note"}]},
 {"name":"none"}],
 "types":{"Note":{"fields":[{"name":"title","type":"string"},{"name":"sub","type":"?Note"},{"name":"size","type":"int","optional":true}]}},
 "state":[{"name":"notes","kind":"map","of":"Note"},{"name":"boards","kind":"map","each":{"kind":"object","fields":[{"name":"likes","kind":"counter"}]}}],
 "events":["added"]}`

func parse(t *testing.T, text string) *manifest.Manifest {
	t.Helper()
	m, err := manifest.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestCheckArgs(t *testing.T) {
	m := parse(t, notes)
	for _, test := range []struct {
		name, method, input string
		want                []string
	}{
		{"all", "add", `{"title":"a","tags":["x"],"note":{"title":"b","sub":{"title":"c"}}}`, nil},
		{"optional left out", "add", `{"title":"a"}`, nil},
		{"optional null", "add", `{"title":"a","tags":null}`, nil},
		{"array", "add", `["a",["x"]]`, nil},
		{"more fields than the type", "add", `{"title":"a","note":{"title":"b","later":1}}`, nil},
		{"optional field null", "add", `{"title":"a","note":{"title":"b","size":null}}`, nil},
		{"every problem", "add", `{"title":1,"tags":["x",2],"note":{"sub":{"title":false}},"x":1}`, []string{
			"title: want a string, got a number", "tags[1]: want a string, got a number", "note.title: missing",
			"note.sub.title: want a string, got true or false", "x: there is no such argument",
		}},
		{"missing", "add", `{}`, []string{"title: missing"}},
		{"nothing", "add", ``, []string{"title: missing"}},
		{"no object", "add", `"a"`, []string{"want an object of arguments, got a string"}},
		{"not JSON", "add", `{`, []string{"not JSON: unexpected EOF"}},
		{"two values", "add", `{"title":"a"} 1`, []string{"not JSON: something follows the value"}},
		{"too many", "list", `[1,2]`, []string{"want at most 1 of them, got 2"}},
		{"negative", "list", `{"limit":-1}`, []string{"limit: want a whole number that is not negative, got the number -1"}},
		{"fraction", "list", `{"limit":1.5}`, []string{"limit: want a whole number that is not negative, got the number 1.5"}},
		{"largest", "list", `{"limit":18446744073709551615}`, nil},
		{"kinds", "kinds", `{"b":true,"i":-1,"f":1e3,"y":"AQI=","t":"2026-01-02T03:04:05.5Z","d":"E7dYEt4Dt9ryCMtHG1hu6eGm2AG43JguMetZyiCnzrco","j":[],"m":{"a":1}}`, nil},
		{"kinds wrong", "kinds", `{"b":1,"i":9223372036854775808,"f":"1","y":"?","t":"now","d":"me","m":{"a":"b"}}`, []string{
			"b: want true or false, got a number", "i: want a whole number that fits in 64 bits, got the number 9223372036854775808",
			"f: want a number, got a string", "y: want bytes in base64, got a string",
			"t: want a time such as 2006-01-02T15:04:05Z, got a string", "d: want an id: 32 bytes in base58, got a string", "j: missing", `m["a"]: want a whole number, got a string`,
		}},
		{"handler", "added", `{"title":"a"}`, nil},
		{"handler wrong", "added", `[]`, []string{"note: want an object (Note), got a list"}},
		{"none", "none", ``, nil},
		{"none null", "none", `null`, nil},
		{"none with some", "none", `{"a":1}`, []string{"a: there is no such argument"}},
		{"deep", "kinds", `{"b":true,"i":1,"f":1,"y":"","t":"2026-01-02T03:04:05Z","d":"E7dYEt4Dt9ryCMtHG1hu6eGm2AG43JguMetZyiCnzrco","j":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `,"m":{}}`, nil},
		{"deep typed", "added", strings.Repeat(`{"title":"a","sub":`, 100) + "null" + strings.Repeat("}", 100), []string{
			"note" + strings.Repeat(".sub", 64) + ".title: nested too deep",
			"note" + strings.Repeat(".sub", 65) + ": nested too deep",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := m.Method(test.method).CheckArgs([]byte(test.input))
			var args *manifest.ArgsError
			if errors.As(err, &args) != (test.want != nil) {
				t.Fatalf("got %v", err)
			}
			if args != nil {
				if diff := cmp.Diff(test.want, args.Problems); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"no object":           `[]`,
		"two":                 `{"abi":1} {}`,
		"too long":            `{"abi":1,"doc":"` + strings.Repeat("x", manifest.MaxSize) + `"}`,
		"another version":     `{"abi":2}`,
		"unknown type":        `{"abi":1,"methods":[{"name":"a","result":"list<X>"}]}`,
		"type too deep":       `{"abi":1,"methods":[{"name":"a","result":"` + strings.Repeat("?", 20) + `int"}]}`,
		"type like a word":    `{"abi":1,"types":{"int":{"fields":[]}}}`,
		"method twice":        `{"abi":1,"methods":[{"name":"a"},{"name":"a"}]}`,
		"argument twice":      `{"abi":1,"methods":[{"name":"a","args":[{"name":"x","type":"int"},{"name":"x","type":"int"}]}]}`,
		"null method":         `{"abi":1,"methods":[null]}`,
		"null argument":       `{"abi":1,"methods":[{"name":"a","args":[null]}]}`,
		"null type":           `{"abi":1,"types":{"A":null}}`,
		"null field":          `{"abi":1,"types":{"A":{"fields":[null]}}}`,
		"handler of two":      `{"abi":1,"methods":[{"name":"a","handler":true,"args":[{"name":"x","type":"int"},{"name":"y","type":"int"}]}]}`,
		"unknown kind":        `{"abi":1,"state":[{"name":"a","kind":"tree"}]}`,
		"state of no type":    `{"abi":1,"state":[{"name":"a","kind":"map","of":"X"}]}`,
		"collection no name":  `{"abi":1,"state":[{"kind":"map"}]}`,
		"state too deep":      `{"abi":1,"state":[` + strings.Repeat(`{"name":"a","kind":"object","fields":[`, 20) + strings.Repeat(`]}`, 20) + `]}`,
		"entries too deep":    `{"abi":1,"state":[{"name":"a","kind":"map"` + strings.Repeat(`,"each":{"kind":"map"`, 20) + strings.Repeat(`}`, 20) + `}]}`,
		"too many of methods": `{"abi":1,"methods":[` + strings.Repeat(`{},`, manifest.MaxMethods) + `{}]}`,
	} {
		if _, err := manifest.Parse([]byte(text)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := manifest.Parse([]byte(`{"abi":7}`)); !errors.Is(err, manifest.ErrVersion) {
		t.Errorf("a later version gives %v", err)
	}
}

// TestSection: what is embedded comes out, once, and the rest stays.
func TestSection(t *testing.T) {
	code := apptest.Minimal()
	if got, err := manifest.Extract(code); err != nil || got != nil {
		t.Fatalf("got %q, %v from a module without a description", got, err)
	}
	once, err := manifest.Embed(code, []byte("one"))
	if err != nil {
		t.Fatal(err)
	}
	twice, err := manifest.Embed(once, []byte(notes))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := manifest.Extract(twice); err != nil || string(got) != notes {
		t.Errorf("got %q, %v", got, err)
	}
	if len(twice)-len(once) != len(notes)-len("one")+1 { // the size takes a byte more
		t.Errorf("%d bytes became %d", len(once), len(twice))
	}
	for _, bad := range [][]byte{nil, []byte("#!/bin/sh\n"), once[:len(once)-1]} {
		if _, err := manifest.Extract(bad); err == nil {
			t.Errorf("%q is a module", bad)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(notes), []byte(`{"title":"a"}`))
	f.Add([]byte(`{"abi":1,"methods":[{"name":"a","args":[{"name":"x","type":"?list<map<json>>"}]}]}`), []byte(`[[{}]]`))
	f.Fuzz(func(t *testing.T, description, input []byte) {
		m, err := manifest.Parse(description)
		if err != nil {
			return
		}
		again, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := manifest.Parse(again); err != nil && len(again) <= manifest.MaxSize {
			t.Fatalf("%s: %v", again, err)
		}
		for _, method := range m.Methods {
			_ = method.CheckArgs(input)
		}
	})
}

func FuzzSection(f *testing.F) {
	code := apptest.Minimal()
	f.Add(code)
	f.Fuzz(func(t *testing.T, code []byte) {
		out, err := manifest.Embed(code, []byte("text"))
		if err != nil {
			return
		}
		if got, err := manifest.Extract(out); err != nil || string(got) != "text" {
			t.Fatalf("got %q, %v", got, err)
		}
	})
}
