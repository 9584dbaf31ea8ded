package appgen

import (
	"go/ast"
	"go/types"
	"reflect"
	"strconv"
	"strings"

	"mero/node/manifest"
	"mero/node/sdk/names"
)

// field is a field of a struct of collections.
type field struct {
	name string // in Go
	key  string // in the state
	doc  string
	coll *collection
	pos  ast.Node
}

// collection is what a field, or an entry of a collection, is.
type collection struct {
	sdk    string // the name in package sdk; "": a struct
	goType string
	value  *typ        // of the values
	each   *collection // of the entries
	object *declared   // the struct
}

// shape says what a type of package sdk holds.
type shape struct {
	kind  string // in the description; "": it is no collection
	once  bool
	value bool // values, of its type argument
	each  bool // collections, of its type argument
}

func shapes() map[string]shape {
	return map[string]shape{
		"Value": {kind: "register", value: true}, "Once": {kind: "register", once: true, value: true},
		"Map": {kind: "map", value: true}, "OnceMap": {kind: "map", once: true, value: true},
		"List": {kind: "list", value: true}, "Set": {kind: "set"}, "Counter": {kind: "counter"}, "Text": {kind: "text"},
		"MapOf": {kind: "map", each: true}, "ListOf": {kind: "list", each: true}, "Members": {kind: "members", each: true},
		"Event": {value: true}, "Private": {value: true},
	}
}

// readFields reads a type as a struct of collections, if it is one.
func (g *generator) readFields(t *declared) {
	s, ok := t.spec.Type.(*ast.StructType)
	if !ok || t.fields != nil || !g.hasCollections(t, map[string]bool{}) {
		return
	}
	t.fields = []*field{}
	if t.spec.TypeParams != nil {
		g.report(t.spec.Pos(), "%s has collections and type parameters, which does not work: write it out", t.name)
		return
	}
	for _, f := range s.Fields.List {
		if len(f.Names) == 0 {
			g.report(f.Pos(), "%s embeds a type: give the field a name", t.name)
			continue
		}
		tag := ""
		if f.Tag != nil {
			text, _ := strconv.Unquote(f.Tag.Value)
			tag = reflect.StructTag(text).Get("mero")
		}
		for _, id := range f.Names {
			g.readField(t, f, id, tag)
		}
	}
	seen := map[string]string{}
	for _, f := range t.fields {
		if other := seen[f.key]; other != "" {
			g.report(f.pos.Pos(), "fields %s and %s of %s are both %q in the state", other, f.name, t.name, f.key)
		}
		seen[f.key] = f.name
		if f.key == "" || len(f.key) > 64 {
			g.report(f.pos.Pos(), "the name %q of field %s is not 1 to 64 bytes long", f.key, f.name)
		}
	}
}

func (g *generator) readField(t *declared, f *ast.Field, id *ast.Ident, tag string) {
	c := g.collectionOf(t.file, f.Type)
	switch {
	case c == nil:
		g.report(id.Pos(), "field %s of %s is no collection of package sdk, so it would be forgotten after each call: make it sdk.Value[%s], or the like", id.Name, t.name, types.ExprString(f.Type))
		return
	case !id.IsExported():
		g.report(id.Pos(), "field %s of %s must be exported: begin it with a capital letter", id.Name, t.name)
		return
	}
	doc := f.Doc
	if doc == nil {
		doc = f.Comment
	}
	t.fields = append(t.fields, &field{id.Name, names.Field(id.Name, tag), docText(doc), c, id})
}

// hasCollections tells whether a struct holds collections, directly or in a
// struct in it.
func (g *generator) hasCollections(t *declared, seen map[string]bool) bool {
	s, ok := t.spec.Type.(*ast.StructType)
	if !ok || seen[t.name] {
		return false
	}
	seen[t.name] = true
	for _, f := range s.Fields.List {
		if name, _ := g.isSDK(t.file, f.Type); name != "" {
			if _, ok := shapes()[name]; ok {
				return true
			}
		}
		if id, ok := f.Type.(*ast.Ident); ok && g.types[id.Name] != nil && g.hasCollections(g.types[id.Name], seen) {
			return true
		}
	}
	return false
}

// collectionOf is the collection that a type is, or nil.
func (g *generator) collectionOf(f *ast.File, expr ast.Expr) *collection {
	if id, ok := expr.(*ast.Ident); ok {
		t := g.types[id.Name]
		if t == nil || !g.hasCollections(t, map[string]bool{}) {
			return nil
		}
		t.used = true
		g.readFields(t)
		return &collection{goType: id.Name, object: t}
	}
	name, args := g.isSDK(f, expr)
	shape, ok := shapes()[name]
	if !ok {
		return nil
	}
	c := &collection{sdk: name, goType: types.ExprString(expr)}
	if (shape.value || shape.each) != (len(args) == 1) {
		g.report(expr.Pos(), "sdk.%s wants %s", name, map[bool]string{true: "the type that it holds in brackets: sdk." + name + "[string], say", false: "no type in brackets"}[shape.value || shape.each])
		return c
	}
	g.mention(f, expr)
	switch {
	case shape.value:
		c.value = g.resolve(f, args[0])
	case shape.each:
		if c.each = g.collectionOf(f, args[0]); c.each == nil || shapes()[c.each.sdk].kind == "" && c.each.object == nil {
			g.report(args[0].Pos(), "sdk.%s holds collections, or structs of them, and %s is none: take sdk.%s for values", name, types.ExprString(args[0]), plainOf(name))
		}
	}
	return c
}

// plainOf is the collection of values for one of collections.
func plainOf(name string) string {
	if name == "Members" {
		return "Members[sdk.Value[…]]"
	}
	return strings.TrimSuffix(name, "Of")
}

// describeFields is a struct of collections in the description.
func (g *generator) describeFields(t *declared, depth int) []*manifest.Collection {
	if depth > manifest.MaxDepth/2 {
		g.report(t.spec.Pos(), "collections in %s are nested deeper than the host takes, or in themselves", t.name)
		return nil
	}
	var list []*manifest.Collection
	for _, f := range t.fields {
		if f.coll.sdk != "" && shapes()[f.coll.sdk].kind == "" {
			if t != g.state {
				g.report(f.pos.Pos(), "sdk.%s can only be a field of the state struct itself", f.coll.sdk)
			}
			if f.coll.sdk == "Event" {
				g.manifest.Events = append(g.manifest.Events, f.key)
			}
			continue
		}
		c := g.describe(f.coll, depth)
		c.Name, c.Doc = f.key, f.doc
		list = append(list, c)
	}
	return list
}

func (g *generator) describe(c *collection, depth int) *manifest.Collection {
	if c.object != nil {
		return &manifest.Collection{Kind: "object", Fields: g.describeFields(c.object, depth+1)}
	}
	s := shapes()[c.sdk]
	d := &manifest.Collection{Kind: s.kind, Once: s.once}
	if c.value != nil {
		d.Of = c.value.word
	}
	if c.each != nil && depth <= manifest.MaxDepth/2 {
		d.Each = g.describe(c.each, depth+1)
	}
	return d
}
