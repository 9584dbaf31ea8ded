package manifest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"mero/node/ident"
)

// maxProblems bounds how many wrong fields an error names.
const maxProblems = 20

// maxNested is how deep a value may be nested: what the guest's reader takes.
const maxNested = 64

// ArgsError is wrong input of a method.
type ArgsError struct {
	Method string
	// Problems are in the order of the arguments, at most 20: "title: want a
	// string, got a number".
	Problems []string
}

func (e *ArgsError) Error() string {
	return "arguments of " + e.Method + ": " + strings.Join(e.Problems, "; ")
}

// CheckArgs looks whether input is what the method takes: an object of its
// arguments, or an array of them in the order of declaration; of a method
// without arguments also nothing or null. Any other error than nil is an
// *ArgsError that names every wrong field.
func (m *Method) CheckArgs(input []byte) error {
	c := &checker{types: m.types}
	v, err := decode(input)
	switch {
	case err != nil:
		c.report("", err.Error())
	case m.Handler:
		if len(m.Args) == 1 {
			c.value(m.Args[0].Name, m.Args[0].Type, v, 0)
		}
	default:
		m.checkAll(c, v)
	}
	if len(c.problems) == 0 {
		return nil
	}
	return &ArgsError{Method: m.Name, Problems: c.problems}
}

func (m *Method) checkAll(c *checker, v any) {
	switch v := v.(type) {
	case nil:
		if len(m.Args) > 0 {
			m.checkNamed(c, nil)
		}
	case map[string]any:
		m.checkNamed(c, v)
	case []any:
		if len(v) > len(m.Args) {
			c.report("", "want at most "+strconv.Itoa(len(m.Args))+" of them, got "+strconv.Itoa(len(v)))
			return
		}
		named := map[string]any{}
		for i, value := range v {
			named[m.Args[i].Name] = value
		}
		m.checkNamed(c, named)
	default:
		c.report("", "want an object of arguments, got "+nameOf(v))
	}
}

func (m *Method) checkNamed(c *checker, v map[string]any) {
	fields := make([]*Field, len(m.Args))
	for i, a := range m.Args {
		fields[i] = &Field{Name: a.Name, Type: a.Type}
	}
	c.fields("", fields, v, true, 0)
}

func decode(input []byte) (any, error) {
	if len(bytes.TrimSpace(input)) == 0 {
		return nil, nil //nolint:nilnil // JSON's null
	}
	d := json.NewDecoder(bytes.NewReader(input))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, errors.New("not JSON: " + err.Error())
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("not JSON: something follows the value")
	}
	return v, nil
}

// checker gathers what is wrong.
type checker struct {
	types    map[string]*Type
	problems []string
}

func (c *checker) report(at, what string) {
	switch {
	case len(c.problems) >= maxProblems:
	case at == "":
		c.problems = append(c.problems, what)
	default:
		c.problems = append(c.problems, at+": "+what)
	}
}

// fields checks an object. Arguments are known by name all; an object that is a
// value may have more fields than its type, since types grow.
func (c *checker) fields(at string, fields []*Field, v map[string]any, strict bool, depth int) {
	if at != "" {
		at += "."
	}
	known := map[string]bool{}
	for _, f := range fields {
		known[f.Name] = true
		value, ok := v[f.Name]
		shape, _ := split(f.Type)
		switch {
		case ok:
			if f.Optional && value == nil {
				continue
			}
			c.value(at+f.Name, f.Type, value, depth+1)
		case !f.Optional && shape != optional:
			c.report(at+f.Name, "missing")
		}
	}
	if !strict {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(v)) {
		if !known[name] {
			c.report(at+clip(name), "there is no such argument")
		}
	}
}

func (c *checker) value(at, word string, v any, depth int) {
	if depth > maxNested {
		c.report(at, "nested too deep")
		return
	}
	shape, inner := split(word)
	switch shape {
	case optional:
		if v != nil {
			c.value(at, inner, v, depth)
		}
	case list:
		items, ok := v.([]any)
		if !ok {
			c.report(at, "want a list, got "+nameOf(v))
		}
		for i, item := range items {
			c.value(at+"["+strconv.Itoa(i)+"]", inner, item, depth+1)
		}
	case object:
		entries, ok := v.(map[string]any)
		if !ok {
			c.report(at, "want an object, got "+nameOf(v))
		}
		for _, key := range slices.Sorted(maps.Keys(entries)) {
			c.value(at+"["+strconv.Quote(clip(key))+"]", inner, entries[key], depth+1)
		}
	default:
		c.plain(at, word, v, depth)
	}
}

func (c *checker) plain(at, word string, v any, depth int) {
	if t := c.types[word]; t != nil {
		if entries, ok := v.(map[string]any); ok {
			c.fields(at, t.Fields, entries, false, depth)
		} else {
			c.report(at, "want an object ("+word+"), got "+nameOf(v))
		}
		return
	}
	if problem := basic(word, v); problem != "" {
		c.report(at, problem)
	}
}

// basic checks a value of a type that is one word of ours.
func basic(word string, v any) (problem string) {
	var ok bool
	var want string
	switch v := v.(type) {
	case string:
		ok, want = ofText(word, v)
	case json.Number:
		ok, want = ofNumber(word, v.String())
	case bool:
		ok, want = word == "bool", wants(word)
	default:
		ok, want = false, wants(word)
	}
	if ok || word == "json" {
		return ""
	}
	return "want " + want + ", got " + nameOf(v)
}

func ofText(word, text string) (ok bool, want string) {
	var err error
	switch word {
	case "string":
	case "bytes":
		_, err = base64.StdEncoding.DecodeString(text)
	case "time":
		_, err = time.Parse(time.RFC3339, text)
	case "id":
		_, err = ident.ParsePublicKey(text)
	default:
		return false, wants(word)
	}
	return err == nil, wants(word)
}

func ofNumber(word, text string) (ok bool, want string) {
	var err error
	switch word {
	case "int":
		_, err = strconv.ParseInt(text, 10, 64)
	case "uint":
		_, err = strconv.ParseUint(text, 10, 64)
	case "float":
		_, err = strconv.ParseFloat(text, 64)
	default:
		return false, wants(word)
	}
	if errors.Is(err, strconv.ErrRange) {
		return false, wants(word) + " that fits in 64 bits"
	}
	return err == nil, wants(word)
}

// wants says a word of ours for people.
func wants(word string) string {
	switch word {
	case "bool":
		return "true or false"
	case "bytes":
		return "bytes in base64"
	case "time":
		return "a time such as 2006-01-02T15:04:05Z"
	case "id":
		return "an id: 32 bytes in base58"
	case "int":
		return "a whole number"
	case "uint":
		return "a whole number that is not negative"
	case "float":
		return "a number"
	default:
		return "a " + word
	}
}

// nameOf is what a value is, for people.
func nameOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "true or false"
	case string:
		if v == "" {
			return "an empty string"
		}
		return "a string"
	case json.Number:
		if strings.ContainsAny(v.String(), "-.eE") || len(v) > 18 {
			return "the number " + clip(v.String())
		}
		return "a number"
	case []any:
		return "a list"
	default:
		return "an object"
	}
}

// clip shortens what somebody else chose.
func clip(s string) string {
	if len(s) > 60 {
		return strings.ToValidUTF8(s[:60], "") + "…"
	}
	return s
}
