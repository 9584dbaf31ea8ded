package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"mero/node/vm/meter"
)

// ABI is the version of the host interface that this package knows.
const ABI = 1

// Bounds of a description.
const (
	MaxSize    = meter.MaxDescription // bytes of JSON
	MaxMethods = 1000
	MaxTypes   = 1000
	MaxFields  = 1000 // arguments of a method, fields of a type, collections of a level
	MaxName    = 128  // bytes of a name
	MaxDepth   = 16   // of a type's word, and of the state
)

// What stands for the package and the version of an application that names none
// (http-api 4.3).
const (
	UnknownPackage = "unknown"
	UnknownVersion = "0.0.0"
)

// Manifest describes one application.
type Manifest struct {
	ABI     int              `json:"abi"`
	Name    string           `json:"name"`
	Doc     string           `json:"doc,omitempty"`
	Methods []*Method        `json:"methods"`
	Types   map[string]*Type `json:"types,omitempty"`
	State   []*Collection    `json:"state,omitempty"`
	Events  []string         `json:"events,omitempty"` // kinds
}

// Method is one exported function.
type Method struct {
	Name string `json:"name"`
	Doc  string `json:"doc,omitempty"`
	// Reads: it changes nothing, and what it tries to change is refused.
	Reads bool `json:"reads,omitempty"`
	// Init: it makes the first state, once, on the node that creates the context.
	Init bool `json:"init,omitempty"`
	// Handler: members' nodes run it for an event that names it (R20). Its input
	// is the event's data, which is its one argument itself.
	Handler bool   `json:"handler,omitempty"`
	Args    []*Arg `json:"args,omitempty"`
	// Result is the type of what it returns; empty: nothing.
	Result string `json:"result,omitempty"`

	types map[string]*Type
}

// Arg is an argument of a method: a field of the object that is its input. One
// of type ?T may be left out.
type Arg struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// Type is an object.
type Type struct {
	Doc    string   `json:"doc,omitempty"`
	Fields []*Field `json:"fields"`
}

// Field is a field of an object.
type Field struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Optional bool   `json:"optional,omitempty"` // may be left out
}

// Collection is a part of the state.
type Collection struct {
	Name string `json:"name,omitempty"` // empty: an entry of what it is in
	Doc  string `json:"doc,omitempty"`
	// Kind is register, map, set, counter, list, text, members, or object: a map
	// whose keys are Fields.
	Kind string `json:"kind"`
	// Once: what was written is never changed or removed (register, map).
	Once bool `json:"once,omitempty"`
	// Of is the type of the values; empty: it holds none, or other collections.
	Of string `json:"of,omitempty"`
	// Each is what every entry is, of a map, list or members of collections.
	Each *Collection `json:"each,omitempty"`
	// Fields are the collections in an object.
	Fields []*Collection `json:"fields,omitempty"`
}

// ErrVersion is what a description of a later interface gives.
var ErrVersion = errors.New("the description is of a host interface that this version does not know")

// Parse reads and checks a description. Fields that it does not know are passed
// over, for later versions.
func Parse(data []byte) (*Manifest, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("the description has %d bytes, more than %d", len(data), MaxSize)
	}
	m := &Manifest{}
	d := json.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(m); err != nil {
		return nil, fmt.Errorf("the description is not as it should be: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the description is not one JSON object")
	}
	if err := m.Validate(); err != nil {
		return nil, err
	}
	for _, method := range m.Methods {
		method.types = m.Types
	}
	return m, nil
}

// Method is the method of a name, or nil.
func (m *Manifest) Method(name string) *Method {
	for _, method := range m.Methods {
		if method.Name == name {
			return method
		}
	}
	return nil
}

// Validate checks names, bounds and references. An error names the place.
func (m *Manifest) Validate() error {
	switch {
	case m.ABI != ABI:
		return fmt.Errorf("%w: abi %d", ErrVersion, m.ABI)
	case len(m.Methods) > MaxMethods:
		return fmt.Errorf("the description has %d methods, more than %d", len(m.Methods), MaxMethods)
	case len(m.Types) > MaxTypes:
		return fmt.Errorf("the description has %d types, more than %d", len(m.Types), MaxTypes)
	case m.Name != "" && !isName(m.Name):
		return fmt.Errorf("the application's name %q is not a name", m.Name)
	}
	if err := m.checkTypes(); err != nil {
		return err
	}
	if err := m.checkMethods(); err != nil {
		return err
	}
	for _, event := range m.Events {
		if event == "" || len(event) > MaxName {
			return fmt.Errorf("%q cannot be an event", event)
		}
	}
	return m.checkState(m.State, 1)
}

