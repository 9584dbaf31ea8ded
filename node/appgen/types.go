package appgen

import (
	"go/ast"
	"go/types"
	"reflect"
	"strconv"
	"strings"
	"unicode"

	"mero/node/manifest"
)

// form is how a type is read and written.
type form int

const (
	text form = iota
	boolean
	signed
	unsigned
	float32s
	float64s
	blobs
	times
	raws
	ids
	lists
	objects
	optionals
	structs
	others // with encoding/json
)

// typ is a type of values.
type typ struct {
	form   form
	goType string // as it is written
	name   string // of structs: the application's
	word   string // in the description
	key    string // of objects: the type of the keys
	elem   *typ
	fields []*value // of structs
}

// value is a field of a struct of values.
type value struct {
	goName, name string
	omit         string // when it is written; "": always
	typ          *typ
}

func basics() map[string]typ {
	m := map[string]typ{
		"string": {form: text, word: "string"}, "bool": {form: boolean, word: "bool"},
		"float32": {form: float32s, word: "float"}, "float64": {form: float64s, word: "float"},
		"byte": {form: unsigned, word: "uint"}, "rune": {form: signed, word: "int"},
		"any": {form: others, word: "json"},
	}
	for _, size := range []string{"", "8", "16", "32", "64"} {
		m["int"+size] = typ{form: signed, word: "int"}
		m["uint"+size] = typ{form: unsigned, word: "uint"}
	}
	return m
}

// resolve finds out what a type is. What cannot be passed as JSON is reported.
func (g *generator) resolve(f *ast.File, expr ast.Expr) *typ {
	t := g.shapeOf(f, expr)
	g.mention(f, expr)
	t.goType = types.ExprString(expr)
	return t
}

// other is a type that encoding/json reads and writes.
func other() *typ { return &typ{form: others, word: "json"} }

func (g *generator) shapeOf(f *ast.File, expr ast.Expr) *typ {
	switch e := expr.(type) {
	case *ast.Ident:
		return g.identifier(e)
	case *ast.ParenExpr:
		return g.shapeOf(f, e.X)
	case *ast.StarExpr:
		elem := g.resolve(f, e.X)
		return &typ{form: optionals, elem: elem, word: "?" + strings.TrimPrefix(elem.word, "?")}
	case *ast.ArrayType:
		if id, ok := e.Elt.(*ast.Ident); ok && e.Len == nil && (id.Name == "byte" || id.Name == "uint8") {
			return &typ{form: blobs, word: "bytes"}
		}
		elem := g.resolve(f, e.Elt)
		if e.Len != nil {
			return &typ{form: others, word: "list<" + elem.word + ">"}
		}
		return &typ{form: lists, elem: elem, word: "list<" + elem.word + ">"}
	case *ast.MapType:
		key, elem := g.resolve(f, e.Key), g.resolve(f, e.Value)
		t := &typ{form: objects, key: key.goType, elem: elem, word: "map<" + elem.word + ">"}
		if key.form != text {
			t.form = others
		}
		return t
	case *ast.FuncType, *ast.ChanType, *ast.Ellipsis:
		g.report(expr.Pos(), "%s cannot be passed as JSON", types.ExprString(expr))
		return other()
	default:
		return g.foreign(f, expr)
	}
}

// foreign is a type of another package, or one without a name.
func (g *generator) foreign(f *ast.File, expr ast.Expr) *typ {
	name, _ := g.isSDK(f, expr)
	if _, ok := shapes()[name]; ok {
		g.report(expr.Pos(), "sdk.%s is a part of the state, not a value: it cannot be in other values, arguments or results", name)
		return other()
	}
	sel, ok := expr.(*ast.SelectorExpr)
	if !ok {
		return other()
	}
	switch g.pathOf(f, sel) + "." + sel.Sel.Name {
	case "time.Time":
		return &typ{form: times, word: "time"}
	case "encoding/json.RawMessage", sdkPath + ".JSON":
		return &typ{form: raws, word: "json"}
	case sdkPath + ".ID":
		return &typ{form: ids, word: "id"}
	case "context.Context":
		g.report(expr.Pos(), "a context.Context cannot be passed as JSON; a call has none")
	}
	return other()
}

