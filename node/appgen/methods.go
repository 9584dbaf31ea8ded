package appgen

import (
	"go/ast"
	"strings"

	"mero/node/manifest"
	"mero/node/sdk/names"
)

// call is a method that is exported.
type call struct {
	goName, export string
	params         []*param
	result         *typ // nil: none
	fails          bool // it returns an error
	handler        bool
}

// param is a parameter of a method.
type param struct {
	name string // in JSON
	typ  *typ
}

// readMethods reads the exported methods of the state.
func (g *generator) readMethods() {
	seen := map[string]string{}
	for _, m := range g.methods {
		words := g.directives(m.decl.Doc)
		if m.on != g.state.name || !m.decl.Name.IsExported() {
			for _, word := range words {
				g.report(m.decl.Pos(), "//mero:%s is for exported methods of %s", word, g.state.name)
			}
			continue
		}
		c := g.readMethod(m, words)
		if other := seen[c.export]; other != "" {
			g.report(m.decl.Pos(), "methods %s and %s are both called %s from outside", other, c.goName, c.export)
		}
		seen[c.export] = c.goName
		g.calls = append(g.calls, c)
	}
	g.checkHandlers()
	if seen["init"] == "" {
		g.calls = append(g.calls, &call{export: "init"})
		g.manifest.Methods = append(g.manifest.Methods, &manifest.Method{Name: "init", Init: true})
	}
}

func (g *generator) readMethod(m *method, words []string) *call {
	d := m.decl
	c := &call{goName: d.Name.Name, export: names.Snake(d.Name.Name)}
	described := &manifest.Method{Name: c.export, Doc: docText(d.Doc), Init: c.goName == "Init"}
	for _, word := range words {
		switch word {
		case "reads":
			described.Reads = true
		case "handler":
			described.Handler, c.handler = true, true
		default:
			g.report(d.Pos(), "there is no directive //mero:%s, only reads and handler", word)
		}
	}
	if described.Init && (described.Reads || described.Handler) {
		g.report(d.Pos(), "Init makes the first state: it neither reads alone nor handles events")
	}
	for _, p := range d.Type.Params.List {
		g.readParam(m, p, c)
	}
	for _, p := range c.params {
		described.Args = append(described.Args, &manifest.Arg{Name: p.name, Type: p.typ.word})
	}
	g.readResults(m, c)
	if c.result != nil {
		described.Result = c.result.word
		if described.Init {
			g.report(d.Type.Results.Pos(), "Init returns nothing or an error: nobody gets a value from it")
		}
	}
	g.manifest.Methods = append(g.manifest.Methods, described)
	return c
}

func (g *generator) readParam(m *method, p *ast.Field, c *call) {
	const most = 64
	if len(p.Names) == 0 {
		g.report(p.Pos(), "a parameter of %s has no name: arguments are passed by name", c.goName)
	}
	for _, id := range p.Names {
		name := names.Snake(id.Name)
		switch {
		case id.Name == "_":
			g.report(id.Pos(), "a parameter of %s has no name: arguments are passed by name", c.goName)
		case len(c.params) == most:
			g.report(id.Pos(), "%s has more than %d parameters: take a struct", c.goName, most)
		}
		for _, other := range c.params {
			if other.name == name {
				g.report(id.Pos(), "two parameters of %s are called %s from outside", c.goName, name)
			}
		}
		c.params = append(c.params, &param{name, g.resolve(m.file, p.Type)})
	}
}

func (g *generator) readResults(m *method, c *call) {
	if m.decl.Type.Results.NumFields() == 0 {
		return
	}
	var results []ast.Expr
	for _, r := range m.decl.Type.Results.List {
		for range max(1, len(r.Names)) {
			results = append(results, r.Type)
		}
	}
	if last, ok := results[len(results)-1].(*ast.Ident); ok && last.Name == "error" {
		c.fails = true
		results = results[:len(results)-1]
	}
	switch len(results) {
	case 0:
	case 1:
		c.result = g.resolve(m.file, results[0])
	default:
		g.report(m.decl.Type.Results.Pos(), "%s returns more than a value and an error: return a struct", c.goName)
	}
}

// checkHandlers looks whether handlers and events fit. A handler is found by its
// name, so that `go test` finds it too.
func (g *generator) checkHandlers() {
	events := map[string]*field{}
	for _, f := range g.state.fields {
		if f.coll.sdk == "Event" {
			events["On"+f.name] = f
		}
	}
	for _, m := range g.methods {
		if m.on != g.state.name {
			continue
		}
		i := 0
		for i < len(g.calls) && g.calls[i].goName != m.decl.Name.Name {
			i++
		}
		if i == len(g.calls) {
			continue
		}
		c, event := g.calls[i], events[m.decl.Name.Name]
		switch {
		case c.handler && event == nil:
			g.report(m.decl.Pos(), "%s handles no event: name it On…, after a field of type sdk.Event of %s", c.goName, g.state.name)
		case !c.handler && event != nil:
			g.report(m.decl.Pos(), "%s has the name of a handler of the event %s: say //mero:handler, or name it otherwise", c.goName, event.name)
		case c.handler:
			g.checkHandler(m, c, event)
		}
	}
}

func (g *generator) checkHandler(m *method, c *call, event *field) {
	switch want := event.coll.value; {
	case len(c.params) > 1, c.result != nil:
		g.report(m.decl.Pos(), "%s takes the event's data alone, and returns nothing or an error", c.goName)
	case len(c.params) == 1 && want != nil && strings.TrimSpace(c.params[0].typ.goType) != want.goType:
		g.report(m.decl.Pos(), "%s takes %s, and the event %s has %s", c.goName, c.params[0].typ.goType, event.name, want.goType)
	}
}