func (m *Manifest) checkTypes() error {
	for name, t := range m.Types {
		if !isName(name) || isWord(name) || t == nil {
			return fmt.Errorf("type %q is not a name with fields", name)
		}
		if err := m.checkFields(t.Fields); err != nil {
			return fmt.Errorf("type %s: %w", name, err)
		}
	}
	return nil
}

func (m *Manifest) checkMethods() error {
	seen := map[string]bool{}
	for _, method := range m.Methods {
		if method == nil || !isName(method.Name) || seen[method.Name] {
			return errors.New("the description has a method twice, or one without a name")
		}
		seen[method.Name] = true
		if err := m.checkMethod(method); err != nil {
			return fmt.Errorf("method %s: %w", method.Name, err)
		}
	}
	return nil
}

func (m *Manifest) checkMethod(method *Method) error {
	fields := make([]*Field, len(method.Args))
	for i, a := range method.Args {
		if a == nil {
			return errors.New("an argument is null")
		}
		fields[i] = &Field{Name: a.Name, Type: a.Type}
	}
	if method.Handler && len(fields) > 1 {
		return errors.New("a handler has one argument, the event's data")
	}
	if err := m.checkFields(fields); err != nil {
		return err
	}
	if method.Result != "" {
		return m.checkType(method.Result)
	}
	return nil
}

func (m *Manifest) checkFields(fields []*Field) error {
	if len(fields) > MaxFields {
		return fmt.Errorf("%d fields, more than %d", len(fields), MaxFields)
	}
	seen := map[string]bool{}
	for _, f := range fields {
		if f == nil || f.Name == "" || len(f.Name) > MaxName || seen[f.Name] {
			return errors.New("a field comes twice, or has no name")
		}
		seen[f.Name] = true
		if err := m.checkType(f.Type); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	return nil
}

// checkType looks whether a word means a type.
func (m *Manifest) checkType(word string) error {
	inner := word
	for range MaxDepth {
		shape, next := split(inner)
		switch {
		case shape != 0:
			inner = next
			continue
		case isWord(inner) || m.Types[inner] != nil:
			return nil
		}
		return fmt.Errorf("there is no type %q", word)
	}
	return fmt.Errorf("type %.40q is nested deeper than %d", word, MaxDepth)
}

func (m *Manifest) checkState(level []*Collection, depth int) error {
	if len(level) > MaxFields || depth > MaxDepth {
		return errors.New("the state is too wide or too deep")
	}
	seen := map[string]bool{}
	for _, c := range level {
		if c == nil || !isName(c.Name) || seen[c.Name] {
			return errors.New("a collection comes twice, or has no name")
		}
		seen[c.Name] = true
		if err := m.checkCollection(c, depth); err != nil {
			return fmt.Errorf("%s: %w", c.Name, err)
		}
	}
	return nil
}

func (m *Manifest) checkCollection(c *Collection, depth int) error {
	switch c.Kind {
	case "register", "map", "set", "counter", "list", "text", "members", "object":
	default:
		return fmt.Errorf("there is no kind %q of collections", c.Kind)
	}
	if c.Of != "" {
		if err := m.checkType(c.Of); err != nil {
			return err
		}
	}
	if c.Each != nil {
		if depth >= MaxDepth {
			return errors.New("the state is too deep")
		}
		if err := m.checkCollection(c.Each, depth+1); err != nil {
			return err
		}
	}
	return m.checkState(c.Fields, depth+1)
}

// The shapes that a word may begin with.
const (
	optional = '?'
	list     = 'l'
	object   = 'm'
)

// split takes the outermost shape off a word; 0: there is none.
func split(word string) (shape byte, inner string) {
	if inner, ok := strings.CutPrefix(word, "?"); ok {
		return optional, inner
	}
	if inner, ok := strings.CutSuffix(word, ">"); ok {
		if inner, ok := strings.CutPrefix(inner, "list<"); ok {
			return list, inner
		}
		if inner, ok := strings.CutPrefix(inner, "map<"); ok {
			return object, inner
		}
	}
	return 0, word
}

func isWord(s string) bool {
	switch s {
	case "string", "bool", "int", "uint", "float", "bytes", "time", "id", "json":
		return true
	}
	return false
}

// isName: letters, digits, _ - . and not a digit first.
func isName(s string) bool {
	if s == "" || len(s) > MaxName || s[0] >= '0' && s[0] <= '9' {
		return false
	}
	for _, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-', c == '.':
		default:
			return false
		}
	}
	return true
}
