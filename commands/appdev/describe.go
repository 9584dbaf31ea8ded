package appdev

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"mero/node/manifest"
	"mero/node/sdk/examples"
	"mero/node/vm/meter"
)

// App is what an application tells of itself, for people and scripts.
type App struct {
	Methods []Method
	Types   []Type // that methods name, by name
}

// Method is a method; see manifest.Method.
type Method struct {
	Name    string          `json:"method"`
	Doc     string          `json:"doc,omitempty"`
	Args    []*manifest.Arg `json:"args,omitempty"`
	Result  string          `json:"result,omitempty"`
	Reads   bool            `json:"reads,omitempty"`
	Init    bool            `json:"init,omitempty"`
	Handler bool            `json:"handler,omitempty"`
}

// Type is an object that is passed; see manifest.Type.
type Type struct {
	Name   string            `json:"type"`
	Doc    string            `json:"doc,omitempty"`
	Fields []*manifest.Field `json:"fields"`
}

// Describe reads a binary: its description, else what its export table and an ABI
// manifest of Calimero's SDK say (wasm-abi 7).
func Describe(code []byte) (*App, error) {
	m, err := describe(code)
	if err != nil {
		return nil, err
	}
	return NewApp(m, nil), nil
}

// NewApp is a description in that form, nil if there is none, and methods of which
// it may say nothing.
func NewApp(m *manifest.Manifest, methods []string) *App {
	a := &App{}
	if m == nil {
		m = &manifest.Manifest{}
	}
	for _, x := range m.Methods {
		a.Methods = append(a.Methods, Method{x.Name, x.Doc, x.Args, x.Result, x.Reads, x.Init, x.Handler})
	}
	for _, name := range methods {
		if m.Method(name) == nil {
			a.Methods = append(a.Methods, Method{Name: name, Init: name == "init"})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.Types)) {
		a.Types = append(a.Types, Type{name, m.Types[name].Doc, m.Types[name].Fields})
	}
	return a
}

// Bare tells that nothing is known but names.
func (a *App) Bare() bool {
	return !slices.ContainsFunc(a.Methods, func(m Method) bool { return len(m.Args) > 0 || m.Result != "" || m.Doc != "" || m.Reads })
}

// Signature is the arguments in words: "title: string, tags: ?list<string>".
func (m Method) Signature() string {
	args := make([]string, len(m.Args))
	for i, a := range m.Args {
		args[i] = a.Name + ": " + a.Type
	}
	return strings.Join(args, ", ")
}

// Kind is what is special about the method, in words.
func (m Method) Kind() string {
	switch {
	case m.Init:
		return "init"
	case m.Handler:
		return "handler"
	case m.Reads:
		return "reads"
	}
	return ""
}

// Signature is the fields in words; those that may be left out have a question
// mark.
func (t Type) Signature() string {
	fields := make([]string, len(t.Fields))
	for i, f := range t.Fields {
		mark := ""
		if f.Optional {
			mark = "?"
		}
		fields[i] = f.Name + mark + ": " + f.Type
	}
	return "{" + strings.Join(fields, ", ") + "}"
}

// Example is the binary of an application that is part of this program.
func Example(name string) (code []byte, ok bool) {
	if name == "kv" {
		return examples.KV(), true
	}
	return nil, false
}

func describe(code []byte) (*manifest.Manifest, error) {
	module, err := meter.Check(code)
	if err != nil {
		return nil, fmt.Errorf("this is no application: %w", err)
	}
	m := &manifest.Manifest{ABI: manifest.ABI}
	if module.Description != nil {
		if m, err = manifest.Parse(module.Description); err != nil {
			return nil, err
		}
	}
	known := FromABI(module.ABI)
	for _, name := range slices.Sorted(maps.Keys(module.Exports)) {
		if strings.HasPrefix(name, "_") || !module.Exports[name].Empty() || m.Method(name) != nil {
			continue
		}
		if method := known[name]; method != nil {
			m.Methods = append(m.Methods, method)
		} else {
			m.Methods = append(m.Methods, &manifest.Method{Name: name, Init: name == "init"})
		}
	}
	return m, nil
}

// FromABI reads the methods of a manifest of Calimero's SDK by name; it is for
// people, so what it does not understand is json.
func FromABI(abi []byte) map[string]*manifest.Method {
	type param struct {
		Name     string
		Type     json.RawMessage
		Nullable bool
	}
	var doc struct {
		Methods []struct {
			Name            string
			Params          []param
			Returns         json.RawMessage
			ReturnsNullable bool `json:"returns_nullable"`
			Intent          string
		}
	}
	if len(abi) == 0 || json.Unmarshal(abi, &doc) != nil {
		return nil
	}
	methods := map[string]*manifest.Method{}
	for _, m := range doc.Methods {
		method := &manifest.Method{Name: m.Name, Init: m.Name == "init", Reads: m.Intent == "read_only"}
		for _, p := range m.Params {
			method.Args = append(method.Args, &manifest.Arg{Name: p.Name, Type: abiType(p.Type, p.Nullable, 0)})
		}
		if len(m.Returns) > 0 && string(m.Returns) != "null" {
			method.Result = abiType(m.Returns, m.ReturnsNullable, 0)
		}
		methods[m.Name] = method
	}
	return methods
}

// abiType is a type of such a manifest as a word.
func abiType(data []byte, nullable bool, depth int) string {
	var t struct {
		Ref   string `json:"$ref"`
		Kind  string
		Items json.RawMessage
		Value json.RawMessage
	}
	word := "json"
	if json.Unmarshal(data, &t) == nil && depth < manifest.MaxDepth {
		switch t.Kind {
		case "bool", "string", "bytes":
			word = t.Kind
		case "i32", "i64":
			word = "int"
		case "u32", "u64":
			word = "uint"
		case "f32", "f64":
			word = "float"
		case "list":
			word = "list<" + abiType(t.Items, false, depth+1) + ">"
		case "map":
			word = "map<" + abiType(t.Value, false, depth+1) + ">"
		case "":
			if t.Ref != "" {
				word = t.Ref
			}
		}
	}
	if nullable {
		word = "?" + word
	}
	return word
}