// identifier is a basic type, or one of the application.
func (g *generator) identifier(id *ast.Ident) *typ {
	d := g.types[id.Name]
	if d == nil {
		if t, ok := basics()[id.Name]; ok {
			return &t
		}
		switch id.Name {
		case "complex64", "complex128", "uintptr", "error":
			g.report(id.Pos(), "%s cannot be passed as JSON", id.Name)
		}
		return other() // the compiler says what is wrong
	}
	switch {
	case d.methods["MarshalJSON"], d.methods["UnmarshalJSON"], d.spec.TypeParams != nil:
		return other()
	case d.methods["MarshalText"], d.methods["UnmarshalText"]:
		return &typ{form: others, word: "string"}
	}
	s, ok := d.spec.Type.(*ast.StructType)
	if !ok {
		if g.named[d.name] != nil {
			return other() // a type in itself that is no struct
		}
		g.named[d.name] = other()
		t := g.shapeOf(d.file, d.spec.Type)
		g.mention(d.file, d.spec.Type)
		delete(g.named, d.name)
		return under(d, t)
	}
	if g.hasCollections(d, map[string]bool{}) {
		g.report(id.Pos(), "%s has collections, so it is a part of the state, not a value: take MapOf, ListOf or a field for it", id.Name)
		return other()
	}
	return g.structType(d, s)
}

// under is a type that is declared by another one. Pointers and structs of other
// packages have no functions for it.
func under(d *declared, t *typ) *typ {
	if t.form == optionals || t.form == times || t.form == ids || t.form == structs {
		if d.spec.Assign.IsValid() { // type A = B
			return t
		}
		return &typ{form: others, word: t.word}
	}
	return t
}

// structType is a struct of the application.
func (g *generator) structType(d *declared, s *ast.StructType) *typ {
	ref := &typ{form: structs, name: d.name, word: d.name}
	if g.named[d.name] != nil {
		return ref
	}
	t := &typ{form: structs, name: d.name}
	g.named[d.name] = t
	described := &manifest.Type{Doc: docText(d.doc), Fields: []*manifest.Field{}}
	g.manifest.Types[d.name] = described
	for _, f := range s.Fields.List {
		if len(f.Names) == 0 {
			t.form = others // encoding/json spreads its fields
			continue
		}
		for _, id := range f.Names {
			v, ok := g.structField(d, f, id)
			if v != nil {
				t.fields = append(t.fields, v)
				described.Fields = append(described.Fields, &manifest.Field{Name: v.name, Type: v.typ.word, Optional: v.omit != ""})
			}
			if !ok {
				t.form = others // only encoding/json can do what the tag wants
			}
		}
	}
	g.order = append(g.order, d.name)
	return ref
}

// structField reads a field; nil: it is none of the JSON. Not ok: only
// encoding/json can do what its tag wants.
func (g *generator) structField(d *declared, f *ast.Field, id *ast.Ident) (v *value, ok bool) {
	tag := ""
	if f.Tag != nil {
		unquoted, _ := strconv.Unquote(f.Tag.Value)
		tag = reflect.StructTag(unquoted).Get("json")
	}
	if tag == "-" || !id.IsExported() {
		return nil, true
	}
	name, options, _ := strings.Cut(tag, ",")
	v = &value{goName: id.Name, name: name, typ: g.resolve(d.file, f.Type)}
	if !validName(name) {
		v.name = id.Name
	}
	ok = true
	for option := range strings.SplitSeq(options, ",") {
		switch option {
		case "":
		case "omitempty", "omitzero":
			if v.omit, ok = present(v.typ, "p."+id.Name, option == "omitzero"); !ok {
				v.omit = "unknown"
			}
		default:
			v.typ, ok = &typ{form: others, goType: v.typ.goType, word: "json"}, false
		}
	}
	return v, ok
}

// validName tells whether encoding/json takes a name from a tag.
func validName(name string) bool {
	for _, c := range name {
		if !strings.ContainsRune("!#$%&()*+-./:;<=>?@[]^_{|}~ ", c) && !unicode.IsLetter(c) && !unicode.IsDigit(c) {
			return false
		}
	}
	return name != ""
}

// present is the condition that a field is written on; zero: by omitzero.
func present(t *typ, field string, zero bool) (condition string, ok bool) {
	switch t.form {
	case text:
		return field + ` != ""`, true
	case boolean:
		return "bool(" + field + ")", true
	case signed, unsigned, float32s, float64s:
		return field + " != 0", true
	case blobs, raws, lists, objects:
		if zero {
			return field + " != nil", true
		}
		return "len(" + field + ") != 0", true
	case optionals:
		return field + " != nil", true
	case times, ids:
		if zero {
			return "!" + field + ".IsZero()", true
		}
		return "", true // encoding/json leaves no struct and no array out
	case structs:
		return "", !zero
	case others:
	}
	return "", false
}
